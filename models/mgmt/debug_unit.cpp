#include "mgmt/debug_unit.h"

#include <algorithm>

namespace rdu::mgmt {

namespace {
constexpr uint64_t kPageMask = 0xfff;
}

void DebugUnit::resume(Mode mode) {
  mode_ = mode;
  halt_.reset();
  met_.reset();
  if (mode == Mode::step) roused_ = true;
  wake_.notify(sc_core::SC_ZERO_TIME);
}

std::optional<DebugUnit::Halt> DebugUnit::take_halt() {
  auto halt = halt_;
  halt_.reset();
  return halt;
}

void DebugUnit::halt(Why why, uint64_t pc) {
  halt_ = why == Why::watchpoint ? *met_ : Halt{why, Watch::access, pc};
  met_.reset();
  mode_ = Mode::stand;
  if (hook_) hook_();
}

// ---- where it stops

void DebugUnit::set_breakpoint(uint64_t address, bool on) {
  if (on) {
    breakpoints_.insert(address);
  } else {
    breakpoints_.erase(address);
  }
  const bool any = std::any_of(breakpoints_.begin(), breakpoints_.end(),
                               [address](uint64_t other) { return ((other ^ address) & kPageMask) == 0; });
  code_.set_stop(address, any);
}

void DebugUnit::set_watchpoint(Watch watch, uint64_t address, uint64_t length, bool on) {
  const auto same = [&](const Watchpoint& w) {
    return w.watch == watch && w.address == address && w.length == length;
  };
  watchpoints_.erase(std::remove_if(watchpoints_.begin(), watchpoints_.end(), same), watchpoints_.end());
  if (on) watchpoints_.push_back({watch, address, length});
  watch_pages();
}

void DebugUnit::clear() {
  while (!breakpoints_.empty()) set_breakpoint(*breakpoints_.begin(), false);
  watchpoints_.clear();
  watch_pages();
}

void DebugUnit::watch_pages() {
  std::set<uint64_t> pages;
  for (const Watchpoint& w : watchpoints_) {
    for (uint64_t page = w.address & ~kPageMask; page <= w.address + (w.length - 1); page += kPageMask + 1) {
      pages.insert(page);
      if (page + kPageMask + 1 == 0) break;
    }
  }
  data_.watch({pages.begin(), pages.end()}, pages.empty() ? nullptr : this);
}

bool DebugUnit::stops(Access access, uint64_t address, unsigned size) {
  for (const Watchpoint& w : watchpoints_) {
    const bool is_kind = w.watch == Watch::access || (w.watch == Watch::write) == (access == Access::store);
    const bool overlaps = address <= w.address + (w.length - 1) && w.address <= address + (size - 1);
    if (!is_kind || !overlaps) continue;
    met_ = Halt{Why::watchpoint, w.watch, std::max(address, w.address)};
    return true;
  }
  return false;
}

}  // namespace rdu::mgmt
