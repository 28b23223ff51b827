#include "fabric/test/outcome.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "test/catch.h"

namespace rdu::fabric::test {

FabricParams tight_tile() {
  FabricParams p;
  p.rows = 4;
  p.columns = 4;
  p.fifo_depth = 4;
  p.output_depth = 10;
  p.outstanding = 6;
  return p;
}

std::vector<FakeMemory::Seen> Outcome::requests_to_the_end(const FabricParams& params) const {
  if (fault != 0) return requests;
  std::vector<FakeMemory::Seen> some;
  const core::Time end = cycles * params.fabric_clock().period;
  std::copy_if(requests.begin(), requests.end(), std::back_inserter(some),
               [end](const FakeMemory::Seen& seen) { return seen.issue <= end; });
  return some;
}

bool Outcome::has_loose_ends(const FabricParams& params) const {
  const core::Time end = cycles * params.fabric_clock().period;
  return fault == 0 && std::any_of(requests.begin(), requests.end(),
                                   [end](const FakeMemory::Seen& seen) { return seen.done > end; });
}

Outcome outcome_of(Bench& bench, const RandomProgram& program, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < bench.memory.data.size(); i += 8) {
    const uint64_t value = random() & 0xbfffbfffbfffbfff;
    std::memcpy(&bench.memory.data[i], &value, 8);
  }
  bench.memory.latency = [seed](const core::Transfer& t) {
    return 20'000 + (t.address / 256 * 0x9e3779b97f4a7c15 + seed) % 150'000;
  };
  bench.faults.clear();
  Outcome outcome;
  REQUIRE(bench.load(program.builder().stream()) == 0);
  bench.memory.seen.clear();
  const core::Time start = core::now();
  outcome.fault = bench.execute();
  outcome.cycles = bench.read(regs::sequencer::kEXEC_CYCLES_OFFSET, 8);
  for (const core::GuestFault& fault : bench.faults) outcome.text += fault.text;
  for (FakeMemory::Seen seen : bench.memory.seen) {
    seen.issue -= start;
    seen.done -= start;
    outcome.requests.push_back(seen);
  }
  for (unsigned kind = RDU_UNIT_PCU; kind <= RDU_UNIT_AGCU; ++kind) {
    for (unsigned row = 0; row < bench.params.rows; ++row) {
      for (unsigned col = 0; col < (kind == RDU_UNIT_AGCU ? 2 : bench.params.columns); ++col) {
        outcome.counters[kind].push_back(bench.counters(RDU_UNIT(kind, row, col)));
      }
    }
  }
  outcome.memory = bench.memory.data;
  return outcome;
}

}  // namespace rdu::fabric::test
