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

/// Of a part of the configuration words that the model does not execute yet.
void not_yet(bool used, const char* what) {
  if (used) throw BadConfig(fmt::format("{} is not modelled yet", what));
}

Operand operand(uint32_t code, unsigned stage) {
  const auto index = static_cast<uint8_t>(code & 3);
  if (code == regs::STAGE::A_PREV) return {Operand::Kind::previous, 0};
  if (code >= regs::STAGE::A_IN0 && code <= regs::STAGE::A_IN3) {
    return {Operand::Kind::input, static_cast<uint8_t>(code - regs::STAGE::A_IN0)};
  }
  if (code >= regs::STAGE::A_REG0 && code <= regs::STAGE::A_REG3) return {Operand::Kind::saved, index};
  if (code >= regs::STAGE::A_CONST0 && code <= regs::STAGE::A_CONST3) {
    return {Operand::Kind::constant, index};
  }
  not_yet(code <= regs::STAGE::A_COUNT5, "an operand other than PREV, IN, CONST and REG");
  throw BadConfig(fmt::format("STAGE[{}] has no operand {}", stage, code));
}

/// Operands that an operation reads: 0, 1 or 2.
unsigned operands(uint32_t op, unsigned stage) {
  switch (op) {
    case regs::STAGE::OP_NOP:
      return 0;
    case regs::STAGE::OP_MOV:
    case regs::STAGE::OP_FRED_SUM:
    case regs::STAGE::OP_FRED_MAX:
      return 1;
    case regs::STAGE::OP_FADD:
    case regs::STAGE::OP_FSUB:
    case regs::STAGE::OP_FMUL:
    case regs::STAGE::OP_FMAX:
    case regs::STAGE::OP_FMIN:
      return 2;
    default:
      break;
  }
  static constexpr std::array<std::pair<uint64_t, uint64_t>, 8> kLater{
      {{7, 14}, {16, 28}, {32, 40}, {48, 54}, {66, 70}, {72, 77}, {80, 82}, {88, 90}}};
  for (const auto& [first, last] : kLater) not_yet(op >= first && op <= last, "this operation");
  throw BadConfig(fmt::format("STAGE[{}].OP has no operation {}", stage, op));
}

PcuConfig::Op operation(uint32_t op) {
  switch (op) {
    case regs::STAGE::OP_FADD:
      return PcuConfig::Op::add;
    case regs::STAGE::OP_FSUB:
      return PcuConfig::Op::sub;
    case regs::STAGE::OP_FMUL:
      return PcuConfig::Op::mul;
    case regs::STAGE::OP_FMAX:
      return PcuConfig::Op::max;
    case regs::STAGE::OP_FMIN:
      return PcuConfig::Op::min;
    case regs::STAGE::OP_FRED_SUM:
      return PcuConfig::Op::red_sum;
    case regs::STAGE::OP_FRED_MAX:
      return PcuConfig::Op::red_max;
    default:
      return PcuConfig::Op::mov;
  }
}

void decode_stages(const ConfigWords& words, const FabricParams& params, PcuConfig& c) {
  const auto mode = [&](core::Field field) { return words.get(regs::kPROGRAM_MODE_OFFSET, field); };
  const unsigned first = mode(regs::PROGRAM_MODE::FIRST);
  const unsigned count = mode(regs::PROGRAM_MODE::STAGES);
  if (count == 0) throw BadConfig("PROGRAM[0].MODE.STAGES is 0");
  if (first + count > params.stages) {
    throw BadConfig(fmt::format("PROGRAM[0] has stages {} to {}, but the unit has {}", first,
                                first + count - 1, params.stages));
  }
  std::array<bool, 4> saved{};
  bool has_result = false;
  uint64_t reductions = 0;
  for (unsigned i = 0; i < regs::kSTAGE_COUNT; ++i) {
    const uint64_t offset = regs::kSTAGE_OFFSET + i * regs::kSTAGE_STRIDE;
    const uint32_t op = words.get(offset, regs::STAGE::OP);
    const unsigned reads = operands(op, i);
    if (reads == 0) continue;
    if (i < first || i >= first + count) {
      throw BadConfig(fmt::format("STAGE[{}] has an operation, but belongs to no program", i));
    }
    not_yet(words.get(offset, regs::STAGE::PRED) != 0, "STAGE.PRED");
    not_yet(words.get(offset, regs::STAGE::ALT) != 0, "STAGE.ALT");
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
    if (stage.save && saved[stage.saved_as]) {
      throw BadConfig(
          fmt::format("STAGE[{}] saves REG{}, which a stage before it has saved", i, stage.saved_as));
    }
    if (stage.save) saved[stage.saved_as] = true;
    has_result = true;
    reductions += op == regs::STAGE::OP_FRED_SUM || op == regs::STAGE::OP_FRED_MAX;
    c.stages[c.stage_count++] = stage;
  }
  if (!has_result) throw BadConfig("SIMD mode, but no stage has an operation");

  if (reductions > 1) throw BadConfig("more than one stage has a cross-lane operation");

  uint64_t longest_input = 1;
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if (c.uses_input[i]) longest_input = std::max<uint64_t>(longest_input, c.packets_in(i));
  }
  c.ii = std::max<uint64_t>(longest_input, c.packets_out());
  c.latency = longest_input + count + reductions * (log2_of(params.lanes) + 1) + c.tail_latency;
}

}  // namespace

