#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "fabric/config.h"
#include "fabric/params.h"
#include "fabric/stream/pins.h"
#include "fabric/test/harness.h"
#include "regs/pmu.hpp"

/// What a PMU does, one access at a time, from the text of pmu/README.md: for tests. Packets arrive at given
/// times; output FIFOs and consumers have room for everything.
namespace rdu::fabric::test {

class PmuReference {
 public:
  struct Arrivals {
    std::vector<Packet> packets;
    std::vector<uint64_t> times;
    std::vector<uint64_t> heads;
    size_t next = 0;
  };
  struct Vector {
    Packet packet;
    uint64_t ready;
    uint32_t sequence;
  };

  PmuReference(const ConfigWords& words, const FabricParams& params)
      : words_(words), params_(params), memory(params.pmu_bytes) {
    for (unsigned n = 0; n < 8; ++n) tokens[n].assign(words.at(regs::pmu::kTOKENS_OFFSET + 4 * n), 0);
    for (unsigned i = 0; i < 4; ++i) pipelines_[i].number = i;
  }

  /// Until nothing can go on: always the access that begins first.
  void run() {
    for (;;) {
      Pipeline* first = nullptr;
      uint64_t cycle = 0;
      for (Pipeline& p : pipelines_) {
        const auto s = begin(p);
        if (s && (!first || *s < cycle)) first = &p, cycle = *s;
      }
      if (!first) return;
      perform(*first, cycle);
    }
  }
  bool over() const {
    for (const Pipeline& p : pipelines_) {
      if (enabled(p) && p.fill < word(p, 0x10)) return false;
    }
    return true;
  }

  std::array<Arrivals, 4> inputs;
  std::array<Arrivals, 2> scalars;
  std::array<std::vector<uint64_t>, 8> tokens;  ///< when each can be taken
  std::array<std::vector<Vector>, 2> vectors;
  std::array<std::vector<uint64_t>, 2> sent;  ///< tokens on control outputs

 private:
  /// 0, 1: W0, W1; 2, 3: R0, R1.
  struct Pipeline {
    unsigned number = 0;
    uint64_t fill = 0;
    uint64_t access = 0;  ///< of the fill
    uint64_t total = 0;
    uint64_t next = 0;
    int64_t scalar = 0;
  };
  bool is_write(const Pipeline& p) const { return p.number < 2; }
  unsigned index(const Pipeline& p) const { return p.number % 2; }
  uint32_t word(const Pipeline& p, unsigned offset) const {
    return words_.at((is_write(p) ? 0u : 0x100u) + 0x80u * index(p) + offset);
  }
  unsigned bits(const Pipeline& p, unsigned offset, unsigned high, unsigned low) const {
    return static_cast<unsigned>(word(p, offset) >> low & ((uint64_t{1} << (high - low + 1)) - 1));
  }
  int64_t number(const Pipeline& p, unsigned offset) const { return static_cast<int32_t>(word(p, offset)); }
  bool enabled(const Pipeline& p) const { return (word(p, 0) & 1) != 0; }

  uint64_t period(const Pipeline& p) const {
    const bool together = (words_.at(0x220) >> 16 & 1) != 0;
    return enabled(pipelines_[p.number ^ 1]) && !together ? 2 : 1;
  }
  uint64_t slot(const Pipeline& p, uint64_t t) const {
    while (period(p) == 2 && t % 2 != index(p)) ++t;
    return t;
  }

  bool by_index(const Pipeline& p) const { return bits(p, 0, 9, 8) == 2; }
  bool by_sequence(const Pipeline& p) const { return is_write(p) && bits(p, 0, 9, 8) == 1; }
  bool by_scalar(const Pipeline& p) const { return !is_write(p) && bits(p, 0, 9, 8) == 1; }
  unsigned lanes(const Pipeline& p) const { return bits(p, 4, 6, 0); }
  size_t index_packets(const Pipeline& p) const { return by_index(p) ? (lanes(p) + 15) / 16 : 0; }
  bool waits(const Pipeline& p, unsigned n) const { return p.access == 0 && (word(p, 0x1c) >> n & 1) != 0; }

  /// When the next access begins; nothing if something for it never comes.
  std::optional<uint64_t> begin(const Pipeline& p) const {
    if (!enabled(p) || p.fill == word(p, 0x10)) return std::nullopt;
    uint64_t s = slot(p, p.next);
    const auto need = [&](uint64_t t) { s = slot(p, std::max(s, t)); };
    const Arrivals& indices = inputs[bits(p, 0, 13, 12)];
    for (size_t j = 0; j < index_packets(p); ++j) {
      if (indices.next + j >= indices.packets.size()) return std::nullopt;
      if (j != 0) s += period(p);
      need(indices.times[indices.next + j]);
    }
    const Arrivals& data = inputs[bits(p, 0, 5, 4)];
    if (is_write(p)) {
      if (data.next == data.packets.size()) return std::nullopt;
      need(data.times[data.next]);
    }
    for (unsigned n = 0; n < 8; ++n) {
      if (!waits(p, n)) continue;
      if (tokens[n].empty()) return std::nullopt;
      need(tokens[n].front());
    }
    if (by_scalar(p) && p.access == 0) {
      const Arrivals& scalar = scalars[index(p)];
      if (scalar.next == scalar.packets.size()) return std::nullopt;
      need(scalar.times[scalar.next]);
    }
    return s;
  }

