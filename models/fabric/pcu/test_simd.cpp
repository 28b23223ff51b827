#include <cstring>
#include <memory>
#include <random>

#include "fabric/pcu/pcu.h"
#include "fabric/stream/pins.h"
#include "fabric/test/harness.h"
#include "fabric/test/pcu_reference.h"
#include "fabric/test/random_pcu.h"
#include "fabric/test/units.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace P = rdu::regs::pcu;
namespace S = rdu::regs::pcu::STAGE;

namespace {

/// A PCU among sources and sinks that are one cycle away, with FIFOs that hold everything.
struct Site {
  explicit Site(const FabricParams& p = deep()) : params(p), context(params), tokens(context) {
    for (auto& source : sources) source = std::make_unique<Source>(context);
    for (auto& scalar : scalars) scalar = std::make_unique<Source>(context);
    for (auto& sink : sinks) sink = std::make_unique<Sink>(context);
  }
  static FabricParams deep() {
    FabricParams p;
    p.fifo_depth = 1024;
    return p;
  }
  void run() {
    const PcuConfig config = PcuConfig::decode(words, params);
    pcu = std::make_unique<Pcu>(context, RDU_UNIT(RDU_UNIT_PCU, 0, 0), config);
    std::vector<Unit*> units{&tokens};
    for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
      if (!config.uses_input(i)) continue;
      sources[i]->output.connect(pcu->input(i), 1, params);
      units.push_back(sources[i].get());
    }
    for (unsigned s = 0; s < 2; ++s) {
      if (config.uses_scalar(s)) {
        scalars[s]->output.connect(pcu->scalar_input(s, 0), 1, params);
        units.push_back(scalars[s].get());
      }
      tokens.sends[s].connect(pcu->token_input(s), 1);
      pcu->token_output(s).connect(tokens.takes[s], 1);
      if (config.sends_vectors(s)) pcu->output(s).connect(sinks[s]->input, 1, params);
      if (config.scalar_program() == s) pcu->scalar_output(0, 0).connect(sinks[s]->input, 1, params);
      units.push_back(sinks[s].get());
    }
    units.push_back(pcu.get());
    run_all(context, units);
  }
  FabricParams params;
  Context context;
  ConfigWords words{ConfigWords::reset_of<P::Registers>()};
  std::unique_ptr<Source> sources[4];
  std::unique_ptr<Source> scalars[2];
  std::unique_ptr<Sink> sinks[2];
  TokenEnds tokens;
  std::unique_ptr<Pcu> pcu;
};

/// Numbers around everything that is special, as FP32 and as integers.
constexpr uint32_t kEdges[] = {
    0x00000000, 0x80000000,                                      // zeros; the smallest integer
    0x00000001, 0x807fffff, 0x007fffff,                          // subnormals
    0x00800000, 0x80800000, 0x00800001,                          // 2^-126
    0x3f800000, 0xbf800000, 0x3f7fffff, 0x40400000,              // 1, -1, below 1, 3
    0x3f000000, 0x3fc00000, 0xc0200000,                          // 0.5, 1.5, -2.5: ties
    0x4b000001, 0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001,  // 2^23 + 1, around 2^31
    0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,              // largest, infinities
    0x7fc00000, 0xffc12345, 0x7f800001,                          // NaNs, one signalling
    0x7fffffff, 0xffffffff, 0x00000002, 0x0000001f, 0x00000020,
    0x0000007f, 0x00000080, 0xffffff7f, 0xffffff80};
constexpr size_t kEdgeCount = sizeof kEdges / sizeof *kEdges;

uint32_t random_value(std::mt19937_64& random) {
  switch (random() % 6) {
    case 0:
      return kEdges[random() % kEdgeCount];
    case 1:
      return static_cast<uint32_t>(random());
    case 2:
      return static_cast<uint32_t>(static_cast<int64_t>(random() % 600) - 300);
    default:
      return (static_cast<uint32_t>(random()) & 0x807fffff) | static_cast<uint32_t>(120 + random() % 14)
                                                                  << 23;
  }
}
Packet random_packet(std::mt19937_64& random) {
  Packet packet;
  for (size_t i = 0; i < kPacketBytes; i += 4) {
    const uint32_t bits = random_value(random);
    std::memcpy(&packet[i], &bits, 4);
  }
  return packet;
}

/// 32 lanes in one pair of packets, INT32.
std::vector<Packet> raw_vectors(const std::vector<uint32_t>& values) {
  std::vector<Packet> packets((values.size() + 31) / 32 * 2);
  for (Packet& packet : packets) packet = {};
  for (size_t i = 0; i < values.size(); ++i) std::memcpy(&packets[i / 16][i % 16 * 4], &values[i], 4);
  return packets;
}
std::vector<uint32_t> words_of(const std::vector<Packet>& packets) {
  std::vector<uint32_t> values(packets.size() * 16);
  for (size_t i = 0; i < values.size(); ++i) std::memcpy(&values[i], &packets[i / 16][i % 16 * 4], 4);
  return values;
}

