#include "cosim/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "fabric/pcu/pcu_config.h"
#include "fabric/pmu/pmu_config.h"
#include "fabric/switch/ports.h"
#include "fabric/test/random_pcu.h"
#include "fabric/test/random_pmu.h"
#include "fabric/test/random_switch.h"

namespace rdu::cosim {
namespace {

using fabric::PacketHead;
using fabric::PcuConfig;
using fabric::PmuConfig;
using fabric::PortUse;
namespace test = fabric::test;

class Generator {
 public:
  Generator(uint32_t unit, uint64_t seed, const fabric::FabricParams& params)
      : seed_(seed), random_(seed), stimulus_(unit, params) {}

  Stimulus make() {
    switch (stimulus_.kind()) {
      case RDU_UNIT_PCU:
        make_pcu();
        break;
      case RDU_UNIT_PMU:
        make_pmu();
        break;
      default:
        make_switch();
        break;
    }
    stimulus_.origin = fmt::format("generated, seed {}", seed_);
    // Long enough that all that can happen does: what is idle costs nothing.
    stimulus_.cycles = last_ + work_ + 4000;
    return std::move(stimulus_);
  }

 private:
  uint32_t pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool chance(unsigned percent) { return pick(100) < percent; }

  /// How things at a port follow each other.
  struct Manner {
    uint64_t start = 0;
    unsigned burst = 0;    ///< so many without a gap; 0: no bursts
    unsigned percent = 0;  ///< of gaps otherwise
    unsigned gap = 1;      ///< cycles, at most
  };
  Manner manner() {
    Manner m;
    m.start = chance(70) ? pick(20) : pick(1500);
    switch (pick(5)) {
      case 0:  // at once
        break;
      case 1:  // bursts and pauses
        m.burst = 1 + pick(24);
        m.gap = 1 + pick(100);
        break;
      case 2:  // rarely
        m.percent = 100;
        m.gap = 20 + pick(100);
        break;
      default:  // stalls
        m.percent = 5 + pick(80);
        m.gap = 1 + pick(12);
        break;
    }
    return m;
  }
  /// Times that never go back.
  std::vector<uint64_t> times(size_t n) {
    const Manner m = manner();
    std::vector<uint64_t> times;
    uint64_t t = m.start;
    for (size_t i = 0; i < n; ++i) {
      times.push_back(t);
      t += 1;
      if (m.burst != 0 ? (i + 1) % m.burst == 0 : chance(m.percent)) t += pick(m.gap + 1);
    }
    if (n != 0) last_ = std::max(last_, times.back());
    return times;
  }
  /// Usually what is needed, sometimes less, sometimes more.
  uint64_t about(uint64_t needed) {
    if (chance(6)) return pick(static_cast<uint32_t>(needed) + 1);
    return needed + (chance(6) ? pick(8) : 0);
  }
  Stimulus::Credits credits(uint64_t packets) {
    Stimulus::Credits credits;
    credits.at_start = static_cast<uint16_t>(1 + pick(chance(40) ? 3 : 40));
    if (chance(75)) credits.back = times(packets);
    return credits;
  }
  void add_packets(unsigned port, size_t n) {
    const bool moderate = chance(35);  // without infinities the order of a sum shows
    for (const uint64_t t : times(n)) {
      Stimulus::Packet packet;
      packet.cycle = t;
      for (size_t i = 0; i < packet.data.size(); i += 4) {
        uint32_t lane = test::random_lane(random_);
        if (moderate) lane = (lane & 0x807fffff) | (124 + lane / 64 % 8) << 23;
        std::memcpy(&packet.data[i], &lane, sizeof lane);
      }
      stimulus_.packets[port].push_back(packet);
    }
  }

