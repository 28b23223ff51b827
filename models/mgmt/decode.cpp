#include "mgmt/decode.h"

#include <algorithm>

namespace rdu::mgmt {

std::string to_string(Op op) {
  static constexpr const char* kNames[] = {
#define RDU_X(name) #name,
      RDU_MGMT_SHORT_OPERATIONS(RDU_X) RDU_MGMT_LONG_OPERATIONS(RDU_X)
#undef RDU_X
  };
  std::string name = kNames[static_cast<unsigned>(op)];
  if (name.back() == '_') name.pop_back();
  std::replace(name.begin(), name.end(), '_', '.');
  return name;
}

namespace {

/// Fields of an encoding.
class Bits {
 public:
  explicit Bits(uint32_t word) : word_(word) {}

  uint32_t operator()(unsigned high, unsigned low) const {
    return (word_ >> low) & ((high - low == 31) ? ~0u : (1u << (high - low + 1)) - 1);
  }
  uint32_t word() const { return word_; }
  uint8_t rd() const { return static_cast<uint8_t>((*this)(11, 7)); }
  uint8_t rs1() const { return static_cast<uint8_t>((*this)(19, 15)); }
  uint8_t rs2() const { return static_cast<uint8_t>((*this)(24, 20)); }
  uint32_t funct3() const { return (*this)(14, 12); }
  uint32_t funct7() const { return (*this)(31, 25); }

  /// A `width`-bit number with its sign.
  static int32_t sign_extend(uint32_t value, unsigned width) {
    const uint32_t sign = 1u << (width - 1);
    return static_cast<int32_t>((value ^ sign) - sign);
  }
  int32_t i_imm() const { return sign_extend((*this)(31, 20), 12); }
  int32_t s_imm() const { return sign_extend((*this)(31, 25) << 5 | (*this)(11, 7), 12); }
  int32_t b_imm() const {
    return sign_extend(
        (*this)(31, 31) << 12 | (*this)(7, 7) << 11 | (*this)(30, 25) << 5 | (*this)(11, 8) << 1, 13);
  }
  int32_t u_imm() const { return static_cast<int32_t>(word_ & 0xfffff000u); }
  int32_t j_imm() const {
    return sign_extend(
        (*this)(31, 31) << 20 | (*this)(19, 12) << 12 | (*this)(20, 20) << 11 | (*this)(30, 21) << 1, 21);
  }

 private:
  uint32_t word_;
};

constexpr unsigned kRa = 1, kSp = 2;

// ---- 16-bit encodings

class Compressed {
 public:
  explicit Compressed(uint32_t bits) : b_(bits & 0xffff) {}

  Instruction decode() const {
    switch (b_(1, 0)) {
      case 0:
        return quadrant0();
      case 1:
        return quadrant1();
      default:
        return quadrant2();
    }
  }

 private:
  static Instruction make(Op op, unsigned rd, unsigned rs1, unsigned rs2, int32_t imm) {
    return {op, 2, static_cast<uint8_t>(rd), static_cast<uint8_t>(rs1), static_cast<uint8_t>(rs2), 0, imm};
  }
  Instruction illegal() const { return make(Op::illegal, 0, 0, 0, static_cast<int32_t>(b_.word())); }

  unsigned full() const { return b_(11, 7); }        ///< rd or rs1, any register
  unsigned full_rs2() const { return b_(6, 2); }     ///< any register
  unsigned low() const { return 8 + b_(4, 2); }      ///< rd' or rs2', x8 to x15
  unsigned low_rs1() const { return 8 + b_(9, 7); }  ///< rs1' or rd'
  int32_t imm6() const { return Bits::sign_extend(b_(12, 12) << 5 | b_(6, 2), 6); }
  int32_t shift() const { return static_cast<int32_t>(b_(12, 12) << 5 | b_(6, 2)); }
  int32_t word_offset() const {
    return static_cast<int32_t>(b_(5, 5) << 6 | b_(12, 10) << 3 | b_(6, 6) << 2);
  }
  int32_t double_offset() const { return static_cast<int32_t>(b_(6, 5) << 6 | b_(12, 10) << 3); }

