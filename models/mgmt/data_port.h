#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "mgmt/bus_master.h"
#include "mgmt/hart_state.h"
#include "mgmt/mmu.h"

namespace rdu::mgmt {

/// Is asked before each load, store and atomic in pages that DataPort::watch() named.
class AccessWatcher {
 public:
  /// `address` is virtual; SC and AMO count as stores. True: the hart stops before the instruction.
  virtual bool stops(Access access, uint64_t address, unsigned size) = 0;

 protected:
  ~AccessWatcher() = default;
};

/// Loads and stores of a hart. Pages of memory that were used lately are found in small tables with their
/// host address, two for each regime; the interpreter looks there itself and comes here for the rest:
/// translation, protection, devices, misaligned accesses. Addresses are virtual.
class DataPort {
 public:
  enum class Result : uint8_t {
    ok,       ///< done in memory
    bus,      ///< done by a transaction: time has passed and interrupts may have come
    trap,     ///< trap() says which
    aborted,  ///< the hart is being reset
    stopped,  ///< the watcher wants it; nothing was done
  };

  static constexpr unsigned kEntries = 256;
  struct Entry {
    uint64_t page = ~uint64_t{0};  ///< address of the page; never matches while all ones
    uintptr_t bias = 0;            ///< host address minus address
  };

  /// `misaligned`: whether misaligned accesses to memory work or trap.
  DataPort(BusMaster& bus, Mmu& mmu, HartState& state, bool misaligned)
      : bus_(bus), mmu_(mmu), state_(state), misaligned_(misaligned) {}

  static unsigned index(uint64_t address) { return (address >> 12) % kEntries; }
  /// What an entry's page must be for an access to be aligned and inside it.
  static uint64_t key(uint64_t address, unsigned size) {
    return address & ~(uint64_t{0xfff} & ~uint64_t{size - 1});
  }

  const Entry* loads(Regime regime) const { return tables_[static_cast<unsigned>(regime)].loads; }
  const Entry* stores(Regime regime) const { return tables_[static_cast<unsigned>(regime)].stores; }

  /// Zero-extended value. `address` need be neither in the table nor aligned.
  Result load(uint64_t address, unsigned size, uint64_t* value);
  Result store(uint64_t address, unsigned size, uint64_t value);
  /// The host's address of an aligned operand of LR (Access::load) or SC and AMO (Access::store). Not ok:
  /// trap or stopped; atomics work in memory only.
  Result atomic(uint64_t address, unsigned size, Access access, uint8_t** memory);

  const Trap& trap() const { return trap_; }

  /// Forgets all pages; those of the regimes that satp translates; the 4 KiB page at one address in these.
  void invalidate();
  void invalidate_translations();
  void invalidate_translation(uint64_t address);

  /// For watchpoints: keeps these pages (virtual addresses) out of the tables and asks `watcher` before each
  /// access to them. None and nullptr: costs nothing. The watcher must not change the list from stops().
  void watch(std::vector<uint64_t> pages, AccessWatcher* watcher);
  /// Accesses are not asked about while this is set: to step over the instruction that stopped.
  void ignore_watcher(bool ignore) { ignore_watcher_ = ignore; }

 private:
  struct Tables {
    Entry loads[kEntries];
    Entry stores[kEntries];
    bool empty = true;  ///< nothing to forget
  };
  struct Place {
    uint8_t* host;  ///< nullptr: not memory
    uint64_t physical;
  };
  Result locate(uint64_t address, unsigned size, Access access, Place* place);
  Result misaligned_access(Access access, uint64_t address, unsigned size, uint8_t* data);
  Result transaction(Access access, uint64_t address, uint64_t physical, unsigned size, uint8_t* data);
  Result fail(Cause cause, uint64_t address);
  bool is_watched(uint64_t page) const;

  BusMaster& bus_;
  Mmu& mmu_;
  HartState& state_;
  bool misaligned_;
  Trap trap_{Cause::load_access, 0};
  std::vector<uint64_t> watched_;
  AccessWatcher* watcher_ = nullptr;
  bool ignore_watcher_ = false;
  Tables tables_[kRegimes];
};

}  // namespace rdu::mgmt
