#include "compiler/lower.h"

#include <algorithm>

#include "regs/agcu.h"
#include "regs/pcu.h"
#include "regs/pmu.h"

namespace rdu::compiler {
namespace {

uint32_t bits(uint64_t value, uint32_t mask) {
  return static_cast<uint32_t>(value) << __builtin_ctz(mask) & mask;
}

class Lowering {
 public:
  Lowering(uint32_t id, Configuration* configuration, std::vector<Argument>* arguments)
      : id_(id), configuration_(configuration), arguments_(arguments) {}

  void operator()(const Load& u) const {
    set(RDU_AGCU_LOAD, RDU_AGCU_LOAD_ENABLE_MASK | (u.indexed ? RDU_AGCU_LOAD_INDEX_MASK : 0u));
    if (u.indexed) set(RDU_AGCU_LOAD_INDEX_STRIDE, stride(u.index_stride));
    set(RDU_AGCU_LOAD_ROW_BYTES, u.row_bytes);
    set(RDU_AGCU_LOAD_BASE, u.base, 2);
    for (unsigned i = 0; i < u.rows.size(); ++i) {
      counter(RDU_AGCU_LOAD_COUNT(i), RDU_AGCU_LOAD_STRIDE(i), u.rows[i]);
    }
  }

  void operator()(const Store& u) const {
    set(RDU_AGCU_STORE, RDU_AGCU_STORE_ENABLE_MASK | RDU_AGCU_STORE_DONE_TOKEN_MASK |
                            (u.indexed ? RDU_AGCU_STORE_INDEX_MASK : 0u) |
                            bits(static_cast<uint32_t>(u.op), RDU_AGCU_STORE_OP_MASK));
    if (u.indexed) set(RDU_AGCU_STORE_INDEX_STRIDE, stride(u.index_stride));
    set(RDU_AGCU_STORE_ROW_BYTES, u.row_bytes);
    set(RDU_AGCU_STORE_BASE, u.base, 2);
    for (unsigned i = 0; i < u.rows.size(); ++i) {
      counter(RDU_AGCU_STORE_COUNT(i), RDU_AGCU_STORE_STRIDE(i), u.rows[i]);
    }
  }

  void operator()(const Scratchpad& u) const {
    // Write pipeline 0 takes a free buffer (token 0) and makes a full one (token 1), read pipeline 0 the
    // other way round.
    constexpr uint32_t kFree = 1;
    constexpr uint32_t kFull = 2;
    set(RDU_PMU_WRITE_MODE(0), RDU_PMU_WRITE_MODE_ENABLE_MASK);
    set(RDU_PMU_WRITE_SHAPE(0), bits(u.write_bytes, RDU_PMU_WRITE_SHAPE_LANES_MASK) |
                                    bits(RDU_PMU_WRITE_SHAPE_ELEMENT_BYTE, RDU_PMU_WRITE_SHAPE_ELEMENT_MASK));
    set(RDU_PMU_WRITE_LANE_STRIDE(0), 1);
    set(RDU_PMU_WRITE_FILLS(0), u.fills);
    set(RDU_PMU_WRITE_BUFFERS(0), u.buffers);
    set(RDU_PMU_WRITE_BUFFER_SIZE(0), u.buffer_size);
    set(RDU_PMU_WRITE_TOKEN(0),
        bits(kFree, RDU_PMU_WRITE_TOKEN_WAIT_MASK) | bits(kFull, RDU_PMU_WRITE_TOKEN_GIVE_MASK));
    for (unsigned i = 0; i < u.write.size(); ++i) {
      counter(RDU_PMU_WRITE_COUNT(0, i), RDU_PMU_WRITE_STRIDE(0, i), u.write[i]);
    }
    set(RDU_PMU_READ_MODE(0), RDU_PMU_READ_MODE_ENABLE_MASK);
    set(RDU_PMU_READ_SHAPE(0), bits(u.lanes, RDU_PMU_READ_SHAPE_LANES_MASK) |
                                   bits(u.element == Element::word ? RDU_PMU_READ_SHAPE_ELEMENT_WORD
                                                                   : RDU_PMU_READ_SHAPE_ELEMENT_HALF,
                                        RDU_PMU_READ_SHAPE_ELEMENT_MASK));
    set(RDU_PMU_READ_LANE_STRIDE(0), stride(u.lane_stride));
    set(RDU_PMU_READ_FILLS(0), u.fills);
    set(RDU_PMU_READ_BUFFERS(0), u.buffers);
    set(RDU_PMU_READ_BUFFER_SIZE(0), u.buffer_size);
    set(RDU_PMU_READ_TOKEN(0),
        bits(kFull, RDU_PMU_READ_TOKEN_WAIT_MASK) | bits(kFree, RDU_PMU_READ_TOKEN_GIVE_MASK));
    for (unsigned i = 0; i < u.read.size(); ++i) {
      counter(RDU_PMU_READ_COUNT(0, i), RDU_PMU_READ_STRIDE(0, i), u.read[i]);
    }
    set(RDU_PMU_TOKENS(0), u.buffers);
    set(RDU_PMU_BANK,
        bits(u.bank_shift, RDU_PMU_BANK_SHIFT_MASK) | bits(u.bank_skew, RDU_PMU_BANK_SKEW_MASK));
  }

