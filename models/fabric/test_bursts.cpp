#include <cstring>
#include <memory>
#include <random>

#include "fabric/test/bench.h"
#include "fabric/test/random_program.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu;
using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

/// Short FIFOs and few slots, so that everything that can wait does.
FabricParams tight(uint64_t max_burst) {
  FabricParams p;
  p.rows = 4;
  p.columns = 4;
  p.fifo_depth = 4;
  p.output_depth = 10;
  p.outstanding = 6;
  p.max_burst = max_burst;
  return p;
}

/// Everything that an execution shows.
struct Outcome {
  uint64_t fault;
  uint64_t cycles;
  std::string text;
  std::vector<Bench::Counters> counters;
  std::vector<FakeMemory::Seen> requests;
  std::vector<uint8_t> memory;
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
  b.faults.clear();
  Outcome outcome;
  REQUIRE(b.load(program.builder().stream()) == 0);
  b.memory.seen.clear();
  const core::Time start = core::now();
  outcome.fault = b.execute();
  outcome.cycles = b.read(regs::sequencer::kEXEC_CYCLES_OFFSET, 8);
  for (const core::GuestFault& fault : b.faults) outcome.text += fault.text;
  for (FakeMemory::Seen seen : b.memory.seen) {
    seen.issue -= start;
    seen.done -= start;
    outcome.requests.push_back(seen);
  }
  for (unsigned kind = RDU_UNIT_PCU; kind <= RDU_UNIT_AGCU; ++kind) {
    for (unsigned row = 0; row < b.params.rows; ++row) {
      for (unsigned col = 0; col < (kind == RDU_UNIT_AGCU ? 2 : b.params.columns); ++col) {
        outcome.counters.push_back(b.counters(RDU_UNIT(kind, row, col)));
      }
    }
  }
  outcome.memory = b.memory.data;
  return outcome;
}

}  // namespace

TEST_CASE("cutting bursts differently changes nothing") {
  std::vector<std::unique_ptr<Bench>> benches;
  for (const uint64_t max_burst : {4096, 1, 3, 16}) {
    benches.push_back(
        std::make_unique<Bench>(("burst" + std::to_string(max_burst)).c_str(), tight(max_burst)));
  }
  unsigned well = 0;
  unsigned hung = 0;
  for (unsigned round = 0; round < 40; ++round) {
    const uint64_t seed = test_seed() * 1000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    std::unique_ptr<RandomProgram> program;
    try {
      program = std::make_unique<RandomProgram>(benches[0]->params, seed);
    } catch (const std::runtime_error&) {
      continue;  // the router of the test found no way
    }
    const Outcome reference = run(*benches[0], *program, seed);
    (reference.fault == 0 ? well : hung) += 1;
    if (reference.fault != 0) REQUIRE(reference.fault == regs::sequencer::FAULT::CODE_HUNG);
    for (size_t i = 1; i < benches.size(); ++i) {
      INFO(benches[i]->name());
      const Outcome other = run(*benches[i], *program, seed);
      REQUIRE(other.fault == reference.fault);
      REQUIRE(other.text == reference.text);
      REQUIRE(other.cycles == reference.cycles);
      const bool same_counters = other.counters == reference.counters;
      REQUIRE(same_counters);
      const bool same_requests = other.requests == reference.requests;
      REQUIRE(same_requests);
      const bool same_memory = other.memory == reference.memory;
      REQUIRE(same_memory);
    }
  }
  INFO("ended well " << well << " hung " << hung);
  REQUIRE(well > 10);
}
