#include <cstring>

#include "fabric/test/bench.h"
#include "fabric/test/units.h"
#include "test/catch.h"

using namespace rdu;
using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

FabricParams small() {
  FabricParams p;
  p.rows = 3;
  p.columns = 4;
  return p;
}

Bench& bench() {
  static Bench instance("bench", small());
  return instance;
}

}  // namespace

TEST_CASE("a pipeline from memory to memory: load, PMU, SIMD, store") {
  namespace P = regs::pcu;
  Bench& b = bench();
  ProgramBuilder program(b.params);
  const uint32_t west = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);
  const uint32_t east = RDU_UNIT(RDU_UNIT_AGCU, 0, 1);
  const uint32_t pmu = RDU_UNIT(RDU_UNIT_PMU, 0, 1);
  const uint32_t pcu = RDU_UNIT(RDU_UNIT_PCU, 0, 2);
  constexpr unsigned kRows = 8;  // of 128 bytes: 32 FP32 values
  set_load(program.unit(west), Bench::virtual_address(0x1000), 128, {{kRows, 128}});
  set_pmu(program.unit(pmu), 1, 1, 4096, {{2 * kRows, 64}}, {{2 * kRows, 64}});
  set_simd(program.unit(pcu), kRows, {{P::STAGE::OP_ADD, P::STAGE::A_IN0, P::STAGE::A_CONST0}});
  program.unit(pcu).set(P::kCONST_OFFSET, 0x3f800000);
  set_store(program.unit(east), Bench::virtual_address(0x2000), 128, {{kRows, 128}});
  program.unit(east).set(regs::agcu::kSTORE_OFFSET, regs::agcu::STORE::DONE_TOKEN, 1);
  program.unit(west).set(regs::agcu::kMASTER_OFFSET, regs::agcu::MASTER::TOKENS, 1);
  REQUIRE(program.route(west, {{pmu, 0}}));
  REQUIRE(program.route(pmu, {{pcu, 0}}));
  REQUIRE(program.route(pcu, {{east, 0}}));
  REQUIRE(program.route_token(east, 0));

  std::vector<float> x(32 * kRows);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 0.25f;
  std::memcpy(&b.memory.data[0x1000], x.data(), x.size() * 4);
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  for (size_t i = 0; i < x.size(); ++i) {
    float y;
    std::memcpy(&y, &b.memory.data[0x2000 + 4 * i], 4);
    REQUIRE(y == x[i] + 1.0f);
  }
  WARN(b.read(regs::sequencer::kEXEC_CYCLES_OFFSET, 8));
}
