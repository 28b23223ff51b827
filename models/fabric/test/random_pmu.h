#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <optional>
#include <random>
#include <vector>

#include "fabric/pmu/pmu_config.h"
#include "fabric/pmu/reference.h"
#include "fabric/test/units.h"

namespace rdu::fabric::test {

/// A legal configuration of a PMU and what it is fed with, drawn at random.
class RandomPmu {
 public:
  /// For a PMU with these numbers, or with random ones. 32 KiB are used. `wild`: tokens and places at random,
  /// so that most of what is drawn is refused. A writer and another pipeline meet in the scratchpad.
  explicit RandomPmu(uint64_t seed, const std::optional<FabricParams>& numbers = {}, bool wild = false)
      : random_(seed), wild_(wild), heads_(numbers.has_value()) {
    if (numbers) {
      params = *numbers;
    } else {
      params.pmu_bytes = 32 * 1024;
      params.pmu_banks = 1 + pick(3) * 15;  // 1, 16, 31
    }
    for (;;) {
      words = ConfigWords::reset_of<regs::pmu::Registers>();
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
  ConfigWords words{ConfigWords::reset_of<regs::pmu::Registers>()};
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
    switch (pick(7)) {
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
      case 4:  // nobody reads
        pipeline(true, pick(2), fills, buffers, 0, 0, 0);
        break;
      case 5:  // the other pair alone
        pair(1, fills, buffers, 0);
        break;
      default:  // nobody writes
        pipeline(false, 0, fills, buffers, 0, 0, 0);
        if (chance(50)) pipeline(false, 1, fills, buffers, 0, 0, 0);
        break;
    }
    // Tokens from and to other units.
    for (unsigned c = 0; c < 2; ++c) {
      if (chance(70)) continue;
      const uint64_t at = (chance(50) ? pmu_write(c, 0) : pmu_read(c, 0)) + regs::pmu::kREAD_TOKEN_OFFSET;
      words.set(at, words.at(at) | 1u << (6 + c) | 1u << (16 + c));
      token(6 + c, pick(3));
    }
    words.set(regs::pmu::kBANK_OFFSET, regs::pmu::BANK::SHIFT, chance(70) ? 2 : pick(8));
    words.set(regs::pmu::kBANK_OFFSET, regs::pmu::BANK::SKEW, chance(50) ? 0 : 1 + pick(9));
    words.set(regs::pmu::kBANK_OFFSET, regs::pmu::BANK::TOGETHER, chance(10));
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
  void token(unsigned n, uint32_t count) {
    words.set(regs::pmu::kTOKENS_OFFSET + n * regs::pmu::kTOKENS_STRIDE, count);
  }
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
    words.set(at + regs::pmu::kREAD_SHAPE_OFFSET, regs::pmu::READ_SHAPE::ELEMENT, log_size);
    words.set(at + regs::pmu::kREAD_SHAPE_OFFSET, regs::pmu::READ_SHAPE::LANES, 1 + pick(64u >> log_size));
    words.set(at + regs::pmu::kREAD_LANE_STRIDE_OFFSET, chance(50)   ? static_cast<uint32_t>(size)
                                                        : chance(10) ? 0
                                                                     : stride(40));
    if (chance(10)) {  // lanes backwards
      words.set(at + regs::pmu::kREAD_LANE_STRIDE_OFFSET, static_cast<uint32_t>(-size));
      words.set(at + regs::pmu::kREAD_BASE_OFFSET, base + 64);
    }
    const unsigned mode = chance(60) ? 0 : 1 + pick(2);
    const bool by_sequence = is_write && mode == 1;
    unsigned levels = pick(4);
    for (unsigned k = 0; k < levels; ++k) {
      const unsigned level = pick(6);
      words.set(at + regs::pmu::kREAD_COUNT_OFFSET + 4 * level, 1 + pick(6));
      words.set(at + regs::pmu::kREAD_STRIDE_OFFSET + 4 * level, by_sequence ? 0u : stride(60));
    }
    words.set(at + regs::pmu::kREAD_MODE_OFFSET, regs::pmu::READ_MODE::ADDRESS, mode);
    if (chance(20)) {  // backwards, from the buffer's other end
      words.set(at + regs::pmu::kREAD_BASE_OFFSET, base + 2048);
      words.set(at + regs::pmu::kREAD_STRIDE_OFFSET, by_sequence ? 0u : static_cast<uint32_t>(-size * 3));
    }
    if (mode == 2) words.set(at + regs::pmu::kREAD_MODE_OFFSET, regs::pmu::READ_MODE::INDEX, input());
    if (mode != 0 || chance(30)) {
      set_range(words, at,
                is_write                  ? 1
                : mode == 2 || chance(60) ? 2
                                          : 1,
                static_cast<int32_t>(pick(20)) * size, static_cast<int32_t>(21 + pick(300)) * size);
      words.set(at + regs::pmu::kREAD_INDEX_STRIDE_OFFSET, mode == 0 ? 0u : stride(30));
    }
    if (!by_sequence && chance(30)) set_predicate(words, at, 1 + pick(2), chance(50), pick(6), pick(5));
    if (!is_write && chance(50)) {
      words.set(at + regs::pmu::kREAD_MODE_OFFSET, regs::pmu::READ_MODE::SEQUENCE, 1);
      words.set(at + regs::pmu::kREAD_SEQ_OFFSET, pick(0xffffffff));
    }
    if (is_write || !heads_) return;
    words.set(at + regs::pmu::kREAD_OUT_OFFSET, regs::pmu::READ_OUT::FLOW, pick(7));
    if (chance(70)) return;
    words.set(at + regs::pmu::kREAD_OUT_OFFSET, regs::pmu::READ_OUT::DYNAMIC, 1);
    words.set(at + regs::pmu::kREAD_DEST_OFFSET, pick(8) | pick(8) << 8 | (16 + pick(10)) << 16);
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
  bool heads_;  ///< vectors leave with flow ids and destinations
  unsigned inputs_used_ = 0;
};

}  // namespace rdu::fabric::test
