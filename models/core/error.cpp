#include "core/error.h"

#include <fmt/format.h>

#include <cstdio>

namespace rdu::core {
namespace {

std::function<void(const GuestFault&)>& sink() {
  static std::function<void(const GuestFault&)> instance;
  return instance;
}

std::string compose(ErrorKind kind, const std::string& unit, const std::string& text) {
  if (unit.empty()) return fmt::format("{}: {}", to_string(kind), text);
  return fmt::format("{}: {} at {}: {}", to_string(kind), unit, format_time(now()), text);
}

}  // namespace

const char* to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::guest_fault:
      return "guest fault";
    case ErrorKind::unimplemented:
      return "unimplemented";
    case ErrorKind::bad_input:
      return "bad input";
    case ErrorKind::internal:
      break;
  }
  return "internal error";
}

int exit_status(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bad_input:
      return 2;
    case ErrorKind::unimplemented:
      return 3;
    case ErrorKind::internal:
      return 4;
    case ErrorKind::guest_fault:
      break;
  }
  return 5;
}

Error::Error(ErrorKind kind, const std::string& unit, const std::string& text)
    : std::runtime_error(compose(kind, unit, text)), kind_(kind), unit_(unit), time_(now()) {}

void bad_input(const std::string& text) {
  throw Error(ErrorKind::bad_input, "", text);
}

void report_guest_fault(const std::string& unit, const std::string& text) {
  GuestFault fault{unit, now(), text};
  if (sink()) {
    sink()(fault);
  } else {
    fmt::print(stderr, "guest fault: {} at {}: {}\n", unit, format_time(fault.time), text);
  }
}

void set_guest_fault_sink(std::function<void(const GuestFault&)> new_sink) {
  sink() = std::move(new_sink);
}

std::string format_time(Time t) {
  if (t < kMicrosecond) return fmt::format("{:.3f} ns", static_cast<double>(t) / kNanosecond);
  if (t < kMillisecond) return fmt::format("{:.3f} us", static_cast<double>(t) / kMicrosecond);
  return fmt::format("{:.3f} ms", static_cast<double>(t) / kMillisecond);
}

}  // namespace rdu::core
