#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

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
inline int32_t signed_of(uint32_t bits) {
  return static_cast<int32_t>(bits);
}

// --- FP32
// ---------------------------------------------------------------------------------------------------

inline bool is_nan(float x) {
  return (bits_of(x) & ~kSign) > kInfinity;
}
/// A subnormal is zero of its sign.
inline float flush(float x) {
  const uint32_t bits = bits_of(x);
  return (bits & kInfinity) == 0 ? from_bits(bits & kSign) : x;
}
/// Every operation's result, and what leaves a unit as FP32: subnormals flushed, every NaN the canonical one.
inline float canonical(float x) {
  return is_nan(x) ? from_bits(kNan) : flush(x);
}

/// Of a value that double holds exactly, or rounded to odd: rounded to 24 bits with no lower limit to the
/// exponent, then zero if below 2^-126. What rounds up to 2^-126 is what reaches 2^-126 - 2^-151.
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

/// x * y + z with one rounding. The product is exact in double; the sum's rounding error is (Knuth's two-sum)
/// and goes into its last bit: rounded to odd, so that rounding to 24 bits is as if the sum had been exact.
inline float fma(float x, float y, float z) {
  const double product = static_cast<double>(flush(x)) * static_cast<double>(flush(y));
  const double addend = flush(z);
  const double sum = product + addend;
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);
  if (error == 0 || !std::isfinite(sum)) return round_result(sum);
  uint64_t bits;
  std::memcpy(&bits, &sum, sizeof bits);
  if ((bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1 : -1;
  double odd;
  std::memcpy(&odd, &bits, sizeof odd);
  return round_result(odd);
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

// --- storage formats
// ----------------------------------------------------------------------------------------

inline float from_bf16(uint16_t bits) {
  return from_bits(static_cast<uint32_t>(bits) << 16);
}
/// Round to nearest even; a subnormal becomes zero of its sign.
inline uint16_t to_bf16(float x) {
  if (is_nan(x)) return kNanBf16;
  const uint32_t bits = bits_of(flush(x));
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
/// Stochastic rounding: of the numbers below and above in magnitude, the one above with a probability of the
/// distance from the one below. `random`: the lane's state of the generator after its step for this vector.
inline uint16_t to_bf16_stochastic(float x, uint32_t random) {
  if (is_nan(x)) return kNanBf16;
  const uint32_t bits = bits_of(flush(x));
  const uint32_t noise = (bits & kInfinity) == kInfinity ? 0 : random & 0xffff;
  return static_cast<uint16_t>((bits + noise) >> 16);
}

inline uint32_t from_int8(uint8_t byte) {
  return static_cast<uint32_t>(static_cast<int8_t>(byte));
}
/// Saturates.
inline uint8_t to_int8(uint32_t a) {
  const int32_t x = signed_of(a);
  return static_cast<uint8_t>(x < -128 ? -128 : x > 127 ? 127 : x);
}

/// The generator for stochastic rounding: xorshift32, a state a lane.
inline uint32_t random_start(uint32_t seed, unsigned lane) {
  const uint32_t state = seed ^ (0x9e3779b9u * (lane + 1));
  return state == 0 ? 1 : state;
}
inline uint32_t random_next(uint32_t state) {
  state ^= state << 13;
  state ^= state >> 17;
  return state ^ state << 5;
}

// --- operations of the PCU's stages, on lanes of 32 bits; named as STAGE.OP
// ----------------------------------

inline uint32_t fadd(uint32_t a, uint32_t b) {
  return bits_of(add(from_bits(a), from_bits(b)));
}
inline uint32_t fsub(uint32_t a, uint32_t b) {
  return bits_of(sub(from_bits(a), from_bits(b)));
}
inline uint32_t fmul(uint32_t a, uint32_t b) {
  return bits_of(mul(from_bits(a), from_bits(b)));
}
inline uint32_t fmax(uint32_t a, uint32_t b) {
  return bits_of(max(from_bits(a), from_bits(b)));
}
inline uint32_t fmin(uint32_t a, uint32_t b) {
  return bits_of(min(from_bits(a), from_bits(b)));
}
/// A * B + C, one rounding.
inline uint32_t fmadd(uint32_t a, uint32_t b, uint32_t c) {
  return bits_of(fma(from_bits(a), from_bits(b), from_bits(c)));
}
/// C - A * B, one rounding.
inline uint32_t fnmadd(uint32_t a, uint32_t b, uint32_t c) {
  return fmadd(a ^ kSign, b, c);
}
/// The sign bit alone: a subnormal stays what it is.
inline uint32_t fabs(uint32_t a) {
  return is_nan(from_bits(a)) ? kNan : a & ~kSign;
}
inline uint32_t fneg(uint32_t a) {
  return is_nan(from_bits(a)) ? kNan : a ^ kSign;
}

/// Comparisons give all ones or all zeros.
inline uint32_t truth(bool holds) {
  return holds ? 0xffffffffu : 0;
}
inline uint32_t feq(uint32_t a, uint32_t b) {
  return truth(flush(from_bits(a)) == flush(from_bits(b)));
}
inline uint32_t fne(uint32_t a, uint32_t b) {
  return ~feq(a, b);
}
inline uint32_t flt(uint32_t a, uint32_t b) {
  return truth(flush(from_bits(a)) < flush(from_bits(b)));
}
inline uint32_t fle(uint32_t a, uint32_t b) {
  return truth(flush(from_bits(a)) <= flush(from_bits(b)));
}

// INT32: two's complement, wraps.
inline uint32_t iadd(uint32_t a, uint32_t b) {
  return a + b;
}
inline uint32_t isub(uint32_t a, uint32_t b) {
  return a - b;
}
inline uint32_t imul(uint32_t a, uint32_t b) {
  return a * b;
}
inline uint32_t imax(uint32_t a, uint32_t b) {
  return signed_of(a) > signed_of(b) ? a : b;
}
inline uint32_t imin(uint32_t a, uint32_t b) {
  return signed_of(a) < signed_of(b) ? a : b;
}
/// The smallest number stays what it is, here and in INEG.
inline uint32_t iabs(uint32_t a) {
  return signed_of(a) < 0 ? 0 - a : a;
}
inline uint32_t ineg(uint32_t a) {
  return 0 - a;
}
inline uint32_t ieq(uint32_t a, uint32_t b) {
  return truth(a == b);
}
inline uint32_t ine(uint32_t a, uint32_t b) {
  return truth(a != b);
}
inline uint32_t ilt(uint32_t a, uint32_t b) {
  return truth(signed_of(a) < signed_of(b));
}
inline uint32_t ile(uint32_t a, uint32_t b) {
  return truth(signed_of(a) <= signed_of(b));
}
inline uint32_t ult(uint32_t a, uint32_t b) {
  return truth(a < b);
}
inline uint32_t ule(uint32_t a, uint32_t b) {
  return truth(a <= b);
}

// The words `and`, `or`, `xor`, `not` are C++'s own.
inline uint32_t bit_and(uint32_t a, uint32_t b) {
  return a & b;
}
inline uint32_t bit_or(uint32_t a, uint32_t b) {
  return a | b;
}
inline uint32_t bit_xor(uint32_t a, uint32_t b) {
  return a ^ b;
}
/// A and not B.
inline uint32_t bit_andn(uint32_t a, uint32_t b) {
  return a & ~b;
}
inline uint32_t bit_not(uint32_t a) {
  return ~a;
}
inline uint32_t shl(uint32_t a, uint32_t b) {
  return a << (b & 31);
}
inline uint32_t shr(uint32_t a, uint32_t b) {
  return a >> (b & 31);
}
/// Copies of the sign come in from the left.
inline uint32_t sar(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>(signed_of(a) >> (b & 31));
}
inline uint32_t sel(uint32_t a, uint32_t b, uint32_t c) {
  return a != 0 ? b : c;
}

/// INT32 -> FP32, to nearest even.
inline uint32_t i2f(uint32_t a) {
  return bits_of(static_cast<float>(signed_of(a)));
}
/// An integer that double holds, to INT32: saturates, NaN gives 0.
inline uint32_t saturate(double integer) {
  if (std::isnan(integer)) return 0;
  if (integer >= 0x1p31) return 0x7fffffffu;
  if (integer < -0x1p31) return 0x80000000u;
  return static_cast<uint32_t>(static_cast<int32_t>(integer));
}
/// FP32 -> INT32: to nearest even, towards zero, downwards.
inline uint32_t f2i(uint32_t a) {
  return saturate(std::nearbyint(static_cast<double>(flush(from_bits(a)))));
}
inline uint32_t f2i_zero(uint32_t a) {
  return saturate(std::trunc(static_cast<double>(flush(from_bits(a)))));
}
inline uint32_t f2i_floor(uint32_t a) {
  return saturate(std::floor(static_cast<double>(flush(from_bits(a)))));
}
/// FP32 -> BF16 -> FP32.
inline uint32_t rbf16(uint32_t a) {
  return static_cast<uint32_t>(to_bf16(from_bits(a))) << 16;
}
inline uint32_t srbf16(uint32_t a, uint32_t random) {
  return static_cast<uint32_t>(to_bf16_stochastic(from_bits(a), random)) << 16;
}
inline uint32_t sat8(uint32_t a) {
  return from_int8(to_int8(a));
}

// --- one step of the systolic array
// -------------------------------------------------------------------------

/// BF16: acc = fma(row, lane, acc). Operands are BF16 bit patterns.
inline float matrix_bf16(float acc, uint16_t row, uint16_t lane) {
  return fma(from_bf16(row), from_bf16(lane), acc);
}
/// INT8, two k a step: the bytes 2 * row + j of a packet of IN1, 2 * lane + j of IN0, j = 0, 1. Wraps.
inline uint32_t matrix_int8(uint32_t acc, const uint8_t row[2], const uint8_t lane[2]) {
  for (int j = 0; j < 2; ++j) acc += from_int8(row[j]) * from_int8(lane[j]);
  return acc;
}

/// The cross-lane tree over 32 lanes, of which the first `active` take part. cross_lane.h has it, and all the
/// others, on lanes of 32 bits.
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
