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
    return {op, 2, static_cast<uint8_t>(rd), static_cast<uint8_t>(rs1), static_cast<uint8_t>(rs2), imm};
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
      case 2:
        return make(Op::lw, low(), low_rs1(), 0, word_offset());
      case 3:
        return make(Op::ld, low(), low_rs1(), 0, double_offset());
      case 6:
        return make(Op::sw, 0, low_rs1(), low(), word_offset());
      case 7:
        return make(Op::sd, 0, low_rs1(), low(), double_offset());
      default:
        return illegal();  // floating point; reserved
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

  Instruction quadrant2() const {
    switch (b_(15, 13)) {
      case 0:
        return make(Op::slli, full(), full(), 0, shift());
      case 2: {
        const auto offset = static_cast<int32_t>(b_(3, 2) << 6 | b_(12, 12) << 5 | b_(6, 4) << 2);
        return full() == 0 ? illegal() : make(Op::lw, full(), kSp, 0, offset);
      }
      case 3: {
        const auto offset = static_cast<int32_t>(b_(4, 2) << 6 | b_(12, 12) << 5 | b_(6, 5) << 3);
        return full() == 0 ? illegal() : make(Op::ld, full(), kSp, 0, offset);
      }
      case 4:
        return jump_move_add();
      case 6:
        return make(Op::sw, 0, kSp, full_rs2(), static_cast<int32_t>(b_(8, 7) << 6 | b_(12, 9) << 2));
      case 7:
        return make(Op::sd, 0, kSp, full_rs2(), static_cast<int32_t>(b_(9, 7) << 6 | b_(12, 10) << 3));
      default:
        return illegal();  // floating point
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

Op register_op(uint32_t funct7, uint32_t funct3) {
  static constexpr Op kBase[8] = {Op::add, Op::sll, Op::slt, Op::sltu, Op::xor_, Op::srl, Op::or_, Op::and_};
  static constexpr Op kMultiply[8] = {Op::mul, Op::mulh, Op::mulhsu, Op::mulhu,
                                      Op::div, Op::divu, Op::rem,    Op::remu};
  if (funct7 == 0x00) return kBase[funct3];
  if (funct7 == 0x01) return kMultiply[funct3];
  if (funct7 == 0x20 && funct3 == 0) return Op::sub;
  if (funct7 == 0x20 && funct3 == 5) return Op::sra;
  return Op::illegal;
}

Op register_word_op(uint32_t funct7, uint32_t funct3) {
  static constexpr Op kMultiply[8] = {Op::mulw, Op::illegal, Op::illegal, Op::illegal,
                                      Op::divw, Op::divuw,   Op::remw,    Op::remuw};
  if (funct7 == 0x01) return kMultiply[funct3];
  if (funct7 == 0x00 && funct3 == 0) return Op::addw;
  if (funct7 == 0x00 && funct3 == 1) return Op::sllw;
  if (funct7 == 0x00 && funct3 == 5) return Op::srlw;
  if (funct7 == 0x20 && funct3 == 0) return Op::subw;
  if (funct7 == 0x20 && funct3 == 5) return Op::sraw;
  return Op::illegal;
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

Instruction immediate(Bits b) {
  Instruction i{Op::illegal, 4, b.rd(), b.rs1(), 0, b.i_imm()};
  const auto distance = static_cast<int32_t>(b(25, 20));
  switch (b.funct3()) {
    case 0:
      i.op = Op::addi;
      break;
    case 2:
      i.op = Op::slti;
      break;
    case 3:
      i.op = Op::sltiu;
      break;
    case 4:
      i.op = Op::xori;
      break;
    case 6:
      i.op = Op::ori;
      break;
    case 7:
      i.op = Op::andi;
      break;
    case 1:
      if (b(31, 26) == 0) i.op = Op::slli;
      i.imm = distance;
      break;
    default:
      if (b(31, 26) == 0) i.op = Op::srli;
      if (b(31, 26) == 0x10) i.op = Op::srai;
      i.imm = distance;
  }
  return i;
}

Instruction immediate_word(Bits b) {
  Instruction i{Op::illegal, 4, b.rd(), b.rs1(), 0, static_cast<int32_t>(b.rs2())};
  if (b.funct3() == 0) return {Op::addiw, 4, b.rd(), b.rs1(), 0, b.i_imm()};
  if (b.funct3() == 1 && b.funct7() == 0x00) i.op = Op::slliw;
  if (b.funct3() == 5 && b.funct7() == 0x00) i.op = Op::srliw;
  if (b.funct3() == 5 && b.funct7() == 0x20) i.op = Op::sraiw;
  return i;
}

Instruction system(Bits b) {
  static constexpr Op kCsr[8] = {Op::illegal, Op::csrrw,  Op::csrrs,  Op::csrrc,
                                 Op::illegal, Op::csrrwi, Op::csrrsi, Op::csrrci};
  if (b.funct3() == 0 && b.funct7() == 0x09 && b.rd() == 0) {
    return {Op::sfence_vma, 4, 0, b.rs1(), b.rs2(), 0};
  }
  if (b.funct3() == 0) return {system_op(b.word()), 4, 0, 0, 0, 0};
  return {kCsr[b.funct3()], 4, b.rd(), b.rs1(), 0, static_cast<int32_t>(b(31, 20))};
}

Instruction decode32(Bits b) {
  switch (b(6, 0)) {
    case 0x37:
      return {Op::lui, 4, b.rd(), 0, 0, b.u_imm()};
    case 0x17:
      return {Op::auipc, 4, b.rd(), 0, 0, b.u_imm()};
    case 0x6f:
      return {Op::jal, 4, b.rd(), 0, 0, b.j_imm()};
    case 0x67:
      return {b.funct3() == 0 ? Op::jalr : Op::illegal, 4, b.rd(), b.rs1(), 0, b.i_imm()};
    case 0x63:
      return {branch_op(b.funct3()), 4, 0, b.rs1(), b.rs2(), b.b_imm()};
    case 0x03:
      return {load_op(b.funct3()), 4, b.rd(), b.rs1(), 0, b.i_imm()};
    case 0x23:
      return {store_op(b.funct3()), 4, 0, b.rs1(), b.rs2(), b.s_imm()};
    case 0x13:
      return immediate(b);
    case 0x1b:
      return immediate_word(b);
    case 0x33:
      return {register_op(b.funct7(), b.funct3()), 4, b.rd(), b.rs1(), b.rs2(), 0};
    case 0x3b:
      return {register_word_op(b.funct7(), b.funct3()), 4, b.rd(), b.rs1(), b.rs2(), 0};
    case 0x2f:
      return {atomic_op(b), 4, b.rd(), b.rs1(), b.rs2(), 0};
    case 0x73:
      return system(b);
    case 0x0f:
      // Whatever a FENCE orders, the model keeps everything in order; its other fields are hints.
      if (b.funct3() == 0) return {Op::fence, 4, 0, 0, 0, 0};
      if (b.funct3() == 1) return {Op::fence_i, 4, 0, 0, 0, 0};
      return {};
    default:
      return {};
  }
}

}  // namespace

Instruction decode(uint32_t bits) {
  if ((bits & 3) != 3) return Compressed(bits).decode();
  Instruction i = decode32(Bits(bits));
  if (i.op == Op::illegal) i = {Op::illegal, 4, 0, 0, 0, static_cast<int32_t>(bits)};
  return i;
}

}  // namespace rdu::mgmt
