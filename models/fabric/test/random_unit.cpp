#include "fabric/test/random_unit.h"

#include <algorithm>
#include <vector>

#include "regs/pcu.hpp"
#include "regs/pmu.hpp"

namespace rdu::fabric::test {
namespace {

namespace P = rdu::regs::pcu;
namespace S = rdu::regs::pcu::STAGE;
namespace M = rdu::regs::pcu::PROGRAM_MODE;
namespace O = rdu::regs::pcu::PROGRAM_OUT;

}  // namespace

ConfigWords RandomUnit::pcu() {
  ConfigWords words = ConfigWords::reset_of<P::Registers>();
  rich_ = chance(50);
  has_network_ = false;
  free_registers_ = 0xf;
  for (unsigned i = 0; i < P::kINPUT_COUNT; ++i) {
    const uint64_t offset = P::kINPUT_OFFSET + i * P::kINPUT_STRIDE;
    words.set(offset, P::INPUT::FORMAT, pick(rich_ ? 4 : 2));
    if (rich_ && chance(30)) words.set(offset, P::INPUT::PRED, pick(4));
  }
  for (unsigned i = 0; i < P::kCONST_COUNT; ++i) {
    static constexpr uint32_t kValues[] = {0x3dcccccd, 0x40490fdb, 0xbf800000, 0, 3, 0xffffffff};
    words.set(P::kCONST_OFFSET + i * P::kCONST_STRIDE, kValues[pick(6)]);
  }
  if (chance(20)) {
    matrix_program(words);
  } else if (rich_ && chance(40)) {
    // Two programs share stages and inputs.
    const auto split = static_cast<unsigned>(1 + pick(static_cast<uint32_t>(params_.stages) - 1));
    const unsigned inputs = pick(16);
    for (unsigned i = 0; i < P::kINPUT_COUNT; ++i) {
      words.set(P::kINPUT_OFFSET + i * P::kINPUT_STRIDE, P::INPUT::PROGRAM, (inputs >> i & 1) == 0);
    }
    simd_program(words, 0, 0, split, inputs);
    simd_program(words, 1, split, static_cast<unsigned>(params_.stages) - split, ~inputs & 0xf);
    if (chance(70)) words.set(P::kPROGRAM_STRIDE + P::kPROGRAM_MODE_OFFSET, M::TAIL, M::TAIL_NONE);
  } else {
    const auto stages = static_cast<unsigned>(1 + pick(static_cast<uint32_t>(params_.stages)));
    simd_program(words, 0, pick(static_cast<uint32_t>(params_.stages) - stages + 1), stages, 0xf);
  }
  return words;
}

void RandomUnit::common(ConfigWords& words, unsigned p) {
  const uint64_t base = p * P::kPROGRAM_STRIDE;
  words.set(base + P::kPROGRAM_MODE_OFFSET, M::TAIL, chance(60) ? 0 : pick(3));
  for (unsigned l = 0; l < 3; ++l) {
    words.set(base + P::kPROGRAM_COUNT_OFFSET + l * P::kPROGRAM_COUNT_STRIDE, pick(l == 0 ? 12 : 4));
  }
  words.set(base + P::kPROGRAM_SEED_OFFSET, static_cast<uint32_t>(random_()));
  if (!rich_) return;
  if (chance(30)) {
    words.set(base + P::kPROGRAM_OUT_OFFSET, O::SEQUENCE, 1);
    words.set(base + P::kPROGRAM_SEQ_OFFSET, static_cast<uint32_t>(random_()));
  }
  if (chance(20)) {
    words.set(base + P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT, 1);
    words.set(base + P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT_INPUT, p);
    words.set(base + P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT_LEVEL, pick(4));
  }
  if (chance(20)) {
    words.set(base + P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL, 1);
    words.set(base + P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL_LEVEL, pick(4));
  }
}

void RandomUnit::matrix_program(ConfigWords& words) {
  words.set(P::kPROGRAM_MODE_OFFSET, M::MODE, M::MODE_MATRIX);
  common(words, 0);
  words.set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::K, 1 + pick(40));
  words.set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::ROWS,
            1 + pick(static_cast<uint32_t>(params_.stages)));
  const bool is_int8 = rich_ && chance(50);
  words.set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::TYPE, is_int8);
  static constexpr uint64_t kFloats[] = {O::FORMAT_FP32, O::FORMAT_BF16, O::FORMAT_BF16_SR};
  words.set(P::kPROGRAM_OUT_OFFSET, O::FORMAT,
            is_int8 ? O::FORMAT_INT32 + pick(2) : kFloats[pick(rich_ ? 3 : 2)]);
  if (is_int8) words.set(P::kPROGRAM_MODE_OFFSET, M::TAIL, M::TAIL_NONE);
  for (unsigned i = 0; i < 2; ++i) words.set(P::kINPUT_OFFSET + i * P::kINPUT_STRIDE, P::INPUT::PRED, 0);
}

