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
  X(lw) X(ld) X(sw) X(sd) X(fld) X(fsd) X(jal) X(jalr) X(beq) X(bne) X(ebreak) X(illegal)

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
  X(fence) X(fence_i) X(ecall) X(mret) X(sret) X(wfi) X(sfence_vma)                                          \
  X(csrrw) X(csrrs) X(csrrc) X(csrrwi) X(csrrsi) X(csrrci)                                                   \
  RDU_MGMT_BIT_OPERATIONS(X) RDU_MGMT_FLOAT_OPERATIONS(X)

// Zba, Zbb, Zbs.
#define RDU_MGMT_BIT_OPERATIONS(X)                                                                           \
  X(add_uw) X(sh1add) X(sh2add) X(sh3add) X(sh1add_uw) X(sh2add_uw) X(sh3add_uw) X(slli_uw)                  \
  X(andn) X(orn) X(xnor) X(clz) X(clzw) X(ctz) X(ctzw) X(cpop) X(cpopw) X(max) X(maxu) X(min) X(minu)        \
  X(sext_b) X(sext_h) X(zext_h) X(rol) X(rolw) X(ror) X(rori) X(roriw) X(rorw) X(orc_b) X(rev8)              \
  X(bclr) X(bclri) X(bext) X(bexti) X(binv) X(binvi) X(bset) X(bseti)

// F and D; FLD and FSD have 16-bit encodings too.
#define RDU_MGMT_FLOAT_OPERATIONS(X)                                                                         \
  X(fsw) RDU_MGMT_TO_FLOAT_OPERATIONS(X) RDU_MGMT_FLOAT_TO_INTEGER_OPERATIONS(X)

// With a floating-point register as destination.
#define RDU_MGMT_TO_FLOAT_OPERATIONS(X)                                                                      \
  X(flw) X(fmv_w_x) X(fmv_d_x) X(fcvt_s_d) X(fcvt_d_s)                                                       \
  X(fmadd_s) X(fmsub_s) X(fnmsub_s) X(fnmadd_s) X(fadd_s) X(fsub_s) X(fmul_s) X(fdiv_s) X(fsqrt_s)           \
  X(fmadd_d) X(fmsub_d) X(fnmsub_d) X(fnmadd_d) X(fadd_d) X(fsub_d) X(fmul_d) X(fdiv_d) X(fsqrt_d)           \
  X(fsgnj_s) X(fsgnjn_s) X(fsgnjx_s) X(fmin_s) X(fmax_s)                                                     \
  X(fsgnj_d) X(fsgnjn_d) X(fsgnjx_d) X(fmin_d) X(fmax_d)                                                     \
  X(fcvt_s_w) X(fcvt_s_wu) X(fcvt_s_l) X(fcvt_s_lu) X(fcvt_d_w) X(fcvt_d_wu) X(fcvt_d_l) X(fcvt_d_lu)

#define RDU_MGMT_FLOAT_TO_INTEGER_OPERATIONS(X)                                                              \
  X(fmv_x_w) X(feq_s) X(flt_s) X(fle_s) X(fclass_s) X(fcvt_w_s) X(fcvt_wu_s) X(fcvt_l_s) X(fcvt_lu_s)        \
  X(fmv_x_d) X(feq_d) X(flt_d) X(fle_d) X(fclass_d) X(fcvt_w_d) X(fcvt_wu_d) X(fcvt_l_d) X(fcvt_lu_d)
// clang-format on

enum class Op : uint8_t {
#define RDU_X(name) name,
  RDU_MGMT_SHORT_OPERATIONS(RDU_X) RDU_MGMT_LONG_OPERATIONS(RDU_X)
#undef RDU_X
};
/// Op is a byte.
inline constexpr unsigned kOperations = 0
#define RDU_X(name) +1
    RDU_MGMT_SHORT_OPERATIONS(RDU_X) RDU_MGMT_LONG_OPERATIONS(RDU_X)
#undef RDU_X
    ;
static_assert(kOperations <= 256);

/// "addi", "amoadd.w": as an assembler writes it.
std::string to_string(Op op);

/// An instruction taken apart. A compressed one is what it expands to, with length 2.
struct Instruction {
  Op op = Op::illegal;
  uint8_t length = 4;  ///< bytes
  uint8_t rd = 0;
  uint8_t rs1 = 0;  ///< or the 5-bit immediate of CSRR*I
  uint8_t rs2 = 0;
  uint8_t rs3 = 0;  ///< of fused multiply-adds
  /// The immediate (sign-extended; a LUI's and AUIPC's is already shifted), a shift's distance, a CSR's
  /// number, the rounding mode (rm) of what rounds; for `illegal` the encoding itself.
  int32_t imm = 0;
};

/// Whether rd names a floating-point register.
bool writes_float(Op op);

/// Decodes RV64GC with Zba, Zbb, Zbs, machine and supervisor mode. If the lowest two bits are not both one,
/// only the low 16 count.
Instruction decode(uint32_t bits);

}  // namespace rdu::mgmt
