#pragma once

// Included by host.h: the arithmetic in SSE and FMA instructions.

#include <cstring>
#include <type_traits>

namespace rdu::mgmt::fp {

inline bool HostEnvironment::supports(Rounding rounding) {
  static const bool has_fma = __builtin_cpu_supports("fma");
  return has_fma && rounding <= Rounding::up;
}
inline uint32_t HostEnvironment::save() {
  uint32_t value;
  asm volatile("stmxcsr %0" : "=m"(value) : : "memory");
  return value;
}
inline void HostEnvironment::restore(uint32_t value) {
  asm volatile("ldmxcsr %0" : : "m"(value) : "memory");
}
inline void HostEnvironment::enter(Rounding rounding) {
  // Field RC, bits 14 and 13, for RNE, RTZ, RDN and RUP.
  static constexpr uint32_t kControl[] = {0, 3u << 13, 1u << 13, 2u << 13};
  restore(kDefault | kControl[static_cast<unsigned>(rounding)]);
}
inline uint8_t HostEnvironment::flags() {
  // Bits 0 to 5: invalid, denormal operand, division by zero, overflow, underflow, inexact. Like RISC-V, SSE
  // finds out after rounding whether a result is tiny.
  const uint32_t raised = save();
  return static_cast<uint8_t>((raised & 1) << 4 | (raised & 4) << 1 | (raised & 8) >> 1 | (raised & 16) >> 3 |
                              (raised & 32) >> 5);
}

namespace host {

template <class F>
using Native = std::conditional_t<std::is_same_v<F, Binary32>, float, double>;

template <class F>
Native<F> native(typename F::Bits a) {
  Native<F> n;
  std::memcpy(&n, &a, sizeof n);
  return n;
}

/// An instruction: what its name begins with, then, in the format's variant (ss or sd), its rest and
/// operands.
#define RDU_SSE(F, name, ...)                  \
  if constexpr (std::is_same_v<F, Binary32>) { \
    asm volatile(name "ss" __VA_ARGS__);       \
  } else {                                     \
    asm volatile(name "sd" __VA_ARGS__);       \
  }

/// Stores r; true unless it is a NaN.
template <class F>
bool is_number(Native<F> r, typename F::Bits* result) {
  bool ordered;
  RDU_SSE(F, "ucomi", " %1, %1" : "=@ccnp"(ordered) : "x"(r))
  std::memcpy(result, &r, sizeof r);
  return ordered;
}

struct Order {
  bool above, below, unordered;
};

/// Invalid only for a signalling NaN.
template <class F>
Order compare(typename F::Bits a, typename F::Bits b) {
  Order o;
  RDU_SSE(F, "ucomi", " %4, %3"
          : "=@cca"(o.above), "=@ccb"(o.below), "=@ccp"(o.unordered)
          : "x"(native<F>(a)), "xm"(native<F>(b)))
  return o;
}

/// 2^n. Less than it, as bits, are the numbers in [0, 2^n).
template <class F, unsigned n>
constexpr typename F::Bits power() {
  return typename F::Bits{F::kBias + n} << F::kFractionBits;
}

}  // namespace host

#define RDU_BINARY(function, name)                                   \
  template <class F>                                                 \
  inline bool Host<F>::function(Bits a, Bits b, Bits* result) {      \
    host::Native<F> r = host::native<F>(a);                          \
    RDU_SSE(F, name, " %1, %0" : "+x"(r) : "xm"(host::native<F>(b))) \
    return host::is_number<F>(r, result);                            \
  }
RDU_BINARY(add, "add")
RDU_BINARY(subtract, "sub")
RDU_BINARY(multiply, "mul")
RDU_BINARY(divide, "div")
#undef RDU_BINARY

template <class F>
inline bool Host<F>::square_root(Bits a, Bits* result) {
  host::Native<F> r = 0;
  RDU_SSE(F, "sqrt", " %1, %0" : "+x"(r) : "xm"(host::native<F>(a)))
  return host::is_number<F>(r, result);
}

#define RDU_FUSED(function, name)                                                                 \
  template <class F>                                                                              \
  inline bool Host<F>::function(Bits a, Bits b, Bits c, Bits* result) {                           \
    host::Native<F> r = host::native<F>(a);                                                       \
    RDU_SSE(F, name, " %2, %1, %0" : "+x"(r) : "x"(host::native<F>(b)), "xm"(host::native<F>(c))) \
    return host::is_number<F>(r, result);                                                         \
  }
RDU_FUSED(multiply_add, "vfmadd213")
RDU_FUSED(multiply_subtract, "vfmsub213")
RDU_FUSED(negate_multiply_add, "vfnmadd213")
RDU_FUSED(negate_multiply_subtract, "vfnmsub213")
#undef RDU_FUSED

// Numbers that compare as equal have the same bits or are zeros.
template <class F>
inline bool Host<F>::minimum(Bits a, Bits b, Bits* result) {
  const host::Order o = host::compare<F>(a, b);
  *result = o.above ? b : o.below ? a : a | b;
  return !o.unordered;
}
template <class F>
inline bool Host<F>::maximum(Bits a, Bits b, Bits* result) {
  const host::Order o = host::compare<F>(a, b);
  *result = o.above ? a : o.below ? b : a & b;
  return !o.unordered;
}

template <class F>
inline bool Host<F>::equal(Bits a, Bits b) {
  bool same, ordered;
  RDU_SSE(F, "ucomi", " %3, %2"
          : "=@cce"(same), "=@ccnp"(ordered)
          : "x"(host::native<F>(a)), "xm"(host::native<F>(b)))
  return same && ordered;
}
// "Above" and "above or equal" are false for NaNs, so b is compared with a.
template <class F>
inline bool Host<F>::less(Bits a, Bits b) {
  bool above;
  RDU_SSE(F, "comi", " %2, %1" : "=@cca"(above) : "x"(host::native<F>(b)), "xm"(host::native<F>(a)))
  return above;
}
template <class F>
inline bool Host<F>::less_or_equal(Bits a, Bits b) {
  bool above_or_equal;
  RDU_SSE(F, "comi", " %2, %1" : "=@ccae"(above_or_equal) : "x"(host::native<F>(b)), "xm"(host::native<F>(a)))
  return above_or_equal;
}

// A value out of range gives the least number of the type, which is also a right result, so Soft decides.
template <class F>
template <bool toward_zero>
inline bool Host<F>::to_int32(Bits a, int32_t* result) {
  if constexpr (toward_zero) {
    RDU_SSE(F, "cvtt", "2sil %1, %0" : "=r"(*result) : "xm"(host::native<F>(a)))
  } else {
    RDU_SSE(F, "cvt", "2sil %1, %0" : "=r"(*result) : "xm"(host::native<F>(a)))
  }
  return *result != INT32_MIN;
}
template <class F>
template <bool toward_zero>
inline bool Host<F>::to_int64(Bits a, int64_t* result) {
  if constexpr (toward_zero) {
    RDU_SSE(F, "cvtt", "2siq %1, %0" : "=r"(*result) : "xm"(host::native<F>(a)))
  } else {
    RDU_SSE(F, "cvt", "2siq %1, %0" : "=r"(*result) : "xm"(host::native<F>(a)))
  }
  return *result != INT64_MIN;
}
// The host knows signed integers only: for what fits one. Others must not reach it, or it would say "inexact"
// where RISC-V says "invalid".
template <class F>
template <bool toward_zero>
inline bool Host<F>::to_uint32(Bits a, uint32_t* result) {
  if (a >= host::power<F, 31>()) return false;
  int64_t wide = 0;
  const bool good = to_int64<toward_zero>(a, &wide);
  *result = static_cast<uint32_t>(wide);
  return good;
}
template <class F>
template <bool toward_zero>
inline bool Host<F>::to_uint64(Bits a, uint64_t* result) {
  if (a >= host::power<F, 63>()) return false;
  int64_t wide = 0;
  const bool good = to_int64<toward_zero>(a, &wide);
  *result = static_cast<uint64_t>(wide);
  return good;
}

template <class F>
inline bool Host<F>::from_signed(int64_t value, Bits* result) {
  host::Native<F> r = 0;
  RDU_SSE(F, "cvtsi2", "q %1, %0" : "+x"(r) : "rm"(value))
  std::memcpy(result, &r, sizeof r);
  return true;
}
template <class F>
inline bool Host<F>::from_unsigned(uint64_t value, Bits* result) {
  return value <= INT64_MAX && from_signed(static_cast<int64_t>(value), result);
}

template <class F>
template <class From>
inline bool Host<F>::convert(typename From::Bits a, Bits* result) {
  host::Native<F> r = 0;
  if constexpr (std::is_same_v<F, Binary32>) {
    asm volatile("cvtsd2ss %1, %0" : "+x"(r) : "xm"(host::native<From>(a)));
  } else {
    asm volatile("cvtss2sd %1, %0" : "+x"(r) : "xm"(host::native<From>(a)));
  }
  return host::is_number<F>(r, result);
}

#undef RDU_SSE

}  // namespace rdu::mgmt::fp
