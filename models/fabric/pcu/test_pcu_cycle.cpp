#include <memory>
#include <random>

#include "fabric/pcu/pcu.h"
#include "fabric/pcu/pcu_cycle.h"
#include "fabric/stream/clocked.h"
#include "fabric/test/harness.h"
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
  std::vector<uint64_t> times;
  std::vector<Packet> packets;
  bool finished = false;
  uint64_t left = 0;  ///< packets that were not taken
};

/// A PCU between sources and a sink that sometimes stops.
template <class MakeUnit>
Outcome run(const FabricParams& params, const ConfigWords& words, uint64_t seed, MakeUnit make) {
  const PcuConfig config = PcuConfig::decode(words, params);
  std::mt19937_64 random(seed);
  Context context(params);
  auto unit = make(context, config);
  std::vector<std::unique_ptr<Source>> sources;
  std::vector<Unit*> units;
  for (unsigned i = 0; i < 4; ++i) {
    sources.push_back(std::make_unique<Source>(context));
    Source& source = *sources.back();
    source.packets = packets_for(random, 20 + random() % 400);
    const uint64_t slow = random() % 4;
    uint64_t t = random() % 20;
    for (size_t p = 0; p < source.packets.size(); ++p) {
      source.ready.push_back(t += random() % 10 < slow ? random() % 12 : 1);
    }
    if (!config.uses_input[i]) continue;
    source.output.connect(unit->input(i), 2, params);
    units.push_back(&source);
  }
  Sink sink(context);
  sink.interval = 1 + (random() % 3 == 0 ? random() % 3 : 0);
  sink.open = random() % 100;
  unit->output(0).connect(sink.input, 2, params);
  units.push_back(unit.get());
  units.push_back(&sink);
  run_all(context, units);
  Outcome outcome{sink.times, sink.packets, unit->finished(), 0};
  for (auto& source : sources) outcome.left += source->output.waiting();
  return outcome;
}

/// Both kinds by the same names.
struct Fast {
  std::unique_ptr<Pcu> pcu;
  InputPort& input(unsigned i) { return pcu->input(i); }
  OutputPort& output(unsigned) { return pcu->output(); }
  Unit* get() { return pcu.get(); }
  bool finished() const { return pcu->finished(); }
  Fast* operator->() { return this; }
};

}  // namespace

TEST_CASE("clock by clock a PCU does what the fast model does, in the same cycles") {
  std::mt19937_64 random(test_seed());
  unsigned simd = 0;
  unsigned matrix = 0;
  uint64_t packets = 0;
  for (uint64_t round = 0; round < 1500; ++round) {
    const uint64_t seed = test_seed() * 10000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    FabricParams params;
    params.fifo_depth = 2 + random() % 15;
    params.switch_depth = random() % 3;
    params.output_depth = 2 + random() % 31;
    params.max_burst = 1 + random() % 60;
    params.stages = 2 + random() % 7;
    const ConfigWords words = RandomUnit(params, seed).pcu();
    PcuConfig config;
    try {
      config = PcuConfig::decode(words, params);
    } catch (const BadConfig&) {
      continue;  // a combination that is refused, or not in the fast model yet
    }
    (config.mode == PcuConfig::Mode::simd ? simd : matrix) += 1;
    const Outcome fast = run(params, words, seed, [&](Context& context, const PcuConfig& c) {
      return Fast{Pcu::make(context, 1, c)};
    });
    const Outcome cycle = run(params, words, seed, [&](Context& context, const PcuConfig&) {
      return std::make_unique<ClockedUnit>(context, 1, std::make_unique<PcuCycle>(params), words,
                                           params.fifo_depth, 4);
    });
    packets += fast.packets.size();
    const bool same_packets = cycle.packets == fast.packets;
    CHECK(cycle.packets.size() == fast.packets.size());
    REQUIRE(same_packets);
    REQUIRE(cycle.times == fast.times);
    REQUIRE(cycle.finished == fast.finished);
    REQUIRE(cycle.left == fast.left);
  }
  INFO("simd " << simd << " matrix " << matrix << " packets " << packets);
  REQUIRE(simd > 200);
  REQUIRE(matrix > 60);
  REQUIRE(packets > 10000);
}
