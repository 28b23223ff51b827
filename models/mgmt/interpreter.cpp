#include "mgmt/interpreter.h"

#include <algorithm>
#include <cstring>

#include "mgmt/decode.h"
#include "mgmt/float/soft.h"

// Threaded code: each decoded instruction holds the address of its handler, each handler ends by jumping to
// the next one's. The handlers are labels of one function, run(), written with the macros below.
//
// `meter` counts time and instructions. Whether the budget is used up is asked at jumps and at the ends of
// pages only.

namespace rdu::mgmt {

namespace {

using Signed128 = __int128;
using Unsigned128 = unsigned __int128;

uint64_t sext(uint32_t word) {
  return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(word)));
}
int64_t as_signed(uint64_t v) {
  return static_cast<int64_t>(v);
}
uint32_t low(uint64_t v) {
  return static_cast<uint32_t>(v);
}
int32_t low_signed(uint64_t v) {
  return static_cast<int32_t>(static_cast<uint32_t>(v));
}

uint64_t mulh(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<Unsigned128>(Signed128{as_signed(a)} * Signed128{as_signed(b)}) >>
                               64);
}
uint64_t mulhsu(uint64_t a, uint64_t b) {
  // As unsigned numbers, then minus b * 2^64 if a is negative.
  const auto product = static_cast<uint64_t>((Unsigned128{a} * Unsigned128{b}) >> 64);
  return product - (as_signed(a) < 0 ? b : 0);
}
uint64_t mulhu(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>((Unsigned128{a} * Unsigned128{b}) >> 64);
}

// Division by zero gives all ones and the dividend; the one overflow gives the dividend and zero.
uint64_t div(uint64_t a, uint64_t b) {
  if (b == 0) return ~uint64_t{0};
  if (as_signed(a) == INT64_MIN && as_signed(b) == -1) return a;
  return static_cast<uint64_t>(as_signed(a) / as_signed(b));
}
uint64_t rem(uint64_t a, uint64_t b) {
  if (b == 0) return a;
  if (as_signed(a) == INT64_MIN && as_signed(b) == -1) return 0;
  return static_cast<uint64_t>(as_signed(a) % as_signed(b));
}
uint32_t divw(uint32_t a, uint32_t b) {
  if (b == 0) return ~uint32_t{0};
  if (low_signed(a) == INT32_MIN && low_signed(b) == -1) return a;
  return static_cast<uint32_t>(low_signed(a) / low_signed(b));
}
uint32_t remw(uint32_t a, uint32_t b) {
  if (b == 0) return a;
  if (low_signed(a) == INT32_MIN && low_signed(b) == -1) return 0;
  return static_cast<uint32_t>(low_signed(a) % low_signed(b));
}

template <class Word>
Word rotate_right(Word v, unsigned distance) {
  constexpr unsigned kBits = 8 * sizeof(Word);
  return static_cast<Word>(v >> (distance % kBits) | v << ((0 - distance) % kBits));
}
/// ORC.B: a byte becomes all ones unless it is zero.
uint64_t or_combine(uint64_t v) {
  constexpr uint64_t kLow = 0x7f7f7f7f7f7f7f7fu;
  const uint64_t top = (((v & kLow) + kLow) | v) & ~kLow;
  return (top << 1) - (top >> 7);
}

uint64_t sra(uint64_t a, unsigned distance) {
  return static_cast<uint64_t>(as_signed(a) >> distance);
}

/// Replaces what an AMO works on; returns what was there, sign-extended.
template <class Word, class Function>
uint64_t exchange(uint8_t* memory, Function&& function) {
  Word old;
  std::memcpy(&old, memory, sizeof old);
  const auto fresh = static_cast<Word>(function(old));
  std::memcpy(memory, &fresh, sizeof fresh);
  return static_cast<uint64_t>(static_cast<int64_t>(static_cast<std::make_signed_t<Word>>(old)));
}

Cause ecall(Privilege privilege) {
  return privilege == Privilege::machine      ? Cause::ecall_machine
         : privilege == Privilege::supervisor ? Cause::ecall_supervisor
                                              : Cause::ecall_user;
}