/// One stage on raw lanes.
std::vector<uint32_t> run_stage(uint64_t op, const std::vector<uint32_t>& a, const std::vector<uint32_t>& b,
                                const std::vector<uint32_t>& c, unsigned lanes = 32) {
  Site site;
  const std::vector<uint32_t>* operands[] = {&a, &b, &c};
  for (unsigned i = 0; i < 3; ++i) {
    site.sources[i]->packets = raw_vectors(*operands[i]);
    set_pcu_input(site.words, i, P::INPUT::FORMAT_INT32);
  }
  set_simd(site.words, static_cast<uint32_t>((a.size() + 31) / 32), {{op, S::A_IN0, S::A_IN1}});
  site.words.set(P::kSTAGE_OFFSET, S::C, S::A_IN2);
  site.words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::LANES, lanes);
  set_pcu_format(site.words, P::PROGRAM_OUT::FORMAT_INT32);
  site.run();
  REQUIRE(site.pcu->finished());
  std::vector<uint32_t> result = words_of(site.sinks[0]->packets);
  result.resize(a.size());
  return result;
}

}  // namespace

TEST_CASE("stages: results worked out by hand") {
  struct Case {
    uint64_t op;
    uint32_t a, b, c, result;
  };
  static constexpr Case kCases[] = {
      {S::OP_MOV, 0xffc12345, 0, 0, 0xffc12345},
      {S::OP_MOV, 0x00000001, 0, 0, 0x00000001},
      {S::OP_FADD, 0x3f800000, 0x33800000, 0, 0x3f800000},  // 1 + 2^-24: a tie, to even
      {S::OP_FADD, 0x3f800001, 0x33800000, 0, 0x3f800002},
      {S::OP_FADD, 0x7f7fffff, 0x73000000, 0, 0x7f800000},  // half a place above the largest
      {S::OP_FADD, 0x7f800000, 0xff800000, 0, 0x7fc00000},
      {S::OP_FADD, 0x80000000, 0x00000000, 0, 0x00000000},
      {S::OP_FADD, 0x80000000, 0x80000001, 0, 0x80000000},  // a subnormal is a zero of its sign
      {S::OP_FADD, 0xffc12345, 0x3f800000, 0, 0x7fc00000},
      {S::OP_FSUB, 0x3f800000, 0x3f800000, 0, 0x00000000},
      {S::OP_FSUB, 0x00800001, 0x00800000, 0, 0x00000000},  // 2^-149: flushed
      {S::OP_FMUL, 0x00800000, 0x3f000000, 0, 0x00000000},
      {S::OP_FMUL, 0x80800000, 0x3f000000, 0, 0x80000000},
      {S::OP_FMUL, 0x00000000, 0x7f800000, 0, 0x7fc00000},
      {S::OP_FMUL, 0x3f800001, 0x3f800001, 0, 0x3f800002},
      {S::OP_FMADD, 0x3f800001, 0x3f800001, 0xbf800002, 0x28800000},   // 2^-46: only the fused form has it
      {S::OP_FNMADD, 0x3f800001, 0x3f800001, 0x3f800002, 0xa8800000},  // C - A * B
      {S::OP_FMADD, 0x7f800000, 0x3f800000, 0xff800000, 0x7fc00000},
      {S::OP_FNMADD, 0x00000000, 0x3f800000, 0x00000000, 0x00000000},  // +0 - +0
      {S::OP_FMAX, 0x80000000, 0x00000000, 0, 0x00000000},
      {S::OP_FMIN, 0x80000000, 0x00000000, 0, 0x80000000},
      {S::OP_FMAX, 0x7f800001, 0x3f800000, 0, 0x7fc00000},
      {S::OP_FABS, 0x80000001, 0, 0, 0x00000001},
      {S::OP_FABS, 0xffc12345, 0, 0, 0x7fc00000},
      {S::OP_FNEG, 0x00000000, 0, 0, 0x80000000},
      {S::OP_FNEG, 0xff800001, 0, 0, 0x7fc00000},
      {S::OP_FEQ, 0x00000000, 0x80000001, 0, 0xffffffff},
      {S::OP_FEQ, 0x7fc00000, 0x7fc00000, 0, 0},
      {S::OP_FNE, 0x7fc00000, 0x7fc00000, 0, 0xffffffff},
      {S::OP_FLT, 0x80000000, 0x00000000, 0, 0},
      {S::OP_FLT, 0xff800000, 0xff7fffff, 0, 0xffffffff},
      {S::OP_FLE, 0x80000000, 0x00000000, 0, 0xffffffff},
      {S::OP_FLE, 0x7fc00000, 0x7f800000, 0, 0},
      {S::OP_IADD, 0x7fffffff, 1, 0, 0x80000000},
      {S::OP_ISUB, 0x80000000, 1, 0, 0x7fffffff},
      {S::OP_IMUL, 0x00010001, 0xffffffff, 0, 0xfffeffff},
      {S::OP_IMAX, 0xffffffff, 0, 0, 0},
      {S::OP_IMIN, 0xffffffff, 0, 0, 0xffffffff},
      {S::OP_IABS, 0x80000000, 0, 0, 0x80000000},
      {S::OP_IABS, 0xfffffffe, 0, 0, 2},
      {S::OP_INEG, 0x80000000, 0, 0, 0x80000000},
      {S::OP_IEQ, 0, 0x80000000, 0, 0},
      {S::OP_INE, 0, 0x80000000, 0, 0xffffffff},
      {S::OP_ILT, 0xffffffff, 0, 0, 0xffffffff},
      {S::OP_ILE, 5, 5, 0, 0xffffffff},
      {S::OP_ULT, 0xffffffff, 0, 0, 0},
      {S::OP_ULE, 0, 0xffffffff, 0, 0xffffffff},
      {S::OP_AND, 0xff00ff00, 0x0ff00ff0, 0, 0x0f000f00},
      {S::OP_OR, 0xff00ff00, 0x0ff00ff0, 0, 0xfff0fff0},
      {S::OP_XOR, 0xff00ff00, 0x0ff00ff0, 0, 0xf0f0f0f0},
      {S::OP_ANDN, 0xff00ff00, 0x0ff00ff0, 0, 0xf000f000},
      {S::OP_NOT, 0xff00ff00, 0, 0, 0x00ff00ff},
      {S::OP_SHL, 0x80000001, 33, 0, 0x00000002},  // by 33 & 31
      {S::OP_SHR, 0x80000001, 31, 0, 0x00000001},
      {S::OP_SAR, 0x80000001, 4, 0, 0xf8000000},
      {S::OP_SAR, 0x80000001, 32, 0, 0x80000001},
      {S::OP_SEL, 0x80000000, 0xffc12345, 7, 0xffc12345},  // -0 is not zero bits
      {S::OP_SEL, 0, 0xffc12345, 7, 7},
      {S::OP_I2F, 0x01000001, 0, 0, 0x4b800000},  // 2^24 + 1: a tie, to even
      {S::OP_I2F, 0x01000003, 0, 0, 0x4b800002},
      {S::OP_I2F, 0x80000000, 0, 0, 0xcf000000},
      {S::OP_F2I, 0x3f000000, 0, 0, 0},
      {S::OP_F2I, 0x3fc00000, 0, 0, 2},
      {S::OP_F2I, 0xc0200000, 0, 0, 0xfffffffe},
      {S::OP_F2I, 0x4f000000, 0, 0, 0x7fffffff},
      {S::OP_F2I, 0xff800000, 0, 0, 0x80000000},
      {S::OP_F2I, 0x7fc00000, 0, 0, 0},
      {S::OP_F2I_ZERO, 0xc0200000, 0, 0, 0xfffffffe},
      {S::OP_F2I_ZERO, 0xbf7fffff, 0, 0, 0},
      {S::OP_F2I_FLOOR, 0xbf7fffff, 0, 0, 0xffffffff},
      {S::OP_F2I_FLOOR, 0x80000001, 0, 0, 0},  // flushed first
      {S::OP_RBF16, 0x3f808000, 0, 0, 0x3f800000},
      {S::OP_RBF16, 0x3f818000, 0, 0, 0x3f820000},
      {S::OP_RBF16, 0x7f7fffff, 0, 0, 0x7f800000},
      {S::OP_RBF16, 0xff800001, 0, 0, 0x7fc00000},
      {S::OP_RBF16, 0x807fffff, 0, 0, 0x80000000},
      {S::OP_SAT8, 0x0000007f, 0, 0, 0x0000007f},
      {S::OP_SAT8, 0x00000080, 0, 0, 0x0000007f},
      {S::OP_SAT8, 0xffffff7f, 0, 0, 0xffffff80},
  };
  for (const Case& c : kCases) {
    INFO("operation " << c.op << " of " << std::hex << c.a << ", " << c.b << ", " << c.c);
    const std::vector<uint32_t> result = run_stage(
        c.op, std::vector<uint32_t>(32, c.a), std::vector<uint32_t>(32, c.b), std::vector<uint32_t>(32, c.c));
    REQUIRE(result == std::vector<uint32_t>(32, c.result));
  }
}

