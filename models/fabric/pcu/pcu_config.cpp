#include "fabric/pcu/pcu_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "fabric/program.h"
#include "regs/pcu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::pcu;
using Operand = PcuConfig::Operand;
using Predicate = PcuConfig::Predicate;

constexpr unsigned kNone = PcuConfig::kPrograms;
constexpr unsigned kScalarFlows = 4;

unsigned log2_of(uint64_t power_of_two) {
  unsigned n = 0;
  while (power_of_two >>= 1) ++n;
  return n;
}

template <class... Args>
[[noreturn]] void bad(fmt::format_string<Args...> text, Args&&... args) {
  throw BadConfig(fmt::format(text, std::forward<Args>(args)...));
}

/// Reads the words of one unit. Programs are decoded one after the other; what they may not share is kept by
/// owner.
class Decoder {
 public:
  Decoder(const ConfigWords& words, const FabricParams& params, PcuConfig& config)
      : words_(words), params_(params), c_(config) {}

  void decode() {
    for (p_ = 0; p_ < PcuConfig::kPrograms; ++p_) decode_mode();
    decode_shared();
    for (p_ = 0; p_ < PcuConfig::kPrograms; ++p_) {
      if (program().mode == PcuConfig::Mode::off) continue;
      decode_counts();
      decode_output();
      decode_tokens();
      if (program().mode == PcuConfig::Mode::matrix) {
        decode_matrix();
      } else {
        decode_scalars();
        decode_stages();
      }
    }
    if (c_.programs[0].mode != PcuConfig::Mode::matrix) check_strays();
  }

 private:
  using Mode = PcuConfig::Mode;
  using Format = PcuConfig::Format;
  using Tail = PcuConfig::Tail;

  PcuConfig::Program& program() { return c_.programs[p_]; }
  /// Words of the program that is decoded.
  uint32_t at(uint64_t offset) const {
    return words_.at(regs::kPROGRAM_OFFSET + p_ * regs::kPROGRAM_STRIDE + offset);
  }
  uint32_t get(uint64_t offset, core::Field field) const {
    return static_cast<uint32_t>(field.get(at(offset)));
  }
  uint32_t mode(core::Field field) const { return get(regs::kPROGRAM_MODE_OFFSET, field); }
  uint32_t out(core::Field field) const { return get(regs::kPROGRAM_OUT_OFFSET, field); }
  static uint64_t stage_offset(unsigned stage) { return regs::kSTAGE_OFFSET + stage * regs::kSTAGE_STRIDE; }

  uint8_t level(uint32_t value, const char* what) const {
    if (value >= PcuConfig::kLevels)
      bad("PROGRAM[{}].{} = {} is above {}", p_, what, value, PcuConfig::kLevels - 1);
    return static_cast<uint8_t>(value);
  }

  void decode_mode() {
    switch (mode(regs::PROGRAM_MODE::MODE)) {
      case regs::PROGRAM_MODE::MODE_OFF:
        return;
      case regs::PROGRAM_MODE::MODE_SIMD:
        program().mode = Mode::simd;
        break;
      case regs::PROGRAM_MODE::MODE_MATRIX:
        program().mode = Mode::matrix;
        break;
      default:
        bad("PROGRAM[{}].MODE.MODE has no mode {}", p_, mode(regs::PROGRAM_MODE::MODE));
    }
    if (program().mode == Mode::matrix && p_ != 0) bad("PROGRAM[1] is MATRIX: only program 0 can be");
    if (p_ == 1 && c_.programs[0].mode == Mode::matrix)
      bad("PROGRAM[1] beside MATRIX, which takes the whole unit");
    program().lanes = mode(regs::PROGRAM_MODE::LANES);
    if (program().lanes < 1 || program().lanes > params_.lanes) {
      bad("PROGRAM[{}].MODE.LANES = {} is not in 1..{}", p_, program().lanes, params_.lanes);
    }
    const uint32_t tail = mode(regs::PROGRAM_MODE::TAIL);
    if (tail > regs::PROGRAM_MODE::TAIL_ERF) bad("PROGRAM[{}].MODE.TAIL has no function {}", p_, tail);
    program().tail = static_cast<Tail>(tail);
    switch (program().tail) {
      case Tail::none:
        program().tail_latency = 1;
        break;
      case Tail::exp:
        program().tail_latency = params_.exp_cycles;
        break;
      case Tail::recip:
        program().tail_latency = params_.recip_cycles;
        break;
      default:
        program().tail_latency = params_.tail_cycles;
        break;
    }
    if (p_ == 1 && program().tail != Tail::none && c_.programs[0].tail != Tail::none) {
      bad("both programs have a TAIL; the unit has one");
    }
  }

