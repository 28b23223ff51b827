#include "compiler/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <tuple>

#include "compiler/graph.h"
#include "regs/agcu.h"
#include "regs/pcu.h"
#include "regs/pmu.h"
#include "regs/switch.h"

namespace rdu::compiler {
namespace {

constexpr unsigned kPortsPerSide = RDU_PORT_CHANNELS;
constexpr unsigned kMeshPorts = RDU_PORT_MESH;
constexpr unsigned kPipelines = 2;                      // of a kind, in a PMU
constexpr unsigned kDoneWire = RDU_WIRE_FROM_AGCU + 1;  // of a store generator
constexpr uint32_t kMaster = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);

uint32_t field(uint32_t word, uint32_t mask) {
  return (word & mask) >> __builtin_ctz(mask);
}

std::string port_text(unsigned port) {
  static const char* const sides[] = {"north", "east", "south", "west"};
  if (port < kMeshPorts) return fmt::format("{} {}", sides[port / kPortsPerSide], port % kPortsPerSide);
  return port < RDU_PORT_FROM_PMU ? "PCU" : port < RDU_PORT_FROM_AGCU ? "PMU" : "AGCU";
}

/// Whether the side's neighbour is there; then r and c become the neighbour's.
bool step(const Shape& shape, unsigned side, unsigned* r, unsigned* c) {
  static constexpr int dr[] = {-1, 0, 1, 0};
  static constexpr int dc[] = {0, 1, 0, -1};
  const int row = static_cast<int>(*r) + dr[side];
  const int col = static_cast<int>(*c) + dc[side];
  if (row < 0 || row >= shape.rows || col < 0 || col >= shape.cols) return false;
  *r = static_cast<unsigned>(row);
  *c = static_cast<unsigned>(col);
  return true;
}

/// The port of a neighbour at which what leaves by `port` arrives.
unsigned opposite(unsigned port) {
  return (port + 2 * kPortsPerSide) % kMeshPorts;
}

/// The AGCU at this switch, if there is one.
bool agcu_at(const Shape& shape, unsigned r, unsigned c, uint32_t* id) {
  if (c != 0 && c + 1 != shape.cols) return false;
  *id = RDU_UNIT(RDU_UNIT_AGCU, r, c == 0 ? 0 : 1);
  return true;
}

class Words {
 public:
  explicit Words(const Configuration& configuration) : configuration_(configuration) {}
  uint32_t at(uint32_t unit, uint32_t offset, uint32_t reset = 0) const {
    return configuration_.get(unit, offset / 4).value_or(reset);
  }
  uint32_t route(unsigned r, unsigned c, unsigned port, unsigned flow) const {
    return at(RDU_UNIT(RDU_UNIT_SWITCH, r, c), RDU_SWITCH_ROUTE(port * RDU_FLOWS + flow));
  }
  uint32_t control(unsigned r, unsigned c, unsigned wire) const {
    return field(at(RDU_UNIT(RDU_UNIT_SWITCH, r, c), RDU_SWITCH_CONTROL(wire)), RDU_SWITCH_CONTROL_OUT_MASK);
  }

