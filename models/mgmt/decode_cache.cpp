#include "mgmt/decode_cache.h"

#include <cstring>

namespace rdu::mgmt {

DecodedPage* DecodeCache::find_slowly(uint64_t page) {
  auto it = pages_.find(page);
  if (it == pages_.end()) {
    const uint8_t* code = bus_.direct(page, false);
    if (!code) return nullptr;
    if (pages_.size() >= kMostPages) flush();
    auto fresh = std::make_unique<DecodedPage>();
    fresh->page = page;
    fresh->code = code;
    for (unsigned i = 0; i < DecodedPage::kEntries + 2; ++i) {
      fresh->entries[i] = {i < DecodedPage::kEntries ? decode_ : page_end_, 0, 0, 0, 0};
    }
    it = pages_.emplace(page, std::move(fresh)).first;
  }
  recent_[(page >> 12) % kRecent] = it->second.get();
  return it->second.get();
}

bool DecodeCache::fetch(uint64_t address, uint16_t* half) {
  const uint64_t page = address & ~uint64_t{0xfff};
  const uint8_t* code = bus_.direct(page, false);
  if (!code) return false;
  std::memcpy(half, code + (address - page), sizeof *half);
  return true;
}

void DecodeCache::flush() {
  recent_.fill(nullptr);
  pages_.clear();
}

}  // namespace rdu::mgmt
