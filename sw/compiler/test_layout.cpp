#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "compiler/compile.h"
#include "compiler/place.h"
#include "compiler/programs/digits.h"
#include "compiler/programs/matmul.h"
#include "compiler/route.h"
#include "compiler/trace.h"
#include "regs/agcu.h"
#include "regs/pmu.h"
#include "regs/switch.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::compiler;
using Catch::Matchers::Contains;

namespace {

/// A configuration with one word changed (or removed).
Configuration changed(const Configuration& from, uint32_t unit, unsigned word,
                      std::optional<uint32_t> value) {
  Configuration result(from.shape());
  for (const auto& [id, words] : from.units()) {
    for (const auto& [w, v] : words) {
      if (id != unit || w != word) result.set(id, w, v);
    }
  }
  if (value) result.set(unit, word, *value);
  return result;
}

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

constexpr uint32_t kSw00 = RDU_UNIT(RDU_UNIT_SWITCH, 0, 0);
constexpr uint32_t kSw01 = RDU_UNIT(RDU_UNIT_SWITCH, 0, 1);
constexpr uint32_t kWest = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);
constexpr uint32_t kEast = RDU_UNIT(RDU_UNIT_AGCU, 0, 1);
constexpr uint32_t kValid = RDU_SWITCH_ROUTE_VALID_MASK;
constexpr unsigned route_word(unsigned port, unsigned flow) {
  return RDU_SWITCH_ROUTE(port * RDU_FLOWS + flow) / 4;
}
constexpr unsigned control_word(unsigned wire) {
  return RDU_SWITCH_CONTROL(wire) / 4;
}

/// By hand: the west AGCU's load goes east on channel 0, as flow 3, to the east AGCU's store; the done token
/// comes back on wire 2.
Configuration by_hand() {
  Configuration c({1, 2, 2});
  c.set(kWest, RDU_AGCU_LOAD / 4, 1);
  c.set(kWest, RDU_AGCU_MASTER / 4, 1u << 5);
  c.set(kEast, RDU_AGCU_STORE / 4, RDU_AGCU_STORE_ENABLE_MASK | RDU_AGCU_STORE_DONE_TOKEN_MASK);
  c.set(kSw00, route_word(RDU_PORT_FROM_AGCU, 0), kValid | 1u << 4 | 3u << RDU_SWITCH_ROUTE_NEXT_FLOW_SHIFT);
  c.set(kSw01, route_word(12, 3), kValid | 1u << RDU_PORT_TO_AGCU);
  c.set(kSw01, control_word(RDU_WIRE_FROM_AGCU + 1), 1u << 14);
  c.set(kSw00, control_word(6), 1u << (RDU_WIRE_TO_AGCU + 5));
  return c;
}

}  // namespace

TEST_CASE("routes are found by following the words") {
  const Configuration c = by_hand();
  const auto routes = trace_routes(c);
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].source == kWest);
  CHECK(routes[0].sinks == std::vector<TracedSink>{{kEast, 0}});
  REQUIRE(routes[0].hops.size() == 2);
  CHECK(routes[0].hops[1].port == 12);
  CHECK(routes[0].hops[1].flow == 3);
  const auto tokens = trace_tokens(c);
  REQUIRE(tokens.size() == 1);
  CHECK(tokens[0].source == kEast);
  CHECK(tokens[0].input == 5);
  CHECK(tokens[0].hops.size() == 2);
}

