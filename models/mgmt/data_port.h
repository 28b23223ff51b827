#pragma once

#include <cstdint>
#include <cstring>

#include "mgmt/bus_master.h"
#include "mgmt/hart_state.h"

namespace rdu::mgmt {

/// Loads and stores of a hart. Pages of memory that were used lately are found in two small tables with their
/// host address; the interpreter looks there itself and comes here for the rest.
class DataPort {
 public:
  enum class Result : uint8_t {
    ok,       ///< done in memory
    bus,      ///< done by a transaction: time has passed and interrupts may have come
    trap,     ///< trap() says which
    aborted,  ///< the hart is being reset
  };

  static constexpr unsigned kEntries = 256;
  struct Entry {
    uint64_t page = ~uint64_t{0};  ///< address of the page; never matches while all ones
    uintptr_t bias = 0;            ///< host address minus address
  };

  /// `misaligned`: whether misaligned accesses to memory work or trap.
  DataPort(BusMaster& bus, bool misaligned) : bus_(bus), misaligned_(misaligned) {}

  static unsigned index(uint64_t address) { return (address >> 12) % kEntries; }
  /// What an entry's page must be for an access to be aligned and inside it.
  static uint64_t key(uint64_t address, unsigned size) {
    return address & ~(uint64_t{0xfff} & ~uint64_t{size - 1});
  }

  const Entry* loads() const { return loads_; }
  const Entry* stores() const { return stores_; }

  /// Zero-extended value. `address` need be neither in the table nor aligned.
  Result load(uint64_t address, unsigned size, uint64_t* value);
  Result store(uint64_t address, unsigned size, uint64_t value);
  /// The host's address of an aligned operand of LR (not `write`) or SC and AMO (`write`), or nullptr with
  /// trap() set: atomics work in memory only.
  uint8_t* atomic(uint64_t address, unsigned size, bool write);

  const Trap& trap() const { return trap_; }
  void invalidate();

 private:
  uint8_t* host(uint64_t address, bool write);
  Result misaligned_access(bool write, uint64_t address, unsigned size, uint8_t* data);
  Result fail(bool write, bool misaligned, uint64_t address);

  BusMaster& bus_;
  bool misaligned_;
  Trap trap_{Cause::load_access, 0};
  Entry loads_[kEntries];
  Entry stores_[kEntries];
};

}  // namespace rdu::mgmt
