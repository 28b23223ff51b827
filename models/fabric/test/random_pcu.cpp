#include "fabric/test/random_pcu.h"

#include <algorithm>
#include <vector>

#include "regs/pcu.hpp"

namespace rdu::fabric::test {
namespace {

namespace P = rdu::regs::pcu;
namespace S = rdu::regs::pcu::STAGE;

struct Op {
  uint64_t code;
  unsigned reads;
};
constexpr Op kLaneOps[] = {
    {S::OP_MOV, 1},   {S::OP_FADD, 2},  {S::OP_FSUB, 2},   {S::OP_FMUL, 2},     {S::OP_FMAX, 2},
    {S::OP_FMIN, 2},  {S::OP_FMADD, 3}, {S::OP_FNMADD, 3}, {S::OP_FABS, 1},     {S::OP_FNEG, 1},
    {S::OP_FEQ, 2},   {S::OP_FNE, 2},   {S::OP_FLT, 2},    {S::OP_FLE, 2},      {S::OP_IADD, 2},
    {S::OP_ISUB, 2},  {S::OP_IMUL, 2},  {S::OP_IMAX, 2},   {S::OP_IMIN, 2},     {S::OP_IABS, 1},
    {S::OP_INEG, 1},  {S::OP_IEQ, 2},   {S::OP_INE, 2},    {S::OP_ILT, 2},      {S::OP_ILE, 2},
    {S::OP_ULT, 2},   {S::OP_ULE, 2},   {S::OP_AND, 2},    {S::OP_OR, 2},       {S::OP_XOR, 2},
    {S::OP_ANDN, 2},  {S::OP_NOT, 1},   {S::OP_SHL, 2},    {S::OP_SHR, 2},      {S::OP_SAR, 2},
    {S::OP_SEL, 3},   {S::OP_I2F, 1},   {S::OP_F2I, 1},    {S::OP_F2I_ZERO, 1}, {S::OP_F2I_FLOOR, 1},
    {S::OP_RBF16, 1}, {S::OP_SAT8, 1}};
constexpr Op kCrossOps[] = {
    {S::OP_FRED_SUM, 1},  {S::OP_FRED_MAX, 1},  {S::OP_FRED_MIN, 1},  {S::OP_FARGMAX, 1},
    {S::OP_FARGMIN, 1},   {S::OP_FSCAN_SUM, 1}, {S::OP_FSCAN_MAX, 1}, {S::OP_IRED_SUM, 1},
    {S::OP_IRED_MAX, 1},  {S::OP_IRED_MIN, 1},  {S::OP_IARGMAX, 1},   {S::OP_IARGMIN, 1},
    {S::OP_ISCAN_SUM, 1}, {S::OP_RED_AND, 1},   {S::OP_RED_OR, 1},    {S::OP_RED_XOR, 1},
    {S::OP_BCAST, 2},     {S::OP_UP, 2},        {S::OP_DOWN, 2}};

template <size_t N>
constexpr size_t size(const Op (&)[N]) {
  return N;
}

}  // namespace

void RandomPcu::make(ConfigWords& words) {
  for (unsigned i = 0; i < P::kCONST_COUNT; ++i) {
    words.set(P::kCONST_OFFSET + 4 * i, random_lane(random_));
  }
  if (what_ == What::everything && chance(25)) {
    make_matrix(words);
    return;
  }
  if (chance(50)) {
    const unsigned first = chance(25) ? pick(6) : 0;
    make_program(words, 0, first, 1 + pick(6 - first), 15);
    return;
  }
  const unsigned border = 1 + pick(5);
  const unsigned inputs = pick(16);
  make_program(words, 0, 0, border, inputs);
  make_program(words, 1, border, 1 + pick(6 - border), 15 & ~inputs);
}

void RandomPcu::make_program(ConfigWords& words, unsigned program, unsigned first, unsigned stages,
                             unsigned inputs) {
  const uint64_t base = program * P::kPROGRAM_STRIDE;
  const auto set = [&](uint64_t offset, core::Field field, uint64_t value) {
    words.set(base + offset, field, value);
  };
  set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::MODE, P::PROGRAM_MODE::MODE_SIMD);
  set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::FIRST, first);
  set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::STAGES, stages);
  set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::LANES, chance(60) ? 32 : chance(40) ? 1 : 1 + pick(32));
  make_counts(words, program, 60);
  scalars_ = 0;
  for (unsigned s = 0; s < 2; ++s) {
    if ((scalars_free_ >> s & 1) == 0 || !chance(25)) continue;
    scalars_free_ &= ~(1u << s);
    scalars_ |= 1u << s;
    set(P::kPROGRAM_SCALAR_IN_OFFSET + 4 * s, P::PROGRAM_SCALAR_IN::ENABLE, 1);
    set(P::kPROGRAM_SCALAR_IN_OFFSET + 4 * s, P::PROGRAM_SCALAR_IN::LEVEL, pick(6));
  }
  for (unsigned n = 0; n < P::kPROGRAM_PRED_COUNT; ++n) {
    const uint64_t offset = P::kPROGRAM_PRED_OFFSET + 4 * n;
    const unsigned s = pick(2);
    const bool by_scalar = (scalars_ >> s & 1) != 0 && chance(30);
    set(offset, P::PROGRAM_PRED::KIND, by_scalar ? P::PROGRAM_PRED::KIND_SCALAR : pick(5));
    set(offset, P::PROGRAM_PRED::LEVEL, by_scalar ? s : chance(60) ? 0 : pick(6));
    set(offset, P::PROGRAM_PRED::NOT, chance(30));
    set(offset, P::PROGRAM_PRED::VALUE, pick(6));
  }
  make_tokens(words, program);
  const auto out = [&](core::Field field, uint64_t value) { set(P::kPROGRAM_OUT_OFFSET, field, value); };
  const uint64_t format = pick(5);
  out(P::PROGRAM_OUT::FORMAT, format);
  if (chance(60)) out(P::PROGRAM_OUT::PRED, pick(4));
  rounds_ = format == P::PROGRAM_OUT::FORMAT_BF16_SR;
  const bool scalar = scalar_output_free_ && chance(15);
  if (scalar) {
    scalar_output_free_ = false;
    rounds_ = false;
    out(P::PROGRAM_OUT::SCALAR, 1);
  }
  make_route(words, program, scalar);
  if (what_ == What::everything && tail_free_ && chance(50)) {
    tail_free_ = false;
    set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::TAIL, 1 + pick(8));
  }
  words.set(base + P::kPROGRAM_SEED_OFFSET, chance(20) ? 0x9e3779b9u : static_cast<uint32_t>(random_()));
  for (unsigned i = 0; i < P::kINPUT_COUNT; ++i) {
    if ((inputs >> i & 1) == 0) continue;
    const uint64_t offset = P::kINPUT_OFFSET + 4 * i;
    words.set(offset, P::INPUT::PROGRAM, program);
    words.set(offset, P::INPUT::FORMAT, pick(4));
    words.set(offset, P::INPUT::PRED, chance(40) ? pick(4) : 0);
  }
  make_stages(words, program, first, stages, inputs);
}