  void make_pcu() {
    PcuConfig config;
    for (;;) {
      stimulus_.words = fabric::ConfigWords::reset_of<regs::pcu::Registers>();
      test::RandomPcu(random_(), test::RandomPcu::What::everything).make(stimulus_.words);
      try {
        config = PcuConfig::decode(stimulus_.words, stimulus_.params);
        break;
      } catch (const fabric::BadConfig&) {
      }
    }
    const test::PcuNeeds needs = test::needs_of(config);
    for (unsigned i = 0; i < 4; ++i) {
      if (needs.packets[i] == 0) continue;
      const bool is_matrix = config.programs[0].mode == PcuConfig::Mode::matrix;
      add_packets(i, is_matrix ? needs.packets[i] : about(needs.packets[i]));
    }
    for (unsigned s = 0; s < 2; ++s) {
      if (needs.scalars[s] == 0) continue;
      for (const uint64_t t : times(about(needs.scalars[s])))
        stimulus_.scalars[s].push_back({t, 0, chance(30) ? 0 : test::random_lane(random_)});
    }
    for (unsigned c = 0; c < 2; ++c) {
      if (needs.tokens[c] != 0)
        stimulus_.tokens[c] = times(std::min<uint64_t>(about(needs.tokens[c]), kMostTokens));
    }
    for (unsigned p = 0; p < 2; ++p) {
      const PcuConfig::Program& program = config.programs[p];
      if (program.mode == PcuConfig::Mode::off) continue;
      const uint64_t vectors = program.firings * (program.mode == PcuConfig::Mode::matrix ? program.rows : 1);
      if (program.scalar_out) {
        stimulus_.scalar_credits_of(0) = credits(vectors);
      } else {
        stimulus_.credits_of(p) = credits(vectors * program.packets_out());
      }
      work_ += program.firings * (program.mode == PcuConfig::Mode::matrix ? program.k + 20 : 2);
    }
  }

  void make_pmu() {
    const test::RandomPmu pmu(random_(), stimulus_.params);
    stimulus_.words = pmu.words;
    for (unsigned i = 0; i < 4; ++i) {
      const auto& in = pmu.inputs[i];
      const auto count = static_cast<uint32_t>(in.packets.size());
      const std::vector<uint64_t> at = times(count != 0 && chance(4) ? pick(count) : count);
      for (size_t n = 0; n < at.size(); ++n) {
        const uint32_t id = n < in.heads.size() ? static_cast<uint32_t>(in.heads[n]) : 0;
        stimulus_.packets[i].push_back({at[n], PacketHead::make(id, 0, 0), in.packets[n]});
      }
    }
    for (unsigned s = 0; s < 2; ++s) {
      for (const auto& packet : pmu.scalars[s].packets) {
        uint32_t word;
        std::memcpy(&word, packet.data(), sizeof word);
        stimulus_.scalars[s].push_back({0, 0, word});
      }
      const std::vector<uint64_t> at = times(stimulus_.scalars[s].size());
      for (size_t n = 0; n < at.size(); ++n) stimulus_.scalars[s][n].cycle = at[n];
      stimulus_.tokens[s] = times(pmu.tokens[s].size());
    }
    for (unsigned r = 0; r < 2; ++r) {
      const auto& read = pmu.config.read[r];
      if (read.enabled) stimulus_.credits_of(r) = credits(read.fills * read.accesses);
    }
    for (const auto* pipeline : pmu.config.all()) {
      if (pipeline->enabled) work_ += pipeline->fills * pipeline->accesses * 2 * (pipeline->lanes + 4);
    }
    if (!chance(70)) return;
    const auto words = static_cast<unsigned>(std::min<uint64_t>(params().pmu_bytes / 4, 8192));
    for (unsigned n = pick(2000); n != 0; --n) {
      const auto word = static_cast<uint32_t>(random_());
      if (word != 0) stimulus_.scratchpad[4 * pick(words)] = word;
    }
  }