  Instruction quadrant0() const {
    switch (b_(15, 13)) {
      case 0: {
        const auto imm =
            static_cast<int32_t>(b_(10, 7) << 6 | b_(12, 11) << 4 | b_(5, 5) << 3 | b_(6, 6) << 2);
        return imm == 0 ? illegal() : make(Op::addi, low(), kSp, 0, imm);
      }
      case 1:
        return make(Op::fld, low(), low_rs1(), 0, double_offset());
      case 2:
        return make(Op::lw, low(), low_rs1(), 0, word_offset());
      case 3:
        return make(Op::ld, low(), low_rs1(), 0, double_offset());
      case 5:
        return make(Op::fsd, 0, low_rs1(), low(), double_offset());
      case 6:
        return make(Op::sw, 0, low_rs1(), low(), word_offset());
      case 7:
        return make(Op::sd, 0, low_rs1(), low(), double_offset());
      default:
        return illegal();
    }
  }

  Instruction quadrant1() const {
    switch (b_(15, 13)) {
      case 0:
        return make(Op::addi, full(), full(), 0, imm6());
      case 1:
        return full() == 0 ? illegal() : make(Op::addiw, full(), full(), 0, imm6());
      case 2:
        return make(Op::addi, full(), 0, 0, imm6());
      case 3:
        return lui_or_addi16sp();
      case 4:
        return arithmetic();
      case 5:
        return make(Op::jal, 0, 0, 0, jump_offset());
      case 6:
        return make(Op::beq, 0, low_rs1(), 0, branch_offset());
      default:
        return make(Op::bne, 0, low_rs1(), 0, branch_offset());
    }
  }

  Instruction lui_or_addi16sp() const {
    if (full() != kSp) {
      const int32_t upper = Bits::sign_extend(b_(12, 12) << 17 | b_(6, 2) << 12, 18);
      return upper == 0 ? illegal() : make(Op::lui, full(), 0, 0, upper);
    }
    const int32_t imm = Bits::sign_extend(
        b_(12, 12) << 9 | b_(4, 3) << 7 | b_(5, 5) << 6 | b_(2, 2) << 5 | b_(6, 6) << 4, 10);
    return imm == 0 ? illegal() : make(Op::addi, kSp, kSp, 0, imm);
  }

  Instruction arithmetic() const {
    const unsigned r = low_rs1();
    switch (b_(11, 10)) {
      case 0:
        return make(Op::srli, r, r, 0, shift());
      case 1:
        return make(Op::srai, r, r, 0, shift());
      case 2:
        return make(Op::andi, r, r, 0, imm6());
      default:
        break;
    }
    static constexpr Op kOps[8] = {Op::sub,  Op::xor_, Op::or_,     Op::and_,
                                   Op::subw, Op::addw, Op::illegal, Op::illegal};
    const Op op = kOps[b_(12, 12) << 2 | b_(6, 5)];
    return op == Op::illegal ? illegal() : make(op, r, r, low(), 0);
  }

  int32_t jump_offset() const {
    return Bits::sign_extend(b_(12, 12) << 11 | b_(8, 8) << 10 | b_(10, 9) << 8 | b_(6, 6) << 7 |
                                 b_(7, 7) << 6 | b_(2, 2) << 5 | b_(11, 11) << 4 | b_(5, 3) << 1,
                             12);
  }
  int32_t branch_offset() const {
    return Bits::sign_extend(
        b_(12, 12) << 8 | b_(6, 5) << 6 | b_(2, 2) << 5 | b_(11, 10) << 3 | b_(4, 3) << 1, 9);
  }

  int32_t word_load_offset() const {
    return static_cast<int32_t>(b_(3, 2) << 6 | b_(12, 12) << 5 | b_(6, 4) << 2);
  }
  int32_t double_load_offset() const {
    return static_cast<int32_t>(b_(4, 2) << 6 | b_(12, 12) << 5 | b_(6, 5) << 3);
  }
  int32_t word_store_offset() const { return static_cast<int32_t>(b_(8, 7) << 6 | b_(12, 9) << 2); }
  int32_t double_store_offset() const { return static_cast<int32_t>(b_(9, 7) << 6 | b_(12, 10) << 3); }

  Instruction quadrant2() const {
    switch (b_(15, 13)) {
      case 0:
        return make(Op::slli, full(), full(), 0, shift());
      case 1:
        return make(Op::fld, full(), kSp, 0, double_load_offset());
      case 2:
        return full() == 0 ? illegal() : make(Op::lw, full(), kSp, 0, word_load_offset());
      case 3:
        return full() == 0 ? illegal() : make(Op::ld, full(), kSp, 0, double_load_offset());
      case 4:
        return jump_move_add();
      case 5:
        return make(Op::fsd, 0, kSp, full_rs2(), double_store_offset());
      case 6:
        return make(Op::sw, 0, kSp, full_rs2(), word_store_offset());
      default:
        return make(Op::sd, 0, kSp, full_rs2(), double_store_offset());
    }
  }

