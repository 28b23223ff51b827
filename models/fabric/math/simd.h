// The kernels that need no more than vectors of kWidth lanes, once for all instruction sets. Each of the
// source files that are compiled for one includes this after it has defined kWidth; everything is local to
// it, for the linker may not keep one copy of a function for all of them.
#include <cstddef>
#include <cstdint>

#include "fabric/math/constants.h"
#include "fabric/math/kernels.h"
#include "fabric/math/tail_tables.h"

namespace rdu::fabric {
namespace {

using scalar::kInfinity;
using scalar::kNan;
using scalar::kSign;

constexpr unsigned kLanes = 32;
constexpr size_t kPacketBytes = 64;
constexpr int kParts = kLanes / kWidth;  ///< of a vector

typedef uint32_t U __attribute__((vector_size(kWidth * 4)));
typedef int32_t I __attribute__((vector_size(kWidth * 4)));
typedef float F __attribute__((vector_size(kWidth * 4)));
typedef uint64_t Q __attribute__((vector_size(kWidth * 4)));  ///< pairs of lanes
typedef double D __attribute__((vector_size(kWidth * 4)));    ///< half as many lanes

// What each instruction set has of its own.
F fused(F a, F b, F c);  ///< a * b + c
F floor(F x);
D floor(D x);
I nearest(F x);  ///< out of range: 0x80000000
I truncated(F x);
Q product(I a, I b);   ///< of the even lanes, signed, 64 bits
Q shifted(Q x, Q by);  ///< to the right; 0 from 64 on
I gather(const int32_t* table, I index);
D low(I x);  ///< lower half of the lanes
D high(I x);
D low(F x);
D high(F x);
F narrow(D low, D high);
U widened(const uint8_t* halves);       ///< kWidth times 16 bits, unsigned
void store_halves(uint8_t* to, U x);    ///< the lower 16 bits of each lane
I widened_bytes(const uint8_t* bytes);  ///< kWidth bytes, signed
void store_bytes(uint8_t* to, U x);     ///< the lower 8 bits of each lane
template <int Half>
U exchange(U x);  ///< lane i gets lane i ^ Half

// --- vectors
// ------------------------------------------------------------------------------------------------

inline U splat(uint32_t x) {
  return U{} + x;
}
inline U select(I mask, U a, U b) {
  return mask ? a : b;
}
inline I select(I mask, I a, I b) {
  return mask ? a : b;
}
inline U load(const void* from, size_t lane) {
  U x;
  __builtin_memcpy(&x, static_cast<const char*>(from) + 4 * lane, sizeof x);
  return x;
}
inline void store(void* to, size_t lane, U x) {
  __builtin_memcpy(static_cast<char*>(to) + 4 * lane, &x, sizeof x);
}
inline U lane_numbers(int part) {
  U x{};
  for (int i = 0; i < kWidth; ++i) x[i] = static_cast<uint32_t>(part * kWidth + i);
  return x;
}

inline I is_nan(U a) {
  return (I)(a & ~kSign) > (I)splat(kInfinity);
}
inline U flush(U a) {
  return select((a & kInfinity) == 0, a & kSign, a);
}
/// Of what the host computed: it flushes as the chip does, but its NaNs are its own.
inline U result(F x) {
  return select(x != x, splat(kNan), (U)x);
}

// --- operations of one lane
// ---------------------------------------------------------------------------------

inline U fadd(U a, U b) {
  return result((F)a + (F)b);
}
inline U fsub(U a, U b) {
  return result((F)a - (F)b);
}
inline U fmul(U a, U b) {
  return result((F)a * (F)b);
}
inline U fmax(U a, U b) {
  const I nan = is_nan(a) | is_nan(b);
  a = flush(a);
  b = flush(b);
  U r = select((F)a > (F)b, a, b);
  r = select((F)a == (F)b, a & b, r);
  return select(nan, splat(kNan), r);
}
inline U fmin(U a, U b) {
  const I nan = is_nan(a) | is_nan(b);
  a = flush(a);
  b = flush(b);
  U r = select((F)a < (F)b, a, b);
  r = select((F)a == (F)b, a | b, r);
  return select(nan, splat(kNan), r);
}
inline U fmadd(U a, U b, U c) {
  return result(fused((F)a, (F)b, (F)c));
}
inline U fnmadd(U a, U b, U c) {
  return fmadd(a ^ kSign, b, c);
}
inline U fabs(U a) {
  return select(is_nan(a), splat(kNan), a & ~kSign);
}
inline U fneg(U a) {
  return select(is_nan(a), splat(kNan), a ^ kSign);
}
inline U feq(U a, U b) {
  return (U)((F)a == (F)b);
}
inline U fne(U a, U b) {
  return ~feq(a, b);
}
inline U flt(U a, U b) {
  return (U)((F)a < (F)b);
}
inline U fle(U a, U b) {
  return (U)((F)a <= (F)b);
}

inline U iadd(U a, U b) {
  return a + b;
}
inline U isub(U a, U b) {
  return a - b;
}
inline U imul(U a, U b) {
  return a * b;
}
inline U imax(U a, U b) {
  return select((I)a > (I)b, a, b);
}
inline U imin(U a, U b) {
  return select((I)a < (I)b, a, b);
}
inline U umax(U a, U b) {
  return select(a > b, a, b);
}
inline U umin(U a, U b) {
  return select(a < b, a, b);
}
inline U iabs(U a) {
  return select((I)a < 0, 0 - a, a);
}
inline U ineg(U a) {
  return 0 - a;
}
inline U ieq(U a, U b) {
  return (U)(a == b);
}
inline U ine(U a, U b) {
  return (U)(a != b);
}
inline U ilt(U a, U b) {
  return (U)((I)a < (I)b);
}
inline U ile(U a, U b) {
  return (U)((I)a <= (I)b);
}
inline U ult(U a, U b) {
  return (U)(a < b);
}
inline U ule(U a, U b) {
  return (U)(a <= b);
}
inline U bit_and(U a, U b) {
  return a & b;
}
inline U bit_or(U a, U b) {
  return a | b;
}
inline U bit_xor(U a, U b) {
  return a ^ b;
}
inline U bit_andn(U a, U b) {
  return a & ~b;
}
inline U bit_not(U a) {
  return ~a;
}
inline U shl(U a, U b) {
  return a << (b & 31);
}
inline U shr(U a, U b) {
  return a >> (b & 31);
}
inline U sar(U a, U b) {
  return (U)((I)a >> (I)(b & 31));
}
inline U sel(U a, U b, U c) {
  return select(a != 0, b, c);
}

inline U i2f(U a) {
  return (U) __builtin_convertvector((I)a, F);
}
/// What the host's conversion gives where it has no answer, put right.
inline U saturated(U a, I converted) {
  const I r = select((F)a >= 0x1p31f, (I)splat(0x7fffffff), converted);
  return select(is_nan(a), U{}, (U)r);
}
inline U f2i(U a) {
  return saturated(a, nearest((F)a));
}
inline U f2i_zero(U a) {
  return saturated(a, truncated((F)a));
}
inline U f2i_floor(U a) {
  return saturated(a, truncated(floor((F)flush(a))));
}
inline U rbf16(U a) {
  const U x = flush(a);
  return select(is_nan(a), splat(kNan), (x + 0x7fff + (x >> 16 & 1)) & 0xffff0000);
}
inline U srbf16(U a, U random) {
  const U x = flush(a);
  const U noise = select((x & kInfinity) == kInfinity, U{}, random & 0xffff);
  return select(is_nan(a), splat(kNan), (x + noise) & 0xffff0000);
}
inline U sat8(U a) {
  return imax(imin(a, splat(127)), splat(0xffffff80));
}
inline U canonical(U a) {
  return select(is_nan(a), splat(kNan), flush(a));
}

// --- the tail
// -----------------------------------------------------------------------------------------------

inline U merge(Q even, Q odd_in_place) {
  constexpr uint64_t kEven = 0xffffffff;
  return (U)((even & kEven) | (odd_in_place & ~kEven));
}

/// c * w >> 23. Of the product the bits 23 to 54 are wanted, which need no sign.
inline I step(I c, U w) {
  const Q even = product(c, (I)w);
  const Q odd = product((I)((Q)c >> 32), (I)((Q)w >> 32));
  return (I)merge(even >> 23, odd << 9);
}
inline U poly(U segment, U w) {
  const int32_t* table = &tail::kSegments[0][0];
  const I at = (I)(segment * 4);
  I y = gather(table + 3, at);
  y = gather(table + 2, at) + step(y, w);
  y = gather(table + 1, at) + step(y, w);
  return (U)(gather(table, at) + step(y, w));
}

struct Parts {
  explicit Parts(U x) : sign(x & kSign), exponent((I)(x >> 23 & 0xff) - 127), fraction(x & 0x7fffff) {}
  U sign;
  I exponent;
  U fraction;
};

/// 2^n, -126 <= n <= 127.
inline F power_of_two(I n) {
  return (F)((n + 127) << 23);
}
/// y * 2^q of integers below 2^31, q from -216 to 156: rounded, then scaled in two steps, of which the first
/// neither rounds nor leaves the range.
inline U scaled(U y, I q) {
  const I half = q >> 1;
  return (U)(__builtin_convertvector((I)y, F) * power_of_two(half) * power_of_two(q - half));
}

inline U recip(U x) {
  const Parts p(x);
  const U y = poly(tail::kRecip + (p.fraction >> 17), (p.fraction & 0x1ffff) << 6);
  U r = p.sign | scaled(y, -30 - p.exponent);
  r = select(p.exponent == -127, p.sign | kInfinity, r);
  r = select(p.exponent == 128, p.sign, r);
  return select(is_nan(x), splat(kNan), r);
}

struct Power {
  I n;
  U y;
};
inline Power power(I negative, const Parts& p) {
  constexpr int kSplit = 19;
  const I high_part = I{} + static_cast<int32_t>(tail::kLog2E >> kSplit);
  const I low_part = I{} + static_cast<int32_t>(tail::kLog2E & ((1 << kSplit) - 1));
  const U m = p.fraction | 0x800000;
  const U shift = (U)(31 - p.exponent);
  const auto magnitude = [&](Q significand, Q by) {
    const Q t = (product((I)significand, high_part) << kSplit) + product((I)significand, low_part);
    return shifted(t, by);
  };
  constexpr uint64_t kEven = 0xffffffff;
  const Q even = magnitude((Q)m & kEven, (Q)shift & kEven);
  const Q odd = magnitude((Q)m >> 32, (Q)shift >> 32);
  constexpr uint32_t kFraction = (1u << 29) - 1;
  U f = merge(even, odd << 32) & kFraction;
  I n = (I)merge(even >> 29, odd >> 29 << 32);
  n = select(negative, (I)(f != 0) - n, n);  // a comparison that holds is -1
  f = select(negative, (0 - f) & kFraction, f);
  return {n, poly(tail::kExp + (f >> 23), f & 0x7fffff)};
}

inline U exp(U x) {
  const Parts p(x);
  const I negative = p.sign != 0;
  const Power e = power(negative, p);
  const I small = p.exponent < 7;
  U r = scaled(e.y, select(small, e.n, I{}) - 30);
  r = select(small, r, select(negative, U{}, splat(kInfinity)));
  return select(is_nan(x), splat(kNan), r);
}

inline U sigmoid(U x) {
  const Parts p(x);
  const Power e = power(p.sign == 0, p);
  const auto down = [](U y, I by) { return y >> (U)select(by > 31, I{} + 31, by); };
  const I small = p.exponent < 7;
  const I n = select(small, e.n, I{});
  I k = select(n > 0, n, I{});
  U d = down(e.y, k - n) + down(splat(1u << 30), k);
  const I large = (I)d < 0;
  d = select(large, d >> 1, d);
  k -= large;
  U r = scaled(poly(tail::kRecip + (d >> 24 & 63), d >> 1 & 0x7ffffe), -30 - k);
  r = select(small, r, select(p.sign != 0, U{}, splat(0x3f800000)));
  return select(is_nan(x), splat(kNan), r);
}

inline U log(U x) {
  const Parts p(x);
  const I upper = (I)(0 - (p.fraction >> 22));  // 0 or -1
  const I e = p.exponent - upper;
  const I u = select(upper, (I)p.fraction - 0x800000, (I)(p.fraction << 1));
  const U y = poly(tail::kLog + (p.fraction >> 17), (p.fraction & 0x1ffff) << 6);
  const I g = (I)((y + 2) >> 2);
  const auto sum = [](D exponent, D a, D b) {
    const D part = a * b;
    const D total = exponent * static_cast<double>(tail::kLn2) + floor(part * 0x1p-12);
    return exponent == 0 ? part * 0x1p-52 : total * 0x1p-40;
  };
  U r = (U)narrow(sum(low(e), low(u), low(g)), sum(high(e), high(u), high(g)));
  r = select(p.exponent == 128, splat(kInfinity), r);
  r = select(p.sign != 0, splat(kNan), r);
  r = select(p.exponent == -127, splat(kSign | kInfinity), r);
  return select(is_nan(x), splat(kNan), r);
}

inline U root(uint32_t table, const Parts& p) {
  return poly(table + ((U)(p.exponent & 1) << 5) + (p.fraction >> 18), (p.fraction & 0x3ffff) << 5);
}
inline U sqrt(U x) {
  const Parts p(x);
  U r = scaled(root(tail::kSqrt, p), (p.exponent >> 1) - 30);
  r = select(p.exponent == 128, splat(kInfinity), r);
  r = select(p.sign != 0, splat(kNan), r);
  r = select(p.exponent == -127, p.sign, r);
  return select(is_nan(x), splat(kNan), r);
}
inline U rsqrt(U x) {
  const Parts p(x);
  U r = scaled(root(tail::kRsqrt, p), -30 - (p.exponent >> 1));
  r = select(p.exponent == 128, U{}, r);
  r = select(p.sign != 0, splat(kNan), r);
  r = select(p.exponent == -127, p.sign | kInfinity, r);
  return select(is_nan(x), splat(kNan), r);
}

/// Both halves of the function go through one polynomial. `units` are 2^-(30 + scale) of each binade, as the
/// exponent.
template <int Binades>
inline U saturating(U x, uint32_t table, const int (&units)[Binades]) {
  const Parts p(x);
  const I below_one = p.exponent < 0;
  const U by = (U)(-1 - p.exponent);
  const U t = select(by > 31, U{}, (p.fraction | 0x800000) << 4 >> (by & 31));
  const U above = ((U)(p.exponent + 1) << 5) + (p.fraction >> 18);
  const I inside = p.exponent < Binades;
  const U segment = select(below_one, t >> 23, select(inside, above, U{}));
  const U w = select(below_one, t & 0x7fffff, (p.fraction & 0x3ffff) << 5);
  const U y = poly(table + segment, w);
  // Below 1: |x| * y' * 2^-28, y' = y + 2 >> 2; else 1 - y * units.
  I exponent = I{} + units[0];
  for (int i = 1; i < Binades; ++i) exponent = select(p.exponent == i, I{} + units[i], exponent);
  const F factor = (F)select(below_one, x & ~kSign, (U)power_of_two(exponent));
  const F origin = (F)select(below_one, U{}, splat(0x3f800000));
  const F direction = (F)select(below_one, splat(0x31800000), splat(0xbf800000));  // 2^-28, -1
  const I g = (I)select(below_one, (y + 2) >> 2, y);
  const auto value = [](D o, D d, D a, D b) { return o + d * (a * b); };
  U r = (U)narrow(value(low(origin), low(direction), low(factor), low(g)),
                  value(high(origin), high(direction), high(factor), high(g)));
  r = select(inside, r, splat(0x3f800000));
  r = select(p.exponent == -127, U{}, r);
  return select(is_nan(x), splat(kNan), r | p.sign);
}
inline U tanh(U x) {
  return saturating<4>(x, tail::kTanh, {-30, -32, -36, -45});
}
inline U erf(U x) {
  return saturating<2>(x, tail::kErf, {-30, -34});
}

// --- over many values
// ---------------------------------------------------------------------------------------

template <U (*Op)(U)>
void unary(void* out, const void* a, size_t values) {
  for (size_t i = 0; i < values; i += kWidth) store(out, i, Op(load(a, i)));
}
template <U (*Op)(U, U)>
void binary(void* out, const void* a, const void* b, size_t values) {
  for (size_t i = 0; i < values; i += kWidth) store(out, i, Op(load(a, i), load(b, i)));
}
template <U (*Op)(U, U, U)>
void ternary(void* out, const void* a, const void* b, const void* c, size_t values) {
  for (size_t i = 0; i < values; i += kWidth) store(out, i, Op(load(a, i), load(b, i), load(c, i)));
}

void round_stochastically(void* out, const void* a, uint32_t* state, size_t vectors) {
  U random[kParts];
  for (int part = 0; part < kParts; ++part) random[part] = load(state, static_cast<size_t>(part) * kWidth);
  for (size_t v = 0; v < vectors; ++v) {
    for (int part = 0; part < kParts; ++part) {
      U& r = random[part];
      r ^= r << 13;
      r ^= r >> 17;
      r ^= r << 5;
      const size_t at = v * kLanes + static_cast<size_t>(part) * kWidth;
      store(out, at, srbf16(load(a, at), r));
    }
  }
  for (int part = 0; part < kParts; ++part) store(state, static_cast<size_t>(part) * kWidth, random[part]);
}

// --- across lanes
// -------------------------------------------------------------------------------------------

struct Vector {
  U part[kParts];
};
inline Vector load_active(const void* a, size_t vector, const Vector& is_active, uint32_t idle) {
  Vector x;
  for (int i = 0; i < kParts; ++i) {
    const U lanes = load(a, vector * kLanes + static_cast<size_t>(i) * kWidth);
    x.part[i] = select((I)is_active.part[i], lanes, splat(idle));
  }
  return x;
}
inline void store_all(void* out, size_t vector, U x) {
  for (int i = 0; i < kParts; ++i) store(out, vector * kLanes + static_cast<size_t>(i) * kWidth, x);
}
inline Vector active_lanes(unsigned active) {
  Vector x;
  for (int i = 0; i < kParts; ++i) x.part[i] = (U)(lane_numbers(i) < active);
  return x;
}

/// The butterfly; its result is in every lane.
template <U (*Op)(U, U)>
inline U folded(Vector x) {
  for (int half = kParts / 2; half >= 1; half /= 2) {
    for (int i = 0; i < half; ++i) x.part[i] = Op(x.part[i], x.part[i + half]);
  }
  U r = x.part[0];
  if constexpr (kWidth > 8) r = Op(r, exchange<kWidth / 2>(r));
  r = Op(r, exchange<4>(r));
  r = Op(r, exchange<2>(r));
  return Op(r, exchange<1>(r));
}

template <U (*Op)(U, U), uint32_t Identity>
void reduce(void* out, const void* a, size_t vectors, unsigned active) {
  const Vector is_active = active_lanes(active);
  for (size_t v = 0; v < vectors; ++v) store_all(out, v, folded<Op>(load_active(a, v, is_active, Identity)));
}

/// Through memory, where a vector can be read from any lane on.
template <U (*Op)(U, U), uint32_t Identity>
void scan(void* out, const void* a, size_t vectors, unsigned active) {
  const Vector is_active = active_lanes(active);
  alignas(64) uint32_t before_and_lanes[2 * kLanes];
  for (int i = 0; i < kParts; ++i) store(before_and_lanes, static_cast<size_t>(i) * kWidth, splat(Identity));
  for (size_t v = 0; v < vectors; ++v) {
    Vector x = load_active(a, v, is_active, Identity);
    for (unsigned d = 1; d < kLanes; d *= 2) {
      for (int i = 0; i < kParts; ++i) {
        store(before_and_lanes, kLanes + static_cast<size_t>(i) * kWidth, x.part[i]);
      }
      for (int i = 0; i < kParts; ++i) {
        const U back = load(before_and_lanes, kLanes + static_cast<size_t>(i) * kWidth - d);
        x.part[i] = select(lane_numbers(i) >= d, Op(back, x.part[i]), x.part[i]);
      }
    }
    for (int i = 0; i < kParts; ++i) store(out, v * kLanes + static_cast<size_t>(i) * kWidth, x.part[i]);
  }
}

inline U order(U a, uint32_t nan) {
  const U x = flush(a);
  return select(is_nan(a), splat(nan), select((I)x < 0, ~x, x | kSign));
}
inline U fargmax_key(U a) {
  return order(a, 0xffffffff);
}
inline U fargmin_key(U a) {
  return ~order(a, 0);
}
inline U iargmax_key(U a) {
  return a ^ kSign;
}
inline U iargmin_key(U a) {
  return ~(a ^ kSign);
}
template <U (*Key)(U)>
void arg(void* out, const void* a, size_t vectors, unsigned active) {
  const Vector is_active = active_lanes(active);
  for (size_t v = 0; v < vectors; ++v) {
    Vector keys;
    for (int i = 0; i < kParts; ++i) {
      keys.part[i] = Key(load(a, v * kLanes + static_cast<size_t>(i) * kWidth)) & is_active.part[i];
    }
    const U largest = folded<umax>(keys);
    Vector lanes;
    for (int i = 0; i < kParts; ++i) {
      lanes.part[i] = select(keys.part[i] == largest, lane_numbers(i), splat(kLanes));
    }
    store_all(out, v, folded<umin>(lanes));
  }
}

// --- packets
// ------------------------------------------------------------------------------------------------

void from_bf16(void* out, const uint8_t* packets, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; i += kWidth) store(out, i, widened(packets + 2 * i) << 16);
}
void to_bf16(uint8_t* packets, const void* a, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; i += kWidth)
    store_halves(packets + 2 * i, rbf16(load(a, i)) >> 16);
}
void from_int8(void* out, const uint8_t* packets, size_t vectors) {
  for (size_t v = 0; v < vectors; ++v) {
    for (size_t i = 0; i < kLanes; i += kWidth) {
      store(out, v * kLanes + i, (U)widened_bytes(packets + v * kPacketBytes + i));
    }
  }
}
void to_int8(uint8_t* packets, const void* a, size_t vectors) {
  for (size_t v = 0; v < vectors; ++v) {
    for (size_t i = 0; i < kLanes; i += kWidth) {
      store_bytes(packets + v * kPacketBytes + i, sat8(load(a, v * kLanes + i)));
    }
    __builtin_memset(packets + v * kPacketBytes + kLanes, 0, kPacketBytes - kLanes);
  }
}