TEST_CASE("stages: every operation on every pair of special numbers") {
  std::mt19937_64 random(test_seed());
  std::vector<uint32_t> a, b, c;
  for (const uint32_t x : kEdges) {
    for (const uint32_t y : kEdges) {
      for (unsigned i = 0; i < 2; ++i) {
        a.push_back(x);
        b.push_back(y);
        c.push_back(i == 0 ? kEdges[random() % kEdgeCount] : random_value(random));
      }
    }
  }
  for (unsigned i = 0; i < 2000; ++i) {
    for (auto* values : {&a, &b, &c}) values->push_back(random_value(random));
  }
  for (uint64_t op = S::OP_MOV; op <= S::OP_SAT8; ++op) {
    if (!operation(static_cast<uint32_t>(op)) || op == S::OP_SRBF16) continue;
    const std::vector<uint32_t> result = run_stage(op, a, b, c);
    for (size_t i = 0; i < a.size(); ++i) {
      const uint32_t expected = reference_operation(op, a[i], b[i], c[i]);
      if (result[i] == expected) continue;
      INFO("operation " << op << " of " << std::hex << a[i] << ", " << b[i] << ", " << c[i]);
      REQUIRE(result[i] == expected);
    }
  }
}

TEST_CASE("stages: cross-lane results worked out by hand") {
  // Lane i holds the integer i - 2; four lanes are active.
  std::vector<uint32_t> a(32);
  for (uint32_t i = 0; i < 32; ++i) a[i] = i - 2;
  const auto with = [](std::vector<uint32_t> lanes) {
    lanes.resize(32);
    return lanes;
  };
  const std::vector<uint32_t> none(32), one = with({1}), lane33 = with({33}), two = with({2, 9, 9, 9});
  const uint32_t low = static_cast<uint32_t>(-2);
  const uint32_t minus = static_cast<uint32_t>(-1);
  const auto run = [&](uint64_t op, const std::vector<uint32_t>& x, const std::vector<uint32_t>& y) {
    return run_stage(op, x, y, none, 4);
  };
  const auto each = [&](uint32_t value) { return with({value, value, value, value}); };
  CHECK(run(S::OP_IRED_SUM, a, none) == each(static_cast<uint32_t>(-2)));
  CHECK(run(S::OP_IRED_MAX, a, none) == each(1));
  CHECK(run(S::OP_IRED_MIN, a, none) == each(low));
  CHECK(run(S::OP_IARGMAX, a, none) == each(3));
  CHECK(run(S::OP_IARGMIN, a, none) == each(0));
  CHECK(run(S::OP_ISCAN_SUM, a, none) ==
        with({low, static_cast<uint32_t>(-3), static_cast<uint32_t>(-3), low}));
  CHECK(run(S::OP_RED_AND, with({7, 3, 11, 67}), none) == each(3));
  CHECK(run(S::OP_RED_OR, with({1, 2, 4, 64, 128}), none) == each(71));
  CHECK(run(S::OP_RED_XOR, with({1, 3, 4, 4, 128}), none) == each(2));
  CHECK(run(S::OP_BCAST, a, lane33) == each(minus));  // lane 33 & 31
  CHECK(run(S::OP_BCAST, a, with({4})) == each(0));   // an idle lane
  CHECK(run(S::OP_UP, a, one) == with({0, low, minus, 0}));
  CHECK(run(S::OP_DOWN, a, two) == with({0, 1, 0, 0}));  // B of lane 0 alone counts
  // FP32: 1, -0, +0, 1 and the order of NaNs.
  const std::vector<uint32_t> zeros = with({0x80000000, 0x00000000, 0x80000001, 0x00000001});
  CHECK(run(S::OP_FARGMAX, zeros, none) == each(1));  // +0 before +0 of lane 3
  CHECK(run(S::OP_FARGMIN, zeros, none) == each(0));
  const std::vector<uint32_t> nans = with({0x7f800000, 0xffc00000, 0xff800000, 0x7f800001});
  CHECK(run(S::OP_FARGMAX, nans, none) == each(1));
  CHECK(run(S::OP_FARGMIN, nans, none) == each(1));
  CHECK(run(S::OP_FRED_MAX, nans, none) == each(0x7fc00000));
  CHECK(run(S::OP_FRED_MIN, with({0x3f800000, 0xff800000, 0, 0x80000000}), none) == each(0xff800000));
  // Idle lanes are +0 in a sum: -0 alone becomes +0.
  CHECK(run(S::OP_FRED_SUM, with({0x80000000, 0x80000000, 0x80000000, 0x80000000}), none) == each(0));
  CHECK(run(S::OP_FSCAN_SUM, with({0x3f800000, 0x40000000, 0x40400000, 0x40800000}), none) ==
        with({0x3f800000, 0x40400000, 0x40c00000, 0x41200000}));
  CHECK(run(S::OP_FSCAN_MAX, with({0x3f800000, 0xc0000000, 0x7fc00001, 0x40800000}), none) ==
        with({0x3f800000, 0x3f800000, 0x7fc00000, 0x7fc00000}));
}

