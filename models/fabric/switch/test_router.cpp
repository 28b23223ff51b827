#include <algorithm>

#include "fabric/program.h"
#include "fabric/switch/router.h"
#include "regs/switch.hpp"
#include "test/catch.h"

using namespace rdu::fabric;
namespace sw = rdu::regs::switch_;

namespace {

constexpr unsigned kNorth = 0, kEast = 4, kSouth = 8, kWest = 12;
constexpr unsigned kStore = port::kControlFromAgcu + 1;  // token wire of a store generator

uint32_t pcu(unsigned row, unsigned column) {
  return RDU_UNIT(RDU_UNIT_PCU, row, column);
}
uint32_t pmu(unsigned row, unsigned column) {
  return RDU_UNIT(RDU_UNIT_PMU, row, column);
}
uint32_t switch_at(unsigned row, unsigned column) {
  return RDU_UNIT(RDU_UNIT_SWITCH, row, column);
}

PortUse::Output output(unsigned port = 0, unsigned flow = 0) {
  PortUse::Output o;
  o.port = o.part = port;
  o.flow = flow;
  return o;
}
PortUse::Output numbered(uint16_t first, uint16_t step, unsigned flow = 0) {
  PortUse::Output o = output(0, flow);
  o.has_sequence = true;
  o.first = first;
  o.step = step;
  return o;
}
PortUse::Output dynamic(unsigned row, unsigned column, unsigned port) {
  PortUse::Output o = output();
  o.is_dynamic = true;
  o.destination = column | row << 8 | port << 16;
  return o;
}

struct Mesh {
  Mesh() {
    params.rows = 2;
    params.columns = 3;
  }
  ConfigWords& at(unsigned row, unsigned col) {
    return words.emplace(switch_at(row, col), ConfigWords::reset_of<sw::Registers>()).first->second;
  }
  void route(unsigned row, unsigned col, unsigned in, unsigned flow, uint32_t out, unsigned next = 0) {
    const uint64_t offset = sw::kROUTE_OFFSET + 4 * (in * 8 + flow);
    at(row, col).set(offset, sw::ROUTE::OUT, out);
    at(row, col).set(offset, sw::ROUTE::NEXT_FLOW, next);
    at(row, col).set(offset, sw::ROUTE::VALID, 1);
  }
  void control(unsigned row, unsigned col, unsigned in, uint32_t out) {
    at(row, col).set(sw::kCONTROL_OFFSET + 4 * in, sw::CONTROL::OUT, out);
  }
  void join(unsigned row, unsigned col, unsigned out) {
    at(row, col).set(sw::kJOIN_OFFSET + 4 * (out - 16), sw::JOIN::ENABLE, 1);
  }
  void sends(uint32_t unit, const PortUse::Output& o) { uses[unit].outputs.push_back(o); }
  void takes(uint32_t unit, unsigned input, unsigned part = 0, bool any_order = false) {
    uses[unit].inputs.push_back({input, part, any_order});
  }
  Routes find() const { return find_routes(params, words, uses); }
  std::string refusal(uint32_t* unit = nullptr) const {
    try {
      find();
      return "";
    } catch (const BadRoute& e) {
      if (unit) *unit = e.unit();
      return e.what();
    }
  }
  FabricParams params;
  std::map<uint32_t, ConfigWords> words;
  std::map<uint32_t, PortUse> uses;
};

const Leg& leg_from(const Routes& routes, uint32_t unit, unsigned port = 0) {
  const auto found = std::find_if(routes.packets.begin(), routes.packets.end(),
                                  [&](const Leg& leg) { return leg.unit == unit && leg.port == port; });
  REQUIRE(found != routes.packets.end());
  return *found;
}

}  // namespace

