#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "fabric/math/scalar.h"
#include "fabric/math/tail.h"
#include "fabric/pcu/pcu.h"
#include "fabric/test/harness.h"
#include "fabric/test/units.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace P = rdu::regs::pcu;
namespace S = rdu::regs::pcu::STAGE;
using scalar::bits_of;
using scalar::from_bits;

namespace {

/// A PCU between sources and a sink that is one switch away each.
struct Setup {
  explicit Setup(const FabricParams& p = {}) : params(p), context(params), sink(context) {
    words = ConfigWords::reset_of<P::Registers>();
    for (auto& source : sources) source = std::make_unique<Source>(context);
  }
  void run() {
    pcu = Pcu::make(context, RDU_UNIT(RDU_UNIT_PCU, 0, 0), PcuConfig::decode(words, params));
    std::vector<Unit*> units;
    for (unsigned i = 0; i < 4; ++i) {
      if (!pcu->config().uses_input[i]) continue;
      sources[i]->output.connect(pcu->input(i), 1, params);
      units.push_back(sources[i].get());
    }
    pcu->output().connect(sink.input, 1, params);
    units.push_back(pcu.get());
    units.push_back(&sink);
    run_all(context, units);
  }
  FabricParams params;
  Context context;
  ConfigWords words{ConfigWords::reset_of<P::Registers>()};
  std::unique_ptr<Source> sources[4];
  Sink sink;
  std::unique_ptr<Pcu> pcu;
};

std::vector<Packet> random_packets(std::mt19937_64& random, size_t n) {
  std::vector<Packet> packets(n);
  for (Packet& packet : packets) {
    for (size_t i = 0; i < kPacketBytes; i += 4) {
      // All kinds of values, most of moderate size.
      auto bits = static_cast<uint32_t>(random());
      if (random() % 8 != 0) bits = (bits & 0x807fffff) | static_cast<uint32_t>(120 + random() % 14) << 23;
      std::memcpy(&packet[i], &bits, 4);
    }
  }
  return packets;
}

using Vector = std::array<float, 32>;

std::vector<Vector> vectors_of(const std::vector<Packet>& packets, bool bf16) {
  std::vector<Vector> vectors;
  if (bf16) {
    const std::vector<uint16_t> halves = halves_of(packets);
    vectors.resize(packets.size());
    for (size_t i = 0; i < halves.size(); ++i) vectors[i / 32][i % 32] = scalar::from_bf16(halves[i]);
  } else {
    const std::vector<float> floats = floats_of(packets);
    vectors.resize(packets.size() / 2);
    for (size_t i = 0; i < vectors.size() * 32; ++i) vectors[i / 32][i % 32] = floats[i];
  }
  return vectors;
}

/// What leaves a unit for values of the pipeline.
std::vector<Packet> packets_of(const std::vector<Vector>& vectors, bool bf16, unsigned lanes) {
  std::vector<Packet> packets;
  for (Vector v : vectors) {
    for (unsigned i = lanes; i < 32; ++i) v[i] = 0.0f;
    if (bf16) {
      packets.emplace_back();
      for (unsigned i = 0; i < 32; ++i) {
        const uint16_t half = scalar::to_bf16(v[i]);
        std::memcpy(&packets.back()[2 * i], &half, 2);
      }
      continue;
    }
    for (unsigned half = 0; half < 2; ++half) {
      packets.emplace_back();
      for (unsigned i = 0; i < 16; ++i) {
        const float value = scalar::canonical(v[16 * half + i]);
        std::memcpy(&packets.back()[4 * i], &value, 4);
      }
    }
  }
  return packets;
}

float apply(uint64_t op, float a, float b) {
  switch (op) {
    case S::OP_MOV:
      return a;
    case S::OP_FADD:
      return scalar::add(a, b);
    case S::OP_FSUB:
      return scalar::sub(a, b);
    case S::OP_FMUL:
      return scalar::mul(a, b);
    case S::OP_FMAX:
      return scalar::max(a, b);
    default:
      return scalar::min(a, b);
  }
}

}  // namespace