void RandomUnit::simd_program(ConfigWords& words, unsigned p, unsigned first, unsigned stages,
                              unsigned inputs) {
  const uint64_t base = p * P::kPROGRAM_STRIDE;
  words.set(base + P::kPROGRAM_MODE_OFFSET, M::MODE, M::MODE_SIMD);
  common(words, p);
  words.set(base + P::kPROGRAM_MODE_OFFSET, M::FIRST, first);
  words.set(base + P::kPROGRAM_MODE_OFFSET, M::STAGES, stages);
  if (chance(30)) {
    words.set(base + P::kPROGRAM_MODE_OFFSET, M::LANES, 1 + pick(static_cast<uint32_t>(params_.lanes)));
  }
  words.set(base + P::kPROGRAM_OUT_OFFSET, O::FORMAT, pick(rich_ ? 5 : 2));
  const bool has_scalar = rich_ && chance(25);
  bool rounds = words.get(base + P::kPROGRAM_OUT_OFFSET, O::FORMAT) == O::FORMAT_BF16_SR;
  if (rich_) {
    if (chance(15)) {
      words.set(base + P::kPROGRAM_OUT_OFFSET, O::SCALAR, 1);
      words.set(base + P::kPROGRAM_OUT_OFFSET, O::SEQUENCE, 0);
    }
    if (chance(30)) words.set(base + P::kPROGRAM_OUT_OFFSET, O::PRED, pick(4));
    if (has_scalar) {
      const uint64_t offset = base + P::kPROGRAM_SCALAR_IN_OFFSET + p * P::kPROGRAM_SCALAR_IN_STRIDE;
      words.set(offset, P::PROGRAM_SCALAR_IN::ENABLE, 1);
      words.set(offset, P::PROGRAM_SCALAR_IN::LEVEL, pick(3));
    }
    for (unsigned n = 0; n < 3; ++n) {
      const uint64_t offset = base + P::kPROGRAM_PRED_OFFSET + n * P::kPROGRAM_PRED_STRIDE;
      const uint32_t kind = pick(has_scalar ? 6 : 5);
      words.set(offset, P::PROGRAM_PRED::KIND, kind);
      words.set(offset, P::PROGRAM_PRED::LEVEL, kind == P::PROGRAM_PRED::KIND_SCALAR ? p : pick(3));
      words.set(offset, P::PROGRAM_PRED::NOT, pick(2));
      words.set(offset, P::PROGRAM_PRED::VALUE, pick(6));
    }
  }
  static constexpr uint64_t kOld[] = {S::OP_NOP,  S::OP_MOV,  S::OP_FADD,     S::OP_FSUB,    S::OP_FMUL,
                                      S::OP_FMAX, S::OP_FMIN, S::OP_FRED_SUM, S::OP_FRED_MAX};
  static const std::vector<uint64_t> kAll = [] {
    std::vector<uint64_t> all;
    for (uint64_t op = 0; op <= S::OP_DOWN; ++op) {
      if (op == 15 || op == 29 || op == 30 || op == 31 || (op > 40 && op < 48) || (op > 54 && op < 64))
        continue;
      if (op == 71 || op == 78 || op == 79 || (op > 82 && op < 88)) continue;
      all.push_back(op);
    }
    return all;
  }();
  uint32_t saved = 0;
  bool has_result = false;
  for (unsigned i = first; i < first + stages; ++i) {
    const uint64_t offset = P::kSTAGE_OFFSET + i * P::kSTAGE_STRIDE;
    uint64_t op = rich_ ? kAll[pick(static_cast<uint32_t>(kAll.size()))] : kOld[pick(9)];
    if (!has_result && op == S::OP_NOP) op = S::OP_MOV;
    const bool is_cross_lane = op >= S::OP_FRED_SUM;
    if (is_cross_lane && has_network_) op = S::OP_FADD;
    has_network_ |= is_cross_lane;
    if (op == S::OP_SRBF16 && rounds) op = S::OP_RBF16;
    rounds |= op == S::OP_SRBF16;
    words.set(offset, S::OP, op);
    if (op == S::OP_NOP) continue;
    std::vector<uint32_t> sources{static_cast<uint32_t>(S::A_CONST0) + pick(4)};
    if (has_result) sources.insert(sources.end(), 2, static_cast<uint32_t>(S::A_PREV));
    for (uint32_t in = 0; in < P::kINPUT_COUNT; ++in) {
      if ((inputs >> in & 1) != 0) sources.insert(sources.end(), 2, static_cast<uint32_t>(S::A_IN0) + in);
    }
    for (uint32_t r = 0; r < 4; ++r) {
      if ((saved >> r & 1) != 0) sources.push_back(static_cast<uint32_t>(S::A_REG0) + r);
    }
    if (rich_) {
      sources.push_back(static_cast<uint32_t>(S::A_LANE));
      sources.push_back(static_cast<uint32_t>(S::A_COUNT0) + pick(6));
      if (has_scalar) sources.push_back(static_cast<uint32_t>(S::A_S0) + p);
      if (chance(30)) words.set(offset, S::PRED, pick(4));
      if (chance(30) && op != S::OP_MOV) words.set(offset, S::ALT, pick(4));
    }
    if (chance(40) && free_registers_ != 0) {
      uint32_t reg = pick(4);
      while ((free_registers_ >> reg & 1) == 0) reg = (reg + 1) % 4;
      free_registers_ &= ~(1u << reg);
      saved |= 1u << reg;
      words.set(offset, S::SAVE, 1);
      words.set(offset, S::REG, reg);
      if (rich_ && !is_cross_lane && chance(60))
        sources.insert(sources.end(), 3, static_cast<uint32_t>(S::A_REG0) + reg);
    }
    for (const core::Field field : {S::A, S::B, S::C}) {
      words.set(offset, field, sources[pick(static_cast<uint32_t>(sources.size()))]);
    }
    has_result = true;
  }
}