TEST_CASE("routes that cannot work are refused") {
  const auto refuse = [](uint32_t unit, unsigned word, std::optional<uint32_t> value) {
    return error_of([&] { trace_routes(changed(by_hand(), unit, word, value)); });
  };
  CHECK_THAT(refuse(kSw01, route_word(12, 3), std::nullopt),
             Contains("at SW 0.1, from west 0, flow 3: there is no route"));
  CHECK_THAT(refuse(kSw01, route_word(12, 3), kValid), Contains("has no outputs"));
  CHECK_THAT(refuse(kSw01, route_word(12, 3), kValid | 1u << 4), Contains("leaves the mesh"));
  CHECK_THAT(refuse(kSw01, route_word(12, 3), kValid | 1u << 6),
             Contains("leaves by east 2, but there are 2 channels"));
  CHECK_THAT(refuse(kSw01, route_word(12, 3), kValid | 1u << 17),
             Contains("input 1 of PCU 0.1 does not take it"));
  CHECK_THAT(refuse(kSw01, route_word(12, 3), kValid | 1u << RDU_PORT_TO_AGCU | 1u << 16),
             Contains("PCU 0.1 does not take it"));
  CHECK_THAT(refuse(kSw00, route_word(RDU_PORT_FROM_AGCU, 0), kValid | 1u << 4),
             Contains("flow 0: there is no route"));
  CHECK_THAT(refuse(kSw00, route_word(RDU_PORT_FROM_AGCU, 0),
                    kValid | 1u << 4 | 1u << 5 | 3u << RDU_SWITCH_ROUTE_NEXT_FLOW_SHIFT),
             Contains("from west 1, flow 3"));
  CHECK_THAT(refuse(kWest, 0, std::nullopt), Contains("input 0 of AGCU 0.E gets nothing"));
  CHECK_THAT(refuse(kSw00, route_word(0, 0), kValid | 1u << 16),
             Contains("no packet takes the route from north 0, flow 0"));
  CHECK_THAT(refuse(kEast, RDU_AGCU_STORE / 4, std::nullopt), Contains("does not take it"));
  // A circle: what arrives in the east goes back and around.
  Configuration circle =
      changed(by_hand(), kSw01, route_word(12, 3),
              kValid | 1u << 12 | 3u << RDU_SWITCH_ROUTE_NEXT_FLOW_SHIFT | 1u << RDU_PORT_TO_AGCU);
  circle.set(kSw00, route_word(4, 3), kValid | 1u << 4 | 3u << RDU_SWITCH_ROUTE_NEXT_FLOW_SHIFT);
  CHECK_THAT(error_of([&] { trace_routes(circle); }), Contains("it has been here before"));
  // A second stream on the first one's channel, under the same flow id.
  Configuration shared = by_hand();
  shared.set(RDU_UNIT(RDU_UNIT_PMU, 0, 0), RDU_PMU_READ_MODE(0) / 4, RDU_PMU_READ_MODE_ENABLE_MASK);
  shared.set(kSw00, route_word(RDU_PORT_FROM_PMU, 0),
             kValid | 1u << 4 | 3u << RDU_SWITCH_ROUTE_NEXT_FLOW_SHIFT);
  CHECK_THAT(error_of([&] { trace_routes(shared); }), Contains("is here too"));
  // Under another one it is on its own.
  shared = changed(shared, kSw00, route_word(RDU_PORT_FROM_PMU, 0),
                   kValid | 1u << 4 | 2u << RDU_SWITCH_ROUTE_NEXT_FLOW_SHIFT);
  CHECK_THAT(error_of([&] { trace_routes(shared); }), Contains("flow 2: there is no route"));
  CHECK_THAT(refuse(kSw00, route_word(RDU_PORT_FROM_AGCU, 0),
                    kValid | 1u << 4 | 7u << RDU_SWITCH_ROUTE_NEXT_FLOW_SHIFT),
             Contains("flow 7, which has no static routes"));
  // Two streams for one input.
  Configuration twice = by_hand();
  twice.set(RDU_UNIT(RDU_UNIT_PMU, 0, 1), RDU_PMU_READ_MODE(0) / 4, RDU_PMU_READ_MODE_ENABLE_MASK);
  twice.set(kSw01, route_word(RDU_PORT_FROM_PMU, 0), kValid | 1u << RDU_PORT_TO_AGCU);
  CHECK_THAT(error_of([&] { trace_routes(twice); }), Contains("is fed by"));
}