 private:
  const Configuration& configuration_;
};

struct Source {
  uint32_t unit;
  unsigned row, col, port, flow;
  bool numbered;  ///< packets carry sequence ids
  unsigned number() const {
    return port - (port >= RDU_PORT_FROM_AGCU  ? RDU_PORT_FROM_AGCU
                   : port >= RDU_PORT_FROM_PMU ? RDU_PORT_FROM_PMU
                                               : RDU_PORT_FROM_PCU);
  }
};

/// Inputs of a PCU that its configuration takes packets from.
unsigned pcu_inputs(const Words& words, uint32_t id) {
  if (field(words.at(id, RDU_PCU_PROGRAM_MODE(0)), RDU_PCU_PROGRAM_MODE_MODE_MASK) ==
      RDU_PCU_PROGRAM_MODE_MODE_MATRIX) {
    return 3;
  }
  unsigned inputs = 0;
  const auto add = [&](uint32_t operand) {
    if (operand >= RDU_PCU_STAGE_A_IN0 && operand <= RDU_PCU_STAGE_A_IN3)
      inputs |= 1u << (operand - RDU_PCU_STAGE_A_IN0);
  };
  for (unsigned i = 0; i < RDU_PCU_STAGE_COUNT; ++i) {
    const uint32_t stage = words.at(id, RDU_PCU_STAGE(i));
    const unsigned reads = operands_of(static_cast<Op>(field(stage, RDU_PCU_STAGE_OP_MASK)));
    if (reads >= 1) add(field(stage, RDU_PCU_STAGE_A_MASK));
    if (reads >= 2) add(field(stage, RDU_PCU_STAGE_B_MASK));
    if (reads == 3 || (reads == 2 && field(stage, RDU_PCU_STAGE_ALT_MASK) != 0)) {
      add(field(stage, RDU_PCU_STAGE_C_MASK));
    }
  }
  return inputs;
}

/// What the units' configurations send and take; `unordered`: inputs whose packets find their places by their
/// sequence ids.
void find_ends(const Configuration& configuration, std::vector<Source>* outputs, std::set<TracedSink>* inputs,
               std::set<TracedSink>* unordered) {
  const Words words(configuration);
  const unsigned last = configuration.shape().cols - 1u;
  for (const auto& entry : configuration.units()) {
    const uint32_t id = entry.first;
    const unsigned r = RDU_UNIT_ROW(id);
    const unsigned c = RDU_UNIT_COL(id);
    switch (RDU_UNIT_KIND(id)) {
      case RDU_UNIT_PCU: {
        const uint32_t mode = words.at(id, RDU_PCU_PROGRAM_MODE(0));
        if (field(words.at(id, RDU_PCU_PROGRAM_MODE(1)), RDU_PCU_PROGRAM_MODE_MODE_MASK) !=
            RDU_PCU_PROGRAM_MODE_MODE_OFF) {
          throw Error(unit_text(id) + ": a second program is not supported yet");
        }
        if (field(mode, RDU_PCU_PROGRAM_MODE_MODE_MASK) == RDU_PCU_PROGRAM_MODE_MODE_OFF) break;
        const uint32_t out = words.at(id, RDU_PCU_PROGRAM_OUT(0));
        outputs->push_back({id, r, c, RDU_PORT_FROM_PCU, field(out, RDU_PCU_PROGRAM_OUT_FLOW_MASK),
                            (out & RDU_PCU_PROGRAM_OUT_SEQUENCE_MASK) != 0});
        const unsigned used = pcu_inputs(words, id);
        for (unsigned i = 0; i < 4; ++i) {
          if (used >> i & 1) inputs->insert({id, i});
        }
        break;
      }
      case RDU_UNIT_PMU: {
        for (unsigned p = 0; p < kPipelines; ++p) {
          const uint32_t mode = words.at(id, RDU_PMU_WRITE_MODE(p));
          if ((mode & RDU_PMU_WRITE_MODE_ENABLE_MASK) == 0) continue;
          const unsigned input = field(mode, RDU_PMU_WRITE_MODE_DATA_MASK);
          const uint32_t address = field(mode, RDU_PMU_WRITE_MODE_ADDRESS_MASK);
          inputs->insert({id, input});
          if (address == RDU_PMU_WRITE_MODE_ADDRESS_INDEX)
            inputs->insert({id, field(mode, RDU_PMU_WRITE_MODE_INDEX_MASK)});
          if (address == RDU_PMU_WRITE_MODE_ADDRESS_SEQUENCE && words.at(id, RDU_PMU_WRITE_FILLS(p)) == 1)
            unordered->insert({id, input});
        }
        for (unsigned p = 0; p < kPipelines; ++p) {
          const uint32_t mode = words.at(id, RDU_PMU_READ_MODE(p));
          if ((mode & RDU_PMU_READ_MODE_ENABLE_MASK) == 0) continue;
          outputs->push_back({id, r, c, RDU_PORT_FROM_PMU + p,
                              field(words.at(id, RDU_PMU_READ_OUT(p)), RDU_PMU_READ_OUT_FLOW_MASK),
                              (mode & RDU_PMU_READ_MODE_SEQUENCE_MASK) != 0});
          if (field(mode, RDU_PMU_READ_MODE_ADDRESS_MASK) == RDU_PMU_READ_MODE_ADDRESS_INDEX)
            inputs->insert({id, field(mode, RDU_PMU_READ_MODE_INDEX_MASK)});
        }
        break;
      }
      case RDU_UNIT_AGCU: {
        const uint32_t load = words.at(id, RDU_AGCU_LOAD);
        if (field(load, RDU_AGCU_LOAD_ENABLE_MASK) != 0) {
          outputs->push_back({id, r, c == 0 ? 0 : last, RDU_PORT_FROM_AGCU,
                              field(load, RDU_AGCU_LOAD_FLOW_MASK),
                              (load & RDU_AGCU_LOAD_SEQUENCE_MASK) != 0});
        }
        const uint32_t store = words.at(id, RDU_AGCU_STORE);
        const bool stores = field(store, RDU_AGCU_STORE_ENABLE_MASK) != 0;
        if (stores) inputs->insert({id, 0});
        if ((field(load, RDU_AGCU_LOAD_ENABLE_MASK) != 0 && field(load, RDU_AGCU_LOAD_INDEX_MASK) != 0) ||
            (stores && field(store, RDU_AGCU_STORE_INDEX_MASK) != 0))
          inputs->insert({id, 1});
        break;
      }
    }
  }
}

/// Follows one stream.
class Tracer {
 public:
  Tracer(const Configuration& configuration, std::set<TracedSink> unordered)
      : configuration_(configuration),
        shape_(configuration.shape()),
        words_(configuration),
        unordered_(std::move(unordered)) {}