  void make_switch() {
    test::RandomNetwork vectors(test::NetworkSize::vectors(static_cast<unsigned>(params().switch_depth)),
                                random_);
    test::RandomNetwork scalars(test::NetworkSize::scalars(static_cast<unsigned>(params().scalar_depth)),
                                random_);
    Stimulus at_place(RDU_UNIT(RDU_UNIT_SWITCH, vectors.routes.row, vectors.routes.column), params());
    stimulus_ = std::move(at_place);
    std::array<uint32_t, 22> wires{};
    for (unsigned w = 0; w < 28; ++w) {
      if (chance(50)) wires[pick(22)] |= 1u << w;
    }
    stimulus_.words = test::switch_words(vectors.routes, scalars.routes, wires);
    for (unsigned q = 0; q < vectors.to_send.size(); ++q) {
      const auto& items = vectors.to_send[q];
      const std::vector<uint64_t> at = times(items.size());
      for (size_t n = 0; n < items.size(); ++n) {
        Stimulus::Packet packet;
        packet.cycle = at[n];
        packet.head = items[n].head();
        for (unsigned w = 0; w < 16; ++w) {
          const uint32_t word = items[n].word(w);
          std::memcpy(&packet.data[4 * w], &word, sizeof word);
        }
        stimulus_.packets[q / RDU_FLOWS].push_back(packet);
      }
    }
    for (unsigned q = 0; q < scalars.to_send.size(); ++q) {
      const auto& items = scalars.to_send[q];
      const std::vector<uint64_t> at = times(items.size());
      for (size_t n = 0; n < items.size(); ++n)
        stimulus_.scalars[q / RDU_SCALAR_FLOWS].push_back({at[n], q % RDU_SCALAR_FLOWS, items[n].word(0)});
    }
    if (chance(15)) lose_one(vectors.routes);
    // Of several flows that could enter, the first in the list does: none is preferred.
    const auto earlier = [](const auto& a, const auto& b) { return a.cycle < b.cycle; };
    for (auto& list : stimulus_.packets) std::stable_sort(list.begin(), list.end(), earlier);
    for (auto& list : stimulus_.scalars) std::stable_sort(list.begin(), list.end(), earlier);
    for (unsigned p = 0; p < stimulus_.tokens.size(); ++p) {
      if (wires[p] != 0) stimulus_.tokens[p] = times(pick(40));
    }
    give(vectors, stimulus_.credits);
    give(scalars, stimulus_.scalar_credits);
    work_ += vectors.expected + scalars.expected;
  }
  /// Takes away a packet that others wait for where they are joined, if there is one.
  void lose_one(const test::NetworkRoutes& routes) {
    for (unsigned tries = 0; tries < 100; ++tries) {
      const unsigned port = pick(static_cast<uint32_t>(stimulus_.packets.size()));
      auto& list = stimulus_.packets[port];
      if (list.empty()) continue;
      const uint32_t n = pick(static_cast<uint32_t>(list.size()));
      const uint32_t out = routes.out[port * RDU_FLOWS + list[n].flow()] >> fabric::port::kMeshPorts;
      if (out == 0 || !routes.join[static_cast<unsigned>(__builtin_ctz(out))]) continue;
      list.erase(list.begin() + n);
      return;
    }
  }
  void give(const test::RandomNetwork& network, std::vector<Stimulus::Credits>& all) {
    const size_t flows = all.size() / network.routes.init.size();
    for (size_t i = 0; i < all.size(); ++i) {
      const unsigned at_start = network.routes.init[i / flows][i % flows];
      if (at_start == 0) continue;
      all[i] = credits(pick(80));
      all[i].at_start = static_cast<uint16_t>(chance(10) ? 9 + pick(40) : at_start);
    }
  }
  const fabric::FabricParams& params() const { return stimulus_.params; }

  static constexpr uint64_t kMostTokens = 200;  ///< a unit counts up to 255

  uint64_t seed_;
  std::mt19937_64 random_;
  Stimulus stimulus_;
  uint64_t last_ = 0;  ///< last of all times
  uint64_t work_ = 0;  ///< cycles of work, and more
};

}  // namespace

Stimulus generate(uint32_t unit, uint64_t seed, const fabric::FabricParams& params) {
  return Generator(unit, seed, params).make();
}

}  // namespace rdu::cosim