using Single = fp::Host<fp::Binary32>;
using Double = fp::Host<fp::Binary64>;

enum CsrFunction : unsigned { kWrite = 1, kSet = 2, kClear = 3, kImmediate = 4 };

}  // namespace

Interpreter::Interpreter(HartState& state, LocalTime& time, CsrFile& csr, Mmu& mmu, DataPort& data,
                         DecodeCache& code, FloatUnit& float_unit, const HartTiming& timing)
    : state_(state),
      time_(time),
      csr_(csr),
      mmu_(mmu),
      data_(data),
      code_(code),
      float_(float_unit),
      costs_(timing) {}

Interpreter::Exit Interpreter::run(int64_t budget) {
  const FloatUnit::Running running(float_);
  return execute(std::min(budget, Meter::kMost), false);
}

Interpreter::Exit Interpreter::step() {
  const FloatUnit::Running running(float_);
  return execute(1, true);
}

CsrFile::Effect Interpreter::csr_access(const Decoded& d, unsigned function) {
  const auto number = static_cast<unsigned>(d.imm);
  const uint64_t operand = (function & kImmediate) ? d.rs1 : state_.x[d.rs1];
  const unsigned kind = function & 3;
  uint64_t old = 0;
  if (!csr_.read(number, &old)) return CsrFile::Effect::illegal;
  CsrFile::Effect effect = CsrFile::Effect::none;
  if (kind == kWrite || d.rs1 != 0) {
    const uint64_t base = csr_.modifiable(number, old);
    effect = csr_.write(number, kind == kWrite ? operand : kind == kSet ? base | operand : base & ~operand);
    if (effect == CsrFile::Effect::illegal) return effect;
    apply(effect);
  }
  state_.x[d.rd] = old;
  return effect;
}

bool Interpreter::write_csr(unsigned number, uint64_t value) {
  const CsrFile::Effect effect = csr_.write(number, value);
  apply(effect);
  return effect != CsrFile::Effect::illegal;
}

/// Drops what a CSR's write makes untrue.
void Interpreter::apply(CsrFile::Effect effect) {
  switch (effect) {
    case CsrFile::Effect::illegal:
    case CsrFile::Effect::none:
    case CsrFile::Effect::interrupts:
      break;
    case CsrFile::Effect::translation:
      mmu_.forget();
      data_.invalidate_translations();
      code_.invalidate_translations();
      break;
    case CsrFile::Effect::protection:
      data_.invalidate();
      code_.invalidate_protection();
      break;
  }
}

/// SFENCE.VMA for all addresses or for one.
void Interpreter::fence_translations(const Decoded& d) {
  const uint64_t address = state_.x[d.rs1];
  if (d.rs1 == 0 || !mmu_.is_small_page(address)) {
    apply(CsrFile::Effect::translation);
  } else {
    data_.invalidate_translation(address);
    code_.invalidate_translation(address);
  }
}

#define RDU_LIKELY(condition) __builtin_expect(static_cast<bool>(condition), 1)

#define PC() (page + static_cast<uint64_t>(ip - entries) * 2)
#define RD x[ip->rd]
#define RS1 x[ip->rs1]
#define RS2 x[ip->rs2]
#define IMM static_cast<uint64_t>(static_cast<int64_t>(ip->imm))

#define DISPATCH() goto * ip->handler
#define COST(cost) meter.spend(cost)
/// The instruction has retired; kHalves is its length in half words.
#define RETIRE()    \
  do {              \
    meter.retire(); \
    ip += kHalves;  \
  } while (0)
#define NEXT()  \
  do {          \
    RETIRE();   \
    DISPATCH(); \
  } while (0)
/// Brings the hart's time and instruction count up to date.
#define COMMIT()                            \
  do {                                      \
    time_.add(meter.cycles());              \
    state_.retired += meter.instructions(); \
    meter.restart();                        \
  } while (0)
