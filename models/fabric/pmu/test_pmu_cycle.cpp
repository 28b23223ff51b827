#include <memory>
#include <random>

#include "fabric/pmu/pmu.h"
#include "fabric/pmu/pmu_cycle.h"
#include "fabric/stream/clocked.h"
#include "fabric/test/harness.h"
#include "fabric/test/random_unit.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

struct Outcome {
  std::vector<uint64_t> times;
  std::vector<Packet> packets;
  std::vector<uint8_t> memory;
  bool finished = false;
  uint64_t left = 0;  ///< packets that were not taken
};

/// A PMU between a source and a sink that sometimes stops.
template <class MakeUnit>
Outcome run(const FabricParams& params, uint64_t seed, MakeUnit make) {
  std::mt19937_64 random(seed);
  Context context(params);
  Scratchpad memory(params.pmu_bytes);
  std::mt19937_64 content(seed + 1);
  for (size_t i = 0; i < params.pmu_bytes; i += 8) {
    const uint64_t value = content();
    std::memcpy(memory.data() + i, &value, 8);
  }
  auto unit = make(context, memory);
  Source source(context);
  source.packets.resize(10 + random() % 200);
  const uint64_t slow = random() % 4;
  uint64_t t = random() % 20;
  for (Packet& packet : source.packets) {
    for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random());
    source.ready.push_back(t += random() % 10 < slow ? random() % 12 : 1);
  }
  source.output.connect(unit->input(0), 2, params);
  Sink sink(context);
  sink.interval = 1 + (random() % 3 == 0 ? random() % 3 : 0);
  sink.open = random() % 100;
  unit->output(0).connect(sink.input, 2, params);
  run_all(context, {&source, unit.get(), &sink});
  Outcome outcome{sink.times, sink.packets, {}, unit->finished(), source.output.waiting()};
  outcome.memory.assign(memory.data(), memory.data() + params.pmu_bytes);
  return outcome;
}

struct Fast {
  std::unique_ptr<Pmu> pmu;
  InputPort& input(unsigned) { return pmu->input(); }
  OutputPort& output(unsigned) { return pmu->output(); }
  Unit* get() { return pmu.get(); }
  bool finished() const { return pmu->finished(); }
  Fast* operator->() { return this; }
};

}  // namespace

TEST_CASE("clock by clock a PMU does what the fast model does, in the same cycles") {
  std::mt19937_64 random(test_seed());
  unsigned accepted = 0;
  uint64_t packets = 0;
  for (uint64_t round = 0; round < 1000; ++round) {
    const uint64_t seed = test_seed() * 10000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    FabricParams params;
    params.fifo_depth = 2 + random() % 15;
    params.switch_depth = random() % 3;
    params.output_depth = 2 + random() % 31;
    params.max_burst = 1 + random() % 60;
    params.pmu_bytes = 32 * 1024;
    const ConfigWords words = RandomUnit(params, seed).pmu();
    PmuConfig config;
    try {
      config = PmuConfig::decode(words, params);
    } catch (const BadConfig& e) {
      continue;  // a combination that is refused, or not in the fast model yet
    }
    ++accepted;
    const Outcome fast = run(params, seed, [&](Context& context, Scratchpad& memory) {
      return Fast{std::make_unique<Pmu>(context, 1, config, memory)};
    });
    const Outcome cycle = run(params, seed, [&](Context& context, Scratchpad& memory) {
      return std::make_unique<ClockedUnit>(context, 1, std::make_unique<PmuCycle>(params, memory), words,
                                           params.fifo_depth, 4);
    });
    packets += fast.packets.size();
    const bool same_packets = cycle.packets == fast.packets;
    CHECK(cycle.packets.size() == fast.packets.size());
    REQUIRE(same_packets);
    REQUIRE(cycle.times == fast.times);
    REQUIRE(cycle.finished == fast.finished);
    REQUIRE(cycle.left == fast.left);
    const bool same_memory = cycle.memory == fast.memory;
    REQUIRE(same_memory);
  }
  INFO("accepted " << accepted << " packets " << packets);
  REQUIRE(accepted > 200);
  REQUIRE(packets > 5000);
}