PcuConfig PcuConfig::decode(const ConfigWords& words, const FabricParams& params) {
  PcuConfig c;
  const auto mode = [&](core::Field field) { return words.get(regs::kPROGRAM_MODE_OFFSET, field); };
  const auto out = [&](core::Field field) { return words.get(regs::kPROGRAM_OUT_OFFSET, field); };
  not_yet(words.get(regs::kPROGRAM_OFFSET + regs::kPROGRAM_STRIDE, regs::PROGRAM_MODE::MODE) != 0,
          "PROGRAM[1]");
  switch (mode(regs::PROGRAM_MODE::MODE)) {
    case regs::PROGRAM_MODE::MODE_OFF:
      return c;
    case regs::PROGRAM_MODE::MODE_SIMD:
      c.mode = Mode::simd;
      break;
    case regs::PROGRAM_MODE::MODE_MATRIX:
      c.mode = Mode::matrix;
      break;
    default:
      throw BadConfig(fmt::format("PROGRAM[0].MODE.MODE has no mode {}", mode(regs::PROGRAM_MODE::MODE)));
  }
  not_yet(out(regs::PROGRAM_OUT::FORMAT) > regs::PROGRAM_OUT::FORMAT_BF16,
          "an OUT.FORMAT other than FP32 and BF16");
  not_yet(out(regs::PROGRAM_OUT::PRED) != 0, "OUT.PRED");
  not_yet(out(regs::PROGRAM_OUT::SCALAR) != 0, "OUT.SCALAR");
  not_yet(out(regs::PROGRAM_OUT::SEQUENCE) != 0, "OUT.SEQUENCE");
  not_yet(out(regs::PROGRAM_OUT::DYNAMIC) != 0, "OUT.DYNAMIC");
  not_yet(words.get(regs::kPROGRAM_TOKEN_OFFSET, regs::PROGRAM_TOKEN::WAIT) != 0, "TOKEN.WAIT");
  not_yet(words.get(regs::kPROGRAM_TOKEN_OFFSET, regs::PROGRAM_TOKEN::SIGNAL) != 0, "TOKEN.SIGNAL");
  for (unsigned s = 0; s < regs::kPROGRAM_SCALAR_IN_COUNT; ++s) {
    not_yet(words.get(regs::kPROGRAM_SCALAR_IN_OFFSET + s * regs::kPROGRAM_SCALAR_IN_STRIDE,
                      regs::PROGRAM_SCALAR_IN::ENABLE) != 0,
            "SCALAR_IN");
  }
  c.out_bf16 = out(regs::PROGRAM_OUT::FORMAT) == regs::PROGRAM_OUT::FORMAT_BF16;
  c.out_flow = out(regs::PROGRAM_OUT::FLOW);
  c.lanes = mode(regs::PROGRAM_MODE::LANES);
  if (c.lanes < 1 || c.lanes > params.lanes) {
    throw BadConfig(fmt::format("PROGRAM[0].MODE.LANES = {} is not in 1..{}", c.lanes, params.lanes));
  }
  switch (mode(regs::PROGRAM_MODE::TAIL)) {
    case regs::PROGRAM_MODE::TAIL_NONE:
      c.tail_latency = 1;
      break;
    case regs::PROGRAM_MODE::TAIL_EXP:
      c.tail = Tail::exp;
      c.tail_latency = params.exp_cycles;
      break;
    case regs::PROGRAM_MODE::TAIL_RECIP:
      c.tail = Tail::recip;
      c.tail_latency = params.recip_cycles;
      break;
    default:
      not_yet(mode(regs::PROGRAM_MODE::TAIL) <= regs::PROGRAM_MODE::TAIL_ERF,
              "a TAIL other than EXP and RECIP");
      throw BadConfig(fmt::format("PROGRAM[0].MODE.TAIL has no function {}", mode(regs::PROGRAM_MODE::TAIL)));
  }
  c.iterations = 1;
  for (unsigned l = 0; l < regs::kPROGRAM_COUNT_COUNT; ++l) {
    const uint64_t count = words.at(regs::kPROGRAM_COUNT_OFFSET + l * regs::kPROGRAM_COUNT_STRIDE);
    if (count > 1 && c.iterations > (uint64_t{1} << 63) / count) {
      throw BadConfig("PROGRAM[0]: the product of COUNT is above 2^63");
    }
    c.iterations *= count == 0 ? 1 : count;
  }

  if (c.mode == Mode::matrix) {
    not_yet(words.get(regs::kPROGRAM_MATRIX_OFFSET, regs::PROGRAM_MATRIX::TYPE) != 0, "MATRIX.TYPE INT8");
    c.k = words.get(regs::kPROGRAM_MATRIX_OFFSET, regs::PROGRAM_MATRIX::K);
    c.rows = words.get(regs::kPROGRAM_MATRIX_OFFSET, regs::PROGRAM_MATRIX::ROWS);
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
    const uint64_t offset = regs::kINPUT_OFFSET + i * regs::kINPUT_STRIDE;
    const uint32_t format = words.get(offset, regs::INPUT::FORMAT);
    not_yet(format > regs::INPUT::FORMAT_BF16, "an INPUT.FORMAT other than FP32 and BF16");
    not_yet(words.get(offset, regs::INPUT::PROGRAM) != 0, "PROGRAM[1]");
    not_yet(words.get(offset, regs::INPUT::PRED) != 0, "INPUT.PRED");
    c.input_bf16[i] = format == regs::INPUT::FORMAT_BF16;
    c.constants[i] = words.at(regs::kCONST_OFFSET + i * regs::kCONST_STRIDE);
  }
  decode_stages(words, params, c);
  return c;
}

PortUse PcuConfig::ports() const {
  PortUse use;
  PortUse::Output output;
  output.flow = out_flow;
  use.outputs.push_back(output);
  for (unsigned i = 0; i < kInputs; ++i) {
    if (uses_input[i]) use.inputs.push_back({i, 0, false});
  }
  return use;
}

}  // namespace rdu::fabric