TEST_CASE("a multicast route is traced to all its ends") {
  Mesh m;
  m.route(0, 0, port::kFromPcu, 5, 1u << (kEast + 1) | 1u << port::kToPmu, 3);
  m.route(0, 1, kWest + 1, 3, 1u << kEast | 1u << kSouth, 6);
  m.route(0, 2, kWest, 6, 1u << (port::kToPcu + 2));
  m.route(1, 1, kNorth, 6, 1u << port::kToPcu | 1u << (port::kToPcu + 3));
  m.sends(pcu(0, 0), output(0, 5));
  m.takes(pmu(0, 0), 0);
  m.takes(pcu(0, 2), 2);
  m.takes(pcu(1, 1), 0);
  m.takes(pcu(1, 1), 3);
  const Routes routes = m.find();
  REQUIRE(routes.clocked.empty());
  REQUIRE(routes.packets.size() == 1);
  const Leg& leg = routes.packets[0];
  REQUIRE(leg.ends.size() == 4);
  const auto is = [&](size_t i, uint32_t unit, unsigned port, uint64_t hops) {
    const LegEnd& end = leg.ends[i];
    return end.unit == unit && end.port == port && end.hops == hops && end.is_unit;
  };
  CHECK(is(0, pcu(0, 2), 2, 4));
  CHECK(is(1, pcu(1, 1), 0, 4));
  CHECK(is(2, pcu(1, 1), 3, 4));
  CHECK(is(3, pmu(0, 0), 0, 2));
  REQUIRE(leg.steps.size() == 4);
  unsigned outputs = 0;
  for (const Leg::Step& step : leg.steps) outputs += step.outputs;
  REQUIRE(outputs == 2 + 2 + 1 + 2);
}

TEST_CASE("routes that switches cannot carry are refused by name") {
  uint32_t unit = 0;
  Mesh m;
  m.sends(pcu(0, 0), output());
  SECTION("no entry") {
    REQUIRE(m.refusal(&unit) ==
            "switch[0][0]: no route for flow 0 at PCU output 0, which carries the stream from pcu[0][0]");
    REQUIRE(unit == switch_at(0, 0));
  }
  SECTION("an entry that ends nowhere") {
    m.route(0, 0, port::kFromPcu, 0, 1u << kEast, 1);
    m.route(0, 1, kWest, 1, 0);
    REQUIRE(m.refusal(&unit).find("switch[0][1]: no route for flow 1 at west 0") == 0);
    REQUIRE(unit == switch_at(0, 1));
  }
  SECTION("out of the mesh") {
    m.route(0, 0, port::kFromPcu, 0, 1u << kNorth);
    REQUIRE(m.refusal() == "switch[0][0]: the stream from pcu[0][0] leaves the mesh by north 0");
  }
  SECTION("a channel that the tile lacks") {
    m.route(0, 0, port::kFromPcu, 0, 1u << (kEast + 2));
    REQUIRE(
        m.refusal() ==
        "switch[0][0]: the stream from pcu[0][0] leaves by east 2, but the tile has 2 channels a direction");
  }
  SECTION("a loop") {
    m.route(0, 0, port::kFromPcu, 0, 1u << kEast);
    m.route(0, 1, kWest, 0, 1u << kSouth);
    m.route(1, 1, kNorth, 0, 1u << kWest);
    m.route(1, 0, kEast, 0, 1u << kNorth);
    m.route(0, 0, kSouth, 0, 1u << kEast);
    REQUIRE(m.refusal() ==
            "switch[0][0]: the stream from pcu[0][0] reaches east 0 twice: its route has a loop");
  }
  SECTION("two streams in one queue") {
    m.sends(pmu(0, 0), output());
    m.takes(pcu(0, 1), 0);
    m.route(0, 0, port::kFromPcu, 0, 1u << kEast, 2);
    m.route(0, 0, port::kFromPmu, 0, 1u << kEast, 2);
    m.route(0, 1, kWest, 2, 1u << port::kToPcu);
    REQUIRE(m.refusal(&unit) ==
            "switch[0][1]: the streams from pcu[0][0] and from pmu[0][0] both come by west 0 as flow 2");
    REQUIRE(unit == switch_at(0, 1));
  }
  SECTION("two streams into one input") {
    m.sends(pmu(0, 0), output());
    m.takes(pmu(0, 0), 0);
    m.route(0, 0, port::kFromPcu, 0, 1u << port::kToPmu);
    m.route(0, 0, port::kFromPmu, 0, 1u << port::kToPmu);
    REQUIRE(
        m.refusal() ==
        "switch[0][0]: the streams from pcu[0][0] and from pmu[0][0] share PMU input 0, which does not join "
        "them");
  }
  SECTION("inputs that nobody uses, or feeds") {
    m.route(0, 0, port::kFromPcu, 0, 1u << (port::kToPmu + 3));
    REQUIRE(m.refusal(&unit) ==
            "the stream from pcu[0][0] leads to input 3 of pmu[0][0], which does not use it");
    REQUIRE(unit == pmu(0, 0));
    m.takes(pmu(0, 0), 3);
    m.takes(pcu(1, 1), 1);
    REQUIRE(m.refusal(&unit) == "no route leads to input 1 of pcu[1][1]");
    REQUIRE(unit == pcu(1, 1));
  }
  SECTION("flow 7 without a destination") {
    m.uses.at(pcu(0, 0)).outputs[0].flow = 7;
    REQUIRE(m.refusal(&unit).find("pcu[0][0] sends flow 7 without DYNAMIC") == 0);
    REQUIRE(unit == pcu(0, 0));
    m.uses.at(pcu(0, 0)).outputs[0].flow = 0;
    m.route(0, 0, port::kFromPcu, 0, 1u << kEast, 7);
    REQUIRE(m.refusal().find("switch[0][0]: the stream from pcu[0][0] goes on as flow 7") == 0);
  }
  SECTION("a destination that is none") {
    m.uses.clear();
    m.sends(pcu(0, 0), dynamic(2, 0, 16));
    REQUIRE(m.refusal(&unit) ==
            "the packets of pcu[0][0] are for column 0, row 2, port 16, which is no input of a unit");
    REQUIRE(unit == pcu(0, 0));
    m.uses.clear();
    m.sends(pcu(0, 0), dynamic(1, 0, 15));
    REQUIRE(m.refusal().find("which is no input") != std::string::npos);
  }
}

