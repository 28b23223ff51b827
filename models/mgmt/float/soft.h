#pragma once

#include "mgmt/float/format.h"

namespace rdu::mgmt::fp {

/// The arithmetic in integers: every operation, mode and flag, on any host. It is the reference, and what the
/// interpreter uses where the host cannot help. F is Binary32 or Binary64.
///
/// NaN results are canonical. Each operation adds its flags to the environment's.
template <class F>
class Soft {
 public:
  using Bits = typename F::Bits;

  static Bits add(Bits a, Bits b, Environment& e);
  static Bits subtract(Bits a, Bits b, Environment& e);
  static Bits multiply(Bits a, Bits b, Environment& e);
  static Bits divide(Bits a, Bits b, Environment& e);
  static Bits square_root(Bits a, Environment& e);
  /// a * b + c, rounded once. FMSUB, FNMSUB and FNMADD negate a or c first (negate()).
  static Bits multiply_add(Bits a, Bits b, Bits c, Environment& e);

  /// IEEE 754-2019 minimumNumber and maximumNumber: a NaN loses against a number, -0 is less than +0.
  static Bits minimum(Bits a, Bits b, Environment& e);
  static Bits maximum(Bits a, Bits b, Environment& e);

  static bool equal(Bits a, Bits b, Environment& e);          ///< quiet: only a signalling NaN is invalid
  static bool less(Bits a, Bits b, Environment& e);           ///< any NaN is invalid
  static bool less_or_equal(Bits a, Bits b, Environment& e);  ///< any NaN is invalid

  /// To an integer type: the nearest end of its range if the rounded value is outside (NaN: the upper end),
  /// which is invalid and then not inexact.
  static int32_t to_int32(Bits a, Environment& e);
  static uint32_t to_uint32(Bits a, Environment& e);
  static int64_t to_int64(Bits a, Environment& e);
  static uint64_t to_uint64(Bits a, Environment& e);

  static Bits from_signed(int64_t value, Environment& e);
  static Bits from_unsigned(uint64_t value, Environment& e);
  /// From the other format.
  template <class From>
  static Bits convert(typename From::Bits a, Environment& e);

  // ---- no rounding, no flags

  static Bits negate(Bits a) { return a ^ F::kSign; }
  static Bits with_sign_of(Bits a, Bits b) { return (a & ~F::kSign) | (b & F::kSign); }  ///< FSGNJ
  static Bits with_opposite_sign(Bits a, Bits b) { return with_sign_of(a, negate(b)); }  ///< FSGNJN
  static Bits with_xor_sign(Bits a, Bits b) { return a ^ (b & F::kSign); }               ///< FSGNJX
  /// FCLASS: one bit of ten, from negative infinity (0) to quiet NaN (9).
  static unsigned classify(Bits a);
};

extern template class Soft<Binary32>;
extern template class Soft<Binary64>;

}  // namespace rdu::mgmt::fp