#define TRAP_CAUSE(cause_, value_) \
  do {                             \
    trap_ = {(cause_), (value_)};  \
    goto leave_trap;               \
  } while (0)
#define TRAP(cause_, value_) TRAP_CAUSE(Cause::cause_, value_)

/// A handler each for the 16-bit and the 32-bit encoding, or for the latter only.
#define SHORT(name, ...)       \
  L1_##name : {                \
    constexpr int kHalves = 1; \
    __VA_ARGS__;               \
    NEXT();                    \
  }
#define LONG(name, ...)        \
  L2_##name : {                \
    constexpr int kHalves = 2; \
    __VA_ARGS__;               \
    NEXT();                    \
  }
#define BOTH(name, ...) SHORT(name, __VA_ARGS__) LONG(name, __VA_ARGS__)

#define TAKE_FAR(target_) \
  do {                    \
    target = (target_);   \
    meter.retire();       \
    COST(costs_.taken);   \
    goto enter;           \
  } while (0)
/// Inside the page: imm counts entries.
#define TAKE_NEAR()                      \
  do {                                   \
    ip += ip->imm;                       \
    meter.retire();                      \
    COST(costs_.taken);                  \
    if (meter.over()) goto leave_budget; \
    DISPATCH();                          \
  } while (0)
#define BRANCH(name, condition)                   \
  LONG(name, if (condition) TAKE_FAR(PC() + IMM)) \
  LONG(near_##name, if (condition) TAKE_NEAR())
#define BRANCH_SHORT(name, condition)              \
  SHORT(name, if (condition) TAKE_FAR(PC() + IMM)) \
  SHORT(near_##name, if (condition) TAKE_NEAR())

/// `to` puts a value into a register.
#define LOAD_TO(to, type)                                                                   \
  const uint64_t address = RS1 + IMM;                                                       \
  const DataPort::Entry& entry = loads[DataPort::index(address)];                           \
  if (RDU_LIKELY(entry.page == DataPort::key(address, sizeof(type)))) {                     \
    type value;                                                                             \
    std::memcpy(&value, reinterpret_cast<const void*>(entry.bias + address), sizeof value); \
    to(value);                                                                              \
    COST(costs_.load);                                                                      \
    NEXT();                                                                                 \
  }                                                                                         \
  COMMIT();                                                                                 \
  uint64_t raw = 0;                                                                         \
  switch (data_.load(address, sizeof(type), &raw)) {                                        \
    case DataPort::Result::trap:                                                            \
      goto data_trap;                                                                       \
    case DataPort::Result::stopped:                                                         \
      goto leave_stop;                                                                      \
    case DataPort::Result::aborted:                                                         \
      goto leave_event;                                                                     \
    case DataPort::Result::bus:                                                             \
      to(static_cast<type>(raw));                                                           \
      RETIRE();                                                                             \
      goto leave_event;                                                                     \
    case DataPort::Result::ok:                                                              \
      break;                                                                                \
  }                                                                                         \
  to(static_cast<type>(raw));                                                               \
  COST(costs_.load)
#define TO_X(value) RD = static_cast<uint64_t>(static_cast<int64_t>(value))
#define LOAD(type) LOAD_TO(TO_X, type)

#define STORE_FROM(source, type)                                                      \
  const uint64_t address = RS1 + IMM;                                                 \
  const DataPort::Entry& entry = stores[DataPort::index(address)];                    \
  if (RDU_LIKELY(entry.page == DataPort::key(address, sizeof(type)))) {               \
    const auto value = static_cast<type>(source);                                     \
    std::memcpy(reinterpret_cast<void*>(entry.bias + address), &value, sizeof value); \
    NEXT();                                                                           \
  }                                                                                   \
  COMMIT();                                                                           \
  switch (data_.store(address, sizeof(type), source)) {                               \
    case DataPort::Result::trap:                                                      \
      goto data_trap;                                                                 \
    case DataPort::Result::stopped:                                                   \
      goto leave_stop;                                                                \
    case DataPort::Result::aborted:                                                   \
      goto leave_event;                                                               \
    case DataPort::Result::bus:                                                       \
      RETIRE();                                                                       \
      goto leave_event;                                                               \
    case DataPort::Result::ok:                                                        \
      break;                                                                          \
  }
#define STORE(type) STORE_FROM(RS2, type)

/// `memory` becomes the host's address of an atomic's operand.
#define LOCATE(word, access)                                          \
  uint8_t* memory = nullptr;                                          \
  switch (data_.atomic(RS1, sizeof(word), Access::access, &memory)) { \
    case DataPort::Result::ok:                                        \
      break;                                                          \
    case DataPort::Result::stopped:                                   \
      goto leave_stop;                                                \
    default:                                                          \
      goto data_trap;                                                 \
  }

#define LOAD_RESERVED(word)                                                                       \
  LOCATE(word, load)                                                                              \
  word value;                                                                                     \
  std::memcpy(&value, memory, sizeof value);                                                      \
  state_.reservation = {true, RS1, value, sizeof(word)};                                          \
  RD = static_cast<uint64_t>(static_cast<int64_t>(static_cast<std::make_signed_t<word>>(value))); \
  COST(costs_.atomic)

#define STORE_CONDITIONAL(word)                                                              \
  LOCATE(word, store)                                                                        \
  word value;                                                                                \
  std::memcpy(&value, memory, sizeof value);                                                 \
  const HartState::Reservation held = state_.reservation;                                    \
  const bool succeeds =                                                                      \
      held.valid && held.address == RS1 && held.size == sizeof(word) && held.value == value; \
  state_.reservation.valid = false;                                                          \
  value = static_cast<word>(RS2);                                                            \
  if (succeeds) std::memcpy(memory, &value, sizeof value);                                   \
  RD = succeeds ? 0 : 1;                                                                     \
  COST(costs_.atomic)

/// `expression` of `old` and `operand`, both of type `word`.
#define AMO(name, word, expression)                                         \
  LONG(name, {                                                              \
    LOCATE(word, store)                                                     \
    const auto operand = static_cast<word>(RS2);                            \
    RD = exchange<std::make_unsigned_t<word>>(memory, [operand](auto raw) { \
      [[maybe_unused]] const auto old = static_cast<word>(raw);             \
      return expression;                                                    \
    });                                                                     \
    COST(costs_.atomic);                                                    \
  })

#define CSR(name, function)                                   \
  LONG(name, {                                                \
    COMMIT();                                                 \
    const CsrFile::Effect effect = csr_access(*ip, function); \
    if (effect == CsrFile::Effect::illegal) goto refused;     \
    COST(costs_.csr);                                         \
    if (effect != CsrFile::Effect::none) {                    \
      RETIRE();                                               \
      goto leave_event;                                       \
    }                                                         \
  })

#if defined(__clang__)
__attribute__((noinline))
#else
__attribute__((noinline, noclone))
#endif
Interpreter::Exit
Interpreter::execute(int64_t budget, bool one) {
  // By Op: handlers of 16-bit and of 32-bit encodings.
  static const void* const kShortHandlers[] = {
#define RDU_X(name) &&L1_##name,
      RDU_MGMT_SHORT_OPERATIONS(RDU_X)
#undef RDU_X
  };
  static const void* const kLongHandlers[] = {
#define RDU_X(name) &&L2_##name,
      RDU_MGMT_SHORT_OPERATIONS(RDU_X) RDU_MGMT_LONG_OPERATIONS(RDU_X)
#undef RDU_X
  };
  if (!prepared_) {
    code_.set_handlers(&&decode_entry, &&page_end, &&leave_stop);
    prepared_ = true;
  }

  uint64_t* const x = state_.x;
  // The mode does not change in here: all that changes it leaves.
  const DataPort::Entry* const loads = data_.loads(state_.data_regime());
  const DataPort::Entry* const stores = data_.stores(state_.data_regime());
  const DecodeCache::Entry* const recent = code_.recent();

  Meter meter(budget);
  uint64_t page = 0;
  DecodedPage* fetched = nullptr;
  Decoded* entries = nullptr;
  Decoded* ip = nullptr;
  uint64_t target = state_.pc;
  if (one) {
    fetched = code_.single(target);
    goto arrive;
  }

enter:
  // Continues at `target`.
  if (meter.over()) {
    state_.pc = target;
    COMMIT();
    return Exit::budget;
  }
  fetched = code_.find(recent, target);
arrive:
  if (!fetched) {
    state_.pc = target;
    COMMIT();
    trap_ = code_.trap();
    return Exit::trap;
  }
  page = target & ~uint64_t{0xfff};
  entries = fetched->entries;
  ip = entries + (target & 0xfff) / 2;
  DISPATCH();

page_end:
  target = PC();
  // A short quantum must not end between LR and SC again and again.
  if (one || !state_.reservation.valid) goto enter;
  fetched = code_.find(recent, target);
  goto arrive;

crossing:
  // Its second half depends on which page comes next, so it is not kept with its first.
  target = PC();
  fetched = code_.single(target);
  goto arrive;

decode_entry : {
  const uint8_t* code = fetched->code + (ip - entries) * 2;
  uint16_t half = 0;
  std::memcpy(&half, code, sizeof half);
  uint32_t bits = half;
  if ((bits & 3) == 3) {
    if (ip - entries == DecodedPage::kEntries - 1 && !fetched->single) {
      ip->handler = &&crossing;
      DISPATCH();
    }
    std::memcpy(&half, code + 2, sizeof half);
    bits |= uint32_t{half} << 16;
  }
  const Instruction i = decode(bits);
  const bool is_short = i.length == 2;
  const bool sinks = i.rd == 0 && !writes_float(i.op);
  Decoded fresh{nullptr, i.imm, sinks ? uint8_t{HartState::kSink} : i.rd, i.rs1, i.rs2, i.rs3};
  fresh.handler =
      is_short ? kShortHandlers[static_cast<unsigned>(i.op)] : kLongHandlers[static_cast<unsigned>(i.op)];
  // Jumps inside the page need no look-up of their target's page.
  const int64_t destination = (ip - entries) + i.imm / 2;
  if (destination >= 0 && destination < DecodedPage::kEntries && !fetched->single) {
    const void* near = nullptr;
    switch (i.op) {
      case Op::beq:
        near = is_short ? &&L1_near_beq : &&L2_near_beq;
        break;
      case Op::bne:
        near = is_short ? &&L1_near_bne : &&L2_near_bne;
        break;
      case Op::blt:
        near = &&L2_near_blt;
        break;
      case Op::bge:
        near = &&L2_near_bge;
        break;
      case Op::bltu:
        near = &&L2_near_bltu;
        break;
      case Op::bgeu:
        near = &&L2_near_bgeu;
        break;
      case Op::jal:
        near = is_short ? &&L1_near_jal : &&L2_near_jal;
        if (i.imm == 0) near = is_short ? &&L1_endless : &&L2_endless;
        break;
      default:
        break;
    }
    if (near) {
      fresh.handler = near;
      fresh.imm = i.imm / 2;
    }
  }
  *ip = fresh;
  DISPATCH();
}

  // ---- integer
  BOTH(lui, RD = IMM)
  LONG(auipc, RD = PC() + IMM)
  BOTH(addi, RD = RS1 + IMM)
  LONG(slti, RD = as_signed(RS1) < ip->imm ? 1 : 0)
  LONG(sltiu, RD = RS1 < IMM ? 1 : 0)
  LONG(xori, RD = RS1 ^ IMM)
  LONG(ori, RD = RS1 | IMM)
  BOTH(andi, RD = RS1 & IMM)
  BOTH(slli, RD = RS1 << ip->imm)
  BOTH(srli, RD = RS1 >> ip->imm)
  BOTH(srai, RD = sra(RS1, static_cast<unsigned>(ip->imm)))
  BOTH(addiw, RD = sext(low(RS1 + IMM)))
  LONG(slliw, RD = sext(low(RS1) << ip->imm))
  LONG(srliw, RD = sext(low(RS1) >> ip->imm))
  LONG(sraiw, RD = sext(static_cast<uint32_t>(low_signed(RS1) >> ip->imm)))
  BOTH(add, RD = RS1 + RS2)
  BOTH(sub, RD = RS1 - RS2)
  LONG(sll, RD = RS1 << (RS2 & 63))
  LONG(slt, RD = as_signed(RS1) < as_signed(RS2) ? 1 : 0)
  LONG(sltu, RD = RS1 < RS2 ? 1 : 0)
  BOTH(xor_, RD = RS1 ^ RS2)
  LONG(srl, RD = RS1 >> (RS2 & 63))
  LONG(sra, RD = sra(RS1, RS2 & 63))
  BOTH(or_, RD = RS1 | RS2)
  BOTH(and_, RD = RS1 & RS2)
  BOTH(addw, RD = sext(low(RS1 + RS2)))
  BOTH(subw, RD = sext(low(RS1 - RS2)))
  LONG(sllw, RD = sext(low(RS1) << (RS2 & 31)))
  LONG(srlw, RD = sext(low(RS1) >> (RS2 & 31)))
  LONG(sraw, RD = sext(static_cast<uint32_t>(low_signed(RS1) >> (RS2 & 31))))

  // ---- multiplication and division
  LONG(mul, RD = RS1 * RS2; COST(costs_.multiply))
  LONG(mulh, RD = mulh(RS1, RS2); COST(costs_.multiply))
  LONG(mulhsu, RD = mulhsu(RS1, RS2); COST(costs_.multiply))
  LONG(mulhu, RD = mulhu(RS1, RS2); COST(costs_.multiply))
  LONG(mulw, RD = sext(low(RS1) * low(RS2)); COST(costs_.multiply))
  LONG(div, RD = div(RS1, RS2); COST(costs_.divide))
  LONG(divu, RD = RS2 == 0 ? ~uint64_t{0} : RS1 / RS2; COST(costs_.divide))
  LONG(rem, RD = rem(RS1, RS2); COST(costs_.divide))
  LONG(remu, RD = RS2 == 0 ? RS1 : RS1 % RS2; COST(costs_.divide))
  LONG(divw, RD = sext(divw(low(RS1), low(RS2))); COST(costs_.divide))
  LONG(divuw, RD = low(RS2) == 0 ? ~uint64_t{0} : sext(low(RS1) / low(RS2)); COST(costs_.divide))
  LONG(remw, RD = sext(remw(low(RS1), low(RS2))); COST(costs_.divide))
  LONG(remuw, RD = sext(low(RS2) == 0 ? low(RS1) : low(RS1) % low(RS2)); COST(costs_.divide))

  // ---- jumps and branches
  BOTH(jal, target = PC(); RD = target + 2 * kHalves; TAKE_FAR(target + IMM))
  BOTH(near_jal, RD = PC() + 2 * kHalves; TAKE_NEAR())
  BOTH(jalr, target = (RS1 + IMM) & ~uint64_t{1}; RD = PC() + 2 * kHalves; TAKE_FAR(target))
  // A jump to itself waits for an interrupt: all turns that fit the budget at once.
  BOTH(endless, RD = PC() + 2 * kHalves; meter.exhaust(costs_.taken); goto leave_budget)
  BRANCH(beq, RS1 == RS2)
  BRANCH(bne, RS1 != RS2)
  BRANCH_SHORT(beq, RS1 == 0)
  BRANCH_SHORT(bne, RS1 != 0)
  BRANCH(blt, as_signed(RS1) < as_signed(RS2))
  BRANCH(bge, as_signed(RS1) >= as_signed(RS2))
  BRANCH(bltu, RS1 < RS2)
  BRANCH(bgeu, RS1 >= RS2)

  // ---- loads and stores
  LONG(lb, LOAD(int8_t))
  LONG(lh, LOAD(int16_t))
  BOTH(lw, LOAD(int32_t))
  BOTH(ld, LOAD(int64_t))
  LONG(lbu, LOAD(uint8_t))
  LONG(lhu, LOAD(uint16_t))
  LONG(lwu, LOAD(uint32_t))
  LONG(sb, STORE(uint8_t))
  LONG(sh, STORE(uint16_t))
  BOTH(sw, STORE(uint32_t))
  BOTH(sd, STORE(uint64_t))

#include "mgmt/handlers_bits.inc"
#include "mgmt/handlers_float.inc"

  // ---- atomics
  LONG(lr_w, LOAD_RESERVED(uint32_t))
  LONG(lr_d, LOAD_RESERVED(uint64_t))
  LONG(sc_w, STORE_CONDITIONAL(uint32_t))
  LONG(sc_d, STORE_CONDITIONAL(uint64_t))
  AMO(amoswap_w, uint32_t, operand)
  AMO(amoadd_w, uint32_t, old + operand)
  AMO(amoxor_w, uint32_t, old ^ operand)
  AMO(amoand_w, uint32_t, old & operand)
  AMO(amoor_w, uint32_t, old | operand)
  AMO(amomin_w, int32_t, old < operand ? old : operand)
  AMO(amomax_w, int32_t, old > operand ? old : operand)
  AMO(amominu_w, uint32_t, old < operand ? old : operand)
  AMO(amomaxu_w, uint32_t, old > operand ? old : operand)
  AMO(amoswap_d, uint64_t, operand)
  AMO(amoadd_d, uint64_t, old + operand)
  AMO(amoxor_d, uint64_t, old ^ operand)
  AMO(amoand_d, uint64_t, old & operand)
  AMO(amoor_d, uint64_t, old | operand)
  AMO(amomin_d, int64_t, old < operand ? old : operand)
  AMO(amomax_d, int64_t, old > operand ? old : operand)
  AMO(amominu_d, uint64_t, old < operand ? old : operand)
  AMO(amomaxu_d, uint64_t, old > operand ? old : operand)

  // ---- system
  LONG(fence, COST(costs_.csr))
  LONG(fence_i, {
    COST(costs_.csr);
    RETIRE();
    code_.revalidate();
    goto leave_event;
  })
  LONG(sfence_vma, {
    if (!csr_.may_fence()) goto refused;
    COST(costs_.csr);
    fence_translations(*ip);
    RETIRE();
    goto leave_event;
  })
  LONG(ecall, TRAP_CAUSE(ecall(state_.privilege), 0))
  BOTH(ebreak, TRAP(breakpoint, PC()))
  LONG(mret, {
    if (!csr_.leave_machine(&target)) goto refused;
    goto leave_return;
  })
  LONG(sret, {
    if (!csr_.leave_supervisor(&target)) goto refused;
    goto leave_return;
  })
  LONG(wfi, {
    if (!csr_.may_wait()) goto refused;
    COST(costs_.csr);
    RETIRE();
    state_.pc = PC();
    COMMIT();
    return Exit::wfi;
  })
  CSR(csrrw, kWrite)
  CSR(csrrs, kSet)
  CSR(csrrc, kClear)
  CSR(csrrwi, kWrite | kImmediate)
  CSR(csrrsi, kSet | kImmediate)
  CSR(csrrci, kClear | kImmediate)
  BOTH(illegal, TRAP(illegal, low(IMM)))

refused : {
  // An instruction that is illegal here and now; mtval holds it.
  uint32_t bits = 0;
  std::memcpy(&bits, fetched->code + (ip - entries) * 2, sizeof bits);
  TRAP(illegal, bits);
}

data_trap:
  trap_ = data_.trap();
leave_trap:
  state_.pc = PC();
  COMMIT();
  return Exit::trap;

leave_event:
  state_.pc = PC();
  COMMIT();
  return Exit::event;

leave_return:
  COST(costs_.csr);
  meter.retire();
  state_.pc = target;
  COMMIT();
  return Exit::event;

leave_stop:
  state_.pc = PC();
  COMMIT();
  return Exit::stop;

leave_budget:
  state_.pc = PC();
  COMMIT();
  return Exit::budget;
}

}  // namespace rdu::mgmt
