#pragma once

#include <cstdint>

/// Floating-point arithmetic of the hart: binary32 and binary64 as the RISC-V F and D extensions define them.
/// Values are carried as bits in unsigned integers, never as the host's float and double.
namespace rdu::mgmt::fp {

/// As encoded in an instruction's rm field and in frm.
enum class Rounding : uint8_t {
  nearest_even = 0,       ///< RNE
  toward_zero = 1,        ///< RTZ
  down = 2,               ///< RDN
  up = 3,                 ///< RUP
  nearest_magnitude = 4,  ///< RMM: ties away from zero; hosts do not know it
};

/// Exception flags, as in fflags.
enum Flag : uint8_t {
  kInexact = 1,
  kUnderflow = 2,  ///< tiny after rounding, and inexact
  kOverflow = 4,
  kDivideByZero = 8,
  kInvalid = 16,
};

/// The mode that an operation reads and the flags that it adds to.
struct Environment {
  Rounding rounding = Rounding::nearest_even;
  uint8_t flags = 0;
};

/// An IEEE 754 binary format.
template <class BitsType, unsigned exponent_bits>
struct Format {
  using Bits = BitsType;
  static constexpr unsigned kWidth = 8 * sizeof(Bits);
  static constexpr unsigned kFractionBits = kWidth - 1 - exponent_bits;
  static constexpr unsigned kPrecision = kFractionBits + 1;  ///< of a normal number's significand
  static constexpr int kBias = (1 << (exponent_bits - 1)) - 1;
  static constexpr int kLeastExponent = 1 - kBias;  ///< of normal numbers

  static constexpr Bits kSign = Bits{1} << (kWidth - 1);
  static constexpr Bits kFraction = (Bits{1} << kFractionBits) - 1;
  static constexpr Bits kInfinity = (kSign - 1) & ~kFraction;
  static constexpr Bits kLargest = kInfinity - 1;  ///< the largest finite number
  static constexpr Bits kQuiet = Bits{1} << (kFractionBits - 1);
  static constexpr Bits kNan = kInfinity | kQuiet;  ///< canonical: what every operation returns for a NaN

  static constexpr bool is_nan(Bits a) { return (a & ~kSign) > kInfinity; }
  static constexpr bool is_signalling(Bits a) { return is_nan(a) && !(a & kQuiet); }
  static constexpr bool is_zero(Bits a) { return (a & ~kSign) == 0; }
  static constexpr bool sign(Bits a) { return (a & kSign) != 0; }
  static constexpr unsigned biased_exponent(Bits a) {
    return static_cast<unsigned>((a & ~kSign) >> kFractionBits);
  }
};
using Binary32 = Format<uint32_t, 8>;
using Binary64 = Format<uint64_t, 11>;

/// A binary32 lies in a 64-bit register below ones. Anything else there reads as the canonical NaN.
constexpr uint64_t kBox = 0xffffffff00000000u;
constexpr uint64_t box(uint32_t a) {
  return kBox | a;
}
constexpr bool is_boxed(uint64_t a) {
  return a >= kBox;
}
constexpr uint32_t unbox(uint64_t a) {
  return is_boxed(a) ? static_cast<uint32_t>(a) : Binary32::kNan;
}

}  // namespace rdu::mgmt::fp
