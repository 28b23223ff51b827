#include "fabric/switch/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "fabric/stream/unit.h"
#include "regs/switch.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::switch_;

enum Side : unsigned { north, east, south, west };
constexpr const char* kSides[] = {"north", "east", "south", "west"};
constexpr const char* kKinds[] = {"PCU", "PMU", "AGCU"};
constexpr unsigned kPcu = 0, kPmu = 1, kAgcu = 2;

template <class Use>
void for_each_bit(uint32_t mask, Use use) {
  for (; mask != 0; mask &= mask - 1) use(static_cast<unsigned>(__builtin_ctz(mask)));
}

/// Index in NetworkShape::from and to.
unsigned kind_of(uint32_t unit) {
  return RDU_UNIT_KIND(unit) == RDU_UNIT_PCU ? kPcu : RDU_UNIT_KIND(unit) == RDU_UNIT_PMU ? kPmu : kAgcu;
}

const std::vector<PortUse::Output>& outputs_of(const PortUse& use, NetworkShape::Kind kind) {
  switch (kind) {
    case NetworkShape::Kind::packets:
      return use.outputs;
    case NetworkShape::Kind::scalars:
      return use.scalar_outputs;
    default:
      return use.token_outputs;
  }
}
const std::vector<PortUse::Input>& inputs_of(const PortUse& use, NetworkShape::Kind kind) {
  switch (kind) {
    case NetworkShape::Kind::packets:
      return use.inputs;
    case NetworkShape::Kind::scalars:
      return use.scalar_inputs;
    default:
      return use.token_inputs;
  }
}

/// Whether a + i * b's members, without end, may be members of the other, too.
bool may_meet(const PortUse::Output& a, const PortUse::Output& b) {
  const unsigned common = std::gcd(unsigned{a.step}, unsigned{b.step});
  if (common == 0) return a.first == b.first;
  return a.first % common == b.first % common;
}

}  // namespace

NetworkShape NetworkShape::packets(const FabricParams& params) {
  return {Kind::packets,
          port::kInputs,
          port::kOutputs,
          port::kMeshPorts,
          port::kChannels,
          static_cast<unsigned>(params.vector_channels),
          RDU_FLOWS,
          {RDU_PORT_FROM_PCU, RDU_PORT_FROM_PMU, RDU_PORT_FROM_AGCU},
          {RDU_PORT_TO_PCU, RDU_PORT_TO_PMU, RDU_PORT_TO_AGCU},
          regs::kROUTE_OFFSET,
          regs::ROUTE::OUT,
          regs::ROUTE::NEXT_FLOW,
          regs::ROUTE::VALID};
}

NetworkShape NetworkShape::scalars() {
  return {Kind::scalars,
          port::kScalarInputs,
          port::kScalarOutputs,
          port::kScalarMeshPorts,
          RDU_SCALAR_CHANNELS,
          RDU_SCALAR_CHANNELS,
          RDU_SCALAR_FLOWS,
          {RDU_SCALAR_FROM_PCU, RDU_SCALAR_FROM_PMU, RDU_SCALAR_FROM_AGCU},
          {RDU_SCALAR_TO_PCU, RDU_SCALAR_TO_PMU, RDU_SCALAR_TO_AGCU},
          regs::kSCALAR_OFFSET,
          regs::SCALAR::OUT,
          regs::SCALAR::NEXT_FLOW,
          regs::SCALAR::VALID};
}

NetworkShape NetworkShape::tokens() {
  // What is not zero drives something: a control word needs no flag, and a wire has no flow ids.
  return {Kind::tokens,
          port::kControlInputs,
          port::kControlOutputs,
          port::kMeshPorts,
          port::kChannels,
          port::kChannels,
          1,
          {RDU_WIRE_FROM_PCU, RDU_WIRE_FROM_PMU, RDU_WIRE_FROM_AGCU},
          {RDU_WIRE_TO_PCU, RDU_WIRE_TO_PMU, RDU_WIRE_TO_AGCU},
          regs::kCONTROL_OFFSET,
          regs::CONTROL::OUT,
          core::Field{},
          core::Field{}};
}