TEST_CASE("formats: what lies where in packets, and how it is rounded") {
  // The same four lanes in every output format.
  const std::vector<uint32_t> lanes{0x3f818000, 0xffc12345, 0x80000001, 0x00000180};
  const auto out = [&](uint64_t format) {
    Site site;
    site.sources[0]->packets = raw_vectors(lanes);
    set_pcu_input(site.words, 0, P::INPUT::FORMAT_INT32);
    set_simd(site.words, 1, {{S::OP_MOV, S::A_IN0}});
    set_pcu_format(site.words, format);
    site.run();
    return site.sinks[0]->packets;
  };
  const auto starts = [](const std::vector<Packet>& packets, std::vector<uint8_t> bytes) {
    return std::equal(bytes.begin(), bytes.end(), packets[0].begin());
  };
  CHECK(out(P::PROGRAM_OUT::FORMAT_FP32).size() == 2);
  CHECK(words_of(out(P::PROGRAM_OUT::FORMAT_FP32))[1] == 0x7fc00000);
  CHECK(words_of(out(P::PROGRAM_OUT::FORMAT_FP32))[2] == 0x80000000);
  CHECK(words_of(out(P::PROGRAM_OUT::FORMAT_FP32))[3] == 0);
  CHECK(words_of(out(P::PROGRAM_OUT::FORMAT_INT32))[1] == 0xffc12345);
  CHECK(words_of(out(P::PROGRAM_OUT::FORMAT_INT32))[2] == 0x80000001);
  CHECK(out(P::PROGRAM_OUT::FORMAT_BF16).size() == 1);
  CHECK(starts(out(P::PROGRAM_OUT::FORMAT_BF16), {0x82, 0x3f, 0xc0, 0x7f, 0x00, 0x80, 0x00, 0x00}));
  CHECK(starts(out(P::PROGRAM_OUT::FORMAT_INT8), {0x7f, 0x80, 0x80, 0x7f, 0x00}));

  // INT8 in: 32 bytes with sign, the others ignored.
  Site site;
  site.sources[0]->packets.resize(1);
  for (unsigned i = 0; i < 64; ++i) site.sources[0]->packets[0][i] = static_cast<uint8_t>(0x7e + i);
  set_pcu_input(site.words, 0, P::INPUT::FORMAT_INT8);
  set_simd(site.words, 1, {{S::OP_MOV, S::A_IN0}});
  set_pcu_format(site.words, P::PROGRAM_OUT::FORMAT_INT32);
  site.run();
  const std::vector<uint32_t> values = words_of(site.sinks[0]->packets);
  REQUIRE(values.size() == 32);
  CHECK(values[0] == 0x7e);
  CHECK(values[2] == 0xffffff80);
  CHECK(values[31] == 0xffffff9d);
}

