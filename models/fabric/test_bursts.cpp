#include <memory>

#include "fabric/test/outcome.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu;
using namespace rdu::fabric;
using namespace rdu::fabric::test;

TEST_CASE("cutting bursts differently changes nothing") {
  std::vector<std::unique_ptr<Bench>> benches;
  for (const uint64_t max_burst : {4096, 1, 3, 16}) {
    FabricParams params = tight_tile();
    params.max_burst = max_burst;
    benches.push_back(std::make_unique<Bench>(("burst" + std::to_string(max_burst)).c_str(), params));
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
    const Outcome reference = outcome_of(*benches[0], *program, seed);
    (reference.fault == 0 ? well : hung) += 1;
    if (reference.fault != 0) REQUIRE(reference.fault == regs::sequencer::FAULT::CODE_HUNG);
    for (size_t i = 1; i < benches.size(); ++i) {
      INFO(benches[i]->name());
      const Outcome other = outcome_of(*benches[i], *program, seed);
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