Network::Network(const NetworkShape& shape, const FabricParams& params,
                 const std::map<uint32_t, ConfigWords>& words, const std::map<uint32_t, PortUse>& uses,
                 const std::set<uint32_t>& on_pins)
    : shape_(shape), params_(params), words_(words), uses_(uses), on_pins_(on_pins) {
  for (const auto& [unit, use] : uses_) {
    for (const PortUse::Output& output : outputs_of(use, shape_.kind))
      streams_.push_back({unit, &output, {}});
  }
  for (size_t s = 0; s < streams_.size(); ++s) {
    const uint32_t unit = streams_[s].source;
    const PortUse::Output& use = *streams_[s].use;
    const unsigned kind = kind_of(unit);
    const unsigned column = kind != kAgcu             ? RDU_UNIT_COL(unit)
                            : RDU_UNIT_COL(unit) == 0 ? 0
                                                      : static_cast<unsigned>(params_.columns - 1);
    unsigned flow = shape_.kind == NetworkShape::Kind::tokens ? 0 : use.flow % shape_.flows;
    if (shape_.kind == NetworkShape::Kind::packets) {
      if (use.is_dynamic) {
        flow = RDU_FLOW_DYNAMIC;
        const Destination d = Destination::of(use.destination);
        if (d.column >= params_.columns || d.row >= params_.rows || d.port < shape_.mesh ||
            d.port >= shape_.outputs) {
          throw BadRoute(unit,
                         fmt::format("the packets of {} are for column {}, row {}, port {}, which is no "
                                     "input of a unit",
                                     source_name(s), d.column, d.row, d.port));
        }
      } else if (flow == RDU_FLOW_DYNAMIC) {
        throw BadRoute(unit,
                       fmt::format("{} sends flow {} without DYNAMIC; that flow is for packets which find "
                                   "their way by their destination",
                                   source_name(s), flow));
      }
    }
    trace(s, RDU_UNIT_ROW(unit), column, shape_.from[kind] + use.port, flow);
  }
  check_ends();
}

const ConfigWords* Network::words(uint32_t unit) const {
  const auto found = words_.find(unit);
  return found == words_.end() ? nullptr : &found->second;
}

/// "pcu[1][2]", and which of its outputs if it has several.
std::string Network::source_name(size_t stream) const {
  const uint32_t unit = streams_[stream].source;
  const std::string name = unit_name(unit);
  if (outputs_of(uses_.at(unit), shape_.kind).size() == 1) return name;
  return fmt::format("{} output {}", name, streams_[stream].use->port);
}

std::string Network::port_name(unsigned out) const {
  if (shape_.kind == NetworkShape::Kind::tokens) return fmt::format("control wire {}", out);
  const char* prefix = shape_.kind == NetworkShape::Kind::scalars ? "scalar " : "";
  if (out < shape_.mesh)
    return fmt::format("{}{} {}", prefix, kSides[out / shape_.encoded], out % shape_.encoded);
  const unsigned kind = out < shape_.to[kPmu] ? kPcu : out < shape_.to[kAgcu] ? kPmu : kAgcu;
  return fmt::format("{} {}input {}", kKinds[kind], prefix, out - shape_.to[kind]);
}

std::string Network::input_name(unsigned in) const {
  if (in < shape_.mesh) return port_name(in);
  const unsigned kind = in < shape_.from[kPmu] ? kPcu : in < shape_.from[kAgcu] ? kPmu : kAgcu;
  return fmt::format("{} output {}", kKinds[kind], in - shape_.from[kind]);
}

