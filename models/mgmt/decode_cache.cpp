#include "mgmt/decode_cache.h"

#include <cstring>

namespace rdu::mgmt {

namespace {
constexpr uint64_t kPageMask = 0xfff;
}

DecodeCache::DecodeCache(BusMaster& bus, Mmu& mmu, const HartState& state)
    : bus_(bus), mmu_(mmu), state_(state), single_(std::make_unique<DecodedPage>()) {
  single_->single = true;
}

void DecodeCache::set_handlers(const void* decode, const void* page_end, const void* stop) {
  decode_ = decode;
  page_end_ = page_end;
  stop_ = stop;
  for (Decoded& entry : single_->entries) entry = {page_end_, 0, 0, 0, 0, 0};
}

// ---- fetching

/// Where an instruction's bytes are; `*page` is the host's address of their page.
bool DecodeCache::locate(uint64_t address, unsigned size, uint64_t* physical, const uint8_t** page) {
  if (!mmu_.translate(address, Access::fetch, state_.privilege, physical)) {
    trap_ = mmu_.trap();
    return false;
  }
  if (size != 0 && !mmu_.allowed(*physical, size, Access::fetch, state_.privilege)) {
    return fail(Cause::fetch_access, address);
  }
  *page = bus_.direct(*physical & ~kPageMask, false);
  return *page ? true : fail(Cause::fetch_access, address);
}

DecodedPage* DecodeCache::find_slowly(uint64_t address) {
  uint64_t physical = 0;
  const uint8_t* memory = nullptr;
  if (!locate(address, 0, &physical, &memory)) return nullptr;
  physical &= ~kPageMask;
  switch (mmu_.page_verdict(physical, Access::fetch, state_.privilege)) {
    case Pmp::Verdict::denied:
      fail(Cause::fetch_access, address);
      return nullptr;
    case Pmp::Verdict::mixed: {
      DecodedPage* one = single(address);
      if (one && stops_.count(address & kPageMask) != 0) {
        one->entries[single_index_] = {stop_, 0, 0, 0, 0, 0};
      }
      return one;
    }
    case Pmp::Verdict::allowed:
      break;
  }
  DecodedPage* page = page_of(physical, memory);
  recent_[regime()][(address >> 12) % kRecent] = {address & ~kPageMask, page};
  used_[regime()] = true;
  return page;
}

DecodedPage* DecodeCache::page_of(uint64_t physical, const uint8_t* memory) {
  auto it = pages_.find(physical);
  if (it == pages_.end()) {
    if (pages_.size() >= kMostPages) flush();
    it = pages_.emplace(physical, std::make_unique<DecodedPage>()).first;
    it->second->memory = memory;
    take_copy(*it->second);
  }
  DecodedPage& page = *it->second;
  if (page.checked != fences_) {
    if (std::memcmp(page.code, page.memory, DecodedPage::kBytes) != 0) take_copy(page);
    page.checked = fences_;
  }
  return &page;
}

void DecodeCache::take_copy(DecodedPage& page) {
  std::memcpy(page.code, page.memory, DecodedPage::kBytes);
  page.checked = fences_;
  for (unsigned i = 0; i < DecodedPage::kEntries + 2; ++i) {
    page.entries[i] = {i < DecodedPage::kEntries ? decode_ : page_end_, 0, 0, 0, 0, 0};
  }
  plant_stops(page);
}

bool DecodeCache::fetch(uint64_t address, uint16_t* half) {
  uint64_t physical = 0;
  const uint8_t* page = nullptr;
  if (!locate(address, sizeof *half, &physical, &page)) return false;
  std::memcpy(half, page + (physical & kPageMask), sizeof *half);
  return true;
}

DecodedPage* DecodeCache::single(uint64_t address) {
  uint16_t halves[2] = {};
  if (!fetch(address, &halves[0])) return nullptr;
  const bool is_long = (halves[0] & 3) == 3;
  if (is_long && !fetch(address + 2, &halves[1])) return nullptr;
  const auto offset = static_cast<unsigned>(address & kPageMask);
  const void* handler = single_->entries[offset / 2].handler;
  const bool same = single_index_ == offset / 2 && handler != page_end_ && handler != stop_ &&
                    std::memcmp(single_->code + offset, halves, sizeof halves) == 0;
  if (!same) {
    single_->entries[single_index_] = {page_end_, 0, 0, 0, 0, 0};
    single_index_ = offset / 2;
    single_->entries[single_index_] = {decode_, 0, 0, 0, 0, 0};
    std::memcpy(single_->code + offset, halves, sizeof halves);
  }
  return single_.get();
}

bool DecodeCache::fail(Cause cause, uint64_t address) {
  trap_ = {cause, address};
  return false;
}

// ---- forgetting

void DecodeCache::forget_recent(Regime regime) {
  const auto r = static_cast<unsigned>(regime);
  if (used_[r]) recent_[r].fill({});
  used_[r] = false;
}

void DecodeCache::forget_recent() {
  for (const Regime r : {Regime::machine, Regime::supervisor, Regime::user}) forget_recent(r);
}

void DecodeCache::revalidate() {
  ++fences_;
  forget_recent();
}

void DecodeCache::invalidate_translations() {
  for (const Regime r : {Regime::supervisor, Regime::user}) forget_recent(r);
}

void DecodeCache::invalidate_translation(uint64_t address) {
  for (const Regime r : {Regime::supervisor, Regime::user}) {
    recent_[static_cast<unsigned>(r)][(address >> 12) % kRecent] = {};
  }
}

void DecodeCache::flush() {
  forget_recent();
  pages_.clear();
}

// ---- stops

void DecodeCache::set_stop(uint64_t address, bool on) {
  const uint64_t offset = address & kPageMask;
  if (on) {
    stops_.insert(offset);
  } else {
    stops_.erase(offset);
  }
  for (auto& [physical, page] : pages_) page->entries[offset / 2] = {on ? stop_ : decode_, 0, 0, 0, 0, 0};
}

void DecodeCache::plant_stops(DecodedPage& page) {
  for (const uint64_t offset : stops_) page.entries[offset / 2] = {stop_, 0, 0, 0, 0, 0};
}

}  // namespace rdu::mgmt
