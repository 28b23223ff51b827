#include "compiler/compile.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/lower.h"
#include "compiler/place.h"
#include "compiler/route.h"
#include "compiler/trace.h"
#include "regs/agcu.h"
#include "regs/switch.h"

namespace rdu::compiler {
namespace {

constexpr unsigned kPortsPerSide = RDU_PORT_CHANNELS;
constexpr unsigned kControlWires = RDU_PORT_CHANNELS;   // per direction
constexpr unsigned kDoneWire = RDU_WIRE_FROM_AGCU + 1;  // of a store generator
constexpr unsigned kTokenInputs = 8;
constexpr uint32_t kMaster = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);
/// Of what a unit sends into its switch; nobody else comes by that port.
constexpr unsigned kFlow = 0;
/// Flow ids of a channel that static routes may have.
constexpr unsigned kStaticFlows = RDU_FLOW_DYNAMIC;

unsigned output_port(Role role, unsigned output) {
  return output + (role == Role::pcu   ? RDU_PORT_FROM_PCU
                   : role == Role::pmu ? RDU_PORT_FROM_PMU
                                       : RDU_PORT_FROM_AGCU);
}
unsigned input_port(Role role, unsigned input) {
  return input + (role == Role::pcu   ? RDU_PORT_TO_PCU
                  : role == Role::pmu ? RDU_PORT_TO_PMU
                                      : RDU_PORT_TO_AGCU);
}
unsigned mesh_port(unsigned side, unsigned channel) {
  return side * kPortsPerSide + channel;
}
unsigned opposite(unsigned port) {
  return (port + 2 * kPortsPerSide) % (4 * kPortsPerSide);
}
uint32_t switch_at(uint16_t row, uint16_t col) {
  return RDU_UNIT(RDU_UNIT_SWITCH, row, col);
}
std::pair<uint16_t, uint16_t> neighbour(uint16_t row, uint16_t col, unsigned side) {
  switch (side) {
    case 0:
      return {static_cast<uint16_t>(row - 1), col};
    case 1:
      return {row, static_cast<uint16_t>(col + 1)};
    case 2:
      return {static_cast<uint16_t>(row + 1), col};
    default:
      return {row, static_cast<uint16_t>(col - 1)};
  }
}

Netlist netlist_of(const Graph& graph) {
  Netlist netlist;
  for (const auto& u : graph.units()) netlist.units.push_back({u.name, role_of(u.kind), u.cell});
  for (const auto& e : graph.edges()) {
    Netlist::Net net;
    net.source = e.from;
    for (const auto& sink : e.to) net.sinks.push_back(sink.unit);
    netlist.nets.push_back(std::move(net));
  }
  return netlist;
}

/// What only the target knows.
void check_target(const Graph& graph, const Target& target) {
  unsigned stores = 0;
  for (const auto& u : graph.units()) {
    const std::string who = "unit '" + u.name + "'";
    if (const auto* pad = std::get_if<Scratchpad>(&u.kind)) {
      const uint64_t bytes = uint64_t{pad->buffers} * pad->buffer_size;
      if (bytes > target.pmu_bytes) {
        throw Error(fmt::format("{}: {} buffers of {} bytes do not fit a PMU of {} bytes", who, pad->buffers,
                                pad->buffer_size, target.pmu_bytes));
      }
    }
    if (const uint64_t bytes = graph.scratchpad_bytes(u); bytes > target.pmu_bytes) {
      throw Error(fmt::format("{}: {} bytes do not fit a PMU of {} bytes", who, bytes, target.pmu_bytes));
    }
    const auto lanes = [&](unsigned n) {
      if (n > target.lanes) throw Error(fmt::format("{}: {} lanes, a PCU has {}", who, n, target.lanes));
    };
    if (const auto* matrix = std::get_if<Matrix>(&u.kind)) {
      lanes(matrix->lanes);
      if (matrix->rows > target.stages) {
        throw Error(fmt::format("{}: {} rows, a PCU has {}", who, matrix->rows, target.stages));
      }
    }
    if (const auto* simd = std::get_if<Simd>(&u.kind)) {
      lanes(simd->lanes);
      if (simd->stages.size() > target.stages) {
        throw Error(fmt::format("{}: {} stages, a PCU has {}", who, simd->stages.size(), target.stages));
      }
    }
    stores += std::holds_alternative<Store>(u.kind) ? 1 : 0;
  }
  if (stores > kTokenInputs) {
    throw Error(fmt::format("the program has {} stores, the master AGCU can wait for {} done tokens", stores,
                            kTokenInputs));
  }
}

struct Layout {
  std::vector<Site> sites;                      ///< of each unit
  std::vector<std::vector<RouteStep>> streams;  ///< of each edge
  std::vector<std::vector<RouteStep>> tokens;   ///< of each store, in order of units
};

/// Shares of a channel's time that the streams take: packets, compared with the busiest stream.
std::vector<double> loads_of(const Graph& graph) {
  const std::vector<uint64_t> packets = graph.traffic();
  const uint64_t most =
      packets.empty() ? 1 : std::max<uint64_t>(1, *std::max_element(packets.begin(), packets.end()));
  std::vector<double> loads;
  for (const uint64_t n : packets) loads.push_back(static_cast<double>(n) / static_cast<double>(most));
  return loads;
}

/// Routes what has been placed; returns what was overfull, or nothing.
std::string route_all(const Graph& graph, const Netlist& netlist, const Shape& shape,
                      const std::vector<double>& loads, const Sharing& sharing, Layout* layout) {
  const auto at = [&](size_t unit) {
    return std::make_pair(layout->sites[unit].row, layout->sites[unit].col);
  };
  std::vector<RouteRequest> streams;
  for (const auto& net : netlist.nets) {
    RouteRequest request{graph.units()[net.source].name, at(net.source), {}, loads[streams.size()]};
    for (size_t sink : net.sinks) request.sinks.push_back(at(sink));
    streams.push_back(std::move(request));
  }
  std::string overfull = route(streams, shape, shape.channels, sharing, &layout->streams);
  if (!overfull.empty()) return overfull;
  std::vector<RouteRequest> tokens;
  for (size_t u = 0; u < netlist.units.size(); ++u) {
    if (netlist.units[u].role == Role::store) tokens.push_back({netlist.units[u].name, at(u), {{0, 0}}, 1});
  }
  overfull = route(tokens, shape, kControlWires, {}, &layout->tokens);
  return overfull.empty() ? "" : "done tokens: " + overfull;
}

/// ROUTE words of one stream.
void write_stream(const Graph::Edge& edge, const Netlist& netlist, const Layout& layout,
                  const std::vector<RouteStep>& steps, Configuration* configuration) {
  struct At {
    unsigned port;
    unsigned flow;
    uint32_t out;
    unsigned next_flow;
  };
  std::map<std::pair<uint16_t, uint16_t>, At> passed;
  const Site& source = layout.sites[edge.from];
  passed[{source.row, source.col}] = {output_port(netlist.units[edge.from].role, edge.output), kFlow, 0,
                                      kFlow};
  for (const RouteStep& s : steps) {
    const unsigned port = mesh_port(s.side, s.channel);
    At& from = passed.at({s.row, s.col});
    from.out |= 1u << port;
    from.next_flow = s.flow;
    passed[neighbour(s.row, s.col, s.side)] = {opposite(port), s.flow, 0, kFlow};
  }
  for (const auto& sink : edge.to) {
    const Site& site = layout.sites[sink.unit];
    passed.at({site.row, site.col}).out |= 1u << input_port(netlist.units[sink.unit].role, sink.input);
  }
  for (const auto& [place, at] : passed) {
    configuration->set(switch_at(place.first, place.second),
                       RDU_SWITCH_ROUTE(at.port * RDU_FLOWS + at.flow) / 4,
                       RDU_SWITCH_ROUTE_VALID_MASK | at.out << RDU_SWITCH_ROUTE_OUT_SHIFT |
                           at.next_flow << RDU_SWITCH_ROUTE_NEXT_FLOW_SHIFT);
  }
}

/// JOIN words of inputs at which several streams end.
void write_joins(const Graph& graph, const Netlist& netlist, const Layout& layout,
                 Configuration* configuration) {
  std::map<std::pair<size_t, unsigned>, unsigned> streams;
  for (const auto& edge : graph.edges()) {
    for (const auto& sink : edge.to) ++streams[{sink.unit, sink.input}];
  }
  for (const auto& [end, count] : streams) {
    const auto [unit, input] = end;
    if (count == 1 || takes_by_sequence(graph.units()[unit].kind, input)) continue;
    const Site& site = layout.sites[unit];
    const unsigned n = input_port(netlist.units[unit].role, input) - RDU_PORT_MESH;
    configuration->set(switch_at(site.row, site.col), RDU_SWITCH_JOIN(n) / 4, RDU_SWITCH_JOIN_ENABLE_MASK);
  }
}

/// CONTROL words of all done tokens.
void write_tokens(const Netlist& netlist, const Layout& layout, Configuration* configuration) {
  unsigned input = 0;
  for (size_t u = 0; u < netlist.units.size(); ++u) {
    if (netlist.units[u].role != Role::store) continue;
    uint16_t row = layout.sites[u].row;
    uint16_t col = layout.sites[u].col;
    unsigned wire = kDoneWire;
    const auto set = [&](unsigned out) {
      configuration->set(switch_at(row, col), RDU_SWITCH_CONTROL(wire) / 4, 1u << out);
    };
    for (const RouteStep& s : layout.tokens[input]) {
      const unsigned port = mesh_port(s.side, s.channel);
      set(port);
      std::tie(row, col) = neighbour(row, col, s.side);
      wire = opposite(port);
    }
    set(RDU_WIRE_TO_AGCU + input);
    ++input;
  }
  configuration->set(kMaster, RDU_AGCU_MASTER / 4, (1u << input) - 1);
}

/// Routes in words, from the configuration itself, and proof that they are what the graph asked for.
void describe_routes(const Graph& graph, const Netlist& netlist, const Layout& layout,
                     const Configuration& configuration, ProgramParts* parts) {
  std::map<std::pair<uint32_t, unsigned>, TracedRoute> traced;
  for (TracedRoute& r : trace_routes(configuration)) {
    const auto key = std::make_pair(r.source, r.output);
    traced.emplace(key, std::move(r));
  }
  for (const auto& edge : graph.edges()) {
    const std::string& name = graph.units()[edge.from].name;
    const TracedRoute& found = traced.at({layout.sites[edge.from].id, edge.output});
    RouteEntry entry{
        edge.output == 0 ? name : fmt::format("{}.{}", name, edge.output), name, edge.output, {}, found.hops};
    std::vector<TracedSink> wanted;
    for (const auto& sink : edge.to) {
      wanted.push_back({layout.sites[sink.unit].id, sink.input});
      entry.sinks.push_back({graph.units()[sink.unit].name, sink.input});
    }
    std::sort(wanted.begin(), wanted.end());
    if (wanted != found.sinks) throw Error("internal: the route of '" + name + "' does not reach its sinks");
    parts->routes.push_back(std::move(entry));
  }
  std::map<uint32_t, std::string> stores;
  for (size_t u = 0; u < netlist.units.size(); ++u) {
    if (netlist.units[u].role == Role::store) stores[layout.sites[u].id] = netlist.units[u].name;
  }
  for (const TracedToken& t : trace_tokens(configuration)) {
    parts->tokens.push_back({stores.at(t.source), t.input, t.hops});
  }
}

Program assemble(const Graph& graph, const Netlist& netlist, const Layout& layout, const Shape& shape,
                 const std::string& build) {
  ProgramParts parts;
  parts.info = graph.info();
  parts.info.build = build;
  parts.arguments = graph.arguments();
  Configuration configuration(shape);
  for (size_t u = 0; u < graph.units().size(); ++u) {
    const auto& unit = graph.units()[u];
    lower(unit.kind, layout.sites[u].id, &configuration, &parts.arguments);
    parts.units.push_back({unit.name, netlist.units[u].role, layout.sites[u].id, unit.note});
  }
  for (size_t e = 0; e < graph.edges().size(); ++e) {
    write_stream(graph.edges()[e], netlist, layout, layout.streams[e], &configuration);
  }
  write_joins(graph, netlist, layout, &configuration);
  write_tokens(netlist, layout, &configuration);
  describe_routes(graph, netlist, layout, configuration, &parts);
  parts.config = configuration.stream();
  return Program(std::move(parts), "kernel '" + graph.info().kernel + "'");
}

}  // namespace