/// Through a mesh output to the neighbour; false if there is none.
bool Network::cross(unsigned out, unsigned* row, unsigned* column, unsigned* in) const {
  const unsigned side = out / shape_.encoded;
  if (side == north && *row == 0) return false;
  if (side == west && *column == 0) return false;
  if (side == south && *row + 1 == params_.rows) return false;
  if (side == east && *column + 1 == params_.columns) return false;
  *row += side == south ? 1 : 0;
  *row -= side == north ? 1 : 0;
  *column += side == east ? 1 : 0;
  *column -= side == west ? 1 : 0;
  *in = (side + 2) % 4 * shape_.encoded + out % shape_.encoded;
  return true;
}

Network::Queue& Network::enter(size_t stream, unsigned row, unsigned column, unsigned in, unsigned flow) {
  const uint32_t id = RDU_UNIT(RDU_UNIT_SWITCH, row, column);
  const bool is_dynamic = streams_[stream].use->is_dynamic;
  const auto [found, fresh] = queues_.emplace(key(row, column, in, flow), Queue{});
  Queue& queue = found->second;
  if (fresh) {
    queue.switch_unit = id;
    queue.row = row;
    queue.column = column;
    queue.in = in;
    queue.flow = flow;
  } else if (!is_dynamic && queue.streams.front() != stream) {
    throw BadRoute(
        id, fmt::format("{}: the streams from {} and from {} both come by {} as flow {}", unit_name(id),
                        source_name(queue.streams.front()), source_name(stream), input_name(in), flow));
  }
  queue.streams.push_back(stream);
  if (is_dynamic) {
    const uint32_t outputs = 1u << dynamic_output(streams_[stream].use->destination, row, column);
    queue.parts = queue.parts || (queue.outputs != 0 && queue.outputs != outputs);
    queue.outputs |= outputs;
    queue.next_flow = RDU_FLOW_DYNAMIC;
    return queue;
  }
  const ConfigWords* config = words(id);
  const uint32_t word = config ? config->at(shape_.words + 4 * (in * shape_.flows + flow)) : 0;
  queue.outputs = static_cast<uint32_t>(shape_.out.get(word));
  if (shape_.kind == NetworkShape::Kind::tokens) {
    if (queue.outputs == 0) {
      throw BadRoute(id, fmt::format("{}: control input {} carries the token of {}, but drives no wire",
                                     unit_name(id), in, source_name(stream)));
    }
    return queue;
  }
  if (shape_.valid.get(word) == 0 || queue.outputs == 0) {
    throw BadRoute(id, fmt::format("{}: no route for flow {} at {}, which carries the stream from {}",
                                   unit_name(id), flow, input_name(in), source_name(stream)));
  }
  queue.next_flow = static_cast<unsigned>(shape_.next_flow.get(word));
  if (shape_.kind == NetworkShape::Kind::packets && queue.next_flow == RDU_FLOW_DYNAMIC) {
    throw BadRoute(id,
                   fmt::format("{}: the stream from {} goes on as flow {}, which is for packets that find "
                               "their way by their destination",
                               unit_name(id), source_name(stream), queue.next_flow));
  }
  return queue;
}

/// Marks an output as used.
void Network::leave(size_t stream, Key key, unsigned out) {
  const Queue& queue = queues_.at(key);
  const uint32_t id = queue.switch_unit;
  const bool is_token = shape_.kind == NetworkShape::Kind::tokens;
  std::set<Key>& users = outputs_[{id, out}];
  for (const Key user : users) {
    const std::vector<size_t>& streams = queues_.at(user).streams;
    const bool again = std::count(streams.begin(), streams.end(), stream) > (user == key ? 1 : 0);
    if (is_token) {
      throw BadRoute(id, fmt::format("{}: the tokens of {} and of {} share {}", unit_name(id),
                                     source_name(streams.front()), source_name(stream), port_name(out)));
    }
    if (again) {
      throw BadRoute(id, fmt::format("{}: the stream from {} reaches {} twice: its route has a loop",
                                     unit_name(id), source_name(stream), port_name(out)));
    }
  }
  users.insert(key);
}

