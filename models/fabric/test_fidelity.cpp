#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>

#include "core/error.h"
#include "fabric/fidelity.h"
#include "fabric/test/bench.h"
#include "fabric/test/random_program.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu;
using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

/// Short FIFOs and few slots, so that everything that can wait does.
FabricParams tight(const std::string& fidelity, const std::string& fidelity_of) {
  FabricParams p;
  p.rows = 4;
  p.columns = 4;
  p.fifo_depth = 4;
  p.output_depth = 10;
  p.outstanding = 6;
  p.fidelity = fidelity;
  p.fidelity_of = fidelity_of;
  return p;
}

struct Outcome {
  uint64_t fault;
  uint64_t cycles;
  std::vector<Bench::Counters> counters;   ///< of all units
  std::vector<FakeMemory::Seen> requests;  ///< up to the end
  std::vector<uint8_t> memory;
  /// It ended before the last answer came: units that had gone ahead of it had done more than others.
  bool has_loose_ends = false;
};

Outcome run(Bench& b, const RandomProgram& program, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < b.memory.data.size(); i += 8) {
    const uint64_t value = random() & 0xbfffbfffbfffbfff;  // moderate numbers
    std::memcpy(&b.memory.data[i], &value, 8);
  }
  b.memory.latency = [seed](const core::Transfer& t) {
    return 20'000 + (t.address / 256 * 0x9e3779b97f4a7c15 + seed) % 150'000;
  };
  Outcome outcome;
  REQUIRE(b.load(program.builder().stream()) == 0);
  b.memory.seen.clear();
  const core::Time start = core::now();
  outcome.fault = b.execute();
  outcome.cycles = b.read(regs::sequencer::kEXEC_CYCLES_OFFSET, 8);
  const core::Time end = outcome.cycles * b.params.fabric_clock().period;
  for (FakeMemory::Seen seen : b.memory.seen) {
    seen.issue -= start;
    seen.done -= start;
    if (outcome.fault == 0 && seen.done > end) outcome.has_loose_ends = true;
    if (outcome.fault == 0 && seen.issue > end) continue;
    outcome.requests.push_back(seen);
  }
  for (unsigned kind : {RDU_UNIT_PCU, RDU_UNIT_PMU, RDU_UNIT_SWITCH, RDU_UNIT_AGCU}) {
    // Of a kernel that hangs, a switch that is not clocked has let pass what its sources have sent.
    if (kind == RDU_UNIT_SWITCH && outcome.fault != 0) continue;
    const unsigned columns = kind == RDU_UNIT_AGCU ? 2 : 4;
    for (unsigned place = 0; place < 4 * columns; ++place)
      outcome.counters.push_back(b.counters(RDU_UNIT(kind, place / columns, place % columns)));
  }
  outcome.memory = b.memory.data;
  return outcome;
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
    const Outcome fast = run(*benches[0], *program, seed);
    (fast.fault == 0 ? well : hung) += 1;
    for (size_t i = 1; i < benches.size(); ++i) {
      INFO(kMixtures[i].first << " " << kMixtures[i].second);
      const Outcome other = run(*benches[i], *program, seed);
      REQUIRE(other.fault == fast.fault);
      const bool same_memory = other.memory == fast.memory;
      REQUIRE(same_memory);
      const bool same_requests = other.requests == fast.requests;
      REQUIRE(same_requests);
      if (fast.fault == 0) REQUIRE(other.cycles == fast.cycles);
      if (!fast.has_loose_ends) REQUIRE(other.counters == fast.counters);
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
