#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "fabric/pcu/pcu.h"
#include "fabric/pcu/pcu_cycle.h"
#include "fabric/stream/clocked.h"
#include "fabric/test/harness.h"
#include "fabric/test/random_pcu.h"
#include "fabric/test/random_unit.h"
#include "regs/pcu.hpp"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

namespace P = rdu::regs::pcu;

/// Packets of moderate and of special values.
std::vector<Packet> packets_for(std::mt19937_64& random, size_t n) {
  static constexpr uint32_t kSpecial[] = {0,          0x80000000, 1,          0x807fffff, 0x7f800000,
                                          0xff800000, 0x7fc00000, 0xffffffff, 0x3f800000, 0x00800000};
  std::vector<Packet> packets(n);
  for (Packet& packet : packets) {
    for (size_t i = 0; i < packet.size(); i += 4) {
      auto bits = static_cast<uint32_t>(random());
      if (random() % 8 == 0) bits = kSpecial[random() % 10];
      if (random() % 2 == 0) bits = (bits & 0xbfffbfff) | 0x3f003f00;
      std::memcpy(&packet[i], &bits, 4);
    }
  }
  return packets;
}

struct Outcome {
  std::vector<uint64_t> times[3];  ///< of both outputs, and of the scalar output
  std::vector<Packet> packets[3];
  std::vector<uint64_t> heads[3];  ///< without the flow
  std::vector<uint64_t> tokens[2];
  bool finished = false;
  uint64_t left = 0;  ///< packets that were not taken
};

/// A PCU between sources and sinks that sometimes stop.
template <class MakeUnit>
Outcome run(const FabricParams& params, const ConfigWords& words, uint64_t seed, MakeUnit make) {
  const PcuConfig config = PcuConfig::decode(words, params);
  std::mt19937_64 random(seed);
  Context context(params);
  std::unique_ptr<Unit> unit = make(context, config);
  std::vector<std::unique_ptr<Source>> sources;
  TokenEnds tokens(context);
  std::vector<Unit*> units{&tokens};
  const auto times = [&](size_t n) {
    const uint64_t slow = random() % 4;
    std::vector<uint64_t> ready;
    uint64_t t = random() % 20;
    for (size_t p = 0; p < n; ++p) ready.push_back(t += random() % 10 < slow ? 1 + random() % 12 : 1);
    return ready;
  };
  for (unsigned i = 0; i < 6; ++i) {  // four vector inputs, then two of scalars
    sources.push_back(std::make_unique<Source>(context));
    Source& source = *sources.back();
    source.packets = packets_for(random, 20 + random() % 400);
    source.ready = times(source.packets.size());
    if (i < 4 ? !config.uses_input(i) : !config.uses_scalar(i - 4)) continue;
    if (i < 4) {
      source.output.connect(unit->packet_input(i, 0), 2, params);
    } else {
      source.output.connect(unit->scalar_input(i - 4, 0), 2, params.scalar_depth + random() % 9);
    }
    units.push_back(&source);
  }
  for (unsigned i = 0; i < 2; ++i) {
    tokens.times[i] = times(random() % 60);
    tokens.sends[i].connect(unit->token_input(i), 2);
    unit->token_output(i).connect(tokens.takes[i], 2);
  }
  std::vector<std::unique_ptr<Sink>> sinks;
  for (unsigned i = 0; i < 3; ++i) {
    sinks.push_back(std::make_unique<Sink>(context));
    Sink& sink = *sinks.back();
    sink.interval = 1 + (random() % 3 == 0 ? random() % 3 : 0);
    sink.open = random() % 100;
    if (i < 2 && config.sends_vectors(i)) unit->packet_output(i, 0).connect(sink.input, 2, params);
    if (i == 2 && config.scalar_program() < 2) {
      unit->scalar_output(0, 0).connect(sink.input, 2, params.scalar_depth + random() % 9);
    }
    units.push_back(&sink);
  }
  units.push_back(unit.get());
  run_all(context, units);
  Outcome outcome;
  for (unsigned i = 0; i < 3; ++i) {
    outcome.times[i] = sinks[i]->times;
    outcome.packets[i] = sinks[i]->packets;
    if (i == 2) {  // a word is the first four bytes; nobody looks at the others
      for (Packet& word : outcome.packets[i]) std::fill(word.begin() + 4, word.end(), uint8_t{0});
    }
    for (const uint64_t head : sinks[i]->heads) outcome.heads[i].push_back(PacketHead::with_flow(head, 0));
    if (i < 2) outcome.tokens[i] = tokens.seen[i];
  }
  outcome.finished = unit->finished();
  for (auto& source : sources) outcome.left += source->output.waiting();
  return outcome;
}

}  // namespace

TEST_CASE("clock by clock a PCU does what the fast model does, in the same cycles") {
  std::mt19937_64 random(test_seed());
  unsigned simd = 0;
  unsigned matrix = 0;
  uint64_t packets = 0;
  uint64_t words_sent = 0;
  uint64_t tokens = 0;
  for (uint64_t round = 0; round < 1500; ++round) {
    const uint64_t seed = test_seed() * 10000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    FabricParams params;
    params.fifo_depth = 2 + random() % 15;
    params.switch_depth = random() % 3;
    params.output_depth = 2 + random() % 31;
    params.max_burst = 1 + random() % 60;
    params.stages = 2 + random() % 7;
    ConfigWords words = ConfigWords::reset_of<P::Registers>();
    if (random() % 2 == 0) {
      words = RandomUnit(params, seed).pcu();
    } else {
      params.stages = 6;
      RandomPcu(seed, RandomPcu::What::everything).make(words);
    }
    PcuConfig config;
    try {
      config = PcuConfig::decode(words, params);
    } catch (const BadConfig&) {
      continue;  // a combination that is refused, or not in the fast model yet
    }
    (config.programs[0].mode == PcuConfig::Mode::simd ? simd : matrix) += 1;
    const Outcome fast = run(params, words, seed, [&](Context& context, const PcuConfig& c) {
      return std::make_unique<Pcu>(context, 1, c);
    });
    const Outcome cycle = run(params, words, seed, [&](Context& context, const PcuConfig&) {
      return std::make_unique<ClockedUnit>(context, 1, std::make_unique<PcuCycle>(params), words,
                                           params.fifo_depth, params.scalar_depth);
    });
    for (unsigned i = 0; i < 3; ++i) {
      INFO("output " << i);
      packets += fast.packets[i].size();
      const bool same_packets = cycle.packets[i] == fast.packets[i];
      CHECK(cycle.packets[i].size() == fast.packets[i].size());
      REQUIRE(same_packets);
      REQUIRE(cycle.times[i] == fast.times[i]);
      REQUIRE(cycle.heads[i] == fast.heads[i]);
      if (i < 2) REQUIRE(cycle.tokens[i] == fast.tokens[i]);
    }
    words_sent += fast.packets[2].size();
    tokens += fast.tokens[0].size() + fast.tokens[1].size();
    REQUIRE(cycle.finished == fast.finished);
    REQUIRE(cycle.left == fast.left);
  }
  INFO("simd " << simd << " matrix " << matrix << " packets " << packets);
  REQUIRE(simd > 200);
  REQUIRE(matrix > 60);
  REQUIRE(packets > 10000);
  REQUIRE(words_sent > 100);
  REQUIRE(tokens > 100);
}