void Network::end(size_t stream, const Queue& queue, unsigned out) {
  const unsigned kind = out < shape_.to[kPmu] ? kPcu : out < shape_.to[kAgcu] ? kPmu : kAgcu;
  const unsigned input = out - shape_.to[kind];
  const char* what = shape_.kind == NetworkShape::Kind::tokens ? "token" : "stream";
  uint32_t unit = RDU_UNIT(kind == kPcu ? RDU_UNIT_PCU : RDU_UNIT_PMU, queue.row, queue.column);
  if (kind == kAgcu) {
    if (queue.column != 0 && queue.column + 1 != params_.columns) {
      throw BadRoute(queue.switch_unit,
                     fmt::format("the {} from {} leads to the AGCU at {}, where there is none", what,
                                 source_name(stream), unit_name(queue.switch_unit)));
    }
    unit = RDU_UNIT(RDU_UNIT_AGCU, queue.row, queue.column == 0 ? 0 : 1);
  }
  const auto use = uses_.find(unit);
  if (use != uses_.end()) {
    for (const PortUse::Input& i : inputs_of(use->second, shape_.kind)) {
      if (i.port != input) continue;
      streams_[stream].ends.push_back({unit, input, i.part, queue.switch_unit, out});
      return;
    }
  }
  const char* network = shape_.kind == NetworkShape::Kind::scalars  ? "scalar "
                        : shape_.kind == NetworkShape::Kind::tokens ? "token "
                                                                    : "";
  throw BadRoute(unit, fmt::format("the {} from {} leads to {}input {} of {}, which does not use it", what,
                                   source_name(stream), network, input, unit_name(unit)));
}

void Network::trace(size_t stream, unsigned row, unsigned column, unsigned in, unsigned flow) {
  struct Place {
    unsigned row, column, in, flow;
  };
  std::vector<Place> todo{{row, column, in, flow}};
  while (!todo.empty()) {
    const Place place = todo.back();
    todo.pop_back();
    const Key here = key(place.row, place.column, place.in, place.flow);
    const Queue& queue = enter(stream, place.row, place.column, place.in, place.flow);
    const PortUse::Output& use = *streams_[stream].use;
    const uint32_t outputs =
        use.is_dynamic ? 1u << dynamic_output(use.destination, place.row, place.column) : queue.outputs;
    const char* what = shape_.kind == NetworkShape::Kind::tokens ? "token of" : "stream from";
    for_each_bit(outputs, [&](unsigned out) {
      leave(stream, here, out);
      if (out >= shape_.mesh) {
        end(stream, queue, out);
        return;
      }
      if (out % shape_.encoded >= shape_.channels) {
        throw BadRoute(queue.switch_unit,
                       fmt::format("{}: the {} {} leaves by {}, but the tile has {} channels a direction",
                                   unit_name(queue.switch_unit), what, source_name(stream), port_name(out),
                                   shape_.channels));
      }
      Place next{place.row, place.column, 0, queue.next_flow};
      if (!cross(out, &next.row, &next.column, &next.in)) {
        throw BadRoute(queue.switch_unit,
                       fmt::format("{}: the {} {} leaves the mesh by {}", unit_name(queue.switch_unit), what,
                                   source_name(stream), port_name(out)));
      }
      todo.push_back(next);
    });
  }
}

bool Network::joins(uint32_t switch_unit, unsigned out) const {
  if (shape_.kind != NetworkShape::Kind::packets || out < shape_.mesh) return false;
  const ConfigWords* config = words(switch_unit);
  return config &&
         config->get(regs::kJOIN_OFFSET + regs::kJOIN_STRIDE * (out - shape_.mesh), regs::JOIN::ENABLE) != 0;
}