  void decode_shared() {
    for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
      const uint64_t offset = regs::kINPUT_OFFSET + i * regs::kINPUT_STRIDE;
      PcuConfig::Input& input = c_.inputs[i];
      input.program = static_cast<uint8_t>(words_.get(offset, regs::INPUT::PROGRAM));
      input.format = static_cast<Format>(words_.get(offset, regs::INPUT::FORMAT));
      input.predicate = static_cast<uint8_t>(words_.get(offset, regs::INPUT::PRED));
    }
    for (unsigned i = 0; i < PcuConfig::kConstants; ++i) {
      c_.constants[i] = words_.at(regs::kCONST_OFFSET + i * regs::kCONST_STRIDE);
    }
  }

  void decode_counts() {
    uint64_t& firings = program().firings;
    firings = 1;
    for (unsigned l = 0; l < PcuConfig::kLevels; ++l) {
      uint64_t& count = program().counts[l];
      count = std::max<uint32_t>(at(regs::kPROGRAM_COUNT_OFFSET + l * regs::kPROGRAM_COUNT_STRIDE), 1);
      if (firings > (uint64_t{1} << 63) / count) bad("PROGRAM[{}]: the product of COUNT is above 2^63", p_);
      firings *= count;
    }
  }

  void decode_output() {
    PcuConfig::Program& p = program();
    const uint32_t format = out(regs::PROGRAM_OUT::FORMAT);
    if (format > regs::PROGRAM_OUT::FORMAT_BF16_SR)
      bad("PROGRAM[{}].OUT.FORMAT has no format {}", p_, format);
    p.format = static_cast<Format>(format);
    p.scalar_out = out(regs::PROGRAM_OUT::SCALAR) != 0;
    p.flow = out(regs::PROGRAM_OUT::FLOW);
    p.out_predicate = static_cast<uint8_t>(out(regs::PROGRAM_OUT::PRED));
    p.seed = at(regs::kPROGRAM_SEED_OFFSET);
    const bool in_sequence = out(regs::PROGRAM_OUT::SEQUENCE) != 0;
    const bool is_dynamic = out(regs::PROGRAM_OUT::DYNAMIC) != 0;
    p.has_sequence = in_sequence;
    p.is_dynamic = is_dynamic;
    if (in_sequence) {
      p.sequence_first = static_cast<uint16_t>(get(regs::kPROGRAM_SEQ_OFFSET, regs::PROGRAM_SEQ::FIRST));
      p.sequence_step = static_cast<uint16_t>(get(regs::kPROGRAM_SEQ_OFFSET, regs::PROGRAM_SEQ::STEP));
    }
    if (p.scalar_out) {
      if (in_sequence || is_dynamic) bad("PROGRAM[{}].OUT: a scalar has neither SEQUENCE nor DYNAMIC", p_);
      if (p.flow >= kScalarFlows)
        bad("PROGRAM[{}].OUT.FLOW = {}, a scalar's is in 0..{}", p_, p.flow, kScalarFlows - 1);
      if (p_ == 1 && c_.programs[0].scalar_out)
        bad("both programs have OUT.SCALAR; the unit has one scalar output");
      return;
    }
    if (is_dynamic) {
      const auto dest = [&](core::Field field) { return get(regs::kPROGRAM_DEST_OFFSET, field); };
      const uint32_t column = dest(regs::PROGRAM_DEST::COLUMN);
      const uint32_t row = dest(regs::PROGRAM_DEST::ROW);
      const uint32_t port = dest(regs::PROGRAM_DEST::PORT);
      if (column >= params_.columns || row >= params_.rows || port < 16 || port > 25) {
        bad("PROGRAM[{}].DEST: no unit has an input at column {}, row {}, port {}", p_, column, row, port);
      }
      p.flow = RDU_FLOW_DYNAMIC;
      p.destination = column | row << 8 | port << 16;
    } else if (p.flow == RDU_FLOW_DYNAMIC) {
      bad("PROGRAM[{}].OUT.FLOW = {} is for dynamic routes", p_, RDU_FLOW_DYNAMIC);
    }
  }

  void decode_tokens() {
    PcuConfig::Program& p = program();
    const auto token = [&](core::Field field) { return get(regs::kPROGRAM_TOKEN_OFFSET, field); };
    p.waits = token(regs::PROGRAM_TOKEN::WAIT) != 0;
    p.signals = token(regs::PROGRAM_TOKEN::SIGNAL) != 0;
    if (p.waits) {
      p.wait_input = static_cast<uint8_t>(token(regs::PROGRAM_TOKEN::WAIT_INPUT));
      p.wait_level = level(token(regs::PROGRAM_TOKEN::WAIT_LEVEL), "TOKEN.WAIT_LEVEL");
      if (p_ == 1 && c_.programs[0].waits && c_.programs[0].wait_input == p.wait_input) {
        bad("both programs wait for tokens of control input {}", p.wait_input);
      }
    }
    if (p.signals) p.signal_level = level(token(regs::PROGRAM_TOKEN::SIGNAL_LEVEL), "TOKEN.SIGNAL_LEVEL");
  }

  void decode_matrix() {
    PcuConfig::Program& p = program();
    const auto matrix = [&](core::Field field) { return get(regs::kPROGRAM_MATRIX_OFFSET, field); };
    p.k = matrix(regs::PROGRAM_MATRIX::K);
    p.rows = matrix(regs::PROGRAM_MATRIX::ROWS);
    p.int8 = matrix(regs::PROGRAM_MATRIX::TYPE) == regs::PROGRAM_MATRIX::TYPE_INT8;
    if (p.k == 0) bad("PROGRAM[0].MATRIX.K is 0");
    if (p.rows < 1 || p.rows > params_.stages) {
      bad("PROGRAM[0].MATRIX.ROWS = {} is not in 1..{}", p.rows, params_.stages);
    }
    const bool is_integer = p.format == Format::int32 || p.format == Format::int8;
    if (is_integer != p.int8) bad("PROGRAM[0].OUT.FORMAT does not go with MATRIX.TYPE");
    if (p.int8 && p.tail != Tail::none) bad("PROGRAM[0].MODE.TAIL is for FP32, not for MATRIX.TYPE INT8");
    if (p.out_predicate != 0) bad("PROGRAM[0].OUT.PRED is for SIMD");
    if (p.scalar_out) bad("PROGRAM[0].OUT.SCALAR is for SIMD");
    for (unsigned s = 0; s < PcuConfig::kScalarInputs; ++s) {
      if (get(scalar_offset(s), regs::PROGRAM_SCALAR_IN::ENABLE) != 0)
        bad("PROGRAM[0].SCALAR_IN[{}] is for SIMD", s);
    }
    for (unsigned i = 0; i < 2; ++i) {
      if (c_.inputs[i].program != 0) bad("INPUT[{}].PROGRAM is 1, but MATRIX takes from it", i);
      if (c_.inputs[i].predicate != 0) bad("INPUT[{}].PRED is for SIMD", i);
      c_.inputs[i].used = true;
      c_.inputs[i].format = Format::bf16;  // one packet a step, whatever the type
    }
    p.latency = 1 + log2_of(params_.lanes) + params_.stages;
  }

  static uint64_t scalar_offset(unsigned s) {
    return regs::kPROGRAM_SCALAR_IN_OFFSET + s * regs::kPROGRAM_SCALAR_IN_STRIDE;
  }

  void decode_scalars() {
    for (unsigned s = 0; s < PcuConfig::kScalarInputs; ++s) {
      if (get(scalar_offset(s), regs::PROGRAM_SCALAR_IN::ENABLE) == 0) continue;
      if (p_ == 1 && c_.programs[0].scalars[s].enabled) bad("both programs enable SCALAR_IN[{}]", s);
      program().scalars[s] = {
          true, level(get(scalar_offset(s), regs::PROGRAM_SCALAR_IN::LEVEL), "SCALAR_IN.LEVEL")};
      program().plain = false;
    }
  }

  /// Makes predicate n of the program usable.
  uint8_t predicate(uint32_t n, const std::string& user) {
    if (n == 0) return 0;
    const uint64_t offset = regs::kPROGRAM_PRED_OFFSET + (n - 1) * regs::kPROGRAM_PRED_STRIDE;
    const auto field = [&](core::Field f) { return get(offset, f); };
    const uint32_t kind = field(regs::PROGRAM_PRED::KIND);
    const uint32_t at_level = field(regs::PROGRAM_PRED::LEVEL);
    if (kind > regs::PROGRAM_PRED::KIND_SCALAR) {
      bad("PROGRAM[{}].PRED[{}], which {} uses, has no kind {}", p_, n - 1, user, kind);
    }
    Predicate& made = program().predicates[n];
    made = {static_cast<Predicate::Kind>(kind), static_cast<uint8_t>(at_level),
            field(regs::PROGRAM_PRED::NOT) != 0, field(regs::PROGRAM_PRED::VALUE)};
    if (made.kind == Predicate::Kind::scalar) {
      if (at_level >= PcuConfig::kScalarInputs) {
        bad("PROGRAM[{}].PRED[{}], which {} uses: there is no scalar input {}", p_, n - 1, user, at_level);
      }
      if (!program().scalars[at_level].enabled) {
        bad("PROGRAM[{}].PRED[{}], which {} uses: the program does not enable SCALAR_IN[{}]", p_, n - 1, user,
            at_level);
      }
    } else if (made.kind != Predicate::Kind::always) {
      level(at_level, "PRED.LEVEL");
    }
    program().plain = false;
    return static_cast<uint8_t>(n);
  }

  /// An operand that stage i reads.
  Operand operand(uint32_t code, unsigned i, bool saves, unsigned saved_as) {
    const auto from = [&](uint64_t first) { return static_cast<uint8_t>(code - first); };
    if (code == regs::STAGE::A_PREV) {
      if (program().stage_count == 0) bad("STAGE[{}] reads PREV, but no stage before it has a result", i);
      return {Operand::Kind::previous, 0};
    }
    if (code <= regs::STAGE::A_IN3) {
      const uint8_t input = from(regs::STAGE::A_IN0);
      if (c_.inputs[input].program != p_) {
        bad("STAGE[{}] of program {} reads IN{}, which INPUT gives to program {}", i, p_, input,
            c_.inputs[input].program);
      }
      c_.inputs[input].used = true;
      return {Operand::Kind::input, input};
    }
    if (code <= regs::STAGE::A_S1) {
      const uint8_t scalar = from(regs::STAGE::A_S0);
      if (!program().scalars[scalar].enabled) {
        bad("STAGE[{}] reads S{}, but program {} does not enable SCALAR_IN[{}]", i, scalar, p_, scalar);
      }
      return {Operand::Kind::scalar, scalar};
    }
    if (code == regs::STAGE::A_LANE) return {Operand::Kind::lane, 0};
    if (code <= regs::STAGE::A_CONST3) return {Operand::Kind::constant, from(regs::STAGE::A_CONST0)};
    if (code <= regs::STAGE::A_REG3) {
      const uint8_t reg = from(regs::STAGE::A_REG0);
      const bool is_own = saves && saved_as == reg;
      if (saver_[reg] != p_ && !is_own) {
        bad("STAGE[{}] reads REG{}, which no stage before it has saved", i, reg);
      }
      return {Operand::Kind::saved, reg};
    }
    if (code <= regs::STAGE::A_COUNT5) {
      program().plain = false;
      return {Operand::Kind::counter, from(regs::STAGE::A_COUNT0)};
    }
    bad("STAGE[{}] has no operand {}", i, code);
  }

  void decode_stages() {
    PcuConfig::Program& p = program();
    const unsigned first = mode(regs::PROGRAM_MODE::FIRST);
    const unsigned count = mode(regs::PROGRAM_MODE::STAGES);
    if (count == 0) bad("PROGRAM[{}].MODE.STAGES is 0", p_);
    if (first + count > params_.stages) {
      bad("PROGRAM[{}] has stages {} to {}, but the unit has {}", p_, first, first + count - 1,
          params_.stages);
    }
    bool crosses = false;
    bool rounds = p.format == Format::bf16_sr && !p.scalar_out;
    for (unsigned i = first; i < first + count; ++i) {
      if (owner_[i] != kNone) bad("STAGE[{}] belongs to both programs", i);
      owner_[i] = p_;
      const auto field = [&](core::Field f) { return words_.get(stage_offset(i), f); };
      const uint32_t code = field(regs::STAGE::OP);
      const bool saves = field(regs::STAGE::SAVE) != 0;
      if (code == regs::STAGE::OP_NOP) {
        if (saves) bad("STAGE[{}] is a NOP and has nothing to save", i);
        continue;
      }
      PcuConfig::Stage stage;
      stage.operation = operation(code);
      if (!stage.operation) bad("STAGE[{}].OP has no operation {}", i, code);
      const unsigned reads = stage.operation->reads;
      stage.save = saves;
      stage.saved_as = static_cast<uint8_t>(field(regs::STAGE::REG));
      stage.predicate = predicate(field(regs::STAGE::PRED), fmt::format("STAGE[{}]", i));
      stage.alternative = predicate(field(regs::STAGE::ALT), fmt::format("STAGE[{}]", i));
      stage.zero_addend = code == regs::STAGE::OP_FMADD || code == regs::STAGE::OP_FNMADD;
      if (stage.alternative != 0 && reads == 1) bad("STAGE[{}].ALT, but the operation has no operand B", i);
      stage.a = operand(field(regs::STAGE::A), i, saves, stage.saved_as);
      if (reads >= 2) stage.b = operand(field(regs::STAGE::B), i, saves, stage.saved_as);
      if (reads == 3 || stage.alternative != 0) {
        stage.c = operand(field(regs::STAGE::C), i, saves, stage.saved_as);
      }
      const auto own = [&](const Operand& o) {
        return stage.save && o.kind == Operand::Kind::saved && o.index == stage.saved_as;
      };
      stage.accumulates = own(stage.a) || own(stage.b) || own(stage.c);
      if (stage.save) {
        if (saver_[stage.saved_as] != kNone) {
          bad("STAGE[{}] saves REG{}, which another stage saves", i, stage.saved_as);
        }
        saver_[stage.saved_as] = p_;
      }
      if (stage.operation->crosses_lanes) {
        if (crosser_ != kNone) bad("more than one stage has a cross-lane operation");
        crosser_ = p_;
        crosses = true;
        if (stage.accumulates)
          bad("STAGE[{}] has a cross-lane operation and reads the register that it saves", i);
      }
      if (stage.operation->rounds) {
        if (rounds) bad("PROGRAM[{}] rounds stochastically in two places; it has one generator", p_);
        rounds = p.rounds_in_stage = true;
      }
      p.stages[p.stage_count++] = stage;
    }
    if (p.stage_count == 0) bad("PROGRAM[{}] is SIMD, but no stage of it has an operation", p_);
    p.out_predicate = predicate(p.out_predicate, "OUT");
    unsigned header = 1;
    for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
      if (!c_.inputs[i].used || c_.inputs[i].program != p_) continue;
      predicate(c_.inputs[i].predicate, fmt::format("INPUT[{}]", i));
      header = std::max(header, c_.packets_in(i));
    }
    p.latency = header + count + (crosses ? log2_of(params_.lanes) + 1 : 0) + p.tail_latency;
  }

  void check_strays() {
    for (unsigned i = 0; i < regs::kSTAGE_COUNT; ++i) {
      if (c_.enabled() && owner_[i] == kNone && words_.get(stage_offset(i), regs::STAGE::OP) != 0) {
        bad("STAGE[{}] has an operation, but belongs to no program", i);
      }
    }
  }

  const ConfigWords& words_;
  const FabricParams& params_;
  PcuConfig& c_;
  unsigned p_ = 0;
  std::array<unsigned, regs::kSTAGE_COUNT> owner_ = filled<regs::kSTAGE_COUNT>();
  std::array<unsigned, PcuConfig::kRegisters> saver_ = filled<PcuConfig::kRegisters>();
  unsigned crosser_ = kNone;

  template <size_t N>
  static std::array<unsigned, N> filled() {
    std::array<unsigned, N> nobody;
    nobody.fill(kNone);
    return nobody;
  }
};

}  // namespace