// --- the matrix
// ---------------------------------------------------------------------------------------------

constexpr size_t kMostRows = 8;
constexpr size_t kChunk = 64;  ///< steps that are packed at a time where the caller has not done it

/// A panel of FP32: 8 rows a step.
void pack_rows_fp32(uint8_t* panel, const uint8_t* in1, size_t steps) {
  typedef uint16_t EightHalves __attribute__((vector_size(16)));
  typedef uint32_t EightWords __attribute__((vector_size(32)));
  for (size_t k = 0; k < steps; ++k) {
    EightHalves x;
    __builtin_memcpy(&x, in1 + k * kPacketBytes, sizeof x);
    const EightWords y = __builtin_convertvector(x, EightWords) << 16;
    __builtin_memcpy(panel + k * sizeof y, &y, sizeof y);
  }
}

/// Rows are packed for `Product`, which takes lanes as they come (PackLanes null) or packed, too.
template <void (*PackLanes)(uint8_t*, const uint8_t*, size_t),
          void (*PackRows)(uint8_t*, const uint8_t*, size_t),
          void (*Product)(float*, const uint8_t*, const uint8_t*, size_t, unsigned)>
void matrix(float* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows) {
  alignas(64) uint8_t rows_panel[kChunk * kMostRows * 4];
  for (size_t at = 0; at < steps; at += kChunk) {
    const size_t n = steps - at < kChunk ? steps - at : kChunk;
    PackRows(rows_panel, in1 + at * kPacketBytes, n);
    if constexpr (PackLanes != nullptr) {
      alignas(64) uint8_t lanes_panel[kChunk * kLanes * 4];
      PackLanes(lanes_panel, in0 + at * kPacketBytes, n);
      Product(acc, lanes_panel, rows_panel, n, rows);
    } else {
      Product(acc, in0 + at * kPacketBytes, rows_panel, n, rows);
    }
  }
}

