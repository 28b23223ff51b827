#include "runtime/health.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdu::runtime {

namespace {

const char* severity_name(uint32_t severity) {
  switch (severity) {
    case RDU_SEVERITY_INFO:
      return "info";
    case RDU_SEVERITY_WARNING:
      return "warning";
    default:
      return "error";
  }
}

const char* start_name(uint32_t reason) {
  static const char* const names[] = {"power on", "software", "host", "watchdog"};
  return reason < std::size(names) ? names[reason] : "unknown";
}

std::string thermal_text(const rdu_device_event& e) {
  static const char* const what[] = {"below its low", "above its high", "above its critical"};
  return fmt::format("sensor {} is {} threshold", e.source,
                     e.code < std::size(what) ? what[e.code] : "beyond a");
}

std::string link_text(const rdu_device_event& e) {
  return fmt::format("link {} {}", e.source,
                     e.severity == RDU_SEVERITY_WARNING ? "is narrower than it could be" : "is down");
}

const char* panic_name(uint32_t kind) {
  switch (kind) {
    case RDU_PANIC_ASSERT:
      return "the firmware found itself wrong";
    case RDU_PANIC_TRAP:
      return "an exception";
    case RDU_PANIC_WATCHDOG:
      return "the firmware hung";
    default:
      return "unknown kind";
  }
}

std::string what_happened(const rdu_device_event& e) {
  switch (e.type) {
    case RDU_EVENT_RESTARTED:
      return fmt::format("the firmware has started anew: {}", start_name(e.code));
    case RDU_EVENT_THERMAL:
      return thermal_text(e);
    case RDU_EVENT_ECC:
      return fmt::format("{}: ECC {} an error", e.source == RDU_SEGMENT_HBM ? "HBM" : "DDR",
                         e.code == 0 ? "corrected" : "could not correct");
    case RDU_EVENT_LINK:
      return link_text(e);
    case RDU_EVENT_PANIC:
      return fmt::format("the firmware had panicked: {}", panic_name(e.code));
    default:
      return fmt::format("event of unknown type {}", e.type);
  }
}

}  // namespace

rdu_device_event device_event_of(const rdu_log_event& event) {
  return {event.sequence, event.type, event.code, event.severity, event.source, event.time_ns, event.value};
}

std::string describe(const rdu_device_event& event) {
  return fmt::format("{}: {}", severity_name(event.severity), what_happened(event));
}

std::string describe(const rdu_log_panic& panic) {
  std::string text = fmt::format("{}, {}: {}\n", panic.firmware, panic_name(panic.kind), panic.text);
  text += fmt::format("at {} ns, after {} restarts; mcause {:#x} mtval {:#x}\n", panic.time_ns,
                      panic.restarts, panic.cause, panic.value);
  static const char* const names[] = {"pc", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
                                      "a1", "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
                                      "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
  for (size_t n = 0; n < std::size(names); ++n)
    text += fmt::format("{:<3} {:#018x}{}", names[n], panic.registers[n], n % 4 == 3 ? "\n" : "  ");
  text += "called from";
  for (uint32_t n = 0; n < std::min(panic.call_count, RDU_PANIC_CALLS); ++n)
    text += fmt::format(" {:#x}", panic.calls[n]);
  return text + "\n";
}

}  // namespace rdu::runtime
