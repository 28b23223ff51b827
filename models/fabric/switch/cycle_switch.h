#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "fabric/params.h"
#include "fabric/stream/pins.h"
#include "fabric/switch/crossbar.h"

namespace rdu::fabric {

/// A switch one clock at a time, as switch/README.md specifies it: what stands in the graph where streams
/// share channels, join or are routed by their destinations.
class CycleSwitch : public PinModel {
 public:
  /// `row`, `column`: its own place.
  CycleSwitch(const FabricParams& params, unsigned row, unsigned column);

  const PinCounts& pins() const override { return pins_; }
  void reset() override;
  void configure(const ConfigWords& words) override;
  void start(const PinCredits& credits, PinOutputs& out) override;
  void tick(const PinInputs& in, PinOutputs& out) override;

 private:
  /// A unit's output that has one credit at a time.
  struct Throttle {
    unsigned interval = 0;
    unsigned hold = 0;  ///< cycles before the next credit
    bool given = true;  ///< the unit has a credit
    uint64_t room = 0;  ///< places that nobody has been promised
    unsigned flow = 0;
  };
  Crossbar::Way way(unsigned port, uint64_t head) const;
  void take(const PinInputs& in);
  void show(PinOutputs& out);

  const PinCounts pins_;
  const uint64_t depth_;
  const unsigned row_;
  const unsigned column_;
  Crossbar packets_;
  Crossbar scalars_;
  std::vector<Crossbar::Way> routes_;         ///< port * flows + flow id
  std::vector<Crossbar::Way> scalar_routes_;  ///< likewise
  std::vector<uint32_t> control_;             ///< by input wire: output wires
  std::vector<Throttle> throttles_;           ///< by unit input port - 16
  uint32_t tokens_ = 0;                       ///< register of the output wires
};

}  // namespace rdu::fabric