TEST_CASE("done tokens that cannot work are refused") {
  const auto refuse = [](uint32_t unit, unsigned word, std::optional<uint32_t> value) {
    return error_of([&] { trace_tokens(changed(by_hand(), unit, word, value)); });
  };
  CHECK_THAT(refuse(kSw01, control_word(RDU_WIRE_FROM_AGCU + 1), std::nullopt), Contains("the wire ends"));
  CHECK_THAT(refuse(kSw01, control_word(RDU_WIRE_FROM_AGCU + 1), 1u << 14 | 1u << 15),
             Contains("the wire forks"));
  CHECK_THAT(refuse(kSw01, control_word(RDU_WIRE_FROM_AGCU + 1), 1u << 0), Contains("leaves the mesh"));
  CHECK_THAT(refuse(kSw01, control_word(RDU_WIRE_FROM_AGCU + 1), 1u << 16),
             Contains("this is not the master"));
  CHECK_THAT(refuse(kSw00, control_word(7), 1u << 16), Contains("no token comes by wire 7"));
  CHECK_THAT(refuse(kWest, RDU_AGCU_MASTER / 4, 1u), Contains("waits for tokens 0x1, but 0x20 come"));
  CHECK_THAT(refuse(kWest, RDU_AGCU_MASTER / 4, std::nullopt), Contains("waits for no done token"));
  CHECK_THAT(refuse(kEast, RDU_AGCU_MASTER / 4, 1u), Contains("is not the master"));
  Configuration loop = changed(by_hand(), kSw00, control_word(6), 1u << 4);
  loop.set(kSw01, control_word(12), 1u << 14);
  CHECK_THAT(error_of([&] { trace_tokens(loop); }), Contains("two tokens share an output"));
}

TEST_CASE("placing puts every unit on a site of its own and shortens the wires") {
  const Shape shape{4, 4, 2};
  Netlist netlist;
  for (int i = 0; i < 16; ++i) netlist.units.push_back({"p" + std::to_string(i), Role::pcu});
  for (int i = 0; i < 16; ++i) netlist.units.push_back({"m" + std::to_string(i), Role::pmu});
  // A shuffled chain: p5 -> m3 -> p(next) ...
  for (size_t i = 0; i < 16; ++i) {
    netlist.nets.push_back({i * 5 % 16, {16 + i * 3 % 16}});
    netlist.nets.push_back({16 + i * 3 % 16, {(i + 1) * 5 % 16}});
  }
  const auto sites = place(netlist, shape, 1);
  REQUIRE(sites.size() == 32);
  std::set<uint32_t> used;
  for (size_t u = 0; u < sites.size(); ++u) {
    CHECK(used.insert(sites[u].id).second);
    CHECK(RDU_UNIT_KIND(sites[u].id) == (u < 16 ? RDU_UNIT_PCU : RDU_UNIT_PMU));
    CHECK(sites[u].row == RDU_UNIT_ROW(sites[u].id));
  }
  // A ring of 16 cells needs at least 16 hops of 16; accept a little more.
  CHECK(wire_length(netlist, sites) <= 22 * 16);
  const auto again = place(netlist, shape, 1);
  for (size_t u = 0; u < sites.size(); ++u) CHECK(again[u].id == sites[u].id);
}

TEST_CASE("routing finds ways around, and says when there is none") {
  const Shape shape{3, 3, 1};
  std::vector<std::vector<RouteStep>> steps;
  // Three streams from west to east through the middle row's only channel: two must go around.
  const std::vector<RouteRequest> crossing = {
      {"a", {1, 0}, {{1, 2}}}, {"b", {1, 0}, {{1, 2}}}, {"c", {1, 0}, {{1, 2}, {0, 2}}}};
  REQUIRE(route(crossing, shape, 1, {}, &steps).empty());
  std::set<std::tuple<int, int, int, int>> used;
  for (const auto& tree : steps) {
    for (const auto& s : tree) CHECK(used.emplace(s.row, s.col, s.side, s.channel).second);
  }
  CHECK(steps[0].size() + steps[1].size() + steps[2].size() >= 2 + 4 + 4);
  auto fourth = crossing;
  fourth.push_back({"d", {1, 0}, {{1, 2}}});
  CHECK_THAT(route(fourth, shape, 1, {}, &steps), Contains("streams leave SW"));
  CHECK(route(fourth, shape, 2, {}, &steps).empty());
  // Only to its own switch: no steps.
  REQUIRE(route({{"e", {2, 2}, {{2, 2}}}}, shape, 1, {}, &steps).empty());
  CHECK(steps[0].empty());
}