/// `Row` for each group of rows that fits the registers.
template <template <unsigned> class Row, class... Arguments>
void by_rows(unsigned rows, Arguments... arguments) {
  switch (rows) {
    case 1:
      return Row<1>::run(arguments...);
    case 2:
      return Row<2>::run(arguments...);
    case 3:
      return Row<3>::run(arguments...);
    case 4:
      return Row<4>::run(arguments...);
    case 5:
      return Row<5>::run(arguments...);
    case 6:
      return Row<6>::run(arguments...);
    case 7:
      return Row<7>::run(arguments...);
    default:
      return Row<8>::run(arguments...);
  }
}

/// Everything but the matrix; BCAST, UP and DOWN only copy.
Kernels common_kernels(const char* name) {
  Kernels k{};
  k.name = name;
  k.fadd = binary<fadd>;
  k.fsub = binary<fsub>;
  k.fmul = binary<fmul>;
  k.fmax = binary<fmax>;
  k.fmin = binary<fmin>;
  k.fmadd = ternary<fmadd>;
  k.fnmadd = ternary<fnmadd>;
  k.fabs = unary<fabs>;
  k.fneg = unary<fneg>;
  k.feq = binary<feq>;
  k.fne = binary<fne>;
  k.flt = binary<flt>;
  k.fle = binary<fle>;
  k.iadd = binary<iadd>;
  k.isub = binary<isub>;
  k.imul = binary<imul>;
  k.imax = binary<imax>;
  k.imin = binary<imin>;
  k.iabs = unary<iabs>;
  k.ineg = unary<ineg>;
  k.ieq = binary<ieq>;
  k.ine = binary<ine>;
  k.ilt = binary<ilt>;
  k.ile = binary<ile>;
  k.ult = binary<ult>;
  k.ule = binary<ule>;
  k.bit_and = binary<bit_and>;
  k.bit_or = binary<bit_or>;
  k.bit_xor = binary<bit_xor>;
  k.bit_andn = binary<bit_andn>;
  k.bit_not = unary<bit_not>;
  k.shl = binary<shl>;
  k.shr = binary<shr>;
  k.sar = binary<sar>;
  k.sel = ternary<sel>;
  k.i2f = unary<i2f>;
  k.f2i = unary<f2i>;
  k.f2i_zero = unary<f2i_zero>;
  k.f2i_floor = unary<f2i_floor>;
  k.rbf16 = unary<rbf16>;
  k.sat8 = unary<sat8>;
  k.exp = unary<exp>;
  k.recip = unary<recip>;
  k.log = unary<log>;
  k.sqrt = unary<sqrt>;
  k.rsqrt = unary<rsqrt>;
  k.sigmoid = unary<sigmoid>;
  k.tanh = unary<tanh>;
  k.erf = unary<erf>;
  k.canonical = unary<canonical>;
  k.srbf16 = round_stochastically;
  k.fred_sum = reduce<fadd, 0>;
  k.fred_max = reduce<fmax, kSign | kInfinity>;
  k.fred_min = reduce<fmin, kInfinity>;
  k.ired_sum = reduce<iadd, 0>;
  k.ired_max = reduce<imax, 0x80000000>;
  k.ired_min = reduce<imin, 0x7fffffff>;
  k.red_and = reduce<bit_and, 0xffffffff>;
  k.red_or = reduce<bit_or, 0>;
  k.red_xor = reduce<bit_xor, 0>;
  k.fscan_sum = scan<fadd, 0>;
  k.fscan_max = scan<fmax, kSign | kInfinity>;
  k.iscan_sum = scan<iadd, 0>;
  k.fargmax = arg<fargmax_key>;
  k.fargmin = arg<fargmin_key>;
  k.iargmax = arg<iargmax_key>;
  k.iargmin = arg<iargmin_key>;
  k.bcast = portable_kernels().bcast;
  k.up = portable_kernels().up;
  k.down = portable_kernels().down;
  k.from_bf16 = from_bf16;
  k.to_bf16 = to_bf16;
  k.from_int8 = from_int8;
  k.to_int8 = to_int8;
  return k;
}

}  // namespace
}  // namespace rdu::fabric