  void perform(Pipeline& p, uint64_t s) {
    const unsigned size = 1u << bits(p, 4, 9, 8);
    const uint64_t cycles = period(p);
    Arrivals& data = inputs[bits(p, 0, 5, 4)];
    Arrivals& indices = inputs[bits(p, 0, 13, 12)];
    std::vector<int32_t> index_of(64);
    for (size_t j = 0; j < index_packets(p); ++j) {
      std::memcpy(&index_of[16 * j], indices.packets[indices.next++].data(), 64);
    }
    for (unsigned n = 0; n < 8; ++n) {
      if (waits(p, n)) tokens[n].erase(tokens[n].begin());
    }
    if (by_scalar(p) && p.access == 0) {
      Arrivals& scalar = scalars[index(p)];
      int32_t value;
      std::memcpy(&value, scalar.packets[scalar.next++].data(), 4);
      p.scalar = value;
    }

    int64_t offset = 0;
    uint64_t rest = p.access;
    bool pred = true;
    uint64_t accesses = 1;
    for (unsigned k = 0; k < 6; ++k) {
      const uint64_t count = std::max<uint64_t>(1, word(p, 0x30 + 4 * k));
      const uint64_t i = rest % count;
      rest /= count;
      accesses *= count;
      offset += static_cast<int64_t>(i) * number(p, 0x48 + 4 * k);
      if (bits(p, 0, 21, 20) != 0 && bits(p, 0, 26, 24) == k) {
        pred = bits(p, 0, 21, 20) == 1 ? i == word(p, 0x2c) : i < word(p, 0x2c);
      }
    }
    if (bits(p, 0, 22, 22) != 0) pred = !pred;
    const int64_t step = number(p, 0x20);
    if (by_sequence(p)) offset += static_cast<int64_t>(PacketHead::sequence(data.heads[data.next])) * step;
    if (by_scalar(p)) offset += p.scalar * step;
    const uint64_t buffers = bits(p, 0x14, 4, 0);
    const int64_t start = number(p, 0x0c) + static_cast<int64_t>(p.fill % buffers * word(p, 0x18));
    const unsigned range = bits(p, 0, 17, 16);

    std::map<uint64_t, std::set<uint64_t>> words_of_bank;
    Packet vector{};
    bool any = false;
    for (unsigned l = 0; l < lanes(p); ++l) {
      int64_t lane = offset + static_cast<int64_t>(l) * number(p, 8);
      if (by_index(p)) lane += index_of[l] * step;
      const int64_t x = by_index(p) ? lane : offset;
      if (!pred || (range != 0 && (x < number(p, 0x24) || x >= number(p, 0x28)))) continue;
      any = true;
      const auto address = static_cast<uint64_t>(start + lane);
      const uint64_t aligned = address / 4 * 4;
      const uint32_t bank = words_.at(0x220);
      const unsigned shift = bank & 31;
      const unsigned skew = bank >> 8 & 31;
      words_of_bank[((aligned >> shift) + (skew != 0 ? aligned >> skew : 0)) % params_.pmu_banks].insert(
          aligned);
      if (is_write(p)) {
        std::memcpy(&memory.at(address), &data.packets[data.next][l * size], size);
      } else {
        std::memcpy(&vector[l * size], &memory.at(address), size);
      }
    }
    if (is_write(p)) ++data.next;
    uint64_t cost = 1;
    for (const auto& [bank, touched] : words_of_bank) cost = std::max<uint64_t>(cost, touched.size());
    if (!is_write(p) && pred && (any || range == 2)) {
      const uint32_t id =
          bits(p, 0, 4, 4) == 0
              ? 0
              : (bits(p, 0x60, 15, 0) + static_cast<uint32_t>(p.total) * bits(p, 0x60, 31, 16)) & 0xffff;
      vectors[index(p)].push_back({vector, s + (cost - 1) * cycles + params_.pmu_read_cycles, id});
    }
    p.next = s + cost * cycles;
    ++p.total;
    if (++p.access == accesses) {
      p.access = 0;
      ++p.fill;
      const uint64_t end = s + (cost - 1) * cycles + 1;
      for (unsigned n = 0; n < 8; ++n) {
        if ((bits(p, 0x1c, 15, 8) >> n & 1) != 0) tokens[n].push_back(end);
      }
      for (unsigned n = 0; n < 2; ++n) {
        if ((bits(p, 0x1c, 17, 16) >> n & 1) != 0) sent[n].push_back(end);
      }
    }
  }

  ConfigWords words_;
  FabricParams params_;
  std::array<Pipeline, 4> pipelines_;

 public:
  std::vector<uint8_t> memory;
};

}  // namespace rdu::fabric::test
