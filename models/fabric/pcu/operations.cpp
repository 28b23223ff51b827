#include "fabric/pcu/operations.h"

#include <array>
#include <cstring>

#include "regs/pcu.hpp"

namespace rdu::fabric {
namespace {

namespace S = rdu::regs::pcu::STAGE;
constexpr size_t kCodes = 128;

std::array<Operation, kCodes> make_table() {
  std::array<Operation, kCodes> table{};
  const auto unary = [&](uint64_t code, Kernels::Unary Kernels::*kernel) {
    table[code].reads = 1;
    table[code].unary = kernel;
  };
  const auto binary = [&](uint64_t code, Kernels::Binary Kernels::*kernel) {
    table[code].reads = 2;
    table[code].binary = kernel;
  };
  const auto ternary = [&](uint64_t code, Kernels::Ternary Kernels::*kernel) {
    table[code].reads = 3;
    table[code].ternary = kernel;
  };
  const auto across = [&](uint64_t code, Kernels::Across Kernels::*kernel) {
    table[code].reads = 1;
    table[code].crosses_lanes = true;
    table[code].across = kernel;
  };
  const auto move = [&](uint64_t code, Kernels::Move Kernels::*kernel) {
    table[code].reads = 2;
    table[code].crosses_lanes = true;
    table[code].move = kernel;
  };
  table[S::OP_MOV].reads = 1;
  table[S::OP_SRBF16].reads = 1;
  table[S::OP_SRBF16].rounds = true;

  binary(S::OP_FADD, &Kernels::fadd);
  binary(S::OP_FSUB, &Kernels::fsub);
  binary(S::OP_FMUL, &Kernels::fmul);
  binary(S::OP_FMAX, &Kernels::fmax);
  binary(S::OP_FMIN, &Kernels::fmin);
  ternary(S::OP_FMADD, &Kernels::fmadd);
  ternary(S::OP_FNMADD, &Kernels::fnmadd);
  unary(S::OP_FABS, &Kernels::fabs);
  unary(S::OP_FNEG, &Kernels::fneg);
  binary(S::OP_FEQ, &Kernels::feq);
  binary(S::OP_FNE, &Kernels::fne);
  binary(S::OP_FLT, &Kernels::flt);
  binary(S::OP_FLE, &Kernels::fle);

  binary(S::OP_IADD, &Kernels::iadd);
  binary(S::OP_ISUB, &Kernels::isub);
  binary(S::OP_IMUL, &Kernels::imul);
  binary(S::OP_IMAX, &Kernels::imax);
  binary(S::OP_IMIN, &Kernels::imin);
  unary(S::OP_IABS, &Kernels::iabs);
  unary(S::OP_INEG, &Kernels::ineg);
  binary(S::OP_IEQ, &Kernels::ieq);
  binary(S::OP_INE, &Kernels::ine);
  binary(S::OP_ILT, &Kernels::ilt);
  binary(S::OP_ILE, &Kernels::ile);
  binary(S::OP_ULT, &Kernels::ult);
  binary(S::OP_ULE, &Kernels::ule);

  binary(S::OP_AND, &Kernels::bit_and);
  binary(S::OP_OR, &Kernels::bit_or);
  binary(S::OP_XOR, &Kernels::bit_xor);
  binary(S::OP_ANDN, &Kernels::bit_andn);
  unary(S::OP_NOT, &Kernels::bit_not);
  binary(S::OP_SHL, &Kernels::shl);
  binary(S::OP_SHR, &Kernels::shr);
  binary(S::OP_SAR, &Kernels::sar);
  ternary(S::OP_SEL, &Kernels::sel);

  unary(S::OP_I2F, &Kernels::i2f);
  unary(S::OP_F2I, &Kernels::f2i);
  unary(S::OP_F2I_ZERO, &Kernels::f2i_zero);
  unary(S::OP_F2I_FLOOR, &Kernels::f2i_floor);
  unary(S::OP_RBF16, &Kernels::rbf16);
  unary(S::OP_SAT8, &Kernels::sat8);

  across(S::OP_FRED_SUM, &Kernels::fred_sum);
  across(S::OP_FRED_MAX, &Kernels::fred_max);
  across(S::OP_FRED_MIN, &Kernels::fred_min);
  across(S::OP_FARGMAX, &Kernels::fargmax);
  across(S::OP_FARGMIN, &Kernels::fargmin);
  across(S::OP_FSCAN_SUM, &Kernels::fscan_sum);
  across(S::OP_FSCAN_MAX, &Kernels::fscan_max);
  across(S::OP_IRED_SUM, &Kernels::ired_sum);
  across(S::OP_IRED_MAX, &Kernels::ired_max);
  across(S::OP_IRED_MIN, &Kernels::ired_min);
  across(S::OP_IARGMAX, &Kernels::iargmax);
  across(S::OP_IARGMIN, &Kernels::iargmin);
  across(S::OP_ISCAN_SUM, &Kernels::iscan_sum);
  across(S::OP_RED_AND, &Kernels::red_and);
  across(S::OP_RED_OR, &Kernels::red_or);
  across(S::OP_RED_XOR, &Kernels::red_xor);
  move(S::OP_BCAST, &Kernels::bcast);
  move(S::OP_UP, &Kernels::up);
  move(S::OP_DOWN, &Kernels::down);
  return table;
}

}  // namespace

void Operation::apply(void* out, const void* a, const void* b, const void* c, size_t vectors, unsigned active,
                      uint32_t* generator) const {
  constexpr size_t kLanes = 32;
  const Kernels& math = kernels();
  const size_t values = vectors * kLanes;
  if (unary) {
    (math.*unary)(out, a, values);
  } else if (binary) {
    (math.*binary)(out, a, b, values);
  } else if (ternary) {
    (math.*ternary)(out, a, b, c, values);
  } else if (across) {
    (math.*across)(out, a, vectors, active);
  } else if (move) {
    (math.*move)(out, a, b, vectors, active);
  } else if (rounds) {
    math.srbf16(out, a, generator, vectors);
  } else if (out != a) {
    std::memcpy(out, a, values * sizeof(uint32_t));
  }
}

const Operation* operation(uint32_t code) {
  static const std::array<Operation, kCodes> table = make_table();
  if (code >= kCodes || table[code].reads == 0) return nullptr;
  return &table[code];
}

}  // namespace rdu::fabric