TEST_CASE("stochastic rounding is the generator's, lane by lane") {
  // Seed 1, lane 0: the state begins at 1 ^ 0x9e3779b9 = 0x9e3779b8; by hand:
  //   v ^= v << 13: 0x9e3779b8 ^ 0xef370000 = 0x710079b8
  //   v ^= v >> 17: 0x710079b8 ^ 0x00003880 = 0x71004138
  //   v ^= v <<  5: 0x71004138 ^ 0x20082700 = 0x51086638, so 0x6638 is added below the upper half.
  Site site;
  site.sources[0]->packets = raw_vectors({0x3f8099c8, 0, 0x7f7fffff, 0xff800000});
  auto again = raw_vectors({0x3f8099c7});
  site.sources[0]->packets.insert(site.sources[0]->packets.begin(), again.begin(), again.end());
  set_pcu_input(site.words, 0, P::INPUT::FORMAT_INT32);
  set_simd(site.words, 2, {{S::OP_MOV, S::A_IN0}});
  set_pcu_format(site.words, P::PROGRAM_OUT::FORMAT_BF16_SR);
  site.words.set(P::kPROGRAM_SEED_OFFSET, 1);
  site.run();
  const std::vector<uint16_t> halves = halves_of(site.sinks[0]->packets);
  CHECK(halves[0] == 0x3f80);  // 0x99c7 + 0x6638 = 0xffff: no carry
  CHECK(halves[33] == 0);
  CHECK(halves[35] == 0xff80);

  Site carry;
  carry.sources[0]->packets = raw_vectors({0x3f8099c8});
  carry.words = site.words;
  carry.words.set(P::kPROGRAM_COUNT_OFFSET, 1);
  carry.run();
  CHECK(halves_of(carry.sinks[0]->packets)[0] == 0x3f81);
}

