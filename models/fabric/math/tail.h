#pragma once

#include "fabric/math/scalar.h"
#include "fabric/math/tail_tables.h"

/// The functions of the PCU's tail, one value at a time: cubic polynomials in fixed point, segment by
/// segment. math/README.md has the same in pseudo-code; the numbers are in tables.yaml.
namespace rdu::fabric::scalar {

/// The polynomial of a segment at position w (0 .. 2^23 - 1), in units of 2^-30. Shifts round down.
inline uint32_t interpolate(uint32_t segment, uint32_t w) {
  const int32_t* c = tail::kSegments[segment];
  const auto step = [w](int64_t a) { return (a * static_cast<int64_t>(w)) >> 23; };
  return static_cast<uint32_t>(c[0] + step(c[1] + step(c[2] + step(c[3]))));
}

/// An FP32 number taken apart: (-1)^negative * significand * 2^(exponent - 23). A subnormal has exponent -127
/// and must be dealt with before the significand is looked at.
struct Parts {
  explicit Parts(float x)
      : negative((bits_of(x) & kSign) != 0),
        exponent(static_cast<int>(bits_of(x) >> 23 & 0xff) - 127),
        fraction(bits_of(x) & 0x7fffff),
        significand(fraction | 0x800000) {}
  bool negative;
  int exponent;
  uint32_t fraction;
  uint32_t significand;

