#include "mgmt/pmp.h"

namespace rdu::mgmt {

namespace {

// Fields of an entry's configuration.
constexpr uint8_t kRead = 1, kWrite = 2, kExecute = 4, kLock = 0x80;
constexpr uint8_t kImplemented = 0x9f;
enum Match : uint8_t { kOff = 0, kTor = 1, kNa4 = 2, kNapot = 3 };
Match match(uint8_t config) {
  return static_cast<Match>((config >> 3) & 3);
}

constexpr unsigned kPerBank = 8;
constexpr uint64_t kAddressMask = (uint64_t{1} << 54) - 1;  // of 56-bit physical addresses, in words of 4

uint8_t permission(Access access) {
  return access == Access::fetch ? kExecute : access == Access::load ? kRead : kWrite;
}

}  // namespace

uint64_t Pmp::config(unsigned bank) const {
  uint64_t value = 0;
  for (unsigned i = 0; i < kPerBank; ++i) value |= uint64_t{config_[bank * kPerBank + i]} << (8 * i);
  return value;
}

void Pmp::set_config(unsigned bank, uint64_t value) {
  for (unsigned i = 0; i < kPerBank; ++i) {
    uint8_t& config = config_[bank * kPerBank + i];
    if (config & kLock) continue;
    config = static_cast<uint8_t>(value >> (8 * i)) & kImplemented;
    // Write without read is reserved; it becomes nothing.
    if ((config & kRead) == 0) config &= static_cast<uint8_t>(~kWrite);
  }
  update();
}

/// The base of a locked range that ends at the next entry's address is locked too.
bool Pmp::locked(unsigned entry) const {
  if (config_[entry] & kLock) return true;
  const unsigned next = entry + 1;
  return next < kEntries && (config_[next] & kLock) && match(config_[next]) == kTor;
}

void Pmp::set_address(unsigned entry, uint64_t value) {
  if (locked(entry)) return;
  address_[entry] = value & kAddressMask;
  update();
}

void Pmp::reset() {
  config_.fill(0);
  address_.fill(0);
  update();
}

void Pmp::update() {
  active_ = 0;
  for (unsigned i = 0; i < kEntries; ++i) {
    const uint64_t word = address_[i];
    Range range{word << 2, 0, config_[i]};
    switch (match(config_[i])) {
      case kOff:
        continue;
      case kTor: {
        range.first = i == 0 ? 0 : address_[i - 1] << 2;
        if (range.first >= word << 2) continue;  // empty
        range.last = (word << 2) - 1;
        break;
      }
      case kNa4:
        range.last = range.first + 3;
        break;
      case kNapot: {
        // n trailing ones: 2^(n + 3) bytes.
        const uint64_t ones = word & ~(word + 1);
        range.first = (word & ~ones) << 2;
        range.last = range.first + (ones << 3 | 7);
        break;
      }
    }
    ranges_[active_++] = range;
  }
}

Pmp::Verdict Pmp::check(uint64_t address, uint64_t size, Access access, Privilege privilege) const {
  const uint64_t last = address + (size - 1);
  const bool machine = privilege == Privilege::machine;
  for (unsigned i = 0; i < active_; ++i) {
    const Range& r = ranges_[i];
    if (last < r.first || address > r.last) continue;
    if (address < r.first || last > r.last) return Verdict::mixed;
    const bool unrestricted = machine && (r.config & kLock) == 0;
    return unrestricted || (r.config & permission(access)) ? Verdict::allowed : Verdict::denied;
  }
  return machine ? Verdict::allowed : Verdict::denied;
}

}  // namespace rdu::mgmt
