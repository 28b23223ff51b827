#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/time.h"

namespace rdu::core {

/// The last accesses of the platform, always kept: what a failure shows besides its own text. Three sorts
/// are kept apart, so that a stream of data does not push out the register write that started it.
class AccessLog {
 public:
  enum class Sort : uint8_t {
    registers,  ///< by the management core
    host,       ///< by the host, in BAR0
    transfers,  ///< on the top-level network
  };
  static constexpr unsigned kSorts = 3;
  static constexpr unsigned kKept = 8;  ///< of each sort

  /// Who was accessed; see place().
  using Place = uint32_t;

  struct Access {
    Sort sort = Sort::registers;
    bool write = false;
    uint32_t length = 0;  ///< bytes
    Place place = 0;
    const char* name = nullptr;  ///< of the register, if there is one; must live for ever
    uint64_t address = 0;        ///< in the place
    uint64_t value = 0;          ///< read or written; of a transfer: its initiator
    Time when = 0;
  };

  static AccessLog& get();

  /// A place by its hierarchical name, "socket0.mgmt.sysctl". Call once and keep it.
  Place place(const std::string& name);
  void add(const Access& access) {
    Ring& ring = rings_[static_cast<unsigned>(access.sort)];
    ring.accesses[ring.count % kKept] = {access, ++sequence_};
    ++ring.count;
  }

  /// What came after `since` (a value of sequence()), oldest first, a line each: "12.500 us  core reads
  /// socket0.mgmt.sysctl BOOT_STAGE (0x20), 4 bytes: 0x3".
  std::vector<std::string> lines(uint64_t since = 0) const;
  /// Number of accesses so far.
  uint64_t sequence() const { return sequence_; }

 private:
  struct Entry {
    Access access;
    uint64_t sequence = 0;
  };
  struct Ring {
    std::array<Entry, kKept> accesses;
    uint64_t count = 0;
  };
  std::string line(const Access& access) const;

  std::array<Ring, kSorts> rings_;
  std::vector<std::string> places_;
  uint64_t sequence_ = 0;
};

}  // namespace rdu::core
