#include <memory>
#include <random>
#include <vector>

#include "fabric/pcu/pcu.h"
#include "fabric/pmu/pmu.h"
#include "fabric/stream/lockstep.h"
#include "fabric/test/harness.h"
#include "fabric/test/units.h"
#include "regs/pmu.hpp"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace P = rdu::regs::pcu;
namespace M = rdu::regs::pmu;

namespace {

/// Products whose rows come from one scratchpad, and whose lanes from one each.
struct Shape {
  unsigned units;
  uint32_t k, rows, panels, fills, buffers;
  uint32_t row_steps;  ///< of a row in the scratchpad, a power of two
  uint32_t bank_skew;
  bool int8, bf16_out, sequence, forks;
  uint64_t seed;
};

/// All that can be seen from outside.
struct Outcome {
  std::vector<std::vector<Packet>> packets;
  std::vector<std::vector<uint64_t>> heads;
  std::vector<std::vector<uint64_t>> times;
  std::vector<std::vector<uint64_t>> counts;
  uint64_t advances = 0;
};

std::vector<Packet> some_packets(std::mt19937_64& random, size_t n) {
  std::vector<Packet> packets(n);
  for (Packet& packet : packets) {
    for (size_t i = 0; i < kPacketBytes; i += 2) {
      packet[i] = static_cast<uint8_t>(random());
      packet[i + 1] = static_cast<uint8_t>((random() & 0x80) | (0x3b + random() % 5));
    }
  }
  return packets;
}

class Products {
 public:
  Products(const Shape& shape, const FabricParams& params) : params_(params), context_(params_) {
    std::mt19937_64 random(shape.seed);
    const auto hops = [&] { return 1 + random() % 4; };
    const uint32_t row = shape.row_steps * 2;
    ConfigWords a = ConfigWords::reset_of<M::Registers>();
    set_pmu(a, shape.fills, shape.buffers, shape.rows * row, {{shape.rows * row / 64, 64}},
            {{shape.k, 2}, {shape.panels, 0}});
    set_read_lanes(a, shape.rows, M::READ_SHAPE::ELEMENT_HALF, static_cast<int32_t>(row));
    a.set(M::kBANK_OFFSET, M::BANK::SKEW, shape.bank_skew);
    Pmu& rows = add_pmu(a);
    Source& rows_source = add<Source>();
    rows_source.packets = some_packets(random, size_t{shape.fills} * shape.rows * row / 64);
    for (size_t i = 0; i < rows_source.packets.size(); ++i) rows_source.ready.push_back(7 + 2 * i);
    rows_source.output.connect(rows.packet_input(0), hops(), params_);
    int fork = -1;
    uint64_t way = 0;
    for (unsigned u = 0; u < shape.units; ++u) {
      ConfigWords b = ConfigWords::reset_of<M::Registers>();
      const uint32_t pitch = shape.panels * 64;
      set_pmu(b, 1, 1, 0, {{shape.k * shape.panels, 64}},
              {{shape.k, static_cast<int32_t>(pitch)}, {shape.panels, 64}, {shape.fills, 0}});
      Pmu& lanes = add_pmu(b);
      Source& lanes_source = add<Source>();
      lanes_source.packets = some_packets(random, size_t{shape.k} * shape.panels);
      lanes_source.output.connect(lanes.packet_input(0), hops(), params_);
      ConfigWords words = ConfigWords::reset_of<P::Registers>();
      set_matrix(words, shape.panels * shape.fills, shape.k, shape.rows);
      words.set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::TYPE, shape.int8 ? 1 : 0);
      if (shape.int8) {
        set_pcu_format(words, P::PROGRAM_OUT::FORMAT_INT32);
      } else if (shape.bf16_out) {
        set_pcu_format(words, P::PROGRAM_OUT::FORMAT_BF16);
      }
      if (shape.sequence) words.set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::SEQUENCE, 1);
      Pcu& pcu = add<Pcu>(RDU_UNIT(RDU_UNIT_PCU, 0, u), PcuConfig::decode(words, params_));
      pcus_.push_back(&pcu);
      lanes.packet_output(0, 0).connect(pcu.input(0), hops(), params_);
      // Over a chain of forks: each leads to a unit, and to the next one; the last to two units.
      if (shape.forks && u + 1 < shape.units) {
        way += hops();
        fork = rows.packet_output(0, 0).add_fork(fork, way, way * params_.switch_depth);
      }
      const uint64_t whole = way + hops();
      rows.packet_output(0, 0).connect(pcu.input(1), whole,
                                       params_.fifo_depth + (whole - 1) * params_.switch_depth, fork);
      Sink& sink = add<Sink>();
      sinks_.push_back(&sink);
      sink.interval = 1 + random() % (random() % 4 == 0 ? 200 : 4);
      sink.open = random() % 4 == 0 ? random() % 4000 : 0;
      pcu.output().connect(sink.input, hops(), params_);
    }
  }

  Outcome run() {
    std::vector<SteadySource*> sources;
    std::vector<SteadySink*> sinks;
    for (Pmu* pmu : pmus_) sources.push_back(&pmu->steady_source(0));
    for (Pcu* pcu : pcus_) sinks.push_back(pcu->steady_sink());
    const auto locksteps = Lockstep::find(sources, sinks, params_.max_burst);
    std::vector<Unit*> units;
    for (const auto& unit : units_) units.push_back(unit.get());
    run_all(context_, units, 7);
    Outcome outcome;
    for (const Sink* sink : sinks_) {
      outcome.packets.push_back(sink->packets);
      outcome.heads.push_back(sink->heads);
      outcome.times.push_back(sink->times);
    }
    for (const auto& unit : units_) {
      REQUIRE(unit->finished());
      const UnitCounts& c = unit->counts();
      outcome.counts.push_back({c.first, c.last, c.firings, c.busy, c.stalls.input, c.stalls.output,
                                c.stalls.other, c.vectors, c.bytes});
    }
    for (const auto& lockstep : locksteps) outcome.advances += lockstep->advances();
    return outcome;
  }

 private:
  template <class T, class... Arguments>
  T& add(Arguments&&... arguments) {
    auto made = std::make_unique<T>(context_, std::forward<Arguments>(arguments)...);
    T& unit = *made;
    units_.push_back(std::move(made));
    return unit;
  }
  Pmu& add_pmu(const ConfigWords& words) {
    pads_.push_back(std::make_unique<Scratchpad>(params_.pmu_bytes));
    Pmu& pmu =
        add<Pmu>(RDU_UNIT(RDU_UNIT_PMU, 0, pads_.size()), PmuConfig::decode(words, params_), *pads_.back());
    pmus_.push_back(&pmu);
    return pmu;
  }

  FabricParams params_;
  Context context_;
  std::vector<std::unique_ptr<Scratchpad>> pads_;
  std::vector<std::unique_ptr<Unit>> units_;
  std::vector<Pmu*> pmus_;
  std::vector<Pcu*> pcus_;
  std::vector<Sink*> sinks_;
};

}  // namespace

