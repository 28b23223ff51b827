#include <memory>

#include "core/error.h"
#include "fabric/fidelity.h"
#include "fabric/test/outcome.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu;
using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

FabricParams tight(const std::string& fidelity, const std::string& fidelity_of) {
  FabricParams p = tight_tile();
  p.fidelity = fidelity;
  p.fidelity_of = fidelity_of;
  return p;
}

std::string error_of(const std::string& fidelity, const std::string& fidelity_of) {
  try {
    FidelityMap(tight(fidelity, fidelity_of));
  } catch (const core::Error& e) {
    REQUIRE(e.kind() == core::ErrorKind::bad_input);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("any mixture of fidelities has the same results, in the same cycles") {
  const std::pair<const char*, const char*> kMixtures[] = {
      {"fast", ""},
      {"cycle", ""},
      {"fast", "pcu[*][*]=cycle"},
      {"fast", "pmu[*][*]=cycle"},
      {"fast", "switch[*][*]=cycle"},
      {"fast", "switch[1][*]=cycle, switch[*][2]=cycle"},
      {"fast", "agcu[*][*]=cycle"},
      {"cycle", "agcu[*][*]=fast"},
      {"cycle", "pcu[*][1]=fast, pmu[2][*]=fast, pcu[0][1]=cycle, switch[*][0]=fast, agcu[*][1]=fast"}};
  std::vector<std::unique_ptr<Bench>> benches;
  for (const auto& [fidelity, fidelity_of] : kMixtures) {
    benches.push_back(std::make_unique<Bench>(("bench" + std::to_string(benches.size())).c_str(),
                                              tight(fidelity, fidelity_of)));
  }
  unsigned well = 0;
  unsigned hung = 0;
  for (unsigned round = 0; round < 25; ++round) {
    const uint64_t seed = test_seed() * 1000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    std::unique_ptr<RandomProgram> program;
    try {
      program = std::make_unique<RandomProgram>(benches[0]->params, seed);
    } catch (const std::runtime_error&) {
      continue;  // the router of the test found no way
    }
    const Outcome fast = outcome_of(*benches[0], *program, seed);
    (fast.fault == 0 ? well : hung) += 1;
    for (size_t i = 1; i < benches.size(); ++i) {
      INFO(kMixtures[i].first << " " << kMixtures[i].second);
      const Outcome other = outcome_of(*benches[i], *program, seed);
      REQUIRE(other.fault == fast.fault);
      const bool same_memory = other.memory == fast.memory;
      REQUIRE(same_memory);
      const FabricParams& params = benches[0]->params;
      const bool same_requests = other.requests_to_the_end(params) == fast.requests_to_the_end(params);
      REQUIRE(same_requests);
      if (fast.fault == 0) REQUIRE(other.cycles == fast.cycles);
      if (fast.has_loose_ends(params)) continue;
      for (unsigned kind = RDU_UNIT_PCU; kind <= RDU_UNIT_AGCU; ++kind) {
        // Of a kernel that hangs, a switch that is not clocked has let pass what its sources have sent.
        if (kind == RDU_UNIT_SWITCH && fast.fault != 0) continue;
        REQUIRE(other.counters[kind] == fast.counters[kind]);
      }
    }
  }
  INFO("ended well " << well << " hung " << hung);
  REQUIRE(well > 8);
}

TEST_CASE("which unit has which fidelity") {
  const FidelityMap map(tight("fast", "pmu[*][*]=cycle, pmu[1][*] = fast,pcu[2][3]=cycle"));
  CHECK(map.of(RDU_UNIT(RDU_UNIT_PMU, 0, 1)) == Fidelity::cycle);
  CHECK(map.of(RDU_UNIT(RDU_UNIT_PMU, 1, 1)) == Fidelity::fast);
  CHECK(map.of(RDU_UNIT(RDU_UNIT_PCU, 2, 3)) == Fidelity::cycle);
  CHECK(map.of(RDU_UNIT(RDU_UNIT_PCU, 2, 2)) == Fidelity::fast);
  CHECK(map.of(RDU_UNIT(RDU_UNIT_AGCU, 0, 0)) == Fidelity::fast);
  CHECK(map.of(RDU_UNIT(RDU_UNIT_SWITCH, 0, 0)) == Fidelity::fast);
  const FidelityMap ends(tight("fast", "agcu[*][0]=cycle, agcu[2][0]=fast"));
  CHECK(ends.of(RDU_UNIT(RDU_UNIT_AGCU, 1, 0)) == Fidelity::cycle);
  CHECK(ends.of(RDU_UNIT(RDU_UNIT_AGCU, 2, 0)) == Fidelity::fast);
  CHECK(ends.of(RDU_UNIT(RDU_UNIT_AGCU, 1, 1)) == Fidelity::fast);

  const auto has = [](const std::string& text, const std::string& part) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  };
  has(error_of("slow", ""), "socket.tile.fidelity: 'slow' is none of fast, cycle, rtl, shadow");
  has(error_of("fast", "pcu[1]=cycle"), "'pcu[1]=cycle' is not of the form UNIT[ROW][COLUMN]=FIDELITY");
  has(error_of("fast", "pcu[4][0]=cycle"), "there is no row 4; a tile has 4");
  has(error_of("fast", "pcu[*][9]=cycle"), "there is no column 9; a tile has 4");
  has(error_of("fast", "sram[0][0]=cycle"), "no unit 'sram' has a choice; pcu, pmu, switch and agcu have");
  has(error_of("fast", "agcu[0][2]=cycle"), "there is no side 2; a tile has 2");
  has(error_of("fast", "agcu[0][*]=rtl"), "there is no Verilog of the AGCU; it is fast or cycle");
  has(error_of("fast", "pmu[0][0]=quick"), "'quick' is none of fast, cycle, rtl, shadow");
  has(error_of("rtl", ""), "this program was built without the Verilog of the PCU");
  has(error_of("fast", "pmu[0][0]=rtl"), "this program was built without the Verilog of the PMU");
}