void RandomPcu::make_counts(ConfigWords& words, unsigned program, uint32_t most) {
  const uint64_t base = program * P::kPROGRAM_STRIDE;
  if (chance(5)) {  // all six
    for (unsigned l = 0; l < P::kPROGRAM_COUNT_COUNT; ++l)
      words.set(base + P::kPROGRAM_COUNT_OFFSET + 4 * l, 2);
    return;
  }
  if (chance(25)) most = 1 + pick(2);
  for (unsigned l = 0; l < P::kPROGRAM_COUNT_COUNT; ++l) {
    const uint32_t count = chance(40) ? pick(3) : 1 + pick(std::min(most, 12u));
    if (count > most) continue;
    words.set(base + P::kPROGRAM_COUNT_OFFSET + 4 * l, count);
    if (count > 1) most /= count;
    if (most == 0) break;
  }
}

void RandomPcu::make_tokens(ConfigWords& words, unsigned program) {
  const auto token = [&](core::Field field, uint64_t value) {
    words.set(program * P::kPROGRAM_STRIDE + P::kPROGRAM_TOKEN_OFFSET, field, value);
  };
  const unsigned wire = pick(2);
  if ((tokens_free_ >> wire & 1) != 0 && chance(20)) {
    tokens_free_ &= ~(1u << wire);
    token(P::PROGRAM_TOKEN::WAIT, 1);
    token(P::PROGRAM_TOKEN::WAIT_INPUT, wire);
    token(P::PROGRAM_TOKEN::WAIT_LEVEL, pick(6));
  }
  if (chance(20)) {
    token(P::PROGRAM_TOKEN::SIGNAL, 1);
    token(P::PROGRAM_TOKEN::SIGNAL_LEVEL, pick(6));
  }
}

