#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include "core/time.h"

/// Every failure names itself: a category, the unit's hierarchical name, the simulated time and a text.
namespace rdu::core {

enum class ErrorKind {
  guest_fault,    ///< software did what the hardware forbids
  unimplemented,  ///< the model lacks it
  bad_input,      ///< a file, an argument or a configuration is wrong
  internal,       ///< our bug
};

const char* to_string(ErrorKind kind);

/// The exit status of `rduvp` for an error that stops it: 2 bad input, 3 unimplemented, 4 internal, 5 guest
/// fault.
int exit_status(ErrorKind kind);

/// Thrown for everything that stops the simulation (or the program, for bad input before it starts). what()
/// reads "bad input: platform/config/mini.yaml:12: unknown key 'hbn' (did you mean 'hbm'?)" or
/// "unimplemented: socket0.mgmt.hart0 at 12.500 us: instruction 0x....".
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& unit, const std::string& text);

  ErrorKind kind() const { return kind_; }
  const std::string& unit() const { return unit_; }
  /// Simulated time at which it was thrown; 0 before the start.
  Time time() const { return time_; }

 private:
  ErrorKind kind_;
  std::string unit_;
  Time time_;
};

/// Bad input needs no unit: the text names file and line itself.
[[noreturn]] void bad_input(const std::string& text);

/// A guest fault that hardware reports to software (an error status, an interrupt) does not stop the
/// simulation, but is always written to the error log, which the platform prints and counts.
struct GuestFault {
  std::string unit;  ///< hierarchical name
  Time time;
  std::string text;
};

/// Where guest faults go; the platform installs one sink at start. Without a sink they go to standard error.
void report_guest_fault(const std::string& unit, const std::string& text);
void set_guest_fault_sink(std::function<void(const GuestFault&)> sink);

/// "12.500 us", for messages and the UART's time stamps.
std::string format_time(Time t);

}  // namespace rdu::core
