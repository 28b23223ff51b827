#pragma once

#include <cstdint>

namespace rdu::mgmt {

/// Causes of exceptions (mcause).
enum class Cause : uint64_t {
  fetch_access = 1,
  illegal = 2,
  breakpoint = 3,
  load_misaligned = 4,
  load_access = 5,
  store_misaligned = 6,
  store_access = 7,
  ecall_machine = 11,
};

const char* to_string(Cause cause);

struct Trap {
  Cause cause;
  uint64_t value;  ///< mtval
};

/// What a program sees in registers, CSRs aside.
struct HartState {
  static constexpr unsigned kSink = 32;  ///< takes writes to x0

  uint64_t x[33] = {};
  uint64_t pc = 0;

  /// Of LR. SC compares the value too, so that a store by anybody else breaks it.
  struct Reservation {
    bool valid = false;
    uint64_t address = 0;
    uint64_t value = 0;
    unsigned size = 0;
  } reservation;

  uint64_t retired = 0;  ///< instructions since the start of simulation
};

}  // namespace rdu::mgmt
