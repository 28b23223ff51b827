#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fabric/params.h"
#include "fabric/stream/pins.h"

namespace rdu::fabric {

class Scratchpad;

/// How a unit is modelled. Results are the same; times are, too, as far as a unit's page says so.
enum class Fidelity : uint8_t {
  fast,   ///< bursts, in closed formulas
  cycle,  ///< clock by clock, in C++
  rtl,    ///< its Verilog
};
const char* to_string(Fidelity fidelity);

/// Which unit of a tile has which fidelity: FabricParams::fidelity for all, FabricParams::fidelity_of for
/// some.
class FidelityMap {
 public:
  /// Throws bad_input for a pattern that is none, that fits no unit of a tile of this shape, or that asks for
  /// what a kind of unit does not have, or not for these numbers.
  explicit FidelityMap(const FabricParams& params);

  Fidelity of(uint32_t unit) const;

 private:
  /// "pmu[*][2]=cycle"
  struct Rule {
    unsigned kind;
    int row;     ///< -1: any
    int column;  ///< -1: any
    Fidelity fidelity;
  };
  static Rule parse(const std::string& text, const FabricParams& params);

  Fidelity all_ = Fidelity::fast;
  std::vector<Rule> rules_;  ///< later ones win
};

/// Verilated units: made by who links them, so that the models do not depend on them. A maker is empty if its
/// unit was not built in. What checks throws bad_input if the Verilog was built for other numbers than
/// `params` has.
struct RtlUnits {
  std::function<std::unique_ptr<PinModel>(const FabricParams& params)> pcu;
  std::function<std::unique_ptr<PinModel>(const FabricParams& params, Scratchpad& memory)> pmu;
  std::function<std::unique_ptr<PinModel>(const FabricParams& params, unsigned row, unsigned column)> switch_;
  std::function<void(const FabricParams& params)> check_pcu;
  std::function<void(const FabricParams& params)> check_pmu;
  std::function<void(const FabricParams& params)> check_switch;
};
/// Of this process; set before the first tile is made.
RtlUnits& rtl_units();

}  // namespace rdu::fabric