/// Every used input has a stream; several only where their order is fixed.
void Network::check_ends() {
  std::map<std::pair<uint32_t, unsigned>, std::vector<std::pair<size_t, const End*>>> by_input;
  for (size_t s = 0; s < streams_.size(); ++s) {
    for (const End& end : streams_[s].ends) by_input[{end.unit, end.port}].emplace_back(s, &end);
  }
  for (const auto& [unit, use] : uses_) {
    for (const PortUse::Input& input : inputs_of(use, shape_.kind)) {
      const auto found = by_input.find({unit, input.port});
      if (found == by_input.end()) {
        if (shape_.kind == NetworkShape::Kind::tokens) {
          throw BadRoute(unit, fmt::format("{} waits for token input {}, which nobody drives",
                                           unit_name(unit), input.port));
        }
        throw BadRoute(unit, fmt::format("no route leads to {}input {} of {}",
                                         shape_.kind == NetworkShape::Kind::scalars ? "scalar " : "",
                                         input.port, unit_name(unit)));
      }
      const auto& ends = found->second;
      const End& first = *ends.front().second;
      const bool join = joins(first.switch_unit, first.out);
      if (ends.size() > 1 && !join && !input.any_order) {
        throw BadRoute(first.switch_unit,
                       fmt::format("{}: the streams from {} and from {} share {}, which does not join them",
                                   unit_name(first.switch_unit), source_name(ends[0].first),
                                   source_name(ends[1].first), port_name(first.out)));
      }
      if (ends.size() > 1 || join) check_ids(ends, first, join);
    }
  }
}

void Network::check_ids(const std::vector<std::pair<size_t, const End*>>& ends, const End& first,
                        bool join) const {
  const uint32_t id = first.switch_unit;
  for (size_t a = 0; a < ends.size(); ++a) {
    const PortUse::Output& one = *streams_[ends[a].first].use;
    if (!one.has_sequence) {
      throw BadRoute(id,
                     fmt::format("{}: {} takes packets by their sequence ids, but those from {} carry none",
                                 unit_name(id), port_name(first.out), source_name(ends[a].first)));
    }
    for (size_t b = 0; b < a; ++b) {
      const PortUse::Output& other = *streams_[ends[b].first].use;
      if (may_meet(one, other)) {
        throw BadRoute(id,
                       fmt::format("{}: packets from {} ({} + i * {}) and from {} ({} + i * {}) for {} may "
                                   "have the same sequence id",
                                   unit_name(id), source_name(ends[b].first), other.first, other.step,
                                   source_name(ends[a].first), one.first, one.step, port_name(first.out)));
      }
      if (!join || !one.is_dynamic || !other.is_dynamic) continue;
      for (const auto& [key, queue] : queues_) {
        const auto has = [&, &q = queue](size_t stream) {
          return std::find(q.streams.begin(), q.streams.end(), stream) != q.streams.end();
        };
        if (!has(ends[a].first) || !has(ends[b].first)) continue;
        throw BadRoute(queue.switch_unit,
                       fmt::format("{}: the packets from {} and from {} share a queue at {} and are joined "
                                   "behind it: one could stand behind its successor",
                                   unit_name(queue.switch_unit), source_name(ends[b].first),
                                   source_name(ends[a].first), input_name(queue.in)));
      }
    }
  }
}

std::vector<Network::Shared> Network::shared() const {
  std::vector<Shared> shared;
  for (const auto& [key, queue] : queues_) {
    if (queue.streams.size() > 1) shared.push_back({queue.switch_unit, queue.streams});
  }
  return shared;
}

unsigned Network::interval(const Queue& queue) const {
  if (shape_.kind != NetworkShape::Kind::packets || queue.in < shape_.mesh) return 1;
  const ConfigWords* config = words(queue.switch_unit);
  if (!config) return 1;
  return std::max(1u, config->get(regs::kTHROTTLE_OFFSET + regs::kTHROTTLE_STRIDE * (queue.in - shape_.mesh),
                                  regs::THROTTLE::INTERVAL));
}

