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
    set(RDU_AGCU_LOAD, RDU_AGCU_LOAD_ENABLE_MASK | (u.indexed ? RDU_AGCU_LOAD_INDEX_MASK : 0u) |
                           (u.sequence ? RDU_AGCU_LOAD_SEQUENCE_MASK : 0u));
    if (u.sequence) set(RDU_AGCU_LOAD_SEQ, sequence(*u.sequence));
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

  void operator()(const Scratchpad& u) const { (*this)(in_full(u)); }

  void operator()(const PatternMemory& u) const {
    for (unsigned n = 0; n < u.writers.size(); ++n) {
      const Writer& w = u.writers[n];
      set(RDU_PMU_WRITE_MODE(n),
          RDU_PMU_WRITE_MODE_ENABLE_MASK | bits(w.input, RDU_PMU_WRITE_MODE_DATA_MASK) |
              bits(write_address(w.address), RDU_PMU_WRITE_MODE_ADDRESS_MASK) |
              bits(w.index_input, RDU_PMU_WRITE_MODE_INDEX_MASK) |
              bits(static_cast<uint32_t>(w.range), RDU_PMU_WRITE_MODE_RANGE_MASK) | access_predicate(w.when));
      // Both kinds of pipeline have the same words, but for MODE, at the same distance from their first.
      access(w, RDU_PMU_WRITE_MODE(n));
    }
    for (unsigned n = 0; n < u.readers.size(); ++n) {
      const Reader& r = u.readers[n];
      set(RDU_PMU_READ_MODE(n),
          RDU_PMU_READ_MODE_ENABLE_MASK | (r.sequence ? RDU_PMU_READ_MODE_SEQUENCE_MASK : 0u) |
              bits(read_address(r.address), RDU_PMU_READ_MODE_ADDRESS_MASK) |
              bits(r.index_input, RDU_PMU_READ_MODE_INDEX_MASK) |
              bits(static_cast<uint32_t>(r.range), RDU_PMU_READ_MODE_RANGE_MASK) | access_predicate(r.when));
      access(r, RDU_PMU_READ_MODE(n));
      if (r.sequence) set(RDU_PMU_READ_SEQ(n), sequence(*r.sequence));
    }
    for (unsigned n = 0; n < u.tokens.size(); ++n) {
      if (u.tokens[n] != 0) set(RDU_PMU_TOKENS(n), u.tokens[n]);
    }
    set(RDU_PMU_BANK, bits(u.bank_shift, RDU_PMU_BANK_SHIFT_MASK) |
                          bits(u.bank_skew, RDU_PMU_BANK_SKEW_MASK) |
                          (u.together ? RDU_PMU_BANK_TOGETHER_MASK : 0u));
  }

  void operator()(const Matrix& u) const {
    set(RDU_PCU_PROGRAM_MODE(0), bits(RDU_PCU_PROGRAM_MODE_MODE_MATRIX, RDU_PCU_PROGRAM_MODE_MODE_MASK) |
                                     bits(u.lanes, RDU_PCU_PROGRAM_MODE_LANES_MASK));
    set(RDU_PCU_PROGRAM_OUT(0),
        bits(static_cast<uint32_t>(u.out), RDU_PCU_PROGRAM_OUT_FORMAT_MASK) | numbers(u.sequence));
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
                                    bits(number(u.send), RDU_PCU_PROGRAM_OUT_PRED_MASK) |
                                    numbers(u.sequence));
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
  /// FIRST and STEP of sequence ids lie alike in all units.
  static uint32_t sequence(const Sequence& s) {
    return bits(s.first, RDU_PCU_PROGRAM_SEQ_FIRST_MASK) | bits(s.step, RDU_PCU_PROGRAM_SEQ_STEP_MASK);
  }
  /// Of a PCU's OUT; sets SEQ, too.
  uint32_t numbers(const std::optional<Sequence>& s) const {
    if (!s) return 0;
    set(RDU_PCU_PROGRAM_SEQ(0), sequence(*s));
    return RDU_PCU_PROGRAM_OUT_SEQUENCE_MASK;
  }
  static uint32_t write_address(Access::Address address) {
    switch (address) {
      case Access::Address::sequence:
        return RDU_PMU_WRITE_MODE_ADDRESS_SEQUENCE;
      case Access::Address::index:
        return RDU_PMU_WRITE_MODE_ADDRESS_INDEX;
      default:
        return RDU_PMU_WRITE_MODE_ADDRESS_COUNTERS;
    }
  }
  static uint32_t read_address(Access::Address address) {
    switch (address) {
      case Access::Address::scalar:
        return RDU_PMU_READ_MODE_ADDRESS_SCALAR;
      case Access::Address::index:
        return RDU_PMU_READ_MODE_ADDRESS_INDEX;
      default:
        return RDU_PMU_READ_MODE_ADDRESS_COUNTERS;
    }
  }
  static uint32_t element_of(Element element) {
    switch (element) {
      case Element::byte:
        return RDU_PMU_READ_SHAPE_ELEMENT_BYTE;
      case Element::word:
        return RDU_PMU_READ_SHAPE_ELEMENT_WORD;
      default:
        return RDU_PMU_READ_SHAPE_ELEMENT_HALF;
    }
  }
  static uint32_t access_predicate(const Predicate& p) {
    const uint32_t kind = p.kind == Predicate::Kind::equal  ? RDU_PMU_READ_MODE_PRED_EQ
                          : p.kind == Predicate::Kind::less ? RDU_PMU_READ_MODE_PRED_LT
                                                            : RDU_PMU_READ_MODE_PRED_ALWAYS;
    return bits(kind, RDU_PMU_READ_MODE_PRED_MASK) | (p.negated ? RDU_PMU_READ_MODE_NOT_MASK : 0u) |
           bits(p.level, RDU_PMU_READ_MODE_PRED_LEVEL_MASK);
  }
  /// All but MODE; `mode` is its offset.
  void access(const Access& a, uint32_t mode) const {
    const auto at = [&](uint32_t offset) { return offset - RDU_PMU_READ_MODE(0) + mode; };
    set(at(RDU_PMU_READ_SHAPE(0)), bits(a.lanes, RDU_PMU_READ_SHAPE_LANES_MASK) |
                                       bits(element_of(a.element), RDU_PMU_READ_SHAPE_ELEMENT_MASK));
    set(at(RDU_PMU_READ_LANE_STRIDE(0)), stride(a.lane_stride));
    if (a.base != 0) set(at(RDU_PMU_READ_BASE(0)), stride(a.base));
    set(at(RDU_PMU_READ_FILLS(0)), a.fills);
    set(at(RDU_PMU_READ_BUFFERS(0)), a.buffers);
    set(at(RDU_PMU_READ_BUFFER_SIZE(0)), a.buffer_size);
    set(at(RDU_PMU_READ_TOKEN(0)),
        bits(a.wait, RDU_PMU_READ_TOKEN_WAIT_MASK) | bits(a.give, RDU_PMU_READ_TOKEN_GIVE_MASK));
    if (a.address != Access::Address::counters) set(at(RDU_PMU_READ_INDEX_STRIDE(0)), stride(a.index_stride));
    if (a.range != Access::Range::off) {
      set(at(RDU_PMU_READ_RANGE_LOW(0)), stride(a.low));
      set(at(RDU_PMU_READ_RANGE_HIGH(0)), stride(a.high));
    }
    if (!a.when.is_always()) set(at(RDU_PMU_READ_PRED_VALUE(0)), a.when.value);
    for (unsigned i = 0; i < a.counters.size(); ++i) {
      counter(at(RDU_PMU_READ_COUNT(0, i)), at(RDU_PMU_READ_STRIDE(0, i)), a.counters[i]);
    }
  }

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
