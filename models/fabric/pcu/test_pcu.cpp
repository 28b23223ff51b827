#include <algorithm>
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
    pcu = std::make_unique<Pcu>(context, RDU_UNIT(RDU_UNIT_PCU, 0, 0), PcuConfig::decode(words, params));
    std::vector<Unit*> units;
    for (unsigned i = 0; i < 4; ++i) {
      if (!pcu->config().uses_input(i)) continue;
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

std::vector<uint32_t> words_of(const std::vector<Packet>& packets) {
  std::vector<uint32_t> values(packets.size() * kPacketBytes / 4);
  for (size_t i = 0; i < packets.size(); ++i)
    std::memcpy(&values[i * kPacketBytes / 4], packets[i].data(), kPacketBytes);
  return values;
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

TEST_CASE("matrix: INT8 takes two k a step and wraps") {
  // Lane l, row r: the sum over k of in1.byte[2 r + j] * in0.byte[2 l + j].
  std::mt19937_64 random(test_seed());
  for (const bool saturates : {false, true}) {
    Setup s;
    constexpr unsigned kK = 70;
    for (unsigned i = 0; i < 2; ++i) s.sources[i]->packets = random_packets(random, 2 * kK);
    set_matrix(s.words, 2, kK, 5);
    s.words.set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::TYPE, P::PROGRAM_MATRIX::TYPE_INT8);
    set_pcu_format(s.words, saturates ? P::PROGRAM_OUT::FORMAT_INT8 : P::PROGRAM_OUT::FORMAT_INT32);
    s.words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::LANES, 30);
    s.run();
    REQUIRE(s.pcu->finished());
    const auto& packets = s.sink.packets;
    REQUIRE(packets.size() == (saturates ? 10 : 20));
    for (unsigned tile = 0; tile < 2; ++tile) {
      for (unsigned row = 0; row < 5; ++row) {
        for (unsigned lane = 0; lane < 32; ++lane) {
          int64_t sum = 0;
          for (unsigned k = tile * kK; k < (tile + 1) * kK; ++k) {
            for (unsigned j = 0; j < 2; ++j) {
              sum += static_cast<int8_t>(s.sources[0]->packets[k][2 * lane + j]) *
                     static_cast<int8_t>(s.sources[1]->packets[k][2 * row + j]);
            }
          }
          if (lane >= 30) sum = 0;
          const unsigned vector = 5 * tile + row;
          int32_t got = 0;
          if (saturates) {
            got = static_cast<int8_t>(packets[vector][lane]);
            sum = std::max<int64_t>(-128, std::min<int64_t>(127, sum));
          } else {
            std::memcpy(&got, &packets[2 * vector + lane / 16][4 * (lane % 16)], 4);
          }
          REQUIRE(got == sum);
        }
      }
    }
  }
  // 40,000 steps of 2 * (-128 * -128) are 1,310,720,000; 80,000 wrap.
  Setup s;
  Packet low;
  low.fill(0x80);
  for (unsigned i = 0; i < 2; ++i) s.sources[i]->packets.assign(80'000, low);
  set_matrix(s.words, 1, 80'000, 1);
  s.words.set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::TYPE, P::PROGRAM_MATRIX::TYPE_INT8);
  set_pcu_format(s.words, P::PROGRAM_OUT::FORMAT_INT32);
  s.run();
  REQUIRE(words_of(s.sink.packets)[0] == 2'621'440'000u);
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
  const ConfigWords mov = simd({{S::OP_MOV, S::A_IN0}});
  /// `words` with one field changed.
  const auto with = [](ConfigWords words, uint64_t offset, rdu::core::Field field, uint64_t value) {
    words.set(offset, field, value);
    return words;
  };
  constexpr uint64_t kMode = P::kPROGRAM_MODE_OFFSET;
  constexpr uint64_t kOut = P::kPROGRAM_OUT_OFFSET;
  constexpr uint64_t kSecond = P::kPROGRAM_STRIDE;
  namespace M = P::PROGRAM_MODE;
  namespace O = P::PROGRAM_OUT;
  const auto stage = [](unsigned i) { return P::kSTAGE_OFFSET + i * P::kSTAGE_STRIDE; };

  REQUIRE(refused(mov).empty());
  REQUIRE(refused(ConfigWords::reset_of<P::Registers>()).empty());  // off

  // Modes.
  CHECK(refused(with(mov, kMode, M::MODE, 3)) == "PROGRAM[0].MODE.MODE has no mode 3");
  CHECK(refused(with(mov, kMode, M::TAIL, 15)) == "PROGRAM[0].MODE.TAIL has no function 15");
  CHECK(refused(with(mov, kMode, M::TAIL, M::TAIL_ERF)).empty());
  CHECK(refused(with(mov, kMode, M::LANES, 33)) == "PROGRAM[0].MODE.LANES = 33 is not in 1..32");
  CHECK(refused(with(mov, kMode, M::LANES, 0)) == "PROGRAM[0].MODE.LANES = 0 is not in 1..32");
  CHECK(refused(with(mov, kSecond + kMode, M::MODE, M::MODE_MATRIX)) ==
        "PROGRAM[1] is MATRIX: only program 0 can be");
  ConfigWords matrix = ConfigWords::reset_of<P::Registers>();
  set_matrix(matrix, 1, 4, 6);
  REQUIRE(refused(matrix).empty());
  CHECK(refused(with(matrix, kSecond + kMode, M::MODE, M::MODE_SIMD)) ==
        "PROGRAM[1] beside MATRIX, which takes the whole unit");

  // Two programs: stages 0 .. 2 and 3 .. 5.
  ConfigWords two = simd({{S::OP_MOV, S::A_IN0}});
  two.set(kMode, M::STAGES, 3);
  two.set(kSecond + kMode, M::MODE, M::MODE_SIMD);
  two.set(kSecond + kMode, M::FIRST, 3);
  two.set(kSecond + kMode, M::STAGES, 3);
  two.set(stage(3), S::OP, S::OP_MOV);
  two.set(stage(3), S::A, S::A_IN1);
  two.set(P::kINPUT_OFFSET + 4, P::INPUT::PROGRAM, 1);
  REQUIRE(refused(two).empty());
  CHECK(refused(with(two, kSecond + kMode, M::FIRST, 2)) == "STAGE[2] belongs to both programs");
  CHECK(refused(with(two, P::kINPUT_OFFSET + 4, P::INPUT::PROGRAM, 0)) ==
        "STAGE[3] of program 1 reads IN1, which INPUT gives to program 0");
  ConfigWords both = with(with(two, kMode, M::TAIL, M::TAIL_EXP), kSecond + kMode, M::TAIL, M::TAIL_RECIP);
  CHECK(refused(both) == "both programs have a TAIL; the unit has one");
  both = with(with(two, kOut, O::SCALAR, 1), kSecond + kOut, O::SCALAR, 1);
  CHECK(refused(both) == "both programs have OUT.SCALAR; the unit has one scalar output");
  both = with(with(two, P::kPROGRAM_SCALAR_IN_OFFSET + 4, P::PROGRAM_SCALAR_IN::ENABLE, 1),
              kSecond + P::kPROGRAM_SCALAR_IN_OFFSET + 4, P::PROGRAM_SCALAR_IN::ENABLE, 1);
  CHECK(refused(both) == "both programs enable SCALAR_IN[1]");
  both = with(with(two, P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT, 1),
              kSecond + P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT, 1);
  CHECK(refused(both) == "both programs wait for tokens of control input 0");
  both = with(with(two, stage(0), S::SAVE, 1), stage(3), S::A, S::A_REG0);
  CHECK(refused(both) == "STAGE[3] reads REG0, which no stage before it has saved");
  both = with(with(two, stage(0), S::SAVE, 1), stage(3), S::SAVE, 1);
  CHECK(refused(both) == "STAGE[3] saves REG0, which another stage saves");
  both = with(with(two, stage(0), S::OP, S::OP_RED_OR), stage(3), S::OP, S::OP_IARGMAX);
  CHECK(refused(both) == "more than one stage has a cross-lane operation");

  // Counters.
  CHECK(refused(with(matrix, P::kPROGRAM_COUNT_OFFSET, P::PROGRAM_COUNT::VALUE, 0)).empty());  // means 1
  ConfigWords long_run = with(mov, P::kPROGRAM_COUNT_OFFSET, P::PROGRAM_COUNT::VALUE, 0x80000000);
  long_run.set(P::kPROGRAM_COUNT_OFFSET + 8, P::PROGRAM_COUNT::VALUE, 0x80000000);
  CHECK(refused(long_run).empty());
  long_run.set(P::kPROGRAM_COUNT_OFFSET + 16, P::PROGRAM_COUNT::VALUE, 3);
  CHECK(refused(long_run) == "PROGRAM[0]: the product of COUNT is above 2^63");

  // Stages.
  CHECK(refused(simd({})) == "PROGRAM[0] is SIMD, but no stage of it has an operation");
  CHECK(refused(with(mov, kMode, M::STAGES, 0)) == "PROGRAM[0].MODE.STAGES is 0");
  CHECK(refused(with(mov, kMode, M::STAGES, 7)) == "PROGRAM[0] has stages 0 to 6, but the unit has 6");
  CHECK(refused(with(mov, stage(6), S::OP, S::OP_MOV)) ==
        "STAGE[6] has an operation, but belongs to no program");
  CHECK(refused(with(mov, kMode, M::FIRST, 2)) == "PROGRAM[0] has stages 2 to 7, but the unit has 6");
  CHECK(refused(simd({{S::OP_FADD, S::A_IN0, S::A_PREV}})) ==
        "STAGE[0] reads PREV, but no stage before it has a result");
  CHECK(refused(simd({{S::OP_FADD, S::A_IN0, S::A_REG2}})) ==
        "STAGE[0] reads REG2, which no stage before it has saved");
  CHECK(refused(simd({{S::OP_FADD, S::A_IN0, S::A_REG2, 2}})).empty());  // an accumulator
  CHECK(refused(simd({{127, S::A_IN0}})) == "STAGE[0].OP has no operation 127");
  CHECK(refused(simd({{S::OP_MOV, 31}})) == "STAGE[0] has no operand 31");
  CHECK(refused(simd({{S::OP_MOV, S::A_S1}})) ==
        "STAGE[0] reads S1, but program 0 does not enable SCALAR_IN[1]");
  CHECK(refused(simd({{S::OP_MOV, S::A_IN0, 0, 2}, {S::OP_MOV, S::A_IN0, 0, 2}})) ==
        "STAGE[1] saves REG2, which another stage saves");
  CHECK(refused(simd({{S::OP_MOV, S::A_IN0}, {S::OP_NOP, 0, 0, 1}})) ==
        "STAGE[1] is a NOP and has nothing to save");
  CHECK(refused(with(mov, stage(0), S::ALT, 1)) == "STAGE[0].ALT, but the operation has no operand B");
  CHECK(refused(simd({{S::OP_UP, S::A_IN0, S::A_REG0, 0}})) ==
        "STAGE[0] has a cross-lane operation and reads the register that it saves");
  CHECK(refused(simd({{S::OP_FRED_SUM, S::A_IN0}, {S::OP_FRED_MAX, S::A_IN0}})) ==
        "more than one stage has a cross-lane operation");
  CHECK(refused(simd({{S::OP_SRBF16, S::A_IN0}, {S::OP_SRBF16, S::A_IN0}})) ==
        "PROGRAM[0] rounds stochastically in two places; it has one generator");
  CHECK(refused(with(simd({{S::OP_SRBF16, S::A_IN0}}), kOut, O::FORMAT, O::FORMAT_BF16_SR)) ==
        "PROGRAM[0] rounds stochastically in two places; it has one generator");

  // Predicates.
  const auto predicate = [&](ConfigWords words, uint64_t kind, uint64_t level) {
    words.set(P::kPROGRAM_PRED_OFFSET + 4, P::PROGRAM_PRED::KIND, kind);
    words.set(P::kPROGRAM_PRED_OFFSET + 4, P::PROGRAM_PRED::LEVEL, level);
    return words;
  };
  const ConfigWords guarded = with(mov, kOut, O::PRED, 2);
  CHECK(refused(predicate(mov, 9, 7)).empty());  // nothing refers to it
  CHECK(refused(predicate(guarded, 9, 0)) == "PROGRAM[0].PRED[1], which OUT uses, has no kind 9");
  CHECK(refused(predicate(guarded, P::PROGRAM_PRED::KIND_EQ, 6)) == "PROGRAM[0].PRED.LEVEL = 6 is above 5");
  CHECK(refused(predicate(with(mov, stage(0), S::PRED, 2), P::PROGRAM_PRED::KIND_SCALAR, 2)) ==
        "PROGRAM[0].PRED[1], which STAGE[0] uses: there is no scalar input 2");
  CHECK(refused(predicate(with(mov, P::kINPUT_OFFSET, P::INPUT::PRED, 2), P::PROGRAM_PRED::KIND_SCALAR, 1)) ==
        "PROGRAM[0].PRED[1], which INPUT[0] uses: the program does not enable SCALAR_IN[1]");
  ConfigWords deep = with(mov, P::kPROGRAM_SCALAR_IN_OFFSET, P::PROGRAM_SCALAR_IN::ENABLE, 1);
  deep.set(P::kPROGRAM_SCALAR_IN_OFFSET, P::PROGRAM_SCALAR_IN::LEVEL, 6);
  CHECK(refused(deep) == "PROGRAM[0].SCALAR_IN.LEVEL = 6 is above 5");
  deep = with(mov, P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT, 1);
  deep.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT_LEVEL, 7);
  CHECK(refused(deep) == "PROGRAM[0].TOKEN.WAIT_LEVEL = 7 is above 5");
  deep = with(mov, P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL, 1);
  deep.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL_LEVEL, 7);
  CHECK(refused(deep) == "PROGRAM[0].TOKEN.SIGNAL_LEVEL = 7 is above 5");

  // Output.
  CHECK(refused(with(mov, kOut, O::FORMAT, 5)) == "PROGRAM[0].OUT.FORMAT has no format 5");
  CHECK(refused(with(mov, kOut, O::FLOW, 7)) == "PROGRAM[0].OUT.FLOW = 7 is for dynamic routes");
  const ConfigWords scalar = with(mov, kOut, O::SCALAR, 1);
  REQUIRE(refused(scalar).empty());
  CHECK(refused(with(scalar, kOut, O::FLOW, 4)) == "PROGRAM[0].OUT.FLOW = 4, a scalar's is in 0..3");
  CHECK(refused(with(scalar, kOut, O::SEQUENCE, 1)) ==
        "PROGRAM[0].OUT: a scalar has neither SEQUENCE nor DYNAMIC");
  CHECK(refused(with(scalar, kOut, O::DYNAMIC, 1)) ==
        "PROGRAM[0].OUT: a scalar has neither SEQUENCE nor DYNAMIC");
  ConfigWords dynamic = with(mov, kOut, O::DYNAMIC, 1);
  CHECK(refused(dynamic) == "PROGRAM[0].DEST: no unit has an input at column 0, row 0, port 0");
  dynamic.set(P::kPROGRAM_DEST_OFFSET, P::PROGRAM_DEST::PORT, 16);
  CHECK(refused(dynamic).empty());
  dynamic.set(P::kPROGRAM_DEST_OFFSET, P::PROGRAM_DEST::COLUMN, 13);
  CHECK(refused(dynamic) == "PROGRAM[0].DEST: no unit has an input at column 13, row 0, port 16");

  // Matrix.
  const auto tile = [&](rdu::core::Field field, uint64_t value) {
    return refused(with(matrix, P::kPROGRAM_MATRIX_OFFSET, field, value));
  };
  CHECK(tile(P::PROGRAM_MATRIX::K, 0) == "PROGRAM[0].MATRIX.K is 0");
  CHECK(tile(P::PROGRAM_MATRIX::ROWS, 7) == "PROGRAM[0].MATRIX.ROWS = 7 is not in 1..6");
  CHECK(tile(P::PROGRAM_MATRIX::ROWS, 0) == "PROGRAM[0].MATRIX.ROWS = 0 is not in 1..6");
  CHECK(tile(P::PROGRAM_MATRIX::TYPE, 1) == "PROGRAM[0].OUT.FORMAT does not go with MATRIX.TYPE");
  CHECK(refused(with(matrix, kOut, O::FORMAT, O::FORMAT_INT8)) ==
        "PROGRAM[0].OUT.FORMAT does not go with MATRIX.TYPE");
  ConfigWords int8 = with(matrix, kOut, O::FORMAT, O::FORMAT_INT32);
  int8.set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::TYPE, 1);
  REQUIRE(refused(int8).empty());
  CHECK(refused(with(int8, kMode, M::TAIL, M::TAIL_EXP)) ==
        "PROGRAM[0].MODE.TAIL is for FP32, not for MATRIX.TYPE INT8");
  CHECK(refused(with(matrix, kOut, O::PRED, 1)) == "PROGRAM[0].OUT.PRED is for SIMD");
  CHECK(refused(with(matrix, kOut, O::SCALAR, 1)) == "PROGRAM[0].OUT.SCALAR is for SIMD");
  CHECK(refused(with(matrix, P::kPROGRAM_SCALAR_IN_OFFSET + 4, P::PROGRAM_SCALAR_IN::ENABLE, 1)) ==
        "PROGRAM[0].SCALAR_IN[1] is for SIMD");
  CHECK(refused(with(matrix, P::kINPUT_OFFSET + 4, P::INPUT::PROGRAM, 1)) ==
        "INPUT[1].PROGRAM is 1, but MATRIX takes from it");
  CHECK(refused(with(matrix, P::kINPUT_OFFSET, P::INPUT::PRED, 1)) == "INPUT[0].PRED is for SIMD");
}