TEST_CASE("streams are cut where they meet, and nowhere else") {
  Mesh m;
  m.sends(pcu(0, 0), output());
  m.sends(pmu(0, 0), output());
  m.takes(pcu(0, 2), 1);
  m.takes(pmu(1, 1), 0);
  SECTION("one channel, two flows") {
    m.route(0, 0, port::kFromPcu, 0, 1u << kEast, 1);
    m.route(0, 0, port::kFromPmu, 0, 1u << kEast, 2);
    m.route(0, 1, kWest, 1, 1u << kEast, 1);
    m.route(0, 1, kWest, 2, 1u << kSouth, 0);
    m.route(0, 2, kWest, 1, 1u << (port::kToPcu + 1));
    m.route(1, 1, kNorth, 0, 1u << port::kToPmu);
    const Routes routes = m.find();
    REQUIRE(routes.clocked == std::set<uint32_t>{switch_at(0, 0)});
    REQUIRE(routes.packets.size() == 4);
    const Leg& in = leg_from(routes, pmu(0, 0));
    REQUIRE(in.ends.size() == 1);
    CHECK(in.ends[0].unit == switch_at(0, 0));
    CHECK(in.ends[0].port == port::kFromPmu);
    CHECK(in.ends[0].hops == 1);
    const Leg& out = routes.packets[3];
    CHECK(out.unit == switch_at(0, 0));
    CHECK(out.port == kEast);
    CHECK(out.flow == 2);
    REQUIRE(out.ends.size() == 1);
    CHECK(out.ends[0].unit == pmu(1, 1));
    CHECK(out.ends[0].hops == 3);
  }
  SECTION("dynamic ones, where they part, too") {
    m.uses.at(pcu(0, 0)).outputs[0] = dynamic(0, 2, port::kToPcu + 1);
    m.uses.at(pmu(0, 0)).outputs[0] = dynamic(1, 1, port::kToPmu);
    const Routes routes = m.find();
    REQUIRE(routes.clocked == std::set<uint32_t>{switch_at(0, 0), switch_at(0, 1)});
    REQUIRE(leg_from(routes, switch_at(0, 0), kEast).ends[0].unit == switch_at(0, 1));
    REQUIRE(leg_from(routes, switch_at(0, 1), kEast).ends[0].hops == 2);
    REQUIRE(leg_from(routes, switch_at(0, 1), kSouth).ends[0].unit == pmu(1, 1));
  }
  SECTION("a dynamic stream alone is nothing special") {
    m.uses.at(pcu(0, 0)).outputs[0] = dynamic(0, 2, port::kToPcu + 1);
    m.uses.erase(pmu(0, 0));
    m.uses.erase(pmu(1, 1));
    const Routes routes = m.find();
    REQUIRE(routes.clocked.empty());
    REQUIRE(routes.packets[0].ends[0].hops == 4);
  }
  SECTION("switch_depth 0 cannot") {
    m.params.switch_depth = 0;
    m.uses.at(pcu(0, 0)).outputs[0] = dynamic(0, 2, port::kToPcu + 1);
    m.uses.at(pmu(0, 0)).outputs[0] = dynamic(1, 1, port::kToPmu);
    REQUIRE(m.refusal() == "switch[0][0]: streams meet here, but switch_depth is 0");
  }
}