  void operator()(const Matrix& u) const {
    set(RDU_PCU_PROGRAM_MODE(0), bits(RDU_PCU_PROGRAM_MODE_MODE_MATRIX, RDU_PCU_PROGRAM_MODE_MODE_MASK) |
                                     bits(u.lanes, RDU_PCU_PROGRAM_MODE_LANES_MASK));
    set(RDU_PCU_PROGRAM_OUT(0), bits(static_cast<uint32_t>(u.out), RDU_PCU_PROGRAM_OUT_FORMAT_MASK));
    set(RDU_PCU_PROGRAM_COUNT(0, 0), u.tiles);
    set(RDU_PCU_PROGRAM_MATRIX(0),
        bits(u.k, RDU_PCU_PROGRAM_MATRIX_K_MASK) | bits(u.rows, RDU_PCU_PROGRAM_MATRIX_ROWS_MASK) |
            bits(u.int8 ? RDU_PCU_PROGRAM_MATRIX_TYPE_INT8 : RDU_PCU_PROGRAM_MATRIX_TYPE_BF16,
                 RDU_PCU_PROGRAM_MATRIX_TYPE_MASK));
    if (u.out == Format::bf16_sr) set(RDU_PCU_PROGRAM_SEED(0), u.seed);
  }

  void operator()(const Simd& u) const {
    set(RDU_PCU_PROGRAM_MODE(0), bits(RDU_PCU_PROGRAM_MODE_MODE_SIMD, RDU_PCU_PROGRAM_MODE_MODE_MASK) |
                                     bits(u.stages.size(), RDU_PCU_PROGRAM_MODE_STAGES_MASK) |
                                     bits(u.lanes, RDU_PCU_PROGRAM_MODE_LANES_MASK) |
                                     bits(static_cast<uint32_t>(u.tail), RDU_PCU_PROGRAM_MODE_TAIL_MASK));
    const std::vector<Predicate> predicates = predicates_of(u);
    for (unsigned n = 0; n < predicates.size(); ++n)
      set(RDU_PCU_PROGRAM_PRED(0, n), predicate(predicates[n]));
    /// The number by which words name a predicate.
    const auto number = [&](const Predicate& p) {
      if (p.is_always()) return uint32_t{0};
      return static_cast<uint32_t>(std::find(predicates.begin(), predicates.end(), p) - predicates.begin()) +
             1;
    };
    set(RDU_PCU_PROGRAM_OUT(0), bits(static_cast<uint32_t>(u.out), RDU_PCU_PROGRAM_OUT_FORMAT_MASK) |
                                    bits(number(u.send), RDU_PCU_PROGRAM_OUT_PRED_MASK));
    for (unsigned l = 0; l < u.inner.size(); ++l) set(RDU_PCU_PROGRAM_COUNT(0, l), u.inner[l]);
    set(RDU_PCU_PROGRAM_COUNT(0, static_cast<uint32_t>(u.inner.size())), u.vectors);
    bool rounds = u.out == Format::bf16_sr;
    for (unsigned i = 0; i < u.in.size(); ++i) {
      if ((inputs_of(u) >> i & 1) == 0) continue;
      set(RDU_PCU_INPUT(i), bits(static_cast<uint32_t>(u.in[i]), RDU_PCU_INPUT_FORMAT_MASK) |
                                bits(number(u.take[i]), RDU_PCU_INPUT_PRED_MASK));
    }
    unsigned constants = 0;
    for (unsigned i = 0; i < u.stages.size(); ++i) {
      const Stage& s = u.stages[i];
      const bool replaces = !s.replace_b.is_never();
      uint32_t word = bits(static_cast<uint32_t>(s.op), RDU_PCU_STAGE_OP_MASK) |
                      bits(static_cast<uint32_t>(s.a), RDU_PCU_STAGE_A_MASK) |
                      bits(static_cast<uint32_t>(s.b), RDU_PCU_STAGE_B_MASK) |
                      bits(static_cast<uint32_t>(s.c), RDU_PCU_STAGE_C_MASK) |
                      bits(s.op == Op::nop ? 0 : number(s.when), RDU_PCU_STAGE_PRED_MASK) |
                      bits(replaces ? number(s.replace_b) : 0, RDU_PCU_STAGE_ALT_MASK);
      if (s.save >= 0) {
        word |= RDU_PCU_STAGE_SAVE_MASK | bits(static_cast<uint32_t>(s.save), RDU_PCU_STAGE_REG_MASK);
      }
      set(RDU_PCU_STAGE(i), word);
      rounds |= s.op == Op::srbf16;
      for (Operand operand : {s.a, s.b, s.c}) {
        const int index = static_cast<int>(operand) - static_cast<int>(Operand::const0);
        if (index >= 0 && index < 4) constants |= 1u << index;
      }
    }
    for (unsigned i = 0; i < u.constants.size(); ++i) {
      if ((constants >> i & 1) != 0) set(RDU_PCU_CONST(i), u.constants[i].bits);
    }
    if (rounds) set(RDU_PCU_PROGRAM_SEED(0), u.seed);
  }

