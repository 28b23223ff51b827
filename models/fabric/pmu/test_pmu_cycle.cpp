#include <algorithm>
#include <array>
#include <memory>
#include <random>

#include "fabric/pmu/pmu.h"
#include "fabric/pmu/pmu_cycle.h"
#include "fabric/pmu/test_setup.h"
#include "fabric/stream/clocked.h"
#include "fabric/test/harness.h"
#include "fabric/test/random_pmu.h"
#include "fabric/test/random_unit.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

struct Outcome {
  std::array<std::vector<uint64_t>, 2> times;
  std::array<std::vector<Packet>, 2> packets;
  std::array<std::vector<uint64_t>, 2> heads;
  std::array<std::vector<uint64_t>, 2> tokens;
  std::vector<uint8_t> memory;
  bool finished = false;
  std::vector<uint64_t> left;  ///< packets that were not taken, by input
};

/// A PMU between sources and sinks that sometimes stop.
template <class MakeUnit>
Outcome run(const FabricParams& params, uint64_t seed, MakeUnit make) {
  std::mt19937_64 random(seed);
  Context context(params);
  context.fault = [](const UnitFault&) {};
  Scratchpad memory(params.pmu_bytes);
  std::mt19937_64 content(seed + 1);
  for (size_t i = 0; i < params.pmu_bytes; i += 8) {
    const uint64_t value = content();
    std::memcpy(memory.data() + i, &value, 8);
  }
  const std::unique_ptr<Unit> unit = make(context, memory);
  std::vector<Unit*> units{unit.get()};
  std::vector<std::unique_ptr<Source>> sources;
  const auto source = [&](InputPort& input, bool is_scalar) {
    sources.push_back(std::make_unique<Source>(context));
    Source& s = *sources.back();
    units.push_back(&s);
    s.packets.resize(10 + random() % (is_scalar ? 10 : 200));
    const uint64_t slow = random() % 4;
    uint64_t t = random() % 20;
    for (Packet& packet : s.packets) {
      for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random());
      for (size_t i = 0; i < packet.size(); i += 4) {  // often an index that is in range
        if (random() % 2 == 0) std::memset(&packet[i + 1], 0, 3);
      }
      s.ready.push_back(t += random() % 10 < slow ? random() % 12 : 1);
      s.heads.push_back(random() % 40);
    }
    s.output.connect(input, 2, is_scalar ? 4 : params.fifo_depth + 2 * params.switch_depth);
  };
  for (unsigned i = 0; i < 4; ++i) source(unit->packet_input(i, 0), false);
  for (unsigned i = 0; i < 2; ++i) source(unit->scalar_input(i, 0), true);
  std::vector<std::unique_ptr<Sink>> sinks;
  std::vector<std::unique_ptr<TokenSource>> token_sources;
  std::vector<std::unique_ptr<TokenSink>> token_sinks;
  for (unsigned i = 0; i < 2; ++i) {
    sinks.push_back(std::make_unique<Sink>(context));
    sinks[i]->interval = 1 + (random() % 3 == 0 ? random() % 3 : 0);
    sinks[i]->open = random() % 100;
    unit->packet_output(i, 0).connect(sinks[i]->input, 2, params);
    token_sources.push_back(std::make_unique<TokenSource>(context));
    for (uint64_t n = random() % 6, t = random() % 100; n != 0; --n, t += 1 + random() % 100) {
      token_sources[i]->times.push_back(t);
    }
    token_sources[i]->output.connect(unit->token_input(i), 2);
    token_sinks.push_back(std::make_unique<TokenSink>(context));
    unit->token_output(i).connect(token_sinks[i]->input, 2);
    for (Unit* u :
         std::initializer_list<Unit*>{sinks[i].get(), token_sources[i].get(), token_sinks[i].get()}) {
      units.push_back(u);
    }
  }
  run_all(context, units);
  Outcome outcome;
  for (unsigned i = 0; i < 2; ++i) {
    outcome.times[i] = sinks[i]->times;
    outcome.packets[i] = sinks[i]->packets;
    outcome.heads[i] = sinks[i]->heads;
    outcome.tokens[i] = token_sinks[i]->times;
  }
  outcome.finished = unit->finished();
  for (const auto& s : sources) outcome.left.push_back(s->output.waiting());
  outcome.memory.assign(memory.data(), memory.data() + params.pmu_bytes);
  return outcome;
}

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
    const ConfigWords words =
        random() % 2 == 0 ? RandomUnit(params, seed).pmu() : RandomPmu(seed, params).words;
    PmuConfig config;
    try {
      config = PmuConfig::decode(words, params);
    } catch (const BadConfig& e) {
      continue;  // a combination that is refused
    }
    // What comes here has no sequence ids of its own, and the same one twice is an error.
    const auto by_sequence = [](const PmuPipelineConfig& w) {
      return w.enabled && w.address == PmuPipelineConfig::Address::sequence;
    };
    if (std::any_of(config.write.begin(), config.write.end(), by_sequence)) continue;
    ++accepted;
    const Outcome fast = run(params, seed, [&](Context& context, Scratchpad& memory) {
      return std::make_unique<Pmu>(context, 1, config, memory);
    });
    const Outcome cycle = run(params, seed, [&](Context& context, Scratchpad& memory) {
      return std::make_unique<ClockedUnit>(context, 1, std::make_unique<PmuCycle>(params, memory), words,
                                           params.fifo_depth, 4);
    });
    for (unsigned r = 0; r < 2; ++r) {
      packets += fast.packets[r].size();
      const bool same_packets = cycle.packets[r] == fast.packets[r];
      CHECK(cycle.packets[r].size() == fast.packets[r].size());
      REQUIRE(same_packets);
      REQUIRE(cycle.times[r] == fast.times[r]);
      REQUIRE(cycle.heads[r] == fast.heads[r]);
      REQUIRE(cycle.tokens[r] == fast.tokens[r]);
    }
    REQUIRE(cycle.finished == fast.finished);
    REQUIRE(cycle.left == fast.left);
    const bool same_memory = cycle.memory == fast.memory;
    REQUIRE(same_memory);
  }
  INFO("accepted " << accepted << " packets " << packets);
  REQUIRE(accepted > 200);
  REQUIRE(packets > 5000);
}