std::vector<Leg> Network::cut(std::set<uint32_t>& clocked) {
  for (auto& [key, queue] : queues_) {
    queue.is_clocked = queue.parts || on_pins_.count(queue.switch_unit) != 0;
    for_each_bit(queue.outputs, [&, &q = queue](unsigned out) {
      q.is_clocked =
          q.is_clocked || joins(q.switch_unit, out) || outputs_.at({q.switch_unit, out}).size() > 1;
    });
    // A unit on pins counts credits only: somebody has to hold them back.
    if (interval(queue) > 1 && on_pins_.count(streams_[queue.streams.front()].source) != 0)
      queue.is_clocked = true;
    if (!queue.is_clocked) continue;
    if (params_.switch_depth == 0) {
      throw BadRoute(queue.switch_unit, fmt::format("{}: streams meet here, but switch_depth is 0",
                                                    unit_name(queue.switch_unit)));
    }
    clocked.insert(queue.switch_unit);
  }
  std::vector<Leg> legs;
  for (const Stream& stream : streams_) {
    Leg leg;
    leg.unit = stream.source;
    leg.port = stream.use->port;
    legs.push_back(std::move(leg));
  }
  std::set<std::tuple<uint32_t, unsigned, unsigned>> begun;
  for (const auto& [key, queue] : queues_) {
    if (queue.in >= shape_.mesh) {
      Leg& leg = legs[queue.streams.front()];
      follow(key, 1, -1, leg);
      leg.interval = interval(queue);
      leg.single_credit = queue.is_clocked && leg.interval > 1;
    }
    if (!queue.is_clocked) continue;
    for_each_bit(queue.outputs, [&, &q = queue](unsigned out) {
      Leg leg;
      leg.unit = q.switch_unit;
      leg.port = out;
      leg.flow = out < shape_.mesh ? q.next_flow : 0;
      if (!begun.emplace(leg.unit, leg.port, leg.flow).second) return;
      go_on(q, out, 1, -1, leg);
      legs.push_back(std::move(leg));
    });
  }
  for (Leg& leg : legs) {
    std::sort(leg.ends.begin(), leg.ends.end(), [](const LegEnd& a, const LegEnd& b) {
      return std::tie(a.unit, a.port, a.flow) < std::tie(b.unit, b.port, b.flow);
    });
  }
  return legs;
}

/// From a queue on; `hops` lead there, over `fork`.
void Network::follow(Key key, uint64_t hops, int fork, Leg& leg) const {
  const Queue& queue = queues_.at(key);
  if (queue.is_clocked) {
    leg.ends.push_back({queue.switch_unit, queue.in, queue.flow, hops, false, fork});
    return;
  }
  const auto outputs = static_cast<unsigned>(__builtin_popcount(queue.outputs));
  leg.steps.push_back({queue.switch_unit, outputs});
  if (outputs > 1) {
    leg.forks.push_back({fork, hops});
    fork = static_cast<int>(leg.forks.size() - 1);
  }
  for_each_bit(queue.outputs, [&](unsigned out) { go_on(queue, out, hops + 1, fork, leg); });
}

/// By an output of a switch; `hops` lead to what is there.
void Network::go_on(const Queue& queue, unsigned out, uint64_t hops, int fork, Leg& leg) const {
  if (out < shape_.mesh) {
    unsigned row = queue.row, column = queue.column, in = 0;
    cross(out, &row, &column, &in);
    follow(key(row, column, in, queue.next_flow), hops, fork, leg);
    return;
  }
  const unsigned kind = out < shape_.to[kPmu] ? kPcu : out < shape_.to[kAgcu] ? kPmu : kAgcu;
  const uint32_t unit = kind == kAgcu
                            ? RDU_UNIT(RDU_UNIT_AGCU, queue.row, queue.column == 0 ? 0 : 1)
                            : RDU_UNIT(kind == kPcu ? RDU_UNIT_PCU : RDU_UNIT_PMU, queue.row, queue.column);
  leg.ends.push_back({unit, out - shape_.to[kind], 0, hops, true, fork});
}

}  // namespace rdu::fabric
