#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "fabric/fidelity.h"
#include "fabric/stream/clocked.h"
#include "fabric/stream/port.h"
#include "fabric/switch/router.h"

namespace rdu::fabric {

/// A leg that has been connected, for the counters of the switches that it passes.
struct ConnectedLeg {
  const OutputPort* output;  ///< null: tokens, which nobody counts
  std::vector<Leg::Step> steps;
};

/// A switch one clock at a time as a unit of the graph: its cycle model or, at fidelity `rtl`, its Verilog.
/// `words` holds those of the configured switches; dynamic packets pass others, too.
std::unique_ptr<ClockedUnit> make_clocked_switch(Context& context, uint32_t id, Fidelity fidelity,
                                                 const std::string& tile,
                                                 const std::map<uint32_t, ConfigWords>& words);

/// Connects the ports of `units` as the routes say; clocked switches are among them.
std::vector<ConnectedLeg> connect(const Routes& routes, const FabricParams& params,
                                  const std::map<uint32_t, std::unique_ptr<Unit>>& units);

}  // namespace rdu::fabric
