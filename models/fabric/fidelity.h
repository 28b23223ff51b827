#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fabric/params.h"
#include "fabric/stream/pins.h"

namespace rdu::fabric {

class Scratchpad;

/// How a unit is modelled. Results are the same; times are, too, as far as a unit's page says so.
enum class Fidelity : uint8_t {
  fast,    ///< bursts, in closed formulas
  cycle,   ///< clock by clock, in C++
  rtl,     ///< its Verilog
  shadow,  ///< clock by clock, in C++, with its Verilog beside it: outputs are compared
};
const char* to_string(Fidelity fidelity);

/// Which unit of a tile has which fidelity: FabricParams::fidelity for all, FabricParams::fidelity_of for
/// some.
class FidelityMap {
 public:
  /// Throws bad_input for a pattern that is none, that fits no unit of a tile of this shape, or that asks for
  /// what a kind of unit does not have, or not for these numbers.
  explicit FidelityMap(const FabricParams& params);

  /// An AGCU has no Verilog: where all is rtl, it is modelled clock by clock.
  Fidelity of(uint32_t unit) const;

 private:
  /// "pmu[*][2]=cycle"
  struct Rule {
    unsigned kind;
    int row;     ///< -1: any
    int column;  ///< or side; -1: any
    Fidelity fidelity;
  };
  static Rule parse(const std::string& text, const FabricParams& params);

  Fidelity chosen(uint32_t unit) const;

  Fidelity all_ = Fidelity::fast;
  bool shadow_ = false;      ///< units that would be their Verilog alone have it as a shadow
  std::vector<Rule> rules_;  ///< later ones win
};

/// A unit on pins, and where it stands.
struct PinSite {
  std::string tile;  ///< hierarchical name
  uint32_t unit;
  const FabricParams& params;
  Scratchpad* memory;  ///< of a PMU
};
using PinMaker = std::function<std::unique_ptr<PinModel>(const PinSite& site)>;

/// Verilated units: made by who links them, so that the models do not depend on them.
struct RtlUnits {
  struct Kind {
    PinMaker make;
    /// Throws bad_input if the Verilog was built for other numbers than `params` has.
    std::function<void(const FabricParams& params)> check;
  };
  std::map<unsigned, Kind> kinds;  ///< by RDU_UNIT_PCU, ...; none for what was not built in
  PinMaker shadow;                 ///< a unit's model with its Verilog as a shadow
};
/// Of this process; set before the first tile is made.
RtlUnits& rtl_units();

/// A unit clock by clock; a fast one (a switch in which streams meet) is its cycle model. FidelityMap has
/// checked that it can be had.
std::unique_ptr<PinModel> make_pins(Fidelity fidelity, const PinSite& site);

/// The numbers of a tile that a kind of unit (RDU_UNIT_PCU, ...) depends on.
struct Number {
  const char* name;
  uint64_t FabricParams::*value;
};
const std::vector<Number>& numbers_of(unsigned kind);

}  // namespace rdu::fabric