bool PcuConfig::uses_token(unsigned input) const {
  return std::any_of(programs.begin(), programs.end(), [&](const Program& p) {
    return p.mode != Mode::off && p.waits && p.wait_input == input;
  });
}

unsigned PcuConfig::scalar_program() const {
  unsigned p = 0;
  while (p < kPrograms && !(programs[p].mode != Mode::off && programs[p].scalar_out)) ++p;
  return p;
}

PortUse PcuConfig::ports() const {
  PortUse use;
  for (unsigned p = 0; p < kPrograms; ++p) {
    const Program& program = programs[p];
    if (program.mode == Mode::off) continue;
    PortUse::Output output;
    output.part = p;
    if (program.scalar_out) {
      output.flow = program.flow;
      use.scalar_outputs.push_back(output);
    } else {
      output.port = p;
      output.flow = program.flow;
      output.is_dynamic = program.is_dynamic;
      output.destination = program.destination;
      output.has_sequence = program.has_sequence;
      output.first = program.sequence_first;
      output.step = program.sequence_step;
      use.outputs.push_back(output);
    }
    if (program.signals) {
      PortUse::Output token;
      token.port = p;
      token.part = p;
      use.token_outputs.push_back(token);
    }
    if (program.waits) use.token_inputs.push_back({program.wait_input, p, false});
    for (unsigned s = 0; s < kScalarInputs; ++s) {
      if (program.scalars[s].enabled) use.scalar_inputs.push_back({s, p, false});
    }
  }
  for (unsigned i = 0; i < kInputs; ++i) {
    if (inputs[i].used) use.inputs.push_back({i, inputs[i].program, false});
  }
  return use;
}

PcuConfig PcuConfig::decode(const ConfigWords& words, const FabricParams& params) {
  PcuConfig config;
  Decoder(words, params, config).decode();
  return config;
}

}  // namespace rdu::fabric