  TracedRoute follow(const Source& from) {
    TracedRoute route;
    route.source = from.unit;
    route.output = from.number();
    who_ = "stream of " + unit_text(from.unit);
    struct At {
      unsigned row, col, port, flow;
    };
    std::deque<At> todo{{from.row, from.col, from.port, from.flow}};
    std::set<std::tuple<unsigned, unsigned, unsigned>> left;  // by these outputs
    while (!todo.empty()) {
      const At at = todo.front();
      todo.pop_front();
      const uint32_t sw = RDU_UNIT(RDU_UNIT_SWITCH, at.row, at.col);
      const std::string here =
          fmt::format("{}: at {}, from {}, flow {}", who_, unit_text(sw), port_text(at.port), at.flow);
      const auto [place, fresh] =
          taken_.emplace(std::make_tuple(at.row, at.col, at.port, at.flow), from.unit);
      if (!fresh) {
        throw Error(fmt::format("{}: {}", here,
                                place->second == from.unit
                                    ? "it has been here before"
                                    : "the stream of " + unit_text(place->second) + " is here too"));
      }
      const uint32_t word = words_.route(at.row, at.col, at.port, at.flow);
      const uint32_t out = field(word, RDU_SWITCH_ROUTE_OUT_MASK);
      if (field(word, RDU_SWITCH_ROUTE_VALID_MASK) == 0) throw Error(here + ": there is no route");
      if (out == 0) throw Error(here + ": the route has no outputs");
      passed_.emplace(sw, at.port * RDU_FLOWS + at.flow);
      const uint32_t next_flow = field(word, RDU_SWITCH_ROUTE_NEXT_FLOW_MASK);
      if (next_flow == RDU_FLOW_DYNAMIC)
        throw Error(fmt::format("{}: it goes on as flow {}, which has no static routes", here, next_flow));
      route.hops.push_back({static_cast<uint16_t>(at.row), static_cast<uint16_t>(at.col),
                            static_cast<uint8_t>(at.port), static_cast<uint8_t>(at.flow),
                            static_cast<uint8_t>(next_flow), out});
      for (unsigned port = 0; port < RDU_PORT_OUTPUTS; ++port) {
        if ((out >> port & 1) == 0) continue;
        if (!left.emplace(at.row, at.col, port).second) throw Error(here + ": it has been here before");
        if (port >= kMeshPorts) {
          sink(here, at.row, at.col, port, from, &route);
          continue;
        }
        unsigned r = at.row, c = at.col;
        if (port % kPortsPerSide >= shape_.channels) {
          throw Error(fmt::format("{}: it leaves by {}, but there are {} channels", here, port_text(port),
                                  shape_.channels));
        }
        if (!step(shape_, port / kPortsPerSide, &r, &c)) throw Error(here + ": it leaves the mesh");
        todo.push_back({r, c, opposite(port), next_flow});
      }
    }
    std::sort(route.sinks.begin(), route.sinks.end());
    return route;
  }

