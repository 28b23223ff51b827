#pragma once

#include <cstdint>

#include "core/systemc.h"

/// Simulated time as an integer, so that arithmetic on it is exact and cheap.
namespace rdu::core {

using Time = uint64_t;  ///< picoseconds since the start of simulation

inline constexpr Time kNever = ~Time{0};
inline constexpr Time kNanosecond = 1000;
inline constexpr Time kMicrosecond = 1000 * kNanosecond;
inline constexpr Time kMillisecond = 1000 * kMicrosecond;

/// The kernel's resolution is SystemC's default of one picosecond; elaboration checks it.
inline sc_core::sc_time to_sc(Time t) {
  return sc_core::sc_time::from_value(t);
}
inline Time from_sc(const sc_core::sc_time& t) {
  return t.value();
}
inline Time now() {
  return sc_core::sc_time_stamp().value();
}

/// A clock: a period in picoseconds. Conversions between cycles and time are exact for whole periods.
struct Clock {
  Time period = 1000;  ///< ps

  Time time(uint64_t cycles) const { return cycles * period; }
  uint64_t cycles_ceil(Time t) const { return (t + period - 1) / period; }
  /// The first clock edge at or after t.
  Time align(Time t) const { return cycles_ceil(t) * period; }
};

}  // namespace rdu::core
