#pragma once

#include <array>
#include <cstdint>

#include "mgmt/hart_state.h"

namespace rdu::mgmt {

/// Physical memory protection: 16 entries with a granularity of 4 bytes (NA4, NAPOT, TOR, locks), as in the
/// privileged specification. Registers and check; the tables that remember its answers are dropped by who
/// writes here.
class Pmp {
 public:
  static constexpr unsigned kEntries = 16;

  /// pmpcfg0 (`bank` 0) and pmpcfg2 (`bank` 1), eight entries each.
  uint64_t config(unsigned bank) const;
  void set_config(unsigned bank, uint64_t value);
  uint64_t address(unsigned entry) const { return address_[entry]; }
  void set_address(unsigned entry, uint64_t value);
  void reset();

  enum class Verdict : uint8_t {
    denied,
    allowed,
    mixed,  ///< some bytes but not all belong to the entry that decides; an access of this size is denied
  };
  /// Whether `size` bytes may be accessed; for a page, whether one verdict holds for all accesses in it.
  Verdict check(uint64_t address, uint64_t size, Access access, Privilege privilege) const;

 private:
  bool locked(unsigned entry) const;
  void update();

  std::array<uint8_t, kEntries> config_{};
  std::array<uint64_t, kEntries> address_{};
  /// The ranges of the entries that are on, in order of priority.
  struct Range {
    uint64_t first;
    uint64_t last;  ///< inclusive
    uint8_t config;
  };
  std::array<Range, kEntries> ranges_{};
  unsigned active_ = 0;
};

}  // namespace rdu::mgmt