  /// One of the sources of every input that is fed.
  std::map<TracedSink, uint32_t> fed() const {
    std::map<TracedSink, uint32_t> sources;
    for (const auto& [sink, feeder] : fed_) sources[sink] = feeder.unit;
    return sources;
  }

  /// Throws unless every valid route was used.
  void check_all_passed() const {
    for (const auto& [unit, unit_words] : configuration_.units()) {
      if (RDU_UNIT_KIND(unit) != RDU_UNIT_SWITCH) continue;
      for (const auto& [word, value] : unit_words) {
        const unsigned index = word - RDU_SWITCH_ROUTE(0) / 4;
        if (index >= RDU_PORT_INPUTS * RDU_FLOWS || field(value, RDU_SWITCH_ROUTE_VALID_MASK) == 0) continue;
        if (passed_.count({unit, index}) != 0) continue;
        throw Error(fmt::format("{}: no packet takes the route from {}, flow {}", unit_text(unit),
                                port_text(index / RDU_FLOWS), index % RDU_FLOWS));
      }
    }
  }

 private:
  void sink(const std::string& here, unsigned r, unsigned c, unsigned port, const Source& source,
            TracedRoute* route) {
    TracedSink sink;
    if (port < RDU_PORT_TO_PMU) {
      sink = {RDU_UNIT(RDU_UNIT_PCU, r, c), port - RDU_PORT_TO_PCU};
    } else if (port < RDU_PORT_TO_AGCU) {
      sink = {RDU_UNIT(RDU_UNIT_PMU, r, c), port - RDU_PORT_TO_PMU};
    } else if (agcu_at(shape_, r, c, &sink.unit)) {
      sink.input = port - RDU_PORT_TO_AGCU;
    } else {
      throw Error(here + ": it goes to an AGCU, but there is none");
    }
    const auto [place, fresh] = fed_.emplace(sink, source);
    const bool joins = (words_.at(RDU_UNIT(RDU_UNIT_SWITCH, r, c), RDU_SWITCH_JOIN(port - kMeshPorts)) &
                        RDU_SWITCH_JOIN_ENABLE_MASK) != 0;
    if (!fresh && !(joins || unordered_.count(sink) != 0)) {
      throw Error(fmt::format("{}: input {} of {} is fed by {} already", here, sink.input,
                              unit_text(sink.unit), unit_text(place->second.unit)));
    }
    if (joins && !source.numbered) {
      throw Error(fmt::format("{}: input {} of {} joins streams by sequence ids, but its packets have none",
                              here, sink.input, unit_text(sink.unit)));
    }
    route->sinks.push_back(sink);
  }

  const Configuration& configuration_;
  const Shape shape_;
  const Words words_;
  std::string who_;
  /// Input port of a switch and flow id -> source
  std::map<std::tuple<unsigned, unsigned, unsigned, unsigned>, uint32_t> taken_;
  std::set<std::pair<uint32_t, unsigned>> passed_;  ///< switch, ROUTE index
  const std::set<TracedSink> unordered_;
  std::map<TracedSink, Source> fed_;  ///< the first that does
};

}  // namespace

std::vector<TracedRoute> trace_routes(const Configuration& configuration) {
  std::vector<Source> outputs;
  std::set<TracedSink> inputs, unordered;
  find_ends(configuration, &outputs, &inputs, &unordered);
  Tracer tracer(configuration, std::move(unordered));
  std::vector<TracedRoute> routes;
  for (const Source& output : outputs) routes.push_back(tracer.follow(output));
  const std::map<TracedSink, uint32_t> fed = tracer.fed();
  for (const auto& [sink, source] : fed) {
    if (inputs.count(sink) == 0) {
      throw Error(fmt::format("stream of {}: input {} of {} does not take it", unit_text(source), sink.input,
                              unit_text(sink.unit)));
    }
  }
  for (const TracedSink& input : inputs) {
    if (fed.count(input) == 0) {
      throw Error(fmt::format("input {} of {} gets nothing", input.input, unit_text(input.unit)));
    }
  }
  tracer.check_all_passed();
  return routes;
}

