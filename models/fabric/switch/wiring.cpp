#include "fabric/switch/wiring.h"

#include "fabric/stream/clocked.h"
#include "regs/switch.hpp"

namespace rdu::fabric {
namespace {

/// Places for packets or words of a stream.
struct Depths {
  uint64_t unit;
  uint64_t switches;
};

void connect(const Leg& leg, OutputPort& output, InputPort& (Unit::*input)(unsigned, unsigned), Depths depths,
             const FabricParams& params, const std::map<uint32_t, std::unique_ptr<Unit>>& units) {
  // Without places in the switches a packet leaves its source only when there is one at every consumer.
  if (depths.switches != 0) {
    for (const Leg::Fork& fork : leg.forks)
      output.add_fork(fork.parent, fork.hops * params.hop_cycles, fork.hops * depths.switches);
  }
  for (const LegEnd& end : leg.ends) {
    const uint64_t places = (end.is_unit ? depths.unit : depths.switches) + (end.hops - 1) * depths.switches;
    output.connect((units.at(end.unit).get()->*input)(end.port, end.flow), end.hops * params.hop_cycles,
                   leg.single_credit ? 1 : places, depths.switches != 0 ? end.fork : -1);
  }
  if (!leg.single_credit) output.set_interval(leg.interval);
}

}  // namespace

std::unique_ptr<ClockedUnit> make_clocked_switch(Context& context, uint32_t id, Fidelity fidelity,
                                                 const std::string& tile,
                                                 const std::map<uint32_t, ConfigWords>& words) {
  const auto found = words.find(id);
  const ConfigWords own =
      found != words.end() ? found->second : ConfigWords::reset_of<regs::switch_::Registers>();
  const FabricParams& params = context.params;
  auto model = make_pins(fidelity, {tile, id, params, nullptr});
  return std::make_unique<ClockedUnit>(context, id, std::move(model), own, params.switch_depth,
                                       params.scalar_depth);
}

std::vector<ConnectedLeg> connect(const Routes& routes, const FabricParams& params,
                                  const std::map<uint32_t, std::unique_ptr<Unit>>& units) {
  std::vector<ConnectedLeg> connected;
  for (const Leg& leg : routes.packets) {
    OutputPort& output = units.at(leg.unit)->packet_output(leg.port, leg.flow);
    connect(leg, output, &Unit::packet_input, {params.fifo_depth, params.switch_depth}, params, units);
    connected.push_back({&output, leg.steps});
  }
  for (const Leg& leg : routes.scalars) {
    OutputPort& output = units.at(leg.unit)->scalar_output(leg.port, leg.flow);
    connect(leg, output, &Unit::scalar_input, {params.scalar_depth, params.scalar_depth}, params, units);
    connected.push_back({&output, leg.steps});
  }
  for (const Leg& leg : routes.tokens) {
    TokenOutput& output = units.at(leg.unit)->token_output(leg.port);
    for (const LegEnd& end : leg.ends)
      output.connect(units.at(end.unit)->token_input(end.port), end.hops * params.hop_cycles);
    connected.push_back({nullptr, leg.steps});
  }
  return connected;
}

}  // namespace rdu::fabric
