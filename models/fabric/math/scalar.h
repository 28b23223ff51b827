#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "fabric/math/constants.h"

/// The architecture's arithmetic, one value at a time: the definition that every faster kernel has to equal
/// bit for bit. math/README.md says the same in words. Right in any flush mode of the host, given round to
/// nearest even.
namespace rdu::fabric::scalar {

inline uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline float from_bits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline bool is_nan(float x) {
  return (bits_of(x) & ~kSign) > kInfinity;
}

/// A subnormal is zero of its sign.
inline float flush(float x) {
  const uint32_t bits = bits_of(x);
  return (bits & kInfinity) == 0 ? from_bits(bits & kSign) : x;
}
/// A value as it leaves a unit: subnormals flushed, every NaN the canonical one.
inline float canonical(float x) {
  return is_nan(x) ? from_bits(kNan) : flush(x);
}

/// Of a value that double holds exactly: rounded to 24 bits with no lower limit to the exponent, then zero if
/// below 2^-126. What rounds up to 2^-126 is what reaches 2^-126 - 2^-151.
inline float round_result(double exact) {
  constexpr double kTinyBelow = 0x1p-126 - 0x1p-151;
  if (std::fabs(exact) < kTinyBelow) return std::signbit(exact) ? -0.0f : 0.0f;
  return canonical(static_cast<float>(exact));
}

inline float add(float x, float y) {
  return canonical(flush(x) + flush(y));
}
inline float sub(float x, float y) {
  return canonical(flush(x) - flush(y));
}
inline float mul(float x, float y) {
  return round_result(static_cast<double>(flush(x)) * static_cast<double>(flush(y)));
}

/// x * y + z with one rounding; x and y are BF16 values.
inline float fma_bf16(float x, float y, float z) {
  constexpr float kLeast = 0x1p-126f;
  x = flush(x);
  y = flush(y);
  z = flush(z);
  const float r = std::fma(x, y, z);
  if (std::fabs(r) == kLeast) {
    // Whether the exact sum lies so far below 2^-126 that 24 bits hold it there is told by the same sum 2^64
    // times as large: product and addend are below 2^-100 here, or they could not have met at 2^-126.
    if (std::fabs(x) > std::fabs(y)) std::swap(x, y);
    if (std::fabs(std::fma(x * 0x1p64f, y, z * 0x1p64f)) < kLeast * 0x1p64f) return std::copysign(0.0f, r);
  }
  return canonical(r);
}

/// NaN if either is; +0 is larger than -0.
inline float max(float x, float y) {
  if (is_nan(x) || is_nan(y)) return from_bits(kNan);
  x = flush(x);
  y = flush(y);
  if (x == y) return from_bits(bits_of(x) & bits_of(y));
  return x > y ? x : y;
}
inline float min(float x, float y) {
  if (is_nan(x) || is_nan(y)) return from_bits(kNan);
  x = flush(x);
  y = flush(y);
  if (x == y) return from_bits(bits_of(x) | bits_of(y));
  return x < y ? x : y;
}

/// The correctly rounded quotient 1 / x.
inline float recip(float x) {
  return canonical(1.0f / flush(x));
}

inline float exp(float x) {
  if (is_nan(x)) return from_bits(kNan);
  if (x >= from_bits(kExpInfFrom)) return from_bits(kInfinity);
  if (x <= from_bits(kExpZeroUpto)) return 0.0f;
  const float n = std::nearbyint(mul(x, from_bits(kExpLog2e)));
  const float r = sub(sub(x, mul(n, from_bits(kExpLn2High))), mul(n, from_bits(kExpLn2Low)));
  float p = from_bits(kExpPolynomial[0]);
  for (int i = 1; i < 6; ++i) p = add(mul(p, r), from_bits(kExpPolynomial[i]));
  p = mul(p, mul(r, r));
  p = add(p, r);
  p = add(p, 1.0f);
  return round_result(std::ldexp(static_cast<double>(p), static_cast<int>(n)));
}

inline float from_bf16(uint16_t bits) {
  return from_bits(static_cast<uint32_t>(bits) << 16);
}
/// Round to nearest even; a subnormal becomes zero of its sign.
inline uint16_t to_bf16(float x) {
  if (is_nan(x)) return kNanBf16;
  const uint32_t bits = bits_of(flush(x));
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// The cross-lane tree over 32 lanes, of which the first `active` take part.
template <class Op>
inline float reduce(const float* x, unsigned active, float idle, Op op) {
  float lanes[32];
  for (unsigned i = 0; i < 32; ++i) lanes[i] = i < active ? x[i] : idle;
  for (unsigned half = 16; half >= 1; half /= 2) {
    for (unsigned i = 0; i < half; ++i) lanes[i] = op(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}

}  // namespace rdu::fabric::scalar