TEST_CASE("streams that end at one input have ids that tell them apart") {
  Mesh m;
  m.route(0, 0, port::kFromPcu, 0, 1u << port::kToPmu);
  m.route(0, 0, port::kFromPmu, 1, 1u << port::kToPmu);
  m.join(0, 0, port::kToPmu);
  m.takes(pmu(0, 0), 0);
  const auto refusal = [&](const PortUse::Output& a, const PortUse::Output& b) {
    m.uses[pcu(0, 0)].outputs = {a};
    m.uses[pmu(0, 0)].outputs = {b};
    return m.refusal();
  };
  CHECK(refusal(numbered(0, 2), numbered(1, 2, 1)).empty());
  CHECK(refusal(numbered(2, 3), numbered(1, 6, 1)).empty());
  CHECK(refusal(numbered(0, 2), numbered(1, 3, 1)) ==
        "switch[0][0]: packets from pcu[0][0] (0 + i * 2) and from pmu[0][0] (1 + i * 3) for PMU input 0 may "
        "have "
        "the same sequence id");
  CHECK(refusal(numbered(5, 0), numbered(5, 0, 1)).find("may have the same") != std::string::npos);
  CHECK(refusal(numbered(0, 2), output(0, 1)) ==
        "switch[0][0]: PMU input 0 takes packets by their sequence ids, but those from pmu[0][0] carry none");
  const Routes routes = [&] {
    refusal(numbered(0, 2), numbered(1, 2, 1));
    return m.find();
  }();
  CHECK(routes.clocked == std::set<uint32_t>{switch_at(0, 0)});
  // Without JOIN, the unit has to sort them out.
  m.at(0, 0).set(sw::kJOIN_OFFSET + 4 * (port::kToPmu - 16), sw::JOIN::ENABLE, 0);
  CHECK(refusal(numbered(0, 2), numbered(1, 2, 1)).find("does not join them") != std::string::npos);
  m.uses[pmu(0, 0)].inputs[0].any_order = true;
  CHECK(refusal(numbered(0, 2), numbered(1, 2, 1)).empty());
  CHECK(refusal(numbered(0, 2), numbered(0, 2, 1)).find("may have the same") != std::string::npos);
}