/// Heads of what leaves.
void RandomPcu::make_route(ConfigWords& words, unsigned program, bool scalar) {
  const uint64_t base = program * P::kPROGRAM_STRIDE;
  const auto out = [&](core::Field field, uint64_t value) {
    words.set(base + P::kPROGRAM_OUT_OFFSET, field, value);
  };
  if (!scalar && chance(30)) {
    out(P::PROGRAM_OUT::SEQUENCE, 1);
    words.set(base + P::kPROGRAM_SEQ_OFFSET, P::PROGRAM_SEQ::FIRST, pick(65536));
    words.set(base + P::kPROGRAM_SEQ_OFFSET, P::PROGRAM_SEQ::STEP, chance(80) ? pick(5) : pick(65536));
  }
  if (what_ != What::everything) return;
  out(P::PROGRAM_OUT::FLOW, pick(scalar ? 4 : 7));
  if (!scalar && chance(25)) {
    out(P::PROGRAM_OUT::DYNAMIC, 1);
    words.set(base + P::kPROGRAM_DEST_OFFSET, pick(8) | pick(8) << 8 | (16 + pick(10)) << 16);
  }
}

/// Tiles of any k and number of rows.
void RandomPcu::make_matrix(ConfigWords& words) {
  const auto set = [&](uint64_t offset, core::Field field, uint64_t value) {
    words.set(offset, field, value);
  };
  const bool integers = chance(50);
  static constexpr uint64_t kFloats[] = {P::PROGRAM_OUT::FORMAT_FP32, P::PROGRAM_OUT::FORMAT_BF16,
                                         P::PROGRAM_OUT::FORMAT_BF16_SR};
  set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::MODE, P::PROGRAM_MODE::MODE_MATRIX);
  set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::LANES, chance(50) ? 32 : chance(30) ? 1 : 1 + pick(32));
  if (!integers && chance(40)) set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::TAIL, 1 + pick(8));
  set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::K, chance(25) ? 1 : 1 + pick(chance(50) ? 4 : 40));
  set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::ROWS, chance(30) ? 6 : 1 + pick(6));
  set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::TYPE, integers);
  set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::FORMAT,
      integers ? (chance(50) ? P::PROGRAM_OUT::FORMAT_INT32 : P::PROGRAM_OUT::FORMAT_INT8)
               : kFloats[pick(3)]);
  words.set(P::kPROGRAM_SEED_OFFSET, static_cast<uint32_t>(random_()));
  for (unsigned i = 0; i < 2; ++i) {
    set(P::kINPUT_OFFSET + 4 * i, P::INPUT::FORMAT, integers ? P::INPUT::FORMAT_INT8 : P::INPUT::FORMAT_BF16);
  }
  make_counts(words, 0, 8);
  make_tokens(words, 0);
  make_route(words, 0, false);
}

PcuNeeds needs_of(const PcuConfig& config) {
  PcuNeeds needs;
  for (unsigned p = 0; p < PcuConfig::kPrograms; ++p) {
    const PcuConfig::Program& program = config.programs[p];
    if (program.mode == PcuConfig::Mode::off) continue;
    const bool is_matrix = program.mode == PcuConfig::Mode::matrix;
    for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
      if (!config.inputs[i].used || config.inputs[i].program != p) continue;
      needs.packets[i] = program.firings * (is_matrix ? program.k : config.packets_in(i));
    }
    for (unsigned s = 0; s < PcuConfig::kScalarInputs; ++s) {
      if (program.scalars[s].enabled) needs.scalars[s] = program.firings;
    }
    if (program.waits) needs.tokens[program.wait_input] = program.firings;
  }
  return needs;
}

