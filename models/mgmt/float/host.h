#pragma once

#include "mgmt/float/format.h"

namespace rdu::mgmt::fp {

/// The arithmetic by the host's own instructions, under the rounding mode that its control register holds now
/// and with flags collected there: see HostEnvironment. Each function is true if *result is what RISC-V
/// defines; where it is not (a NaN, a value outside an integer's range) Soft<F> must be asked as well, and
/// the flags that the host has raised until then are among those that Soft<F> raises.
///
/// The instructions are written out, because a compiler may move, join or fold arithmetic without regard to
/// the control register, and converts numbers out of range as it likes.
///
/// On hosts that are not x86-64 HostEnvironment::supports() is false and nothing else may be called.
template <class F>
class Host {
 public:
  using Bits = typename F::Bits;

  static bool add(Bits a, Bits b, Bits* result);
  static bool subtract(Bits a, Bits b, Bits* result);
  static bool multiply(Bits a, Bits b, Bits* result);
  static bool divide(Bits a, Bits b, Bits* result);
  static bool square_root(Bits a, Bits* result);
  static bool multiply_add(Bits a, Bits b, Bits c, Bits* result);              ///< a * b + c
  static bool multiply_subtract(Bits a, Bits b, Bits c, Bits* result);         ///< a * b - c
  static bool negate_multiply_add(Bits a, Bits b, Bits c, Bits* result);       ///< -(a * b) + c
  static bool negate_multiply_subtract(Bits a, Bits b, Bits c, Bits* result);  ///< -(a * b) - c

  static bool minimum(Bits a, Bits b, Bits* result);
  static bool maximum(Bits a, Bits b, Bits* result);
  static bool equal(Bits a, Bits b);  ///< right for all operands, as are the two below
  static bool less(Bits a, Bits b);
  static bool less_or_equal(Bits a, Bits b);

  /// By the host's mode, or toward zero whatever that is.
  template <bool toward_zero>
  static bool to_int32(Bits a, int32_t* result);
  template <bool toward_zero>
  static bool to_int64(Bits a, int64_t* result);
  template <bool toward_zero>
  static bool to_uint32(Bits a, uint32_t* result);
  template <bool toward_zero>
  static bool to_uint64(Bits a, uint64_t* result);

  static bool from_signed(int64_t value, Bits* result);
  static bool from_unsigned(uint64_t value, Bits* result);
  /// From the other format.
  template <class From>
  static bool convert(typename From::Bits a, Bits* result);
};

/// The host's mode and flags while it computes for a hart.
class HostEnvironment {
 public:
  /// Whether the host has all instructions (x86-64 with FMA) and can round this way.
  static bool supports(Rounding rounding);
  /// Sets the mode and clears the flags.
  static void enter(Rounding rounding);
  /// Flags since enter(), as in fflags.
  static uint8_t flags();

  /// The whole register. kDefault is what C++ code expects.
  static uint32_t save();
  static void restore(uint32_t value);
  static constexpr uint32_t kDefault = 0x1f80;
};

/// Lets other code of the platform run, while it exists, as if no hart computed.
class HostDefault {
 public:
  HostDefault() : saved_(HostEnvironment::save()) { HostEnvironment::restore(HostEnvironment::kDefault); }
  ~HostDefault() { HostEnvironment::restore(saved_); }
  HostDefault(const HostDefault&) = delete;
  HostDefault& operator=(const HostDefault&) = delete;

 private:
  uint32_t saved_;
};

}  // namespace rdu::mgmt::fp

#if defined(__x86_64__)
#include "mgmt/float/host_x86.h"
#else
#include "mgmt/float/host_none.h"
#endif