TEST_CASE("streams share channels where they have to, under flow ids of their own") {
  const Shape shape{3, 4, 2};
  std::mt19937_64 random(test_seed());
  unsigned shared = 0;
  for (int round = 0; round < 30; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    std::vector<RouteRequest> requests;
    const auto place = [&] {
      return std::pair(static_cast<uint16_t>(random() % 3), static_cast<uint16_t>(random() % 4));
    };
    for (int n = 0; n < 40; ++n) {
      RouteRequest request{"r", place(), {}};
      for (uint64_t sinks = 1 + random() % 4; sinks != 0; --sinks) request.sinks.push_back(place());
      requests.push_back(request);
    }
    std::vector<std::vector<RouteStep>> steps;
    REQUIRE(route(requests, shape, 2, {7, 1}, &steps).empty());
    std::set<std::tuple<int, int, int, int, int>> used;
    std::set<std::tuple<int, int, int, int>> channels;
    for (const auto& tree : steps) {
      std::map<std::pair<int, int>, int> flows;
      for (const RouteStep& s : tree) {
        CHECK(s.flow < 7);
        CHECK(used.emplace(s.row, s.col, s.side, s.channel, s.flow).second);
        shared += !channels.emplace(s.row, s.col, s.side, s.channel).second;
        // A switch gives all branches of a stream one flow id.
        CHECK(flows.emplace(std::pair(s.row, s.col), s.flow).first->second == s.flow);
      }
    }
  }
  CHECK(shared > 100);
  // Not where there is another way.
  std::vector<std::vector<RouteStep>> steps;
  const std::vector<RouteRequest> two = {{"a", {1, 0}, {{1, 2}}}, {"b", {1, 0}, {{1, 2}}}};
  REQUIRE(route(two, shape, 1, {7, 1}, &steps).empty());
  for (const auto& tree : steps) {
    for (const RouteStep& s : tree) CHECK(s.flow == 0);
  }
  // Eight streams have one way of one channel.
  CHECK_THAT(route(std::vector<RouteRequest>(8, {"a", {0, 0}, {{0, 1}}}), {1, 2, 1}, 1, {7, 1}, &steps),
             Contains("8 streams leave SW 0.0 to the east (1 channels of 7 flows)"));
}

TEST_CASE("pinned units are where they have to be, or it is said why not") {
  const auto build = [](Cell load, Cell simd, Cell pad) {
    Graph g("pinned", "");
    Simd pcu;
    pcu.stages = {{Op::mov, Operand::in0}};
    pcu.in[0] = pcu.out = Format::bf16;
    Scratchpad memory;
    memory.buffer_size = 64;
    memory.write = memory.read = {{1, 64}};
    const Node in = g.add("in", Load{}), a = g.add("a", pcu), b = g.add("b", pcu), c = g.add("c", memory);
    g.connect(in, a);
    g.connect(a, c);
    g.connect(c, b);
    g.connect(b, g.add("out", Store{}));
    g.pin(in, load);
    g.pin(a, simd);
    g.pin(b, {3, 3});
    g.pin(c, pad);
    const Program p = compile(g);
    std::map<std::string, std::string> places;
    for (const UnitEntry& u : p.units()) places[u.name] = unit_text(u.id);
    return places;
  };
  auto places = build({5, 5}, {2, 4}, {3, 3});
  CHECK(places["in"] == "AGCU 5.E");
  CHECK(places["a"] == "PCU 2.4");
  CHECK(places["b"] == "PCU 3.3");
  CHECK(places["c"] == "PMU 3.3");
  CHECK_THROWS_WITH(build({5, 4}, {2, 4}, {3, 3}),
                    Contains("unit 'in' has to be at row 5, column 4, but there is no such unit"));
  CHECK_THROWS_WITH(build({5, 5}, {6, 4}, {3, 3}),
                    Contains("unit 'a' has to be at row 6, column 4, but there is no such unit"));
  CHECK_THROWS_WITH(build({5, 5}, {3, 3}, {3, 3}),
                    Contains("unit 'b' has to be at row 3, column 3, where 'a' has to be, too"));
}

