#pragma once

#include "fabric/math/scalar.h"

/// The operations of the cross-lane network on one vector of 32 lanes of 32 bits, named as STAGE.OP. The
/// first `active` lanes (1..32) take part; what the others of `out` hold is nowhere visible, as they leave a
/// unit as zero bits. `out` may be `a`.
namespace rdu::fabric::scalar {

inline constexpr unsigned kVectorLanes = 32;

using Binary = uint32_t (*)(uint32_t, uint32_t);

inline void copy_active(uint32_t* x, const uint32_t* a, unsigned active, uint32_t idle) {
  for (unsigned i = 0; i < kVectorLanes; ++i) x[i] = i < active ? a[i] : idle;
}

/// Butterfly: for half = 16, 8, 4, 2, 1: x[i] = op(x[i], x[i ^ half]) in all lanes at once. Idle lanes hold
/// the identity. The result is in every lane.
inline void reduce(uint32_t* out, const uint32_t* a, unsigned active, uint32_t identity, Binary op) {
  uint32_t x[kVectorLanes];
  copy_active(x, a, active, identity);
  for (unsigned half = kVectorLanes / 2; half >= 1; half /= 2) {
    uint32_t next[kVectorLanes];
    for (unsigned i = 0; i < kVectorLanes; ++i) next[i] = op(x[i], x[i ^ half]);
    std::memcpy(x, next, sizeof x);
  }
  std::memcpy(out, x, sizeof x);
}

/// Inclusive: for d = 1, 2, 4, 8, 16: x[i] = op(x[i - d], x[i]) in the lanes i >= d at once.
inline void scan(uint32_t* out, const uint32_t* a, unsigned active, uint32_t identity, Binary op) {
  uint32_t x[kVectorLanes];
  copy_active(x, a, active, identity);
  for (unsigned d = 1; d < kVectorLanes; d *= 2) {
    uint32_t next[kVectorLanes];
    for (unsigned i = 0; i < kVectorLanes; ++i) next[i] = i < d ? x[i] : op(x[i - d], x[i]);
    std::memcpy(x, next, sizeof x);
  }
  std::memcpy(out, x, sizeof x);
}

/// An unsigned number that is larger the larger the FP32 value is, -0 below +0 and subnormals as zeros of
/// their sign. `nan` stands for every NaN.
inline uint32_t order_of(uint32_t a, uint32_t nan) {
  if (is_nan(from_bits(a))) return nan;
  const uint32_t bits = bits_of(flush(from_bits(a)));
  return bits & kSign ? ~bits : bits | kSign;
}

/// The lane of the largest key, of equal ones the lowest, in every lane.
template <class Key>
void arg_max(uint32_t* out, const uint32_t* a, unsigned active, Key key) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < active; ++i) {
    if (key(a[i]) > key(a[best])) best = i;
  }
  for (unsigned i = 0; i < kVectorLanes; ++i) out[i] = best;
}

inline void fred_sum(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, 0, fadd);
}
inline void fred_max(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, kSign | kInfinity, fmax);
}
inline void fred_min(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, kInfinity, fmin);
}
inline void ired_sum(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, 0, iadd);
}
inline void ired_max(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, 0x80000000u, imax);
}
inline void ired_min(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, 0x7fffffffu, imin);
}
inline void red_and(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, 0xffffffffu, bit_and);
}
inline void red_or(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, 0, bit_or);
}
inline void red_xor(uint32_t* out, const uint32_t* a, unsigned active) {
  reduce(out, a, active, 0, bit_xor);
}

inline void fscan_sum(uint32_t* out, const uint32_t* a, unsigned active) {
  scan(out, a, active, 0, fadd);
}
inline void fscan_max(uint32_t* out, const uint32_t* a, unsigned active) {
  scan(out, a, active, kSign | kInfinity, fmax);
}
inline void iscan_sum(uint32_t* out, const uint32_t* a, unsigned active) {
  scan(out, a, active, 0, iadd);
}

/// A NaN beats everything, here and in FARGMIN; +0 is larger than -0.
inline void fargmax(uint32_t* out, const uint32_t* a, unsigned active) {
  arg_max(out, a, active, [](uint32_t x) { return order_of(x, 0xffffffffu); });
}
inline void fargmin(uint32_t* out, const uint32_t* a, unsigned active) {
  arg_max(out, a, active, [](uint32_t x) { return ~order_of(x, 0); });
}
inline void iargmax(uint32_t* out, const uint32_t* a, unsigned active) {
  arg_max(out, a, active, [](uint32_t x) { return x ^ 0x80000000u; });
}
inline void iargmin(uint32_t* out, const uint32_t* a, unsigned active) {
  arg_max(out, a, active, [](uint32_t x) { return ~(x ^ 0x80000000u); });
}

/// Lane n of A in every lane, n = B of lane 0 & 31; zero bits if that lane is idle.
inline void bcast(uint32_t* out, const uint32_t* a, const uint32_t* b, unsigned active) {
  const unsigned n = b[0] & 31;
  const uint32_t value = n < active ? a[n] : 0;
  for (unsigned i = 0; i < kVectorLanes; ++i) out[i] = value;
}
/// Lane i takes A[i - n] (UP), A[i + n] (DOWN), n = B of lane 0 & 31; from outside the active lanes zero
/// bits.
inline void up(uint32_t* out, const uint32_t* a, const uint32_t* b, unsigned active) {
  const unsigned n = b[0] & 31;
  uint32_t x[kVectorLanes];
  copy_active(x, a, active, 0);
  for (unsigned i = 0; i < kVectorLanes; ++i) out[i] = i >= n ? x[i - n] : 0;
}
inline void down(uint32_t* out, const uint32_t* a, const uint32_t* b, unsigned active) {
  const unsigned n = b[0] & 31;
  uint32_t x[kVectorLanes];
  copy_active(x, a, active, 0);
  for (unsigned i = 0; i < kVectorLanes; ++i) out[i] = i + n < kVectorLanes ? x[i + n] : 0;
}

}  // namespace rdu::fabric::scalar