TEST_CASE("random programs do what the page says, to the bit and to the cycle") {
  const uint64_t seed = test_seed();
  unsigned sent = 0;
  unsigned hung = 0;
  for (uint64_t round = 0; round < 400; ++round) {
    std::mt19937_64 random(seed * 1'000'003 + round);
    FabricParams params = Site::deep();
    params.max_burst = 1 + random() % 20;
    params.output_depth = 4 + random() % 40;
    Site site(params);
    RandomPcu(random()).make(site.words);
    INFO("RDU_SEED=" << seed << ", round " << round);

    PcuArrivals arrivals;
    const bool dense = random() % 3 == 0;
    const auto times = [&](size_t n) {
      std::vector<uint64_t> ready;
      uint64_t t = random() % 20;
      for (size_t i = 0; i < n; ++i) {
        ready.push_back(t);
        t += dense ? 1 : 1 + (random() % 4 == 0 ? random() % 12 : 0);
      }
      return ready;
    };
    const auto later = [](std::vector<uint64_t> ready) {
      for (uint64_t& t : ready) ++t;
      return ready;
    };
    for (unsigned i = 0; i < 4; ++i) {
      for (size_t n = random() % 8 == 0 ? 5 : 130; n != 0; --n)
        site.sources[i]->packets.push_back(random_packet(random));
      site.sources[i]->ready = times(site.sources[i]->packets.size());
      arrivals.inputs[i] = {site.sources[i]->packets, later(site.sources[i]->ready)};
    }
    for (unsigned s = 0; s < 2; ++s) {
      for (unsigned n = 0; n < 60; ++n) {
        const uint32_t word = random() % 3 == 0 ? 0 : random_value(random);
        site.scalars[s]->packets.emplace_back(Packet{});
        std::memcpy(site.scalars[s]->packets.back().data(), &word, 4);
      }
      site.scalars[s]->ready = times(60);
      const std::vector<uint64_t> cycles = later(site.scalars[s]->ready);
      for (unsigned n = 0; n < 60; ++n) {
        uint32_t word;
        std::memcpy(&word, site.scalars[s]->packets[n].data(), 4);
        arrivals.scalars[s].push_back({word, cycles[n]});
      }
      site.tokens.times[s] = times(60);
      arrivals.tokens[s] = later(site.tokens.times[s]);
    }
    site.run();
    const PcuConfig& config = site.pcu->config();
    uint64_t firings = 0;
    bool all = true;
    for (unsigned p = 0; p < 2; ++p) {
      if (config.programs[p].mode == PcuConfig::Mode::off) continue;
      const PcuSent expected = reference_pcu(site.words, p, arrivals, params);
      const Sink& sink = *site.sinks[p];
      REQUIRE(sink.packets.size() == expected.packets.size());
      for (size_t i = 0; i < expected.packets.size(); ++i) {
        INFO("program " << p << ", packet " << i);
        REQUIRE(words_of({sink.packets[i]}) == words_of({expected.packets[i]}));
        REQUIRE(sink.times[i] == expected.cycles[i] + 1);
        REQUIRE(PacketHead::sequence(sink.heads[i]) == expected.sequence[i]);
      }
      REQUIRE(site.tokens.seen[p] == later(expected.tokens));
      firings += expected.firings;
      all &= expected.firings == config.programs[p].firings;
      sent += expected.packets.size();
    }
    REQUIRE(site.pcu->counts().firings == firings);
    REQUIRE(site.pcu->finished() == all);
    hung += !all;
    REQUIRE(site.pcu->waits_for().empty() == all);
  }
  CHECK(sent > 4000);
  CHECK(hung > 5);
}

TEST_CASE("a reduction over six firings, to the cycle") {
  // FP32 in, 2 packets a vector, summed over 3 firings; BF16 out. A firing that takes costs 2 cycles, sending
  // one packet adds nothing. Latency: 2 packets in + 2 stages + 6 across lanes + 1 tail = 11.
  Site site;
  for (unsigned i = 0; i < 6; ++i) {
    const uint32_t value = 0x3f800000 + (i << 20);
    const auto vector = raw_vectors(std::vector<uint32_t>(32, value));
    site.sources[0]->packets.insert(site.sources[0]->packets.end(), vector.begin(), vector.end());
  }
  set_simd(site.words, 3, {{S::OP_FADD, S::A_IN0, S::A_REG0, 0}, {S::OP_FRED_SUM, S::A_PREV}}, 2);
  site.words.set(P::kPROGRAM_COUNT_OFFSET + 4, 2);
  site.words.set(P::kSTAGE_OFFSET, S::C, S::A_CONST0);
  site.words.set(P::kSTAGE_OFFSET, S::ALT, 1);
  site.words.set(P::kPROGRAM_PRED_OFFSET, P::PROGRAM_PRED::KIND, P::PROGRAM_PRED::KIND_FIRST);
  site.words.set(P::kPROGRAM_PRED_OFFSET + 4, P::PROGRAM_PRED::KIND, P::PROGRAM_PRED::KIND_LAST);
  site.words.set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::PRED, 2);
  set_pcu_format(site.words, P::PROGRAM_OUT::FORMAT_BF16);
  site.run();
  // The first packet arrives at 1: firings at 1, 3, .. 11. The third and the sixth send, at 5 + 11 and 11 +
  // 11; a cycle on the wire.
  REQUIRE(site.sinks[0]->times == std::vector<uint64_t>{17, 23});
  // 32 * (1 + 1.125 + 1.25) = 108 = 0x42d80000; 32 * (1.375 + 1.5 + 1.625) = 144.
  REQUIRE(halves_of(site.sinks[0]->packets)[31] == 0x42d8);
  REQUIRE(halves_of(site.sinks[0]->packets)[32] == 0x4310);
  REQUIRE(site.pcu->counts().busy == 12);
  REQUIRE(site.pcu->counts().vectors == 2);
  REQUIRE(site.pcu->counts().firings == 6);
  REQUIRE(site.pcu->counts().stalls.input == 1);
}

