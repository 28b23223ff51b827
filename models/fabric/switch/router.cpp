#include "fabric/switch/router.h"

#include <fmt/format.h>

#include "fabric/stream/unit.h"
#include "fabric/switch/network.h"
#include "fabric/switch/wait_graph.h"

namespace rdu::fabric {
namespace {

/// Refuses programs in which packets that share a queue may wait for each other.
void check_waiting(const std::vector<const Network*>& networks, const Network& packets,
                   const std::map<uint32_t, PortUse>& uses) {
  const std::vector<Network::Shared> shared = packets.shared();
  if (shared.empty()) return;
  WaitGraph graph;
  std::map<std::pair<const Network*, size_t>, size_t> numbers;
  // Inputs of a unit have numbers of their own in each network.
  constexpr unsigned kPortsOfNetwork = 64;
  unsigned base = 0;
  for (const Network* network : networks) {
    for (size_t s = 0; s < network->streams().size(); ++s) {
      const Network::Stream& stream = network->streams()[s];
      WaitGraph::Stream node;
      node.name = unit_name(stream.source);
      if (uses.at(stream.source).outputs.size() > 1) node.name += fmt::format(" output {}", stream.use->port);
      node.sender = {stream.source, stream.use->part};
      node.is_token = network == networks.back();
      for (const Network::End& end : stream.ends) {
        node.ends.push_back(
            {{end.unit, end.part}, base + end.port, network->joins(end.switch_unit, end.out)});
      }
      numbers[{network, s}] = graph.add(std::move(node));
    }
    base += kPortsOfNetwork;
  }
  std::vector<uint32_t> switches;  // by pair
  for (const Network::Shared& queue : shared) {
    for (size_t i = 1; i < queue.streams.size(); ++i) {
      graph.share(numbers.at({&packets, queue.streams[0]}), numbers.at({&packets, queue.streams[i]}));
      switches.push_back(queue.switch_unit);
    }
  }
  size_t pair = 0;
  const std::vector<std::string> circle = graph.circle(&pair);
  if (circle.empty()) return;
  std::string text;
  for (const std::string& name : circle) text += name + " -> ";
  throw BadRoute(switches[pair],
                 fmt::format("{}: streams may wait for each other in a circle, for places, for "
                             "packets and in the queue that the first and the last share: {}{}",
                             unit_name(switches[pair]), text, circle.front()));
}

}  // namespace

Routes find_routes(const FabricParams& params, const std::map<uint32_t, ConfigWords>& words,
                   const std::map<uint32_t, PortUse>& uses, const std::set<uint32_t>& on_pins) {
  Network packets(NetworkShape::packets(params), params, words, uses, on_pins);
  Network scalars(NetworkShape::scalars(), params, words, uses, on_pins);
  Network tokens(NetworkShape::tokens(), params, words, uses, on_pins);
  check_waiting({&packets, &scalars, &tokens}, packets, uses);
  Routes routes;
  for (const Network* network : {&packets, &scalars, &tokens}) {
    for (const Network::Stream& stream : network->streams()) {
      for (const Network::End& end : stream.ends)
        routes.links.push_back({stream.source, stream.use->part, end.unit, end.part});
    }
  }
  routes.packets = packets.cut(routes.clocked);
  routes.scalars = scalars.cut(routes.clocked);
  routes.tokens = tokens.cut(routes.clocked);
  return routes;
}

}  // namespace rdu::fabric