TEST_CASE("SIMD: random pipelines compute what the scalar definitions say") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 60; ++round) {
    FabricParams params;
    params.max_burst = 1 + random() % 40;
    Setup s(params);
    const size_t vectors = 1 + random() % 40;
    const auto lanes = static_cast<unsigned>(1 + random() % 32);
    const bool out_bf16 = random() % 2 != 0;
    const unsigned tail = random() % 3;
    const bool in_bf16[2] = {random() % 2 != 0, random() % 2 != 0};
    std::vector<std::vector<Vector>> in;
    for (unsigned i = 0; i < 2; ++i) {
      s.sources[i]->packets = random_packets(random, in_bf16[i] ? vectors : 2 * vectors);
      in.push_back(vectors_of(s.sources[i]->packets, in_bf16[i]));
    }
    const uint32_t constant = 0x3fc00000 + static_cast<uint32_t>(random() % 0x100000);

    // Both inputs are read first; then anything goes.
    static constexpr uint64_t kOps[] = {S::OP_NOP,  S::OP_MOV,  S::OP_FADD,     S::OP_FSUB,    S::OP_FMUL,
                                        S::OP_FMAX, S::OP_FMIN, S::OP_FRED_SUM, S::OP_FRED_MAX};
    static constexpr uint64_t kSources[] = {S::A_PREV, S::A_IN0, S::A_IN1, S::A_CONST2, S::A_REG0};
    std::vector<Stage> stages{{S::OP_FADD, S::A_IN0, S::A_IN1, 0}};
    bool crosses = false;
    while (stages.size() < 6) {  // with at most one cross-lane operation, and one register
      const uint64_t op = kOps[random() % (crosses ? 7 : 9)];
      crosses |= op >= S::OP_FRED_SUM;
      stages.push_back({op, kSources[random() % 5], kSources[random() % 5], -1});
    }
    set_simd(s.words, static_cast<uint32_t>(vectors),
             {stages[0], stages[1], stages[2], stages[3], stages[4], stages[5]});
    s.words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::LANES, lanes);
    set_pcu_format(s.words, out_bf16);
    s.words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::TAIL, tail);
    set_pcu_input(s.words, 0, in_bf16[0]);
    set_pcu_input(s.words, 1, in_bf16[1]);
    s.words.set(P::kCONST_OFFSET + 8, constant);
    s.run();
    REQUIRE(s.pcu->finished());

    std::vector<Vector> expect(vectors);
    for (size_t v = 0; v < vectors; ++v) {
      Vector previous{};
      Vector saved{};
      const auto operand = [&](uint64_t code, unsigned lane) {
        switch (code) {
          case S::A_IN0:
            return in[0][v][lane];
          case S::A_IN1:
            return in[1][v][lane];
          case S::A_CONST2:
            return from_bits(constant);
          case S::A_REG0:
            return saved[lane];
          default:
            return previous[lane];
        }
      };
      for (const Stage& stage : stages) {
        if (stage.op == S::OP_NOP) continue;
        Vector result;
        Vector a;
        for (unsigned lane = 0; lane < 32; ++lane) a[lane] = operand(stage.a, lane);
        for (unsigned lane = 0; lane < 32; ++lane) {
          if (stage.op == S::OP_FRED_SUM) {
            result[lane] = scalar::reduce(a.data(), lanes, 0.0f, scalar::add);
          } else if (stage.op == S::OP_FRED_MAX) {
            result[lane] =
                scalar::reduce(a.data(), lanes, -std::numeric_limits<float>::infinity(), scalar::max);
          } else {
            result[lane] = apply(stage.op, a[lane], operand(stage.b, lane));
          }
        }
        previous = result;
        if (stage.save >= 0) saved = result;
      }
      for (float& x : previous) {
        if (tail == P::PROGRAM_MODE::TAIL_EXP) x = scalar::exp(x);
        if (tail == P::PROGRAM_MODE::TAIL_RECIP) x = scalar::recip(x);
      }
      expect[v] = previous;
    }
    const bool same = s.sink.packets == packets_of(expect, out_bf16, lanes);
    REQUIRE(same);
  }
}

TEST_CASE("SIMD: a vector's way through the pipeline") {
  // Latency = packets of the longest input + 6 stages + 6 a reduction + tail; II = packets of the longest
  // input or output.
  struct Case {
    bool in_bf16, out_bf16;
    unsigned tail;
    bool reduce;
    uint64_t latency, ii;
  };
  for (const Case& c : {Case{true, true, P::PROGRAM_MODE::TAIL_NONE, false, 1 + 6 + 1, 1},
                        Case{true, false, P::PROGRAM_MODE::TAIL_NONE, false, 1 + 6 + 1, 2},
                        Case{false, true, P::PROGRAM_MODE::TAIL_EXP, false, 2 + 6 + 8, 2},
                        Case{false, false, P::PROGRAM_MODE::TAIL_RECIP, true, 2 + 6 + 6 + 6, 2}}) {
    Setup s;
    s.sources[0]->packets.resize(c.in_bf16 ? 5 : 10);
    set_simd(s.words, 5, {{c.reduce ? S::OP_FRED_SUM : S::OP_MOV, S::A_IN0}});
    set_pcu_format(s.words, c.out_bf16);
    s.words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::TAIL, c.tail);
    set_pcu_input(s.words, 0, c.in_bf16);
    s.run();
    std::vector<uint64_t> expect;
    for (uint64_t v = 0; v < 5; ++v) {
      const uint64_t fired = 1 + v * c.ii;  // the first packet arrives at 1
      for (uint64_t q = 0; q < (c.out_bf16 ? 1u : 2u); ++q) expect.push_back(fired + c.latency + q + 1);
    }
    REQUIRE(s.sink.times == expect);
    REQUIRE(s.pcu->counts().busy == 5 * c.ii);
    REQUIRE(s.pcu->counts().vectors == 5);
    REQUIRE(s.pcu->counts().stalls.input == 1);
  }
}