TEST_CASE("a vector that is kept: firings that take nothing cost a cycle") {
  // IN0 (FP32) is taken by the first of four firings, IN1 (BF16) by all; BF16 out.
  Site site;
  site.sources[0]->packets = raw_vectors(std::vector<uint32_t>(64, 0x40000000));
  site.sources[1]->packets.resize(8);
  set_simd(site.words, 4, {{S::OP_FADD, S::A_IN0, S::A_IN1}}, 1);
  site.words.set(P::kPROGRAM_COUNT_OFFSET + 4, 2);
  set_pcu_input(site.words, 1, P::INPUT::FORMAT_BF16);
  site.words.set(P::kINPUT_OFFSET, P::INPUT::PRED, 1);
  site.words.set(P::kPROGRAM_PRED_OFFSET, P::PROGRAM_PRED::KIND, P::PROGRAM_PRED::KIND_FIRST);
  set_pcu_format(site.words, P::PROGRAM_OUT::FORMAT_BF16);
  site.run();
  // Firings at 1 (2 cycles), 3, 4, 5, 6 (2 cycles), 8, 9, 10; latency 2 + 1 + 1.
  REQUIRE(site.sinks[0]->times == std::vector<uint64_t>{6, 8, 9, 10, 11, 13, 14, 15});
  REQUIRE(halves_of(site.sinks[0]->packets)[7 * 32] == 0x4000);
  REQUIRE(site.pcu->counts().busy == 10);
}

TEST_CASE("tokens and scalars pace a program, to the cycle") {
  // Three rounds of two firings. A round begins with a token and a word; the last of a round sends its word,
  // and a token.
  Site site;
  site.tokens.times[1] = {0, 1, 40};
  for (const uint32_t word : {10, 20, 30}) {
    site.scalars[0]->packets.emplace_back(Packet{});
    std::memcpy(site.scalars[0]->packets.back().data(), &word, 4);
  }
  site.scalars[0]->ready = {5, 20, 21};
  set_simd(site.words, 2, {{S::OP_IADD, S::A_S0, S::A_COUNT0}}, 1);
  site.words.set(P::kPROGRAM_COUNT_OFFSET + 4, 3);
  site.words.set(P::kPROGRAM_SCALAR_IN_OFFSET, P::PROGRAM_SCALAR_IN::ENABLE, 1);
  site.words.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT, 1);
  site.words.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT_INPUT, 1);
  site.words.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL, 1);
  site.words.set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::SCALAR, 1);
  site.words.set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::PRED, 1);
  site.words.set(P::kPROGRAM_PRED_OFFSET, P::PROGRAM_PRED::KIND, P::PROGRAM_PRED::KIND_LAST);
  SECTION("with all tokens") {
    site.run();
    // SCALAR_IN and WAIT of level 0: at counter 0 = 0. Words arrive at 6, 21, 22, tokens at 1, 2, 41. Firings
    // at 6 7, 21 22, 41 42; latency 1 + 1 + 1.
    REQUIRE(site.sinks[0]->times == std::vector<uint64_t>{7 + 4, 22 + 4, 42 + 4});
    REQUIRE(site.tokens.seen[0] == std::vector<uint64_t>{7 + 4, 22 + 4, 42 + 4});
    REQUIRE(words_of(site.sinks[0]->packets)[0] == 11);
    REQUIRE(words_of(site.sinks[0]->packets)[32] == 31);
    REQUIRE(site.pcu->finished());
  }
  SECTION("with one too few") {
    site.tokens.times[1].pop_back();
    site.run();
    REQUIRE(site.pcu->waits_for() == "a token on control input 1 (from unit 0x0)");
  }
  SECTION("with a word too few") {
    site.scalars[0]->packets.pop_back();
    site.run();
    REQUIRE(site.pcu->waits_for() == "scalar input 0 (from unit 0x0)");
  }
}