  Instruction jump_move_add() const {
    const bool second = b_(12, 12) != 0;
    if (full_rs2() != 0) return make(Op::add, full(), second ? full() : 0, full_rs2(), 0);
    if (full() == 0) return second ? make(Op::ebreak, 0, 0, 0, 0) : illegal();
    return make(Op::jalr, second ? kRa : 0, full(), 0, 0);
  }

  Bits b_;
};

// ---- 32-bit encodings

Op load_op(uint32_t funct3) {
  static constexpr Op kOps[8] = {Op::lb, Op::lh, Op::lw, Op::ld, Op::lbu, Op::lhu, Op::lwu, Op::illegal};
  return kOps[funct3];
}

Op store_op(uint32_t funct3) {
  static constexpr Op kOps[8] = {Op::sb,      Op::sh,      Op::sw,      Op::sd,
                                 Op::illegal, Op::illegal, Op::illegal, Op::illegal};
  return kOps[funct3];
}

Op branch_op(uint32_t funct3) {
  static constexpr Op kOps[8] = {Op::beq, Op::bne, Op::illegal, Op::illegal,
                                 Op::blt, Op::bge, Op::bltu,    Op::bgeu};
  return kOps[funct3];
}

/// A row of a table: by funct3.
using Row = Op[8];
constexpr Op kNone = Op::illegal;

Op register_op(uint32_t funct7, uint32_t funct3) {
  static constexpr Row kBase = {Op::add, Op::sll, Op::slt, Op::sltu, Op::xor_, Op::srl, Op::or_, Op::and_};
  static constexpr Row kInverted = {Op::sub, kNone, kNone, kNone, Op::xnor, Op::sra, Op::orn, Op::andn};
  static constexpr Row kMultiply = {Op::mul, Op::mulh, Op::mulhsu, Op::mulhu,
                                    Op::div, Op::divu, Op::rem,    Op::remu};
  static constexpr Row kExtreme = {kNone, kNone, kNone, kNone, Op::min, Op::minu, Op::max, Op::maxu};
  static constexpr Row kShiftAdd = {kNone, kNone, Op::sh1add, kNone, Op::sh2add, kNone, Op::sh3add, kNone};
  static constexpr Row kSetBit = {kNone, Op::bset, kNone, kNone, kNone, kNone, kNone, kNone};
  static constexpr Row kClearBit = {kNone, Op::bclr, kNone, kNone, kNone, Op::bext, kNone, kNone};
  static constexpr Row kRotate = {kNone, Op::rol, kNone, kNone, kNone, Op::ror, kNone, kNone};
  static constexpr Row kInvertBit = {kNone, Op::binv, kNone, kNone, kNone, kNone, kNone, kNone};
  switch (funct7) {
    case 0x00:
      return kBase[funct3];
    case 0x01:
      return kMultiply[funct3];
    case 0x05:
      return kExtreme[funct3];
    case 0x10:
      return kShiftAdd[funct3];
    case 0x14:
      return kSetBit[funct3];
    case 0x20:
      return kInverted[funct3];
    case 0x24:
      return kClearBit[funct3];
    case 0x30:
      return kRotate[funct3];
    case 0x34:
      return kInvertBit[funct3];
    default:
      return kNone;
  }
}

Op register_word_op(Bits b) {
  static constexpr Row kBase = {Op::addw, Op::sllw, kNone, kNone, kNone, Op::srlw, kNone, kNone};
  static constexpr Row kInverted = {Op::subw, kNone, kNone, kNone, kNone, Op::sraw, kNone, kNone};
  static constexpr Row kMultiply = {Op::mulw, kNone, kNone, kNone, Op::divw, Op::divuw, Op::remw, Op::remuw};
  static constexpr Row kShiftAdd = {kNone,         kNone, Op::sh1add_uw, kNone,
                                    Op::sh2add_uw, kNone, Op::sh3add_uw, kNone};
  static constexpr Row kRotate = {kNone, Op::rolw, kNone, kNone, kNone, Op::rorw, kNone, kNone};
  switch (b.funct7()) {
    case 0x00:
      return kBase[b.funct3()];
    case 0x01:
      return kMultiply[b.funct3()];
    case 0x04:
      if (b.funct3() == 0) return Op::add_uw;
      return b.funct3() == 4 && b.rs2() == 0 ? Op::zext_h : kNone;
    case 0x10:
      return kShiftAdd[b.funct3()];
    case 0x20:
      return kInverted[b.funct3()];
    case 0x30:
      return kRotate[b.funct3()];
    default:
      return kNone;
  }
}

Op atomic_op(Bits b) {
  const bool wide = b.funct3() == 3;
  if (b.funct3() != 2 && !wide) return Op::illegal;
  switch (b(31, 27)) {
    case 0x02:
      return b.rs2() != 0 ? Op::illegal : wide ? Op::lr_d : Op::lr_w;
    case 0x03:
      return wide ? Op::sc_d : Op::sc_w;
    case 0x01:
      return wide ? Op::amoswap_d : Op::amoswap_w;
    case 0x00:
      return wide ? Op::amoadd_d : Op::amoadd_w;
    case 0x04:
      return wide ? Op::amoxor_d : Op::amoxor_w;
    case 0x0c:
      return wide ? Op::amoand_d : Op::amoand_w;
    case 0x08:
      return wide ? Op::amoor_d : Op::amoor_w;
    case 0x10:
      return wide ? Op::amomin_d : Op::amomin_w;
    case 0x14:
      return wide ? Op::amomax_d : Op::amomax_w;
    case 0x18:
      return wide ? Op::amominu_d : Op::amominu_w;
    case 0x1c:
      return wide ? Op::amomaxu_d : Op::amomaxu_w;
    default:
      return Op::illegal;
  }
}

Op system_op(uint32_t word) {
  switch (word) {
    case 0x00000073:
      return Op::ecall;
    case 0x00100073:
      return Op::ebreak;
    case 0x30200073:
      return Op::mret;
    case 0x10200073:
      return Op::sret;
    case 0x10500073:
      return Op::wfi;
    default:
      return Op::illegal;
  }
}

/// Operations with one source, which have the whole immediate as their code.
Op unary_op(uint32_t funct3, uint32_t code) {
  if (funct3 == 5) return code == 0x287 ? Op::orc_b : code == 0x6b8 ? Op::rev8 : kNone;
  switch (code) {
    case 0x600:
      return Op::clz;
    case 0x601:
      return Op::ctz;
    case 0x602:
      return Op::cpop;
    case 0x604:
      return Op::sext_b;
    case 0x605:
      return Op::sext_h;
    default:
      return kNone;
  }
}

Op unary_word_op(uint32_t funct3, uint32_t code) {
  static constexpr Op kOps[3] = {Op::clzw, Op::ctzw, Op::cpopw};
  return funct3 == 1 && code >= 0x600 && code <= 0x602 ? kOps[code - 0x600] : kNone;
}

/// Shifts and single bits, with a distance of six bits.
Op shift_op(uint32_t funct3, uint32_t funct6) {
  switch (funct6) {
    case 0x00:
      return funct3 == 1 ? Op::slli : Op::srli;
    case 0x0a:
      return funct3 == 1 ? Op::bseti : kNone;
    case 0x10:
      return funct3 == 5 ? Op::srai : kNone;
    case 0x12:
      return funct3 == 1 ? Op::bclri : Op::bexti;
    case 0x18:
      return funct3 == 5 ? Op::rori : kNone;
    case 0x1a:
      return funct3 == 1 ? Op::binvi : kNone;
    default:
      return kNone;
  }
}

Instruction immediate(Bits b) {
  static constexpr Row kOps = {Op::addi, kNone, Op::slti, Op::sltiu, Op::xori, kNone, Op::ori, Op::andi};
  if (b.funct3() != 1 && b.funct3() != 5) return {kOps[b.funct3()], 4, b.rd(), b.rs1(), 0, 0, b.i_imm()};
  if (const Op op = unary_op(b.funct3(), b(31, 20)); op != kNone) return {op, 4, b.rd(), b.rs1(), 0, 0, 0};
  return {shift_op(b.funct3(), b(31, 26)), 4, b.rd(), b.rs1(), 0, 0, static_cast<int32_t>(b(25, 20))};
}

Instruction immediate_word(Bits b) {
  if (b.funct3() == 0) return {Op::addiw, 4, b.rd(), b.rs1(), 0, 0, b.i_imm()};
  if (const Op op = unary_word_op(b.funct3(), b(31, 20)); op != kNone)
    return {op, 4, b.rd(), b.rs1(), 0, 0, 0};
  if (b.funct3() == 1 && b(31, 26) == 0x02) {
    return {Op::slli_uw, 4, b.rd(), b.rs1(), 0, 0, static_cast<int32_t>(b(25, 20))};
  }
  Op op = kNone;
  if (b.funct3() == 1 && b.funct7() == 0x00) op = Op::slliw;
  if (b.funct3() == 5 && b.funct7() == 0x00) op = Op::srliw;
  if (b.funct3() == 5 && b.funct7() == 0x20) op = Op::sraiw;
  if (b.funct3() == 5 && b.funct7() == 0x30) op = Op::roriw;
  return {op, 4, b.rd(), b.rs1(), 0, 0, static_cast<int32_t>(b.rs2())};
}

// ---- floating point

/// Where the formats differ in their last bit only.
Op by_format(Bits b, Op single, Op with_double) {
  return b(25, 25) ? with_double : single;
}

/// Operations that round, and so have a rounding mode where others have funct3. Conversions name the
/// integer's type in rs2.
Op rounding_op(Bits b) {
  static constexpr Op kFromSingle[4] = {Op::fcvt_w_s, Op::fcvt_wu_s, Op::fcvt_l_s, Op::fcvt_lu_s};
  static constexpr Op kFromDouble[4] = {Op::fcvt_w_d, Op::fcvt_wu_d, Op::fcvt_l_d, Op::fcvt_lu_d};
  static constexpr Op kToSingle[4] = {Op::fcvt_s_w, Op::fcvt_s_wu, Op::fcvt_s_l, Op::fcvt_s_lu};
  static constexpr Op kToDouble[4] = {Op::fcvt_d_w, Op::fcvt_d_wu, Op::fcvt_d_l, Op::fcvt_d_lu};
  const unsigned type = b.rs2();
  switch (b.funct7() & ~1u) {
    case 0x00:
      return by_format(b, Op::fadd_s, Op::fadd_d);
    case 0x04:
      return by_format(b, Op::fsub_s, Op::fsub_d);
    case 0x08:
      return by_format(b, Op::fmul_s, Op::fmul_d);
    case 0x0c:
      return by_format(b, Op::fdiv_s, Op::fdiv_d);
    case 0x2c:
      return type == 0 ? by_format(b, Op::fsqrt_s, Op::fsqrt_d) : kNone;
    case 0x20:
      if (b.funct7() == 0x20) return type == 1 ? Op::fcvt_s_d : kNone;
      return type == 0 ? Op::fcvt_d_s : kNone;
    case 0x60:
      return type < 4 ? by_format(b, kFromSingle[type], kFromDouble[type]) : kNone;
    case 0x68:
      return type < 4 ? by_format(b, kToSingle[type], kToDouble[type]) : kNone;
    default:
      return kNone;
  }
}

Op exact_op(Bits b) {
  const bool unary = b.rs2() == 0;
  switch ((b.funct7() & ~1u) << 4 | b.funct3()) {
    case 0x100:
      return by_format(b, Op::fsgnj_s, Op::fsgnj_d);
    case 0x101:
      return by_format(b, Op::fsgnjn_s, Op::fsgnjn_d);
    case 0x102:
      return by_format(b, Op::fsgnjx_s, Op::fsgnjx_d);
    case 0x140:
      return by_format(b, Op::fmin_s, Op::fmin_d);
    case 0x141:
      return by_format(b, Op::fmax_s, Op::fmax_d);
    case 0x500:
      return by_format(b, Op::fle_s, Op::fle_d);
    case 0x501:
      return by_format(b, Op::flt_s, Op::flt_d);
    case 0x502:
      return by_format(b, Op::feq_s, Op::feq_d);
    case 0x700:
      return unary ? by_format(b, Op::fmv_x_w, Op::fmv_x_d) : kNone;
    case 0x701:
      return unary ? by_format(b, Op::fclass_s, Op::fclass_d) : kNone;
    case 0x780:
      return unary ? by_format(b, Op::fmv_w_x, Op::fmv_d_x) : kNone;
    default:
      return kNone;
  }
}

/// Modes 5 and 6 are reserved, 7 stands for the one in frm.
bool is_rounding_mode(uint32_t rm) {
  return rm <= 4 || rm == 7;
}

Instruction floating_point(Bits b) {
  const auto rm = static_cast<int32_t>(b.funct3());
  Op op = rounding_op(b);
  if (op == kNone) return {exact_op(b), 4, b.rd(), b.rs1(), b.rs2(), 0, 0};
  if (!is_rounding_mode(b.funct3())) op = kNone;
  return {op, 4, b.rd(), b.rs1(), b.rs2(), 0, rm};
}

Instruction fused(Bits b, Op single, Op with_double) {
  const bool known = b(26, 26) == 0 && is_rounding_mode(b.funct3());
  return {known ? by_format(b, single, with_double) : kNone,
          4,
          b.rd(),
          b.rs1(),
          b.rs2(),
          static_cast<uint8_t>(b(31, 27)),
          static_cast<int32_t>(b.funct3())};
}

Instruction system(Bits b) {
  static constexpr Op kCsr[8] = {Op::illegal, Op::csrrw,  Op::csrrs,  Op::csrrc,
                                 Op::illegal, Op::csrrwi, Op::csrrsi, Op::csrrci};
  if (b.funct3() == 0 && b.funct7() == 0x09 && b.rd() == 0) {
    return {Op::sfence_vma, 4, 0, b.rs1(), b.rs2(), 0, 0};
  }
  if (b.funct3() == 0) return {system_op(b.word())};
  return {kCsr[b.funct3()], 4, b.rd(), b.rs1(), 0, 0, static_cast<int32_t>(b(31, 20))};
}

Instruction decode32(Bits b) {
  switch (b(6, 0)) {
    case 0x37:
      return {Op::lui, 4, b.rd(), 0, 0, 0, b.u_imm()};
    case 0x17:
      return {Op::auipc, 4, b.rd(), 0, 0, 0, b.u_imm()};
    case 0x6f:
      return {Op::jal, 4, b.rd(), 0, 0, 0, b.j_imm()};
    case 0x67:
      return {b.funct3() == 0 ? Op::jalr : Op::illegal, 4, b.rd(), b.rs1(), 0, 0, b.i_imm()};
    case 0x63:
      return {branch_op(b.funct3()), 4, 0, b.rs1(), b.rs2(), 0, b.b_imm()};
    case 0x03:
      return {load_op(b.funct3()), 4, b.rd(), b.rs1(), 0, 0, b.i_imm()};
    case 0x23:
      return {store_op(b.funct3()), 4, 0, b.rs1(), b.rs2(), 0, b.s_imm()};
    case 0x13:
      return immediate(b);
    case 0x1b:
      return immediate_word(b);
    case 0x33:
      return {register_op(b.funct7(), b.funct3()), 4, b.rd(), b.rs1(), b.rs2(), 0, 0};
    case 0x3b:
      return {register_word_op(b), 4, b.rd(), b.rs1(), b.rs2(), 0, 0};
    case 0x2f:
      return {atomic_op(b), 4, b.rd(), b.rs1(), b.rs2(), 0, 0};
    case 0x07:
      return {
          b.funct3() == 2 ? Op::flw : b.funct3() == 3 ? Op::fld : kNone, 4, b.rd(), b.rs1(), 0, 0, b.i_imm()};
    case 0x27:
      return {b.funct3() == 2 ? Op::fsw : b.funct3() == 3 ? Op::fsd : kNone,
              4,
              0,
              b.rs1(),
              b.rs2(),
              0,
              b.s_imm()};
    case 0x43:
      return fused(b, Op::fmadd_s, Op::fmadd_d);
    case 0x47:
      return fused(b, Op::fmsub_s, Op::fmsub_d);
    case 0x4b:
      return fused(b, Op::fnmsub_s, Op::fnmsub_d);
    case 0x4f:
      return fused(b, Op::fnmadd_s, Op::fnmadd_d);
    case 0x53:
      return floating_point(b);
    case 0x73:
      return system(b);
    case 0x0f:
      // Whatever a FENCE orders, the model keeps everything in order; its other fields are hints.
      if (b.funct3() == 0) return {Op::fence};
      if (b.funct3() == 1) return {Op::fence_i};
      return {};
    default:
      return {};
  }
}

}  // namespace

bool writes_float(Op op) {
  switch (op) {
#define RDU_X(name) case Op::name:
    RDU_MGMT_TO_FLOAT_OPERATIONS(RDU_X)
#undef RDU_X
    case Op::fld:
      return true;
    default:
      return false;
  }
}

Instruction decode(uint32_t bits) {
  if ((bits & 3) != 3) return Compressed(bits).decode();
  Instruction i = decode32(Bits(bits));
  if (i.op == Op::illegal) i = {Op::illegal, 4, 0, 0, 0, 0, static_cast<int32_t>(bits)};
  return i;
}

}  // namespace rdu::mgmt