std::vector<TracedToken> trace_tokens(const Configuration& configuration) {
  const Shape shape = configuration.shape();
  const Words words(configuration);
  std::vector<TracedToken> tokens;
  std::set<std::tuple<unsigned, unsigned, unsigned>> taken;   // input wires of switches
  std::set<std::tuple<unsigned, unsigned, unsigned>> driven;  // their outputs
  uint32_t arriving = 0;
  for (const auto& entry : configuration.units()) {
    const uint32_t id = entry.first;
    if (RDU_UNIT_KIND(id) != RDU_UNIT_AGCU) continue;
    const uint32_t tokens_mask = words.at(id, RDU_AGCU_MASTER);
    if (id != kMaster && tokens_mask != 0)
      throw Error(unit_text(id) + " waits for tokens, but is not the master");
    const uint32_t store = words.at(id, RDU_AGCU_STORE);
    if ((store & RDU_AGCU_STORE_ENABLE_MASK) == 0 || (store & RDU_AGCU_STORE_DONE_TOKEN_MASK) == 0) continue;
    TracedToken token;
    token.source = id;
    unsigned r = RDU_UNIT_ROW(id);
    unsigned c = RDU_UNIT_COL(id) == 0 ? 0 : shape.cols - 1u;
    unsigned wire = kDoneWire;
    for (bool there = false; !there;) {
      const std::string here = fmt::format("done token of {}: at {}, wire {}", unit_text(id),
                                           unit_text(RDU_UNIT(RDU_UNIT_SWITCH, r, c)), wire);
      if (!taken.emplace(r, c, wire).second) throw Error(here + ": the wire is in use");
      const uint32_t out = words.control(r, c, wire);
      if (out == 0) throw Error(here + ": the wire ends");
      if ((out & (out - 1)) != 0) throw Error(here + ": the wire forks");
      const auto port = static_cast<unsigned>(__builtin_ctz(out));
      if (!driven.emplace(r, c, port).second) throw Error(here + ": two tokens share an output");
      token.hops.push_back({static_cast<uint16_t>(r), static_cast<uint16_t>(c), static_cast<uint8_t>(wire),
                            static_cast<uint8_t>(port)});
      if (port >= kMeshPorts) {
        uint32_t there_id = 0;
        if (port < RDU_WIRE_TO_AGCU || !agcu_at(shape, r, c, &there_id) || there_id != kMaster)
          throw Error(here + ": this is not the master");
        token.input = port - RDU_WIRE_TO_AGCU;
        arriving |= 1u << token.input;
        there = true;
      } else {
        if (!step(shape, port / kPortsPerSide, &r, &c)) throw Error(here + ": the wire leaves the mesh");
        wire = opposite(port);
      }
    }
    tokens.push_back(std::move(token));
  }
  const uint32_t expected = words.at(kMaster, RDU_AGCU_MASTER) & RDU_AGCU_MASTER_TOKENS_MASK;
  if (expected == 0) throw Error("the master waits for no done token, so the kernel would never end well");
  if (expected != arriving) {
    throw Error(fmt::format("the master waits for tokens {:#x}, but {:#x} come", expected, arriving));
  }
  for (const auto& [unit, unit_words] : configuration.units()) {
    if (RDU_UNIT_KIND(unit) != RDU_UNIT_SWITCH) continue;
    for (const auto& [word, value] : unit_words) {
      const unsigned first = RDU_SWITCH_CONTROL(0) / 4;
      if (word < first || word >= first + RDU_WIRE_INPUTS || value == 0) continue;
      if (taken.count({RDU_UNIT_ROW(unit), RDU_UNIT_COL(unit), word - first}) == 0) {
        throw Error(fmt::format("{}: no token comes by wire {}", unit_text(unit), word - first));
      }
    }
  }
  return tokens;
}

}  // namespace rdu::compiler
