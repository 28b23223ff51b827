#include "fabric/program.h"
#include "fabric/switch/router.h"
#include "regs/switch.hpp"
#include "test/catch.h"

using namespace rdu::fabric;
namespace sw = rdu::regs::switch_;

namespace {

constexpr unsigned kNorth = 0, kEast = 4, kSouth = 8, kWest = 12;
constexpr unsigned kStore = port::kControlFromAgcu + 1;  // token wire of a store generator
constexpr uint32_t kPcu = RDU_UNIT(RDU_UNIT_PCU, 0, 0);
constexpr uint32_t kPmu = RDU_UNIT(RDU_UNIT_PMU, 0, 0);

struct Mesh {
  Mesh() {
    params.rows = 2;
    params.columns = 3;
  }
  ConfigWords& at(unsigned row, unsigned col) {
    return words.emplace(RDU_UNIT(RDU_UNIT_SWITCH, row, col), ConfigWords::reset_of<sw::Registers>())
        .first->second;
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
  FabricParams params;
  std::map<uint32_t, ConfigWords> words;
};

std::string refusal(Router& router, uint32_t source, unsigned in, unsigned flow, uint32_t* unit = nullptr) {
  try {
    router.trace(source, 0, 0, in, flow);
    return "";
  } catch (const BadRoute& e) {
    if (unit) *unit = e.unit();
    return e.what();
  }
}

}  // namespace

TEST_CASE("a multicast route is traced to all its ends") {
  Mesh m;
  m.route(0, 0, port::kFromPcu, 5, 1u << (kEast + 1) | 1u << port::kToPmu, 3);
  m.route(0, 1, kWest + 1, 3, 1u << kEast | 1u << kSouth, 6);
  m.route(0, 2, kWest, 6, 1u << (port::kToPcu + 2));
  m.route(1, 1, kNorth, 6, 1u << port::kToPcu | 1u << (port::kToPcu + 3));
  Router router(m.params, m.words);
  const Router::Stream stream = router.trace(kPcu, 0, 0, port::kFromPcu, 5);
  REQUIRE(stream.ends.size() == 4);
  for (const RouteEnd& end : stream.ends) {
    const bool here = end.row == 0 && end.column == 0 && end.port == port::kToPmu && end.switches == 1;
    const bool east = end.row == 0 && end.column == 2 && end.port == port::kToPcu + 2 && end.switches == 3;
    const bool south = end.row == 1 && end.column == 1 && end.switches == 3 &&
                       (end.port == port::kToPcu || end.port == port::kToPcu + 3);
    REQUIRE((here || east || south));
  }
  REQUIRE(stream.steps.size() == 4);
  uint32_t outputs = 0;
  for (const RouteStep& step : stream.steps) outputs += step.outputs;
  REQUIRE(outputs == 2 + 2 + 1 + 2);
}

TEST_CASE("routes that switches cannot carry are refused by name") {
  uint32_t unit = 0;
  SECTION("no entry") {
    Mesh m;
    Router router(m.params, m.words);
    REQUIRE(refusal(router, kPcu, port::kFromPcu, 2, &unit) ==
            "switch[0][0]: no route for flow 2 at input 16, which carries the stream from pcu[0][0]");
    REQUIRE(unit == RDU_UNIT(RDU_UNIT_SWITCH, 0, 0));
  }
  SECTION("an entry that ends nowhere") {
    Mesh m;
    m.route(0, 0, port::kFromPcu, 0, 1u << kEast, 1);
    m.route(0, 1, kWest, 1, 0);
    Router router(m.params, m.words);
    REQUIRE(refusal(router, kPcu, port::kFromPcu, 0, &unit).find("switch[0][1]: no route for flow 1") == 0);
    REQUIRE(unit == RDU_UNIT(RDU_UNIT_SWITCH, 0, 1));
  }
  SECTION("out of the mesh") {
    Mesh m;
    m.route(0, 0, port::kFromPcu, 0, 1u << kNorth);
    Router router(m.params, m.words);
    REQUIRE(refusal(router, kPcu, port::kFromPcu, 0) ==
            "switch[0][0]: the stream from pcu[0][0] leaves the mesh by north 0");
  }
  SECTION("a channel that the tile lacks") {
    Mesh m;
    m.route(0, 0, port::kFromPcu, 0, 1u << (kEast + 2));
    Router router(m.params, m.words);
    REQUIRE(
        refusal(router, kPcu, port::kFromPcu, 0) ==
        "switch[0][0]: the stream from pcu[0][0] leaves by east 2, but the tile has 2 channels a direction");
  }
  SECTION("a loop") {
    Mesh m;
    m.route(0, 0, port::kFromPcu, 0, 1u << kEast);
    m.route(0, 1, kWest, 0, 1u << kSouth);
    m.route(1, 1, kNorth, 0, 1u << kWest);
    m.route(1, 0, kEast, 0, 1u << kNorth);
    m.route(0, 0, kSouth, 0, 1u << kEast);
    Router router(m.params, m.words);
    REQUIRE(refusal(router, kPcu, port::kFromPcu, 0) ==
            "switch[0][0]: the stream from pcu[0][0] reaches east 0 twice: its route has a loop");
  }
  SECTION("two flows on one channel") {
    Mesh m;
    m.route(0, 0, port::kFromPcu, 0, 1u << kEast, 0);
    m.route(0, 0, port::kFromPmu, 0, 1u << kEast, 1);
    m.route(0, 1, kWest, 0, 1u << port::kToPcu);
    m.route(0, 1, kWest, 1, 1u << port::kToPmu);
    Router router(m.params, m.words);
    REQUIRE(refusal(router, kPcu, port::kFromPcu, 0).empty());
    REQUIRE(refusal(router, kPmu, port::kFromPmu, 0, &unit) ==
            "switch[0][0]: the streams from pcu[0][0] and from pmu[0][0] share east 0");
    REQUIRE(unit == RDU_UNIT(RDU_UNIT_SWITCH, 0, 0));
  }
  SECTION("two streams into one input") {
    Mesh m;
    m.route(0, 0, port::kFromPcu, 0, 1u << port::kToPmu);
    m.route(0, 0, port::kFromPmu, 0, 1u << port::kToPmu);
    Router router(m.params, m.words);
    REQUIRE(refusal(router, kPcu, port::kFromPcu, 0).empty());
    REQUIRE(refusal(router, kPmu, port::kFromPmu, 0) ==
            "switch[0][0]: the streams from pcu[0][0] and from pmu[0][0] share PMU input 0");
  }
}

TEST_CASE("token wires") {
  constexpr uint32_t kEastAgcu = RDU_UNIT(RDU_UNIT_AGCU, 0, 1);
  Mesh m;
  m.control(0, 2, kStore, 1u << (kWest + 3));
  m.control(0, 1, kEast + 3, 1u << (kWest + 3));
  m.control(0, 0, kEast + 3, 1u << (port::kControlToAgcu + 4));
  SECTION("are traced") {
    Router router(m.params, m.words);
    const std::vector<RouteEnd> ends = router.trace_token(kEastAgcu, 0, 2, kStore);
    REQUIRE(ends.size() == 1);
    REQUIRE(ends[0].port == port::kControlToAgcu + 4);
    REQUIRE(ends[0].switches == 3);
  }
  SECTION("carry one token") {
    m.control(1, 0, kStore, 1u << kNorth);
    m.control(0, 0, kSouth, 1u << (port::kControlToAgcu + 4));
    Router router(m.params, m.words);
    router.trace_token(kEastAgcu, 0, 2, kStore);
    REQUIRE_THROWS_WITH(router.trace_token(RDU_UNIT(RDU_UNIT_AGCU, 1, 0), 1, 0, kStore),
                        "switch[0][0]: the tokens of agcu_east[0] and of agcu_west[1] share control wire 24");
  }
  SECTION("may not end nowhere, leave the mesh or go in a circle") {
    m.control(0, 0, kEast + 3, 0);
    REQUIRE_THROWS_WITH(
        Router(m.params, m.words).trace_token(kEastAgcu, 0, 2, kStore),
        "switch[0][0]: control input 7 carries the token of agcu_east[0], but drives no wire");
    m.control(0, 0, kEast + 3, 1u << kNorth);
    REQUIRE_THROWS_WITH(Router(m.params, m.words).trace_token(kEastAgcu, 0, 2, kStore),
                        "switch[0][0]: the token of agcu_east[0] leaves the mesh by wire 0");
    m.control(0, 1, kEast + 3, 1u << (kEast + 3));
    m.control(0, 2, kWest + 3, 1u << (kWest + 3));
    REQUIRE_THROWS_WITH(Router(m.params, m.words).trace_token(kEastAgcu, 0, 2, kStore),
                        "switch[0][2]: the tokens of agcu_east[0] and of agcu_east[0] share control wire 15");
  }
}