uint32_t random_lane(std::mt19937_64& random) {
  // Zeros, ones, the smallest and largest of their kinds, halves of rounding, infinities, NaNs.
  static constexpr uint32_t kSpecial[] = {
      0,          0x80000000, 1,          0x807fffff, 0x00800000, 0x80800000, 0x3f800000, 0xbf800000,
      0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7fffffff, 0xffffffff,
      0x4f000000, 0xcf000000, 0x4effffff, 0xcf000001, 0x3f000000, 0xbf000000, 0x3fc00000, 0x40200000,
      0x7f7f8000, 0x00000080, 0xffffff80, 0x0000007f, 0x7f807f80, 0xff80ff80, 0x7fc07fc0, 0x3f803f80};
  const auto r = static_cast<uint32_t>(random());
  switch (random() % 8) {
    case 0:
      return kSpecial[r % (sizeof kSpecial / sizeof *kSpecial)];
    case 1:
      return r;
    case 2:
      return r % 200;
    case 3:
      return 0 - r % 200;
    case 4:  // two halves of moderate size
      return (r & 0x807f807f) | (120 + r / 128 % 16) << 23 | (120 + r / 64 % 16) << 7;
    default:
      return (r & 0x807fffff) | (110 + r / 64 % 50) << 23;
  }
}

void RandomPcu::make_stages(ConfigWords& words, unsigned, unsigned first, unsigned stages, unsigned inputs) {
  std::vector<uint64_t> operands{S::A_LANE,   S::A_CONST0,           S::A_CONST1,          S::A_CONST2,
                                 S::A_CONST3, S::A_COUNT0 + pick(6), S::A_COUNT0 + pick(6)};
  for (unsigned i = 0; i < 4; ++i) {
    if (inputs >> i & 1) operands.insert(operands.end(), 5, S::A_IN0 + i);
  }
  for (unsigned s = 0; s < 2; ++s) {
    if (scalars_ >> s & 1) operands.insert(operands.end(), 3, S::A_S0 + s);
  }
  bool has_result = false;
  for (unsigned i = first; i < first + stages; ++i) {
    const uint64_t offset = P::kSTAGE_OFFSET + 4 * i;
    const auto set = [&](core::Field field, uint64_t value) { words.set(offset, field, value); };
    const bool is_last = i + 1 == first + stages;
    if (chance(15) && (has_result || !is_last)) continue;
    const bool crosses = network_free_ && chance(25);
    Op op = crosses ? kCrossOps[pick(size(kCrossOps))] : kLaneOps[pick(size(kLaneOps))];
    if (crosses) network_free_ = false;
    if (!crosses && !rounds_ && chance(10)) {
      op = {S::OP_SRBF16, 1};
      rounds_ = true;
    }
    set(S::OP, op.code);
    std::vector<uint64_t> from = operands;
    const unsigned reg = pick(4);
    if ((registers_free_ >> reg & 1) != 0 && chance(40)) {
      registers_free_ &= ~(1u << reg);
      set(S::SAVE, 1);
      set(S::REG, reg);
      if (!crosses) from.insert(from.end(), 6, S::A_REG0 + reg);
      operands.insert(operands.end(), 4, S::A_REG0 + reg);  // for later stages
    }
    for (const core::Field& field : {S::A, S::B, S::C})
      set(field, from[pick(static_cast<uint32_t>(from.size()))]);
    if (has_result && chance(70)) set(chance(60) ? S::A : chance(70) ? S::B : S::C, S::A_PREV);
    if (chance(25)) set(S::PRED, pick(4));
    if (op.reads > 1 && chance(30)) set(S::ALT, pick(4));
    has_result = true;
  }
}

}  // namespace rdu::fabric::test
