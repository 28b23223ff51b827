#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "mgmt/bus_master.h"
#include "mgmt/hart_state.h"
#include "mgmt/mmu.h"

namespace rdu::mgmt {

/// An instruction ready to run: where its code is and its operands, 16 bytes.
struct Decoded {
  const void* handler;
  int32_t imm;
  uint8_t rd;  ///< HartState::kSink for x0
  uint8_t rs1;
  uint8_t rs2;
  uint8_t rs3;
};

/// The instructions of a 4 KiB page of memory, one entry for each half word that may begin one. It is decoded
/// from a copy of the page, so that a comparison tells whether it is still true.
struct DecodedPage {
  static constexpr unsigned kEntries = 2048;
  static constexpr unsigned kBytes = 4096;

  uint64_t checked = 0;             ///< when the copy was last compared: DecodeCache's count of FENCE.Is
  const uint8_t* memory = nullptr;  ///< the page itself
  bool single = false;              ///< holds one instruction, see DecodeCache::single()
  uint8_t code[kBytes + 2];         ///< the copy; for `single` with the next page's first bytes
  Decoded entries[kEntries + 2];    ///< the last two lead to the next page
};

/// Code that the hart has fetched. Pages are found by virtual address, in a table for each mode that fetches;
/// what they were decoded to belongs to the physical page. Entries start as "decode me": the interpreter
/// replaces them as it meets them. Stores do not touch them; after FENCE.I a page is compared with memory
/// before it runs again.
class DecodeCache {
 public:
  DecodeCache(BusMaster& bus, Mmu& mmu, const HartState& state);

  /// The interpreter's code for an entry that is not decoded, for the one behind an instruction's or a page's
  /// end, and for one that must not run.
  void set_handlers(const void* decode, const void* page_end, const void* stop);

  /// The table of pages that were fetched lately in the present mode; holds while the mode does.
  struct Entry {
    uint64_t page = ~uint64_t{0};
    DecodedPage* decoded = nullptr;
  };
  const Entry* recent() const { return recent_[regime()].data(); }
  /// The page with the instruction at `address`, or nullptr with trap() set. If PMP does not treat the page
  /// as one, it is single()'s answer. `table` is recent()'s.
  DecodedPage* find(const Entry* table, uint64_t address) {
    const Entry& entry = table[(address >> 12) % kRecent];
    return entry.page == (address & ~uint64_t{0xfff}) ? entry.decoded : find_slowly(address);
  }
  /// A page with nothing but the instruction at `address` in it, which may cross into the next page. Holds
  /// until the next call. It is how instructions run that cannot be kept with their page: their neighbours
  /// must not run behind them, or their second half belongs to another page. nullptr with trap() set.
  DecodedPage* single(uint64_t address);

  const Trap& trap() const { return trap_; }

  /// FENCE.I.
  void revalidate();
  /// satp or page tables have changed: all, or the page of one address.
  void invalidate_translations();
  void invalidate_translation(uint64_t address);
  /// PMP has changed: which pages may run.
  void invalidate_protection() { forget_recent(); }
  /// Forgets everything, host pointers too.
  void flush();

  /// For breakpoints: the hart stops before the instruction at `address`, however it comes there; only
  /// Interpreter::step() gets past it. Instructions that run are none the slower. It stops at the same place
  /// of all other pages, too, so that a breakpoint holds whatever is mapped to its page, and when: the caller
  /// looks at the pc.
  void set_stop(uint64_t address, bool on);

 private:
  static constexpr unsigned kRecent = 256;
  static constexpr unsigned kMostPages = 2048;  ///< 76 MiB; then all are dropped

  unsigned regime() const { return static_cast<unsigned>(state_.fetch_regime()); }
  DecodedPage* find_slowly(uint64_t address);
  DecodedPage* page_of(uint64_t physical, const uint8_t* memory);
  void take_copy(DecodedPage& page);
  void plant_stops(DecodedPage& page);
  bool fetch(uint64_t address, uint16_t* half);
  bool locate(uint64_t address, unsigned size, uint64_t* physical, const uint8_t** page);
  bool fail(Cause cause, uint64_t address);
  void forget_recent(Regime regime);
  void forget_recent();

  BusMaster& bus_;
  Mmu& mmu_;
  const HartState& state_;
  Trap trap_{Cause::fetch_access, 0};
  const void* decode_ = nullptr;
  const void* page_end_ = nullptr;
  const void* stop_ = nullptr;
  uint64_t fences_ = 0;
  std::array<std::array<Entry, kRecent>, kRegimes> recent_{};
  std::array<bool, kRegimes> used_{};  ///< whether such a table has anything to forget
  std::unordered_map<uint64_t, std::unique_ptr<DecodedPage>> pages_;  ///< by physical address
  std::unordered_set<uint64_t> stops_;                                ///< as offsets in a page
  std::unique_ptr<DecodedPage> single_;
  unsigned single_index_ = 0;  ///< of its only instruction
};

}  // namespace rdu::mgmt