  bool zero() const { return exponent == -127; }
  bool special() const { return exponent == 128; }
};

/// (-1)^negative * s * 2^q, s < 2^53, as the result of an operation.
inline float rounded(bool negative, uint64_t s, int q) {
  const double value = std::ldexp(static_cast<double>(s), q);
  return round_result(negative ? -value : value);
}

/// 1 / x.
inline float recip(float x) {
  const Parts p(x);
  if (is_nan(x)) return from_bits(kNan);
  if (p.zero()) return from_bits((bits_of(x) & kSign) | kInfinity);
  if (p.special()) return from_bits(bits_of(x) & kSign);
  const uint32_t y = interpolate(tail::kRecip + (p.fraction >> 17), (p.fraction & 0x1ffff) << 6);
  return rounded(p.negative, y, -p.exponent - 30);
}

/// e^x = y * 2^(n - 30), for |x| < 128: 2^30 <= y < 2^31.
struct Power {
  int n;
  uint32_t y;
};
inline Power power(bool negative, int exponent, uint32_t significand) {
  // |x| log2(e) in units of 2^-29, rounded down.
  const int shift = 31 - exponent;
  const uint64_t magnitude = shift > 63 ? 0 : (significand * tail::kLog2E) >> shift;
  const auto t = negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
  return {static_cast<int>(t >> 29), interpolate(tail::kExp + (t >> 23 & 63), t & 0x7fffff)};
}

inline float exp(float x) {
  const Parts p(x);
  if (is_nan(x)) return from_bits(kNan);
  if (p.exponent >= 7) return p.negative ? 0.0f : from_bits(kInfinity);
  const Power e = power(p.negative, p.exponent, p.significand);
  return rounded(false, e.y, e.n - 30);
}

/// 1 / (1 + e^-x).
inline float sigmoid(float x) {
  const Parts p(x);
  if (is_nan(x)) return from_bits(kNan);
  if (p.exponent >= 7) return p.negative ? 0.0f : 1.0f;
  const Power e = power(!p.negative, p.exponent, p.significand);
  const auto down = [](uint32_t a, int n) { return n > 31 ? 0 : a >> n; };
  // d * 2^(k - 30) = 1 + e^-x
  int k = e.n > 0 ? e.n : 0;
  uint32_t d = down(e.y, k - e.n) + down(1u << 30, k);
  if (d >> 31) {
    d >>= 1;
    ++k;
  }
  const uint32_t y = interpolate(tail::kRecip + (d >> 24 & 63), d >> 1 & 0x7ffffe);
  return rounded(false, y, -k - 30);
}

/// The natural logarithm.
inline float log(float x) {
  const Parts p(x);
  if (is_nan(x)) return from_bits(kNan);
  if (p.zero()) return from_bits(kSign | kInfinity);
  if (p.negative) return from_bits(kNan);
  if (p.special()) return x;
  // x = 2^e * (1 + u / 2^24) with 3/4 <= 1 + u / 2^24 < 3/2.
  const bool high = p.fraction >> 22;
  const int e = p.exponent + high;
  const int64_t u = high ? int64_t{p.significand} - 0x1000000 : int64_t{p.fraction} * 2;
  const uint32_t y = interpolate(tail::kLog + (p.fraction >> 17), (p.fraction & 0x1ffff) << 6);
  const int64_t part = u * ((y + 2) >> 2);  // log(1 + u / 2^24) in units of 2^-52
  if (e == 0) return rounded(part < 0, static_cast<uint64_t>(part < 0 ? -part : part), -52);
  const int64_t sum = e * static_cast<int64_t>(tail::kLn2) + (part >> 12);
  return rounded(sum < 0, static_cast<uint64_t>(sum < 0 ? -sum : sum), -40);
}

/// Segment and position of the significand in a table by parity of the exponent.
inline uint32_t root(uint32_t table, const Parts& p) {
  return interpolate(table + (p.exponent & 1) * 32 + (p.fraction >> 18), (p.fraction & 0x3ffff) << 5);
}
inline float sqrt(float x) {
  const Parts p(x);
  if (is_nan(x)) return from_bits(kNan);
  if (p.zero()) return from_bits(bits_of(x) & kSign);
  if (p.negative) return from_bits(kNan);
  if (p.special()) return x;
  return rounded(false, root(tail::kSqrt, p), (p.exponent >> 1) - 30);
}
/// 1 / sqrt(x).
inline float rsqrt(float x) {
  const Parts p(x);
  if (is_nan(x)) return from_bits(kNan);
  if (p.zero()) return from_bits((bits_of(x) & kSign) | kInfinity);
  if (p.negative) return from_bits(kNan);
  if (p.special()) return 0.0f;
  return rounded(false, root(tail::kRsqrt, p), -(p.exponent >> 1) - 30);
}

/// An odd function f that is 1 from 2^binades on. Below 1 the table has f(t) / t; then, for each binade, 1 -
/// f(t) times 2^scale, so that small differences from 1 keep their digits.
struct Saturating {
  uint32_t table;
  int binades;
  int scale[4];
};
inline constexpr Saturating kTanhTables{tail::kTanh, 4, {0, 2, 6, 15}};
inline constexpr Saturating kErfTables{tail::kErf, 2, {0, 4}};

inline float saturating(const Saturating& f, float x) {
  const Parts p(x);
  if (is_nan(x)) return from_bits(kNan);
  if (p.zero()) return from_bits(bits_of(x) & kSign);
  if (p.exponent >= f.binades) return p.negative ? -1.0f : 1.0f;
  if (p.exponent >= 0) {
    const uint32_t segment = f.table + 32 * static_cast<uint32_t>(p.exponent + 1) + (p.fraction >> 18);
    const uint32_t y = interpolate(segment, (p.fraction & 0x3ffff) << 5);
    const int units = 30 + f.scale[p.exponent];
    return rounded(p.negative, (uint64_t{1} << units) - y, -units);
  }
  const int shift = -1 - p.exponent;
  const uint32_t t = shift > 31 ? 0 : p.significand << 4 >> shift;  // |x| in units of 2^-28, rounded down
  const uint32_t y = interpolate(f.table + (t >> 23), t & 0x7fffff);
  return rounded(p.negative, uint64_t{p.significand} * ((y + 2) >> 2), p.exponent - 51);
}
inline float tanh(float x) {
  return saturating(kTanhTables, x);
}
inline float erf(float x) {
  return saturating(kErfTables, x);
}

}  // namespace rdu::fabric::scalar
