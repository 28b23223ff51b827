#include "fabric/pcu/pcu_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "regs/pcu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::pcu;
using Operand = PcuConfig::Operand;

unsigned log2_of(uint64_t power_of_two) {
  unsigned n = 0;
  while (power_of_two >>= 1) ++n;
  return n;
}

Operand operand(uint32_t code, unsigned stage) {
  const auto index = static_cast<uint8_t>(code & 3);
  if (code == regs::STAGE::A_PREV) return {Operand::Kind::previous, 0};
  if (code >= regs::STAGE::A_IN0 && code <= regs::STAGE::A_IN3) {
    return {Operand::Kind::input, static_cast<uint8_t>(code - regs::STAGE::A_IN0)};
  }
  if (code >= regs::STAGE::A_REG0) return {Operand::Kind::saved, index};
  if (code >= regs::STAGE::A_CONST0) return {Operand::Kind::constant, index};
  throw BadConfig(fmt::format("STAGE[{}] has no operand {}", stage, code));
}

/// Operands that an operation reads: 0, 1 or 2.
unsigned operands(uint32_t op, unsigned stage) {
  switch (op) {
    case regs::STAGE::OP_NOP:
      return 0;
    case regs::STAGE::OP_MOV:
    case regs::STAGE::OP_RED_SUM:
    case regs::STAGE::OP_RED_MAX:
      return 1;
    case regs::STAGE::OP_ADD:
    case regs::STAGE::OP_SUB:
    case regs::STAGE::OP_MUL:
    case regs::STAGE::OP_MAX:
    case regs::STAGE::OP_MIN:
      return 2;
    default:
      throw BadConfig(fmt::format("STAGE[{}].OP has no operation {}", stage, op));
  }
}

PcuConfig::Op operation(uint32_t op) {
  switch (op) {
    case regs::STAGE::OP_ADD:
      return PcuConfig::Op::add;
    case regs::STAGE::OP_SUB:
      return PcuConfig::Op::sub;
    case regs::STAGE::OP_MUL:
      return PcuConfig::Op::mul;
    case regs::STAGE::OP_MAX:
      return PcuConfig::Op::max;
    case regs::STAGE::OP_MIN:
      return PcuConfig::Op::min;
    case regs::STAGE::OP_RED_SUM:
      return PcuConfig::Op::red_sum;
    case regs::STAGE::OP_RED_MAX:
      return PcuConfig::Op::red_max;
    default:
      return PcuConfig::Op::mov;
  }
}

void decode_stages(const ConfigWords& words, const FabricParams& params, PcuConfig& c) {
  std::array<bool, 4> saved{};
  bool has_result = false;
  uint64_t reductions = 0;
  for (unsigned i = 0; i < regs::kSTAGE_COUNT; ++i) {
    const uint64_t offset = regs::kSTAGE_OFFSET + i * regs::kSTAGE_STRIDE;
    const uint32_t op = words.get(offset, regs::STAGE::OP);
    const unsigned reads = operands(op, i);
    if (reads == 0) continue;
    if (i >= params.stages) {
      throw BadConfig(fmt::format("STAGE[{}] is used, but the unit has {} stages", i, params.stages));
    }
    PcuConfig::Stage stage;
    stage.op = operation(op);
    for (unsigned o = 0; o < reads; ++o) {
      Operand& source = o == 0 ? stage.a : stage.b;
      source = operand(words.get(offset, o == 0 ? regs::STAGE::A : regs::STAGE::B), i);
      if (source.kind == Operand::Kind::previous && !has_result) {
        throw BadConfig(fmt::format("STAGE[{}] reads PREV, but no stage before it has a result", i));
      }
      if (source.kind == Operand::Kind::saved && !saved[source.index]) {
        throw BadConfig(
            fmt::format("STAGE[{}] reads REG{}, which no stage before it has saved", i, source.index));
      }
      if (source.kind == Operand::Kind::input) c.uses_input[source.index] = true;
    }
    stage.save = words.get(offset, regs::STAGE::SAVE) != 0;
    stage.saved_as = static_cast<uint8_t>(words.get(offset, regs::STAGE::REG));
    if (stage.save) saved[stage.saved_as] = true;
    has_result = true;
    reductions += op == regs::STAGE::OP_RED_SUM || op == regs::STAGE::OP_RED_MAX;
    c.stages[c.stage_count++] = stage;
  }
  if (!has_result) throw BadConfig("SIMD mode, but no stage has an operation");

  uint64_t longest_input = 1;
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if (c.uses_input[i]) longest_input = std::max<uint64_t>(longest_input, c.packets_in(i));
  }
  c.ii = std::max<uint64_t>(longest_input, c.packets_out());
  c.latency = longest_input + params.stages + reductions * (log2_of(params.lanes) + 1) + c.tail_latency;
}

}  // namespace

PcuConfig PcuConfig::decode(const ConfigWords& words, const FabricParams& params) {
  PcuConfig c;
  const auto mode = [&](core::Field field) { return words.get(regs::kMODE_OFFSET, field); };
  switch (mode(regs::MODE::MODE)) {
    case regs::MODE::MODE_OFF:
      return c;
    case regs::MODE::MODE_SIMD:
      c.mode = Mode::simd;
      break;
    case regs::MODE::MODE_MATRIX:
      c.mode = Mode::matrix;
      break;
    default:
      throw BadConfig(fmt::format("MODE.MODE has no mode {}", mode(regs::MODE::MODE)));
  }
  c.out_bf16 = mode(regs::MODE::OUT_FORMAT) == regs::MODE::OUT_FORMAT_BF16;
  c.out_flow = mode(regs::MODE::OUT_FLOW);
  c.lanes = mode(regs::MODE::LANES);
  if (c.lanes < 1 || c.lanes > params.lanes) {
    throw BadConfig(fmt::format("MODE.LANES = {} is not in 1..{}", c.lanes, params.lanes));
  }
  switch (mode(regs::MODE::TAIL)) {
    case regs::MODE::TAIL_NONE:
      c.tail_latency = 1;
      break;
    case regs::MODE::TAIL_EXP:
      c.tail = Tail::exp;
      c.tail_latency = params.exp_cycles;
      break;
    case regs::MODE::TAIL_RECIP:
      c.tail = Tail::recip;
      c.tail_latency = params.recip_cycles;
      break;
    default:
      throw BadConfig(fmt::format("MODE.TAIL has no operation {}", mode(regs::MODE::TAIL)));
  }
  c.iterations = words.at(regs::kITERATIONS_OFFSET);
  if (c.iterations == 0) throw BadConfig("ITERATIONS is 0");

  if (c.mode == Mode::matrix) {
    c.k = words.get(regs::kMATRIX_OFFSET, regs::MATRIX::K);
    c.rows = words.get(regs::kMATRIX_OFFSET, regs::MATRIX::ROWS);
    if (c.k == 0) throw BadConfig("MATRIX.K is 0");
    if (c.rows < 1 || c.rows > params.stages) {
      throw BadConfig(fmt::format("MATRIX.ROWS = {} is not in 1..{}", c.rows, params.stages));
    }
    c.uses_input = {true, true, false, false};
    c.input_bf16 = {true, true, false, false};
    c.latency = 1 + log2_of(params.lanes) + params.stages;
    return c;
  }

  for (unsigned i = 0; i < kInputs; ++i) {
    c.input_bf16[i] = words.at(regs::kINPUT_OFFSET) >> i & 1;
    c.constants[i] = words.at(regs::kCONST_OFFSET + i * regs::kCONST_STRIDE);
  }
  decode_stages(words, params, c);
  return c;
}

}  // namespace rdu::fabric