TEST_CASE("streams with much to carry have channels of their own, the others share what is left") {
  // All of one way: two that fill a channel, and fourteen that share the other two.
  std::vector<RouteRequest> requests(16, {"s", {0, 0}, {{0, 3}}, 0.1});
  requests[3].load = requests[9].load = 0.5;
  const Sharing light{7, 1.0 / 7};
  std::vector<std::vector<RouteStep>> steps;
  REQUIRE(route(requests, {1, 4, 4}, 4, light, &steps).empty());
  std::map<std::pair<int, int>, std::set<size_t>> users;  // of column, channel
  for (size_t n = 0; n < steps.size(); ++n) {
    for (const RouteStep& s : steps[n]) CHECK(users[{s.col, s.channel}].insert(n).second);
  }
  CHECK(users.size() == 3 * 4);
  for (const auto& channel : users) {
    const bool alone = channel.second.count(3) + channel.second.count(9) != 0;
    CHECK(channel.second.size() == (alone ? 1 : 7));
  }
  CHECK_FALSE(route(requests, {1, 4, 3}, 3, light, &steps).empty());
  CHECK(route(requests, {1, 4, 3}, 3, {7, 1}, &steps).empty());
}

TEST_CASE("a mesh that is too thin for a program is named") {
  Graph g("crowd", "");
  std::vector<Node> pads;
  Target target;
  target.shape = {1, 8, 1};
  Scratchpad pad;
  pad.buffer_size = 64;
  Simd simd;
  simd.in = {Format::bf16, Format::bf16, Format::bf16, Format::bf16};
  simd.out = Format::bf16;
  simd.stages = {{Op::fadd, Operand::in0, Operand::in1},
                 {Op::fadd, Operand::prev, Operand::in2},
                 {Op::fadd, Operand::prev, Operand::in3}};
  const Node load = g.add("load", Load{});
  for (int i = 0; i < 8; ++i) {
    pads.push_back(g.add("m" + std::to_string(i), pad));
    g.connect(load, pads.back());
  }
  Node last = pads[0];
  for (int i = 0; i < 7; ++i) {
    const Node p = g.add("p" + std::to_string(i), simd);
    g.connect(last, p, 0);
    for (unsigned k = 1; k < 4; ++k)
      g.connect(pads[static_cast<size_t>(i + static_cast<int>(k) * 2) % 7 + 1], p, k);
    last = p;
  }
  g.connect(last, g.add("store", Store{}));
  CompileOptions alone;
  alone.share_channels = false;
  CHECK_THAT(
      error_of([&] { compile(g, target, alone); }),
      Contains("kernel 'crowd': the streams do not fit the mesh after 24 placements; in the last one"));
  const Program crowded = compile(g, target);
  unsigned flows = 0;
  for (const RouteEntry& r : crowded.routes()) {
    for (const RouteEntry::Hop& h : r.hops) flows = std::max<unsigned>(flows, h.flow);
  }
  CHECK(flows > 0);
  target.shape = {3, 4, 4};
  CHECK_NOTHROW(compile(g, target));
}

TEST_CASE("compiling is deterministic, and other seeds are other places") {
  const Graph g = programs::digits_fused();
  const auto first = compile(g).serialize();
  CHECK(compile(g).serialize() == first);
  CompileOptions options;
  options.seed = 77;
  CHECK(compile(g, {}, options).serialize() != first);
}

TEST_CASE("the shipped programs fit the mini tile, and larger ones") {
  for (const Shape& shape : {Shape{6, 6, 2}, Shape{20, 13, 2}}) {
    Target target;
    target.shape = shape;
    for (const Graph& g :
         {programs::digits_fused(), programs::digits_matmul1(), programs::digits_bias_relu(),
          programs::digits_matmul2(), programs::digits_softmax(), programs::gemm(1026, 1024, 1024, 2, 4)}) {
      const Program p = compile(g, target);
      CHECK(p.routes().size() == g.edges().size());
    }
  }
}
