#pragma once

// Included by host.h: a host whose arithmetic is not used.

namespace rdu::mgmt::fp {

inline bool HostEnvironment::supports(Rounding) {
  return false;
}
inline void HostEnvironment::enter(Rounding) {}
inline uint8_t HostEnvironment::flags() {
  return 0;
}
inline uint32_t HostEnvironment::save() {
  return kDefault;
}
inline void HostEnvironment::restore(uint32_t) {}

// clang-format off
template <class F> bool Host<F>::add(Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::subtract(Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::multiply(Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::divide(Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::square_root(Bits, Bits*) { return false; }
template <class F> bool Host<F>::multiply_add(Bits, Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::multiply_subtract(Bits, Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::negate_multiply_add(Bits, Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::negate_multiply_subtract(Bits, Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::minimum(Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::maximum(Bits, Bits, Bits*) { return false; }
template <class F> bool Host<F>::equal(Bits, Bits) { return false; }
template <class F> bool Host<F>::less(Bits, Bits) { return false; }
template <class F> bool Host<F>::less_or_equal(Bits, Bits) { return false; }
template <class F> template <bool> bool Host<F>::to_int32(Bits, int32_t*) { return false; }
template <class F> template <bool> bool Host<F>::to_int64(Bits, int64_t*) { return false; }
template <class F> template <bool> bool Host<F>::to_uint32(Bits, uint32_t*) { return false; }
template <class F> template <bool> bool Host<F>::to_uint64(Bits, uint64_t*) { return false; }
template <class F> bool Host<F>::from_signed(int64_t, Bits*) { return false; }
template <class F> bool Host<F>::from_unsigned(uint64_t, Bits*) { return false; }
template <class F> template <class From> bool Host<F>::convert(typename From::Bits, Bits*) { return false; }
// clang-format on

}  // namespace rdu::mgmt::fp