Program compile(const Graph& graph, const Target& target, const CompileOptions& options) {
  const std::string who = "kernel '" + graph.info().kernel + "'";
  try {
    Configuration(target.shape);  // refuses an impossible shape
    graph.check();
    check_target(graph, target);
    const Netlist netlist = netlist_of(graph);
    const std::vector<double> loads = loads_of(graph);
    // Streams of which a channel full has time for all may share one at no cost; others only if nothing else
    // helps.
    const Sharing alone, light{kStaticFlows, 1.0 / kStaticFlows}, all{kStaticFlows, 1.0};
    std::vector<std::vector<Sharing>> rounds{{alone}};
    if (options.share_channels) rounds = {{alone, light}, {all}};
    std::string overfull;
    for (const auto& round : rounds) {
      for (unsigned i = 0; i < options.attempts; ++i) {
        Layout layout;
        layout.sites = place(netlist, target.shape, options.seed + i);
        for (const Sharing& sharing : round) {
          overfull = route_all(graph, netlist, target.shape, loads, sharing, &layout);
          if (overfull.empty()) return assemble(graph, netlist, layout, target.shape, options.build);
        }
      }
    }
    throw Error(fmt::format("the streams do not fit the mesh after {} placements{}; in the last one {}",
                            options.attempts, options.share_channels ? ", not even on shared channels" : "",
                            overfull.empty() ? "nothing was tried" : overfull));
  } catch (const Error& e) {
    const std::string what = e.what();
    throw Error(what.compare(0, who.size(), who) == 0 ? what : who + ": " + what);
  }
}

}  // namespace rdu::compiler