TEST_CASE("SIMD: inputs that no stage reads are not consumed, and constants need none") {
  Setup s;
  set_simd(s.words, 3, {{S::OP_MOV, S::A_CONST1}});
  s.words.set(P::kCONST_OFFSET + 4, bits_of(2.5f));
  s.words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::LANES, 3);
  s.run();
  const std::vector<float> values = floats_of(s.sink.packets);
  REQUIRE(values.size() == 96);
  REQUIRE(values[2] == 2.5f);
  REQUIRE(bits_of(values[3]) == 0);
}

TEST_CASE("SIMD: a full output FIFO stops the unit, and the wait is counted") {
  FabricParams params;
  params.output_depth = 12;
  params.fifo_depth = 4;
  params.switch_depth = 0;
  Setup s(params);
  s.sources[0]->packets.resize(40);
  s.sink.open = 100;
  set_simd(s.words, 40, {{S::OP_MOV, S::A_IN0}});
  set_pcu_input(s.words, 0, 1);
  set_pcu_format(s.words, 1);
  s.run();
  REQUIRE(s.sink.times.front() == 100);
  // 4 packets lie at the sink, 12 in the output FIFO; the 17th vector fires when the credit of the first has
  // come back (101), the fifth has left in that cycle and its place is free in the next.
  REQUIRE(s.pcu->counts().firings == 40);
  REQUIRE(s.pcu->counts().stalls.output == 102 - 17);
}

TEST_CASE("matrix: tiles are chains of fused multiply-adds") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 20; ++round) {
    FabricParams params;
    params.max_burst = 1 + random() % 100;
    params.stages = 1 + random() % 8;
    Setup s(params);
    const auto tiles = static_cast<uint32_t>(1 + random() % 4);
    const auto k = static_cast<uint32_t>(1 + random() % 150);
    const auto rows = static_cast<uint32_t>(1 + random() % params.stages);
    const bool out_bf16 = random() % 2 != 0;
    const unsigned tail = random() % 3;
    for (unsigned i = 0; i < 2; ++i) s.sources[i]->packets = random_packets(random, tiles * k);
    set_matrix(s.words, tiles, k, rows);
    set_pcu_format(s.words, out_bf16);
    s.words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::TAIL, tail);
    s.run();
    REQUIRE(s.pcu->finished());
    const std::vector<Vector> lanes_side = vectors_of(s.sources[0]->packets, true);
    const std::vector<Vector> rows_side = vectors_of(s.sources[1]->packets, true);
    std::vector<Vector> expect;
    for (uint32_t t = 0; t < tiles; ++t) {
      for (uint32_t row = 0; row < rows; ++row) {
        Vector acc{};
        for (uint32_t step = t * k; step < (t + 1) * k; ++step) {
          for (unsigned lane = 0; lane < 32; ++lane) {
            acc[lane] = scalar::fma(rows_side[step][row], lanes_side[step][lane], acc[lane]);
          }
        }
        for (float& x : acc) {
          if (tail == P::PROGRAM_MODE::TAIL_EXP) x = scalar::exp(x);
          if (tail == P::PROGRAM_MODE::TAIL_RECIP) x = scalar::recip(x);
        }
        expect.push_back(acc);
      }
    }
    const bool same = s.sink.packets == packets_of(expect, out_bf16, 32);
    REQUIRE(same);
  }
}

TEST_CASE("matrix: fill, drain and their overlap with the next tile") {
  Setup s;
  constexpr uint64_t kK = 20;
  for (unsigned i = 0; i < 2; ++i) s.sources[i]->packets.resize(3 * kK);
  set_matrix(s.words, 3, kK, 6);
  set_pcu_format(s.words, 1);
  s.run();
  // Steps run at cycles 1 .. 60 without a gap. Tile t's last step is at 20 (t + 1); 1 + 5 + 6 cycles later
  // its first row drains; a row leaves after the tail's cycle and is one cycle on its way.
  std::vector<uint64_t> expect;
  for (uint64_t t = 0; t < 3; ++t) {
    for (uint64_t row = 0; row < 6; ++row) expect.push_back(kK * (t + 1) + 12 + row + 1 + 1);
  }
  REQUIRE(s.sink.times == expect);
  REQUIRE(s.pcu->counts().busy == 60);
  REQUIRE(s.pcu->counts().last == 60);
  REQUIRE(s.pcu->counts().vectors == 18);
}