namespace PM = rdu::regs::pmu;

ConfigWords RandomUnit::pmu() {
  ConfigWords words = ConfigWords::reset_of<PM::Registers>();
  rich_ = chance(60);
  const uint32_t buffers = 1 + pick(3);
  const uint32_t fills = 1 + pick(6);
  const uint32_t accesses = 1 + pick(24);
  const uint32_t size = 4096;
  const auto token = [&](bool is_read, unsigned number, core::Field field, uint32_t tokens) {
    const uint64_t offset = (is_read ? PM::kREAD_OFFSET + number * PM::kREAD_STRIDE
                                     : PM::kWRITE_OFFSET + number * PM::kWRITE_STRIDE) +
                            PM::kWRITE_TOKEN_OFFSET;
    words.set(offset, field, words.get(offset, field) | tokens);
  };
  // Pair k: token 2k is "free", 2k + 1 "full".
  const auto order = [&](unsigned writer, unsigned reader, unsigned k) {
    words.set(PM::kTOKENS_OFFSET + 2 * k * PM::kTOKENS_STRIDE, buffers);
    token(false, writer, PM::WRITE_TOKEN::WAIT, 1u << 2 * k);
    token(false, writer, PM::WRITE_TOKEN::GIVE, 2u << 2 * k);
    token(true, reader, PM::WRITE_TOKEN::WAIT, 2u << 2 * k);
    token(true, reader, PM::WRITE_TOKEN::GIVE, 1u << 2 * k);
  };
  const uint32_t kind = rich_ ? pick(3) : 0;
  pmu_pipeline(words, false, 0, 0, buffers, size, accesses, fills);
  pmu_pipeline(words, true, 0, 0, buffers, size, 1 + pick(40), fills);
  order(0, 0, 0);
  if (kind == 1) {  // two pairs, side by side
    pmu_pipeline(words, false, 1, 4 * size, buffers, size, accesses, fills);
    pmu_pipeline(words, true, 1, 4 * size, buffers, size, 1 + pick(40), fills);
    order(1, 1, 1);
  } else if (kind == 2) {  // two readers of what one writes
    pmu_pipeline(words, true, 1, 0, buffers, size, 1 + pick(40), fills);
    order(0, 1, 1);
  }
  if (rich_ && chance(30)) token(true, 0, PM::WRITE_TOKEN::OUT, 1);
  if (rich_ && chance(30)) token(false, 0, PM::WRITE_TOKEN::OUT, 2);
  if (chance(30)) words.set(PM::kBANK_OFFSET, PM::BANK::SKEW, 5 + pick(4));
  return words;
}

