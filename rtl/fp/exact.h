#pragma once

#include <array>
#include <cstdint>

/// The architecture's arithmetic from first principles, for benches: sums and products are formed exactly, as
/// integers of some six hundred bits, and rounded once. It shares nothing with models/fabric/math or the
/// Verilog. Values are FP32 bit patterns.
namespace exact {

inline constexpr uint32_t kNan = 0x7fc00000u;
inline constexpr uint32_t kInfinity = 0x7f800000u;
inline constexpr uint32_t kSign = 0x80000000u;

/// An integer multiple of 2^kLeast, in two's complement. It holds a product of any two finite FP32 values
/// plus a third.
class Wide {
 public:
  static constexpr int kLeast = -320;

  /// Adds (-1)^negative * magnitude * 2^exponent.
  void add(uint64_t magnitude, int exponent, bool negative) {
    const unsigned shift = static_cast<unsigned>(exponent - kLeast);
    std::array<uint64_t, kWords> term{};
    term[shift / 64] = magnitude << shift % 64;
    if (shift % 64 != 0) term[shift / 64 + 1] = magnitude >> (64 - shift % 64);
    if (negative) negate(term);
    unsigned __int128 carry = 0;
    for (unsigned i = 0; i < kWords; ++i) {
      carry += static_cast<unsigned __int128>(words_[i]) + term[i];
      words_[i] = static_cast<uint64_t>(carry);
      carry >>= 64;
    }
  }

  bool is_zero() const {
    for (uint64_t word : words_) {
      if (word != 0) return false;
    }
    return true;
  }

  /// To 24 bits, nearest even, with no lower limit to the exponent; below 2^-126 then zero of the sign, from
  /// 2^128 infinity. Not for zero.
  uint32_t round() const {
    std::array<uint64_t, kWords> magnitude = words_;
    const bool negative = words_.back() >> 63 != 0;
    if (negative) negate(magnitude);
    int top = kWords * 64 - 1;
    while (!bit(magnitude, top)) --top;
    uint32_t significand = 0;
    for (int i = 0; i < 24; ++i) significand = significand << 1 | bit(magnitude, top - i);
    bool sticky = false;
    for (int i = 0; i < top - 24 && !sticky; ++i) {
      if (i % 64 == 0 && i + 64 <= top - 24 && magnitude[static_cast<unsigned>(i) / 64] == 0) {
        i += 63;
        continue;
      }
      sticky = bit(magnitude, i);
    }
    if (bit(magnitude, top - 24) && (sticky || significand % 2 != 0)) ++significand;
    int exponent = top + kLeast;
    if (significand == 1u << 24) {
      significand >>= 1;
      ++exponent;
    }
    const uint32_t sign = negative ? kSign : 0;
    if (exponent > 127) return sign | kInfinity;
    if (exponent < -126) return sign;
    return sign | static_cast<uint32_t>(exponent + 127) << 23 | (significand & 0x7fffff);
  }

 private:
  static constexpr unsigned kWords = 10;

  static bool bit(const std::array<uint64_t, kWords>& words, int i) {
    return i >= 0 && (words[static_cast<unsigned>(i) / 64] >> i % 64 & 1) != 0;
  }
  static void negate(std::array<uint64_t, kWords>& words) {
    bool carry = true;
    for (uint64_t& word : words) {
      word = ~word + carry;
      carry = carry && word == 0;
    }
  }

  std::array<uint64_t, kWords> words_{};
};

inline bool is_nan(uint32_t x) {
  return (x & ~kSign) > kInfinity;
}
inline bool is_infinite(uint32_t x) {
  return (x & ~kSign) == kInfinity;
}
/// A subnormal counts as zero.
inline bool is_zero(uint32_t x) {
  return (x & kInfinity) == 0;
}
inline bool is_negative(uint32_t x) {
  return (x & kSign) != 0;
}
/// Of a finite value that is not zero: significand * 2^exponent.
inline uint32_t significand(uint32_t x) {
  return (x & 0x7fffff) | 0x800000;
}
inline int exponent(uint32_t x) {
  return static_cast<int>(x >> 23 & 255) - 150;
}

/// a * b + c
inline uint32_t fma(uint32_t a, uint32_t b, uint32_t c) {
  if (is_nan(a) || is_nan(b) || is_nan(c)) return kNan;
  const bool sign = is_negative(a) != is_negative(b);
  if (is_infinite(a) || is_infinite(b)) {
    if (is_zero(a) || is_zero(b)) return kNan;
    if (is_infinite(c) && is_negative(c) != sign) return kNan;
    return (sign ? kSign : 0) | kInfinity;
  }
  if (is_infinite(c)) return c;
  Wide sum;
  const bool no_product = is_zero(a) || is_zero(b);
  if (!no_product) {
    sum.add(static_cast<uint64_t>(significand(a)) * significand(b), exponent(a) + exponent(b), sign);
  }
  if (!is_zero(c)) sum.add(significand(c), exponent(c), is_negative(c));
  if (!sum.is_zero()) return sum.round();
  // Two zeros of one sign keep it; every other zero is positive.
  const bool both_zero = no_product && is_zero(c);
  return both_zero && sign && is_negative(c) ? kSign : 0;
}

}  // namespace exact
