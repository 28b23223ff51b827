#include <algorithm>
#include <numeric>
#include <random>

#include "fabric/pmu/reference.h"
#include "fabric/pmu/test_setup.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace M = rdu::regs::pmu;

namespace {

/// A legal configuration of a PMU and what it is fed with, drawn at random.
class RandomPmu {
 public:
  /// `wild`: tokens and places at random, so that most of what is drawn is refused. A writer and another
  /// pipeline meet in the scratchpad.
  explicit RandomPmu(uint64_t seed, bool wild = false) : random_(seed), wild_(wild) {
    params.pmu_bytes = 32 * 1024;
    params.pmu_banks = 1 + pick(3) * 15;  // 1, 16, 31
    for (;;) {
      words = ConfigWords::reset_of<M::Registers>();
      draw();
      try {
        config = PmuConfig::decode(words, params);
        if (!wild_ || meet()) break;
      } catch (const BadConfig&) {
      }
    }
    feed();
  }

  /// Lets everything arrive at other times.
  void draw_times() {
    const auto times = [&](PmuReference::Arrivals& in) {
      in.times.clear();
      uint64_t t = pick(chance(50) ? 20 : 2000);
      const unsigned gap = pick(4);
      for (size_t i = 0; i < in.packets.size(); ++i) {
        in.times.push_back(t);
        t += chance(20) ? 1 + pick(30) : 1 + gap;
      }
    };
    for (auto& in : inputs) times(in);
    for (auto& in : scalars) times(in);
  }

  FabricParams params;
  ConfigWords words{ConfigWords::reset_of<M::Registers>()};
  PmuConfig config;
  std::array<PmuReference::Arrivals, 4> inputs;
  std::array<PmuReference::Arrivals, 2> scalars;
  std::array<std::vector<uint64_t>, 2> tokens;

 private:
  uint32_t pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool chance(unsigned percent) { return pick(100) < percent; }

  void draw() {
    inputs_used_ = 0;
    if (wild_) return draw_wild();
    const uint32_t fills = 1 + pick(4);
    const uint32_t buffers = 1 + pick(3);
    switch (pick(5)) {
      case 0:  // one pair
        pair(0, fills, buffers, 0);
        break;
      case 1:  // two pairs, each with its own part
        pair(0, fills, buffers, 0);
        pair(1, 1 + pick(4), 1 + pick(3), 16 * 1024);
        break;
      case 2:  // two readers
        pipeline(true, 0, fills, buffers, 0, 0b0101, 0b1010);
        pipeline(false, 0, fills, buffers, 0, 0b0010, 0b0001);
        pipeline(false, 1, fills, buffers, 0, 0b1000, 0b0100);
        token(0, buffers);
        token(2, buffers);
        break;
      case 3:  // two writers, one after the other, then a reader
        pipeline(true, 0, fills, buffers, 0, 0b001, 0b010);
        pipeline(true, 1, fills, buffers, 0, 0b010, 0b100);
        pipeline(false, 0, fills, buffers, 0, 0b100, 0b001);
        token(0, buffers);
        break;
      default:  // nobody writes
        pipeline(false, 0, fills, buffers, 0, 0, 0);
        if (chance(50)) pipeline(false, 1, fills, buffers, 0, 0, 0);
        break;
    }
    // Tokens from and to other units.
    for (unsigned c = 0; c < 2; ++c) {
      if (chance(70)) continue;
      const uint64_t at = (chance(50) ? pmu_write(c, 0) : pmu_read(c, 0)) + M::kREAD_TOKEN_OFFSET;
      words.set(at, words.at(at) | 1u << (6 + c) | 1u << (16 + c));
      token(6 + c, pick(3));
    }
    words.set(M::kBANK_OFFSET, M::BANK::SHIFT, chance(70) ? 2 : pick(8));
    words.set(M::kBANK_OFFSET, M::BANK::SKEW, chance(50) ? 0 : 1 + pick(9));
    words.set(M::kBANK_OFFSET, M::BANK::TOGETHER, chance(10));
  }
  /// Do a writer and another pipeline meet in the scratchpad?
  bool meet() const {
    const auto pipelines = config.all();
    for (const PmuPipelineConfig& a : config.write) {
      for (const PmuPipelineConfig* b : pipelines) {
        if (&a != b && a.low < b->high && b->low < a.high) return true;
      }
    }
    return false;
  }
  void draw_wild() {
    const auto mask = [&] { return (chance(60) ? 1u << pick(4) : 0) | (chance(30) ? 1u << pick(4) : 0); };
    for (unsigned i = 0; i < 2; ++i) {
      for (const bool is_write : {true, false}) {
        if (chance(70)) pipeline(is_write, i, 1 + pick(4), 1 + pick(4), 4096 * pick(3), mask(), mask());
      }
    }
    for (unsigned n = 0; n < 4; ++n) token(n, pick(4));
  }
  void token(unsigned n, uint32_t count) { words.set(M::kTOKENS_OFFSET + n * M::kTOKENS_STRIDE, count); }
  void pair(unsigned i, uint32_t fills, uint32_t buffers, uint32_t base) {
    pipeline(true, i, fills, buffers, base, 1u << (2 * i), 2u << (2 * i));
    pipeline(false, i, fills, buffers, base, 2u << (2 * i), 1u << (2 * i));
    token(2 * i, buffers);
  }