TEST_CASE("two programs work side by side, each at its own pace") {
  Site site;
  site.sources[0]->packets = raw_vectors(std::vector<uint32_t>(96, 7));
  site.sources[3]->packets.resize(2);
  set_simd(site.words, 3, {{S::OP_IADD, S::A_IN0, S::A_CONST1}}, 1);
  set_pcu_input(site.words, 0, P::INPUT::FORMAT_INT32);
  set_pcu_format(site.words, P::PROGRAM_OUT::FORMAT_INT8);
  site.words.set(P::kCONST_OFFSET + 4, 5);
  constexpr uint64_t kSecond = P::kPROGRAM_STRIDE;
  site.words.set(kSecond + P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::MODE, P::PROGRAM_MODE::MODE_SIMD);
  site.words.set(kSecond + P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::FIRST, 2);
  site.words.set(kSecond + P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::STAGES, 4);
  site.words.set(kSecond + P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::FORMAT, P::PROGRAM_OUT::FORMAT_INT8);
  site.words.set(kSecond + P::kPROGRAM_COUNT_OFFSET, 4);
  site.words.set(P::kSTAGE_OFFSET + 4 * 5, S::OP, S::OP_IADD);
  site.words.set(P::kSTAGE_OFFSET + 4 * 5, S::A, S::A_IN3);
  site.words.set(P::kSTAGE_OFFSET + 4 * 5, S::B, S::A_CONST1);
  site.words.set(P::kINPUT_OFFSET + 4 * 3, P::INPUT::PROGRAM, 1);
  set_pcu_input(site.words, 3, P::INPUT::FORMAT_INT8);
  site.run();
  // Program 0: firings at 1, 3, 5, latency 2 + 1 + 1. Program 1: at 1, 2, latency 1 + 4 + 1, and no more.
  REQUIRE(site.sinks[0]->times == std::vector<uint64_t>{6, 8, 10});
  REQUIRE(site.sinks[1]->times == std::vector<uint64_t>{8, 9});
  REQUIRE(site.sinks[0]->packets[2][31] == 12);
  REQUIRE(site.sinks[1]->packets[1][31] == 5);
  REQUIRE(!site.pcu->finished());
  REQUIRE(site.pcu->waits_for() == "program 1: input 3 (from unit 0x0)");
  REQUIRE(site.pcu->counts().firings == 5);
  REQUIRE(site.pcu->counts().busy == 6);  // of the busier one
}

TEST_CASE("heads: sequence ids and destinations") {
  Site site;
  site.sources[0]->packets.resize(6);
  set_simd(site.words, 3, {{S::OP_MOV, S::A_IN0}}, 1);
  site.words.set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::SEQUENCE, 1);
  site.words.set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::DYNAMIC, 1);
  site.words.set(P::kPROGRAM_SEQ_OFFSET, P::PROGRAM_SEQ::FIRST, 65535);
  site.words.set(P::kPROGRAM_SEQ_OFFSET, P::PROGRAM_SEQ::STEP, 3);
  site.words.set(P::kPROGRAM_DEST_OFFSET, P::PROGRAM_DEST::COLUMN, 2);
  site.words.set(P::kPROGRAM_DEST_OFFSET, P::PROGRAM_DEST::ROW, 5);
  site.words.set(P::kPROGRAM_DEST_OFFSET, P::PROGRAM_DEST::PORT, 17);
  site.run();
  REQUIRE(site.sinks[0]->heads.size() == 6);
  for (uint32_t i = 0; i < 6; ++i) {
    CHECK(PacketHead::sequence(site.sinks[0]->heads[i]) == (65535 + 3 * i) % 65536);
    CHECK(PacketHead::destination(site.sinks[0]->heads[i]) == (2 | 5 << 8 | 17 << 16));
  }
}

TEST_CASE("tokens in matrix mode: a tile begins with one and ends with one") {
  Site site;
  for (unsigned i = 0; i < 2; ++i) site.sources[i]->packets.resize(8);
  set_matrix(site.words, 2, 4, 6);
  set_pcu_format(site.words, P::PROGRAM_OUT::FORMAT_BF16);
  site.words.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT, 1);
  site.words.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL, 1);
  site.words.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL_LEVEL, 1);  // after both tiles
  site.words.set(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT_LEVEL, 1);    // before the first
  site.tokens.times[0] = {9};
  site.run();
  // The token arrives at 10: steps 10 .. 17. Tile 0 drains from 13 + 1 + 5 + 6 = 25 to 30, tile 1 could from
  // 29 and does from 31 to 36; ready after the tail's cycle, and a cycle on the wire.
  REQUIRE(site.pcu->finished());
  REQUIRE(site.sinks[0]->times.back() == 36 + 1 + 1);
  REQUIRE(site.tokens.seen[0] == std::vector<uint64_t>{36 + 1 + 1});
  REQUIRE(site.pcu->counts().stalls.input == 10);
}