 private:
  static uint32_t stride(int64_t bytes) { return static_cast<uint32_t>(static_cast<int32_t>(bytes)); }
  static uint32_t predicate(const Predicate& p) {
    return bits(static_cast<uint32_t>(p.kind), RDU_PCU_PROGRAM_PRED_KIND_MASK) |
           bits(p.level, RDU_PCU_PROGRAM_PRED_LEVEL_MASK) |
           bits(p.negated ? 1 : 0, RDU_PCU_PROGRAM_PRED_NOT_MASK) |
           bits(p.value, RDU_PCU_PROGRAM_PRED_VALUE_MASK);
  }

  void set(uint32_t offset, uint32_t value) const { configuration_->set(id_, offset / 4, value); }
  void set(uint32_t offset, const Value& value, uint16_t words = 1) const {
    uint64_t now = value.at(0);
    if (!value.is_constant()) {
      Argument& argument = (*arguments_)[static_cast<size_t>(value.argument())];
      Fixup fixup = value.fixup();
      fixup.unit = id_;
      fixup.word = static_cast<uint16_t>(offset / 4);
      fixup.count = words;
      argument.fixups.push_back(fixup);
      now = value.at((argument.minimum + argument.multiple - 1) / argument.multiple * argument.multiple);
    }
    set(offset, static_cast<uint32_t>(now));
    if (words == 2) set(offset + 4, static_cast<uint32_t>(now >> 32));
  }
  void counter(uint32_t count_offset, uint32_t stride_offset, const Counter& counter) const {
    set(count_offset, counter.count);
    set(stride_offset, stride(counter.stride));
  }

  uint32_t id_;
  Configuration* configuration_;
  std::vector<Argument>* arguments_;
};

}  // namespace

void lower(const UnitKind& kind, uint32_t id, Configuration* configuration,
           std::vector<Argument>* arguments) {
  std::visit(Lowering(id, configuration, arguments), kind);
}

}  // namespace rdu::compiler