TEST_CASE("in lockstep everything has the bits and the times that it has alone") {
  std::mt19937_64 random(test_seed());
  uint64_t advances = 0;
  for (int round = 0; round < 60; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    Shape shape;
    shape.units = 1 + random() % 3;
    shape.rows = 1 + random() % 6;
    shape.panels = 1 + random() % 3;
    shape.fills = 1 + random() % 4;
    shape.buffers = 1 + random() % 2;
    shape.row_steps = 32u << random() % 5;
    shape.k = random() % 2 == 0 ? shape.row_steps : 1 + random() % shape.row_steps;
    // Columns without conflicts, or with.
    shape.bank_skew = random() % 4 == 0 ? 0 : static_cast<uint32_t>(__builtin_ctz(2 * shape.row_steps));
    shape.int8 = random() % 8 == 0;
    shape.bf16_out = random() % 2 == 0;
    shape.sequence = random() % 8 == 0;
    shape.forks = random() % 4 != 0;
    shape.seed = random();
    FabricParams params;
    if (random() % 4 == 0) params.fifo_depth = 2 + random() % 20;
    if (random() % 4 == 0) params.output_depth = 12 + random() % 30;
    params.max_burst = 1;
    const Outcome alone = Products(shape, params).run();
    REQUIRE(alone.advances == 0);
    params.max_burst = 4096;
    const Outcome together = Products(shape, params).run();
    advances += together.advances;
    const bool same_packets = together.packets == alone.packets;
    REQUIRE(same_packets);
    REQUIRE(together.heads == alone.heads);
    REQUIRE(together.times == alone.times);
    REQUIRE(together.counts == alone.counts);
  }
  INFO(advances << " advances");
  REQUIRE(advances > 20);
}