TEST_CASE("dynamic streams that have shared a queue are not joined") {
  Mesh m;
  m.uses[pcu(0, 0)].outputs = {dynamic(0, 2, port::kToPmu)};
  m.uses[pmu(0, 0)].outputs = {dynamic(0, 2, port::kToPmu)};
  for (const uint32_t unit : {pcu(0, 0), pmu(0, 0)}) {
    m.uses[unit].outputs[0].has_sequence = true;
    m.uses[unit].outputs[0].first = unit == pcu(0, 0) ? 0 : 1;
    m.uses[unit].outputs[0].step = 2;
  }
  m.takes(pmu(0, 2), 0, 0, true);
  CHECK(m.refusal().empty());
  m.join(0, 2, port::kToPmu);
  CHECK(m.refusal() ==
        "switch[0][1]: the packets from pcu[0][0] and from pmu[0][0] share a queue at west 0 and are joined "
        "behind "
        "it: one could stand behind its successor");
}

TEST_CASE("streams that could wait for each other through a shared queue are refused") {
  // pcu[0][0] and pmu[0][0] share the channels to the east.
  Mesh m;
  m.sends(pcu(0, 0), dynamic(0, 2, port::kToPcu));
  m.sends(pmu(0, 0), dynamic(0, 2, port::kToPmu));
  m.takes(pcu(0, 2), 0);
  m.takes(pmu(0, 2), 0);
  SECTION("not if their consumers have nothing to do with each other") {
    CHECK(m.refusal().empty());
  }
  SECTION("if one is made of the other") {
    // What pcu[0][2] makes goes to pmu[0][0], which sends when it gets something.
    m.sends(pcu(0, 2), output());
    m.route(0, 2, port::kFromPcu, 0, 1u << (kWest + 1));
    m.route(0, 1, kEast + 1, 0, 1u << (kWest + 1));
    m.route(0, 0, kEast + 1, 0, 1u << port::kToPmu);
    m.takes(pmu(0, 0), 0);
    uint32_t unit = 0;
    CHECK(m.refusal(&unit) ==
          "switch[0][1]: streams may wait for each other in a circle, for places, for packets and in the "
          "queue that "
          "the first and the last share: pcu[0][0] -> pcu[0][2] -> pmu[0][0] -> pcu[0][0]");
    CHECK(unit == switch_at(0, 1));
    // Taken and sent by parts that do not wait for each other it is none.
    m.uses.at(pmu(0, 0)).inputs[0].part = 1;
    CHECK(m.refusal().empty());
  }
  SECTION("if one unit takes both together") {
    m.uses.at(pmu(0, 0)).outputs[0] = dynamic(0, 2, port::kToPcu + 1);
    m.uses.erase(pmu(0, 2));
    m.takes(pcu(0, 2), 1);
    CHECK(m.refusal().find("may wait for each other in a circle") != std::string::npos);
    m.uses.at(pcu(0, 2)).inputs[1].part = 1;
    CHECK(m.refusal().empty());
  }
}

TEST_CASE("throttles are read off the words") {
  Mesh m;
  m.sends(pcu(0, 0), output());
  m.takes(pmu(0, 0), 0);
  m.route(0, 0, port::kFromPcu, 0, 1u << port::kToPmu);
  CHECK(m.find().packets[0].interval == 1);
  m.at(0, 0).set(sw::kTHROTTLE_OFFSET, sw::THROTTLE::INTERVAL, 9);
  CHECK(m.find().packets[0].interval == 9);
  CHECK_FALSE(m.find().packets[0].single_credit);
  const Routes clocked = find_routes(m.params, m.words, m.uses, {switch_at(0, 0)});
  CHECK(clocked.packets[0].single_credit);
  CHECK(clocked.clocked == std::set<uint32_t>{switch_at(0, 0)});
}

