#include <algorithm>
#include <random>

#include "fabric/pmu/reference.h"
#include "fabric/pmu/test_setup.h"
#include "fabric/test/random_pmu.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

std::unique_ptr<PmuSetup> run(const RandomPmu& pmu, const FabricParams& params, uint64_t interval) {
  auto s = std::make_unique<PmuSetup>(params);
  s->words = pmu.words;
  for (unsigned i = 0; i < 4; ++i) {
    s->sources[i].packets = pmu.inputs[i].packets;
    s->sources[i].ready = pmu.inputs[i].times;
    s->sources[i].heads = pmu.inputs[i].heads;
  }
  for (unsigned i = 0; i < 2; ++i) {
    s->scalars[i].packets = pmu.scalars[i].packets;
    s->scalars[i].ready = pmu.scalars[i].times;
    s->tokens[i].times = pmu.tokens[i];
    s->sinks[i].interval = interval;
  }
  s->run();
  return s;
}

}  // namespace

TEST_CASE("random configurations do, cycle by cycle, what the page says") {
  std::mt19937_64 seeds(test_seed());
  unsigned with[4]{};
  for (int round = 0; round < 400; ++round) {
    const uint64_t seed = seeds();
    CAPTURE(round, seed);
    RandomPmu random(seed);
    // FIFOs that hold everything: the reference knows no credits.
    FabricParams wide = random.params;
    wide.fifo_depth = wide.output_depth = 100'000;
    PmuReference reference(random.words, wide);
    for (unsigned i = 0; i < 4; ++i) reference.inputs[i] = random.inputs[i];
    for (unsigned i = 0; i < 2; ++i) reference.scalars[i] = random.scalars[i];
    for (auto* network : {reference.inputs.data(), reference.scalars.data()}) {
      for (unsigned i = 0; i < (network == reference.inputs.data() ? 4u : 2u); ++i) {
        for (uint64_t& t : network[i].times) t += 1;  // one switch
      }
    }
    for (unsigned c = 0; c < 2; ++c) {
      for (const uint64_t t : random.tokens[c]) reference.tokens[6 + c].push_back(t + 1);
    }
    reference.run();
    REQUIRE(reference.over());

    for (const uint64_t max_burst : {4096u, 1u, 5u}) {
      wide.max_burst = max_burst;
      const auto s = run(random, wide, 1);
      REQUIRE(s->pmu->finished());
      REQUIRE(s->faults.empty());
      for (unsigned r = 0; r < 2; ++r) {
        const auto& expect = reference.vectors[r];
        REQUIRE(s->sinks[r].packets.size() == expect.size());
        uint64_t leaves = 0;
        for (size_t i = 0; i < expect.size(); ++i) {
          CAPTURE(r, i);
          leaves = std::max(expect[i].ready, i == 0 ? 0 : leaves + 1);
          REQUIRE(s->sinks[r].packets[i] == expect[i].packet);
          REQUIRE(s->sinks[r].times[i] == leaves + 1);
          REQUIRE(s->sinks[r].heads[i] == expect[i].sequence);
        }
        std::vector<uint64_t> sent;
        for (const uint64_t t : reference.sent[r]) sent.push_back(t + 1);
        REQUIRE(s->token_sinks[r].times == sent);
      }
      REQUIRE(std::memcmp(s->pad.data(), reference.memory.data(), wide.pmu_bytes) == 0);
    }

    // Short FIFOs and slow consumers: the same bits, at times that do not depend on bursts.
    FabricParams tight = random.params;
    tight.fifo_depth = 2 + seed % 3;
    tight.output_depth = 2 + seed / 3 % 10;
    std::unique_ptr<PmuSetup> first;
    for (const uint64_t max_burst : {4096u, 1u, 3u}) {
      tight.max_burst = max_burst;
      auto s = run(random, tight, 1 + seed / 64 % 3);
      REQUIRE(s->pmu->finished());
      for (unsigned r = 0; r < 2; ++r) {
        REQUIRE(s->sinks[r].packets.size() == reference.vectors[r].size());
        for (size_t i = 0; i < s->sinks[r].packets.size(); ++i) {
          REQUIRE(s->sinks[r].packets[i] == reference.vectors[r][i].packet);
        }
      }
      REQUIRE(std::memcmp(s->pad.data(), reference.memory.data(), tight.pmu_bytes) == 0);
      if (!first) {
        first = std::move(s);
        continue;
      }
      for (unsigned r = 0; r < 2; ++r) REQUIRE(s->sinks[r].times == first->sinks[r].times);
      const UnitCounts& a = s->pmu->counts();
      const UnitCounts& b = first->pmu->counts();
      REQUIRE(std::tie(a.first, a.last, a.firings, a.busy, a.vectors, a.bytes) ==
              std::tie(b.first, b.last, b.firings, b.busy, b.vectors, b.bytes));
      REQUIRE(std::tie(a.stalls.input, a.stalls.output, a.stalls.other) ==
              std::tie(b.stalls.input, b.stalls.output, b.stalls.other));
    }
    for (const PmuPipelineConfig* p : random.config.all()) {
      if (p->enabled) ++with[static_cast<unsigned>(p->address)];
    }
  }
  for (const unsigned n : with) CHECK(n > 20);  // every kind of address has been tried
}

TEST_CASE("whatever is not refused gives bits that do not depend on time") {
  std::mt19937_64 seeds(test_seed());
  for (int round = 0; round < 120; ++round) {
    const uint64_t seed = seeds();
    CAPTURE(round, seed);
    RandomPmu random(seed, {}, true);
    std::unique_ptr<PmuReference> first;
    for (int times = 0; times < 4; ++times) {
      auto r = std::make_unique<PmuReference>(random.words, random.params);
      r->inputs = random.inputs;
      r->scalars = random.scalars;
      r->run();
      random.draw_times();
      if (!first) {
        first = std::move(r);
        continue;
      }
      REQUIRE(r->memory == first->memory);
      for (unsigned n = 0; n < 2; ++n) {
        REQUIRE(r->vectors[n].size() == first->vectors[n].size());
        for (size_t i = 0; i < r->vectors[n].size(); ++i) {
          REQUIRE(r->vectors[n][i].packet == first->vectors[n][i].packet);
        }
      }
    }
  }
}