TEST_CASE("matrix: with K shorter than a drain, the pair of accumulators limits the rate") {
  Setup s;
  for (unsigned i = 0; i < 2; ++i) s.sources[i]->packets.resize(8);
  set_matrix(s.words, 8, 1, 6);  // 12 packets a tile in FP32
  s.run();
  REQUIRE(s.sink.times.size() == 96);
  // Tile 0: step at 1, drain 13..24. Tile 1: step at 2, drain 25..36. Tile 2 may begin at 25, when tile 0 has
  // drained, and drains from 37 on, when tile 1 has. From then on a tile takes as long as its drain.
  for (uint64_t i = 0; i < 96; ++i) REQUIRE(s.sink.times[i] == 13 + i + 1 + 1);
  REQUIRE(s.pcu->counts().stalls.output != 0);
}

TEST_CASE("configurations that a PCU cannot execute are refused") {
  const FabricParams params;
  const auto refused = [&](const ConfigWords& words) {
    try {
      PcuConfig::decode(words, params);
      return std::string();
    } catch (const BadConfig& e) {
      return std::string(e.what());
    }
  };
  const auto simd = [](std::initializer_list<Stage> stages) {
    ConfigWords words = ConfigWords::reset_of<P::Registers>();
    set_simd(words, 1, stages);
    return words;
  };
  REQUIRE(refused(simd({{S::OP_MOV, S::A_IN0}})).empty());
  REQUIRE(refused(simd({})) == "SIMD mode, but no stage has an operation");
  REQUIRE(refused(simd({{S::OP_FADD, S::A_IN0, S::A_PREV}})) ==
          "STAGE[0] reads PREV, but no stage before it has a result");
  REQUIRE(refused(simd({{S::OP_FADD, S::A_IN0, S::A_REG2}})) ==
          "STAGE[0] reads REG2, which no stage before it has saved");
  REQUIRE(refused(simd({{127, S::A_IN0}})) == "STAGE[0].OP has no operation 127");
  REQUIRE(refused(simd({{S::OP_MOV, 31}})) == "STAGE[0] has no operand 31");
  REQUIRE(refused(simd({{S::OP_MOV, S::A_IN0, 0, 2}, {S::OP_MOV, S::A_IN0, 0, 2}})) ==
          "STAGE[1] saves REG2, which a stage before it has saved");
  REQUIRE(refused(simd({{S::OP_FRED_SUM, S::A_IN0}, {S::OP_FRED_MAX, S::A_IN0}})) ==
          "more than one stage has a cross-lane operation");
  REQUIRE(refused(simd({{S::OP_FADD, S::A_LANE, S::A_IN0}})) ==
          "an operand other than PREV, IN, CONST and REG is not modelled yet");
  REQUIRE(refused(simd({{S::OP_IADD, S::A_IN0, S::A_IN0}})) == "this operation is not modelled yet");
  REQUIRE(refused(simd({{}, {}, {}, {}, {}, {}, {S::OP_MOV, S::A_IN0}})) ==
          "STAGE[6] has an operation, but belongs to no program");
  ConfigWords words = simd({{S::OP_MOV, S::A_IN0}});
  words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::STAGES, 7);
  REQUIRE(refused(words) == "PROGRAM[0] has stages 0 to 6, but the unit has 6");
  words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::STAGES, 0);
  REQUIRE(refused(words) == "PROGRAM[0].MODE.STAGES is 0");
  words = simd({{S::OP_MOV, S::A_IN0}});
  words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::LANES, 33);
  REQUIRE(refused(words) == "PROGRAM[0].MODE.LANES = 33 is not in 1..32");
  words = simd({{S::OP_MOV, S::A_IN0}});
  words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::TAIL, 15);
  REQUIRE(refused(words) == "PROGRAM[0].MODE.TAIL has no function 15");
  words = ConfigWords::reset_of<P::Registers>();
  set_matrix(words, 1, 0, 6);
  REQUIRE(refused(words) == "MATRIX.K is 0");
  set_matrix(words, 1, 4, 7);
  REQUIRE(refused(words) == "MATRIX.ROWS = 7 is not in 1..6");
  set_matrix(words, 0xffffffff, 4, 6);
  words.set(P::kPROGRAM_COUNT_OFFSET + 4, 0xffffffff);
  REQUIRE(refused(words) == "PROGRAM[0]: the product of COUNT is above 2^63");
  words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::MODE, 3);
  REQUIRE(refused(words) == "PROGRAM[0].MODE.MODE has no mode 3");
}
