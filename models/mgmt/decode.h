#pragma once

#include <cstdint>
#include <string>

namespace rdu::mgmt {

// clang-format off
// Operations that have a 16-bit encoding as well as a 32-bit one. X(name as in the manual; `_` for a dot, and
// behind a C++ keyword).
#define RDU_MGMT_SHORT_OPERATIONS(X)                                                                         \
  X(lui) X(addi) X(andi) X(slli) X(srli) X(srai) X(addiw)                                                    \
  X(add) X(sub) X(xor_) X(or_) X(and_) X(addw) X(subw)                                                       \
  X(lw) X(ld) X(sw) X(sd) X(jal) X(jalr) X(beq) X(bne) X(ebreak) X(illegal)

// Operations that have a 32-bit encoding only.
#define RDU_MGMT_LONG_OPERATIONS(X)                                                                          \
  X(auipc) X(blt) X(bge) X(bltu) X(bgeu)                                                                     \
  X(lb) X(lh) X(lbu) X(lhu) X(lwu) X(sb) X(sh)                                                               \
  X(slti) X(sltiu) X(xori) X(ori) X(slliw) X(srliw) X(sraiw)                                                 \
  X(sll) X(slt) X(sltu) X(srl) X(sra) X(sllw) X(srlw) X(sraw)                                                \
  X(mul) X(mulh) X(mulhsu) X(mulhu) X(mulw)                                                                  \
  X(div) X(divu) X(rem) X(remu) X(divw) X(divuw) X(remw) X(remuw)                                            \
  X(lr_w) X(sc_w) X(amoswap_w) X(amoadd_w) X(amoxor_w) X(amoand_w) X(amoor_w)                                \
  X(amomin_w) X(amomax_w) X(amominu_w) X(amomaxu_w)                                                          \
  X(lr_d) X(sc_d) X(amoswap_d) X(amoadd_d) X(amoxor_d) X(amoand_d) X(amoor_d)                                \
  X(amomin_d) X(amomax_d) X(amominu_d) X(amomaxu_d)                                                          \
  X(fence) X(fence_i) X(ecall) X(mret) X(sret) X(wfi) X(sfence_vma)                                                                \
  X(csrrw) X(csrrs) X(csrrc) X(csrrwi) X(csrrsi) X(csrrci)
// clang-format on

enum class Op : uint8_t {
#define RDU_X(name) name,
  RDU_MGMT_SHORT_OPERATIONS(RDU_X) RDU_MGMT_LONG_OPERATIONS(RDU_X)
#undef RDU_X
};

/// "addi", "amoadd.w": as an assembler writes it.
std::string to_string(Op op);

/// An instruction taken apart. A compressed one is what it expands to, with length 2.
struct Instruction {
  Op op = Op::illegal;
  uint8_t length = 4;  ///< bytes
  uint8_t rd = 0;
  uint8_t rs1 = 0;  ///< or the 5-bit immediate of CSRR*I
  uint8_t rs2 = 0;
  /// The immediate (sign-extended; a LUI's and AUIPC's is already shifted), a shift's distance, a CSR's
  /// number; for `illegal` the encoding itself.
  int32_t imm = 0;
};

/// Decodes RV64IMAC with machine and supervisor mode. If the lowest two bits are not both one, only the low
/// 16 count.
Instruction decode(uint32_t bits);

}  // namespace rdu::mgmt
