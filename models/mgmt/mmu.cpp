#include "mgmt/mmu.h"

#include <algorithm>
#include <cstring>

namespace rdu::mgmt {

namespace {

// Page-table entries.
constexpr uint64_t kValid = 1u << 0, kRead = 1u << 1, kWrite = 1u << 2, kExecute = 1u << 3, kUser = 1u << 4,
                   kAccessed = 1u << 6, kDirty = 1u << 7;
constexpr uint64_t kReserved = ~((uint64_t{1} << 54) - 1);  // no Svnapot, no Svpbmt
constexpr unsigned kNumberShift = 10;

// satp.
constexpr unsigned kModeShift = 60;
constexpr uint64_t kNumberMask = (uint64_t{1} << 44) - 1;
enum : uint64_t { kBare = 0, kSv39 = 8, kSv48 = 9 };

constexpr unsigned kPageShift = 12;
constexpr unsigned kIndexBits = 9;  // of a virtual address at each level
constexpr unsigned kEntrySize = 8;

/// More superpages than this are taken for "everywhere". Ours.
constexpr std::size_t kMostSuperpages = 64;

unsigned shift_of(unsigned level) {
  return kPageShift + kIndexBits * level;
}

}  // namespace

Mmu::Walk Mmu::walk(uint64_t address, Leaf* leaf) const {
  const unsigned levels = (state_.satp >> kModeShift) == kSv39 ? 3 : 4;
  const unsigned unused = 64 - shift_of(levels);
  const auto canonical = static_cast<uint64_t>(static_cast<int64_t>(address << unused) >> unused);
  if (canonical != address) return Walk::page_fault;
  uint64_t table = (state_.satp & kNumberMask) << kPageShift;
  for (unsigned level = levels; level-- > 0;) {
    const uint64_t index = (address >> shift_of(level)) & ((1u << kIndexBits) - 1);
    const uint64_t where = table + index * kEntrySize;
    // Tables lie in memory and are read with supervisor mode's rights.
    const uint8_t* page = bus_.direct(table, false);
    if (!page || !allowed(where, kEntrySize, Access::load, Privilege::supervisor)) return Walk::access_fault;
    uint64_t entry = 0;
    std::memcpy(&entry, page + index * kEntrySize, sizeof entry);
    if ((entry & kValid) == 0 || (entry & (kRead | kWrite)) == kWrite || (entry & kReserved))
      return Walk::page_fault;
    if ((entry & (kRead | kExecute)) == 0) {
      if (entry & (kAccessed | kDirty | kUser)) return Walk::page_fault;
      table = (entry >> kNumberShift & kNumberMask) << kPageShift;
      continue;
    }
    const uint64_t inside = (uint64_t{1} << (kIndexBits * level)) - 1;
    if (entry >> kNumberShift & inside) return Walk::page_fault;  // a misaligned superpage
    uint8_t* writable =
        allowed(where, kEntrySize, Access::store, Privilege::supervisor) ? bus_.direct(table, true) : nullptr;
    *leaf = {entry, level, writable ? writable + index * kEntrySize : nullptr};
    return Walk::found;
  }
  return Walk::page_fault;  // the last level's entry points on
}

bool Mmu::permits(uint64_t entry, Access access, Privilege privilege) const {
  const bool user_page = (entry & kUser) != 0;
  if (privilege == Privilege::user && !user_page) return false;
  if (privilege == Privilege::supervisor && user_page &&
      (access == Access::fetch || (state_.mstatus & mstatus::kSum) == 0)) {
    return false;
  }
  switch (access) {
    case Access::fetch:
      return (entry & kExecute) != 0;
    case Access::load:
      return (entry & kRead) != 0 || ((state_.mstatus & mstatus::kMxr) && (entry & kExecute));
    case Access::store:
      break;
  }
  return (entry & kWrite) != 0;
}

bool Mmu::translate(uint64_t address, Access access, Privilege privilege, uint64_t* physical) {
  if (privilege == Privilege::machine || (state_.satp >> kModeShift) == kBare) {
    *physical = address;
    return true;
  }
  Leaf leaf{};
  switch (walk(address, &leaf)) {
    case Walk::page_fault:
      return fail(page_fault(access), address);
    case Walk::access_fault:
      return fail(access_fault(access), address);
    case Walk::found:
      break;
  }
  if (!permits(leaf.entry, access, privilege)) return fail(page_fault(access), address);
  const uint64_t needed = kAccessed | (access == Access::store ? kDirty : 0);
  if ((leaf.entry & needed) != needed) {
    if (!state_.update_ad) return fail(page_fault(access), address);
    if (!leaf.writable) return fail(access_fault(access), address);
    leaf.entry |= needed;
    std::memcpy(leaf.writable, &leaf.entry, sizeof leaf.entry);
  }
  if (leaf.level > 0) remember(address, leaf.level);
  const uint64_t inside = (uint64_t{1} << shift_of(leaf.level)) - 1;
  *physical = ((leaf.entry >> kNumberShift & kNumberMask) << kPageShift) | (address & inside);
  return true;
}

bool Mmu::look_up(uint64_t address, Privilege privilege, uint64_t* physical) {
  *physical = address;
  if (privilege == Privilege::machine || (state_.satp >> kModeShift) == kBare) return true;
  Leaf leaf{};
  if (walk(address, &leaf) != Walk::found) return false;
  const uint64_t inside = (uint64_t{1} << shift_of(leaf.level)) - 1;
  *physical = ((leaf.entry >> kNumberShift & kNumberMask) << kPageShift) | (address & inside);
  return true;
}

void Mmu::remember(uint64_t address, unsigned level) {
  if (!is_small_page(address)) return;
  const uint64_t size = uint64_t{1} << shift_of(level);
  if (superpages_.size() < kMostSuperpages) {
    superpages_.push_back({address & ~(size - 1), size});
  } else {
    superpages_.assign(kMostSuperpages, {0, ~uint64_t{0}});
  }
}

bool Mmu::is_small_page(uint64_t address) const {
  return std::none_of(superpages_.begin(), superpages_.end(),
                      [&](const Superpage& s) { return address - s.first < s.size; });
}

bool Mmu::fail(Cause cause, uint64_t address) {
  trap_ = {cause, address};
  return false;
}

}  // namespace rdu::mgmt