void RandomUnit::pmu_pipeline(ConfigWords& words, bool is_read, unsigned number, uint32_t base,
                              uint32_t buffers, uint32_t buffer_size, uint32_t accesses, uint32_t fills) {
  const uint64_t at =
      is_read ? PM::kREAD_OFFSET + number * PM::kREAD_STRIDE : PM::kWRITE_OFFSET + number * PM::kWRITE_STRIDE;
  const auto mode = [&](core::Field field, uint64_t value) {
    words.set(at + PM::kWRITE_MODE_OFFSET, field, value);
  };
  mode(PM::WRITE_MODE::ENABLE, 1);
  if (!is_read) mode(PM::WRITE_MODE::DATA, number);
  const uint32_t element = pick(3);
  const uint32_t bytes = 1u << element;
  const uint32_t lanes = chance(50) ? 64 / bytes : 1 + pick(64 / bytes);
  words.set(at + PM::kWRITE_SHAPE_OFFSET, PM::WRITE_SHAPE::ELEMENT, element);
  words.set(at + PM::kWRITE_SHAPE_OFFSET, PM::WRITE_SHAPE::LANES, lanes);
  const bool is_column = (is_read || rich_) && chance(30);
  words.set(at + PM::kWRITE_LANE_STRIDE_OFFSET, is_column ? 4 * (1 + pick(8)) : bytes);
  words.set(at + PM::kWRITE_BASE_OFFSET, base);
  words.set(at + PM::kWRITE_FILLS_OFFSET, fills);
  words.set(at + PM::kWRITE_BUFFERS_OFFSET, PM::WRITE_BUFFERS::COUNT, buffers);
  words.set(at + PM::kWRITE_BUFFER_SIZE_OFFSET, buffer_size);
  // Some accesses in an inner and an outer loop, all of them within the buffer.
  const uint32_t inner = 1 + pick(accesses);
  const uint32_t outer = (accesses + inner - 1) / inner;
  words.set(at + PM::kWRITE_COUNT_OFFSET, inner);
  words.set(at + PM::kWRITE_COUNT_OFFSET + PM::kWRITE_COUNT_STRIDE, outer);
  words.set(at + PM::kWRITE_STRIDE_OFFSET, is_read ? 4 * pick(16) : chance(60) ? 64 : 4 * pick(16));
  words.set(at + PM::kWRITE_STRIDE_OFFSET + PM::kWRITE_STRIDE_STRIDE, 4 * pick(20));
  if (is_read && rich_) {
    mode(PM::READ_MODE::SEQUENCE, pick(2));
    words.set(at + PM::kREAD_SEQ_OFFSET, static_cast<uint32_t>(random_()));
  }
  if (!rich_) return;
  if (chance(30)) {
    mode(PM::WRITE_MODE::PRED, 1 + pick(2));
    mode(PM::WRITE_MODE::NOT, pick(2));
    mode(PM::WRITE_MODE::PRED_LEVEL, pick(2));
    words.set(at + PM::kWRITE_PRED_VALUE_OFFSET, pick(8));
  }
  if (chance(50)) {
    const uint32_t low = bytes * pick(64);
    const uint32_t high = bytes * (64 + pick(512 / bytes));
    mode(PM::WRITE_MODE::RANGE, is_read ? 1 + pick(2) : 1);
    words.set(at + PM::kWRITE_RANGE_LOW_OFFSET, low);
    words.set(at + PM::kWRITE_RANGE_HIGH_OFFSET, high);
    const uint32_t address = pick(3);
    mode(PM::WRITE_MODE::ADDRESS, address);
    mode(PM::WRITE_MODE::INDEX, 2 + number);
    words.set(at + PM::kWRITE_INDEX_STRIDE_OFFSET, bytes * (1 + pick(4)));
    if (address == PM::WRITE_MODE::ADDRESS_INDEX && is_read)
      mode(PM::WRITE_MODE::RANGE, PM::READ_MODE::RANGE_ZERO);
    if (address == PM::WRITE_MODE::ADDRESS_SEQUENCE && !is_read) {
      mode(PM::WRITE_MODE::PRED, 0);
      mode(PM::WRITE_MODE::NOT, 0);
      words.set(at + PM::kWRITE_STRIDE_OFFSET, 0);
      words.set(at + PM::kWRITE_STRIDE_OFFSET + PM::kWRITE_STRIDE_STRIDE, 0);
    }
  }
}

}  // namespace rdu::fabric::test