  unsigned input() {
    unsigned i = pick(4);
    while (inputs_used_ != 15 && (inputs_used_ >> i & 1) != 0) i = (i + 1) % 4;  // none left: refused
    inputs_used_ |= 1u << i;
    return i;
  }

  void pipeline(bool is_write, unsigned i, uint32_t fills, uint32_t buffers, uint32_t base, uint32_t wait,
                uint32_t give) {
    constexpr uint32_t kBuffer = 4096;
    const uint64_t at = is_write ? pmu_write(i, 0) : pmu_read(i, 0);
    if (is_write) {
      set_write(words, i, input(), fills, buffers, kBuffer, base, {}, wait, give);
    } else {
      set_read(words, i, fills, buffers, kBuffer, base, {}, wait, give);
    }
    const unsigned log_size = pick(3);
    const auto size = static_cast<int32_t>(1u << log_size);
    const auto stride = [&](int32_t most) {
      return static_cast<uint32_t>(static_cast<int32_t>(pick(static_cast<uint32_t>(most) + 1)) * size);
    };
    words.set(at + M::kREAD_SHAPE_OFFSET, M::READ_SHAPE::ELEMENT, log_size);
    words.set(at + M::kREAD_SHAPE_OFFSET, M::READ_SHAPE::LANES, 1 + pick(64u >> log_size));
    words.set(at + M::kREAD_LANE_STRIDE_OFFSET, chance(50) ? static_cast<uint32_t>(size) : stride(40));
    const unsigned mode = chance(60) ? 0 : 1 + pick(2);
    const bool by_sequence = is_write && mode == 1;
    unsigned levels = pick(4);
    for (unsigned k = 0; k < levels; ++k) {
      const unsigned level = pick(6);
      words.set(at + M::kREAD_COUNT_OFFSET + 4 * level, 1 + pick(6));
      words.set(at + M::kREAD_STRIDE_OFFSET + 4 * level, by_sequence ? 0u : stride(60));
    }
    words.set(at + M::kREAD_MODE_OFFSET, M::READ_MODE::ADDRESS, mode);
    if (chance(20)) {  // backwards, from the buffer's other end
      words.set(at + M::kREAD_BASE_OFFSET, base + 2048);
      words.set(at + M::kREAD_STRIDE_OFFSET, by_sequence ? 0u : static_cast<uint32_t>(-size * 3));
    }
    if (mode == 2) words.set(at + M::kREAD_MODE_OFFSET, M::READ_MODE::INDEX, input());
    if (mode != 0 || chance(30)) {
      set_range(words, at,
                is_write                  ? 1
                : mode == 2 || chance(60) ? 2
                                          : 1,
                static_cast<int32_t>(pick(20)) * size, static_cast<int32_t>(21 + pick(300)) * size);
      words.set(at + M::kREAD_INDEX_STRIDE_OFFSET, mode == 0 ? 0u : stride(30));
    }
    if (!by_sequence && chance(30)) set_predicate(words, at, 1 + pick(2), chance(50), pick(6), pick(5));
    if (!is_write && chance(50)) {
      words.set(at + M::kREAD_MODE_OFFSET, M::READ_MODE::SEQUENCE, 1);
      words.set(at + M::kREAD_SEQ_OFFSET, pick(0xffffffff));
    }
  }

  /// As many packets, words and tokens as are taken.
  void feed() {
    const auto random_packet = [&] {
      Packet packet;
      for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random_());
      return packet;
    };
    for (const PmuPipelineConfig* p : config.all()) {
      if (!p->enabled) continue;
      const uint64_t accesses = p->fills * p->accesses;
      if (p->kind == PmuPipelineConfig::Kind::write) {
        PmuReference::Arrivals& in = inputs[p->data];
        for (uint64_t fill = 0; fill < p->fills; ++fill) {
          std::vector<uint64_t> ids(p->accesses + pick(20));
          std::iota(ids.begin(), ids.end(), pick(20));
          std::shuffle(ids.begin(), ids.end(), random_);
          for (uint64_t a = 0; a < p->accesses; ++a) {
            in.packets.push_back(random_packet());
            in.heads.push_back(ids[a]);
          }
        }
      }
      if (p->address == PmuPipelineConfig::Address::index) {
        for (uint64_t n = 0; n < accesses * p->index_packets(); ++n) {
          Packet packet;
          for (unsigned i = 0; i < 16; ++i) {
            const auto index = static_cast<int32_t>(chance(5) ? random_() : pick(40) - 5);
            std::memcpy(&packet[4 * i], &index, 4);
          }
          inputs[p->index].packets.push_back(packet);
        }
      }
      if (p->address == PmuPipelineConfig::Address::scalar) {
        for (uint64_t n = 0; n < p->fills; ++n) {
          Packet packet{};
          const auto word = static_cast<int32_t>(pick(20)) - 2;
          std::memcpy(packet.data(), &word, 4);
          scalars[p->number].packets.push_back(packet);
        }
      }
      for (unsigned c = 0; c < 2; ++c) {
        if ((p->wait >> (6 + c) & 1) == 0) continue;
        for (uint64_t n = config.tokens[6 + c]; n < p->fills; ++n) {
          tokens[c].push_back(tokens[c].empty() ? pick(50) : tokens[c].back() + 1 + pick(50));
        }
      }
    }
    draw_times();
  }

  std::mt19937_64 random_;
  bool wild_;
  unsigned inputs_used_ = 0;
};

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
    RandomPmu random(seed, true);
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