TEST_CASE("scalars") {
  Mesh m;
  m.uses[pcu(0, 0)].scalar_outputs = {output(0, 3)};
  m.uses[pmu(0, 1)].scalar_inputs = {{1, 0, false}};
  const auto route = [&](unsigned row, unsigned col, unsigned in, unsigned flow, uint32_t out,
                         unsigned next) {
    const uint64_t offset = sw::kSCALAR_OFFSET + 4 * (in * 4 + flow);
    m.at(row, col).set(offset, sw::SCALAR::OUT, out);
    m.at(row, col).set(offset, sw::SCALAR::NEXT_FLOW, next);
    m.at(row, col).set(offset, sw::SCALAR::VALID, 1);
  };
  CHECK(m.refusal() ==
        "switch[0][0]: no route for flow 3 at PCU output 0, which carries the stream from pcu[0][0]");
  route(0, 0, RDU_SCALAR_FROM_PCU, 3, 1u << 3, 2);  // east 1
  route(0, 1, 7, 2, 1u << (RDU_SCALAR_TO_PMU + 1), 0);
  const Routes routes = m.find();
  REQUIRE(routes.scalars.size() == 1);
  CHECK(routes.packets.empty());
  REQUIRE(routes.scalars[0].ends.size() == 1);
  CHECK(routes.scalars[0].ends[0].unit == pmu(0, 1));
  CHECK(routes.scalars[0].ends[0].port == 1);
  CHECK(routes.scalars[0].ends[0].hops == 3);
  m.uses[pmu(0, 1)].scalar_inputs.push_back({0, 0, false});
  CHECK(m.refusal() == "no route leads to scalar input 0 of pmu[0][1]");
}

TEST_CASE("token wires") {
  constexpr uint32_t kMaster = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);
  Mesh m;
  m.uses[RDU_UNIT(RDU_UNIT_AGCU, 0, 1)].token_outputs = {output(1)};
  m.uses[kMaster].token_inputs = {{4, 0, false}};
  m.control(0, 2, kStore, 1u << (kWest + 3));
  m.control(0, 1, kEast + 3, 1u << (kWest + 3));
  m.control(0, 0, kEast + 3, 1u << (port::kControlToAgcu + 4));
  SECTION("are traced") {
    const Routes routes = m.find();
    REQUIRE(routes.tokens.size() == 1);
    REQUIRE(routes.tokens[0].ends.size() == 1);
    CHECK(routes.tokens[0].ends[0].unit == kMaster);
    CHECK(routes.tokens[0].ends[0].port == 4);
    CHECK(routes.tokens[0].ends[0].hops == 4);
  }
  SECTION("carry one token") {
    m.uses[RDU_UNIT(RDU_UNIT_AGCU, 1, 0)].token_outputs = {output(1)};
    m.control(1, 0, kStore, 1u << kNorth);
    m.control(0, 0, kSouth, 1u << (port::kControlToAgcu + 4));
    CHECK(m.refusal() ==
          "switch[0][0]: the tokens of agcu_east[0] and of agcu_west[1] share control wire 24");
  }
  SECTION("may not end nowhere, leave the mesh or go in a circle") {
    m.control(0, 0, kEast + 3, 0);
    CHECK(m.refusal() ==
          "switch[0][0]: control input 7 carries the token of agcu_east[0], but drives no wire");
    m.control(0, 0, kEast + 3, 1u << kNorth);
    CHECK(m.refusal() == "switch[0][0]: the token of agcu_east[0] leaves the mesh by control wire 0");
    m.control(0, 1, kEast + 3, 1u << (kEast + 3));
    m.control(0, 2, kWest + 3, 1u << (kWest + 3));
    CHECK(m.refusal() ==
          "switch[0][2]: the tokens of agcu_east[0] and of agcu_east[0] share control wire 15");
  }
  SECTION("end where somebody waits") {
    m.uses[kMaster].token_inputs = {{3, 0, false}};
    CHECK(m.refusal() ==
          "the token from agcu_east[0] leads to token input 4 of agcu_west[0], which does not use it");
    m.uses[kMaster].token_inputs = {{4, 0, false}, {5, 0, false}};
    CHECK(m.refusal() == "agcu_west[0] waits for token input 5, which nobody drives");
  }
}
