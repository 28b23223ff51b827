#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "mgmt/bus_master.h"
#include "mgmt/hart_state.h"

namespace rdu::mgmt {

/// An instruction ready to run: where its code is and its operands, 16 bytes.
struct Decoded {
  const void* handler;
  int32_t imm;
  uint8_t rd;  ///< HartState::kSink for x0
  uint8_t rs1;
  uint8_t rs2;
};

/// The instructions of a 4 KiB page, one entry for each half word that may begin one.
struct DecodedPage {
  static constexpr unsigned kEntries = 2048;

  uint64_t page = 0;              ///< its address
  const uint8_t* code = nullptr;  ///< the page's bytes
  Decoded entries[kEntries + 2];  ///< the last two lead to the next page
};

/// Pages that the hart has fetched from. Entries start as "decode me": the interpreter replaces them as it
/// meets them. Stores do not touch them; FENCE.I drops them all, as the architecture demands of software.
class DecodeCache {
 public:
  explicit DecodeCache(BusMaster& bus) : bus_(bus) {}

  /// The interpreter's code for an entry that is not decoded and for the one behind the page.
  void set_handlers(const void* decode, const void* page_end) {
    decode_ = decode;
    page_end_ = page_end;
  }

  /// The page at this address, or nullptr if nothing can be fetched there: instructions come from ROM, RAM
  /// and flash only.
  DecodedPage* find(uint64_t page) {
    DecodedPage* slot = recent_[(page >> 12) % kRecent];
    return slot && slot->page == page ? slot : find_slowly(page);
  }
  /// The two bytes at an address, for the second half of an instruction that crosses a page. False if they
  /// cannot be fetched.
  bool fetch(uint64_t address, uint16_t* half);

  void flush();

 private:
  static constexpr unsigned kRecent = 256;
  static constexpr unsigned kMostPages = 1024;  ///< 32 MiB; then all are dropped

  DecodedPage* find_slowly(uint64_t page);

  BusMaster& bus_;
  const void* decode_ = nullptr;
  const void* page_end_ = nullptr;
  std::array<DecodedPage*, kRecent> recent_{};
  std::unordered_map<uint64_t, std::unique_ptr<DecodedPage>> pages_;
};

}  // namespace rdu::mgmt
