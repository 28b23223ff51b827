#pragma once

#include <cstdint>
#include <vector>

#include "mgmt/bus_master.h"
#include "mgmt/hart_state.h"
#include "mgmt/pmp.h"

namespace rdu::mgmt {

/// From virtual to physical addresses: the page-table walk of Sv39 and Sv48, and physical memory protection.
/// It remembers nothing but which superpages it met: DataPort and DecodeCache keep tables of pages, and come
/// here for what they do not find in them.
class Mmu {
 public:
  Mmu(BusMaster& bus, const Pmp& pmp, const HartState& state) : bus_(bus), pmp_(pmp), state_(state) {}

  /// The physical address behind `address`, as satp, mstatus and the page tables say. False: trap() says why.
  /// Permission by PMP is another question.
  bool translate(uint64_t address, Access access, Privilege privilege, uint64_t* physical);
  /// The same without consequences (no A and D bits, no trap), for debuggers: any page that is mapped.
  bool look_up(uint64_t address, Privilege privilege, uint64_t* physical);

  /// Whether PMP allows an access to all of a page in the same way; else each must be asked for by itself.
  Pmp::Verdict page_verdict(uint64_t physical_page, Access access, Privilege privilege) const {
    return pmp_.check(physical_page, 4096, access, privilege);
  }
  bool allowed(uint64_t physical, unsigned size, Access access, Privilege privilege) const {
    return pmp_.check(physical, size, access, privilege) == Pmp::Verdict::allowed;
  }

  /// SFENCE.VMA for one address: true if only its 4 KiB page need be dropped from tables, false if a
  /// superpage covers it.
  bool is_small_page(uint64_t address) const;
  /// All tables are being dropped.
  void forget() { superpages_.clear(); }

  const Trap& trap() const { return trap_; }

 private:
  struct Leaf {
    uint64_t entry;     ///< page-table entry
    unsigned level;     ///< 0: 4 KiB
    uint8_t* writable;  ///< nullptr: its A and D bits cannot be set
  };
  enum class Walk : uint8_t { found, page_fault, access_fault };
  Walk walk(uint64_t address, Leaf* leaf) const;
  bool permits(uint64_t entry, Access access, Privilege privilege) const;
  bool fail(Cause cause, uint64_t address);
  void remember(uint64_t address, unsigned level);

  BusMaster& bus_;
  const Pmp& pmp_;
  const HartState& state_;
  Trap trap_{Cause::load_page, 0};
  struct Superpage {
    uint64_t first;
    uint64_t size;
  };
  std::vector<Superpage> superpages_;
};

}  // namespace rdu::mgmt
