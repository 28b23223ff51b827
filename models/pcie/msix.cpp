#include "pcie/msix.h"

#include <algorithm>

namespace rdu::pcie {
namespace {

// Of a table entry: address (its two lowest bits are zero), upper address, data, vector control.
constexpr size_t kAddress = 0, kVectorControl = 12;
constexpr uint8_t kMasked = 1;

}  // namespace

Msix::Msix(uint8_t next, uint32_t table_offset, uint32_t pending_offset)
    : ConfigRegisters(kSize),
      header(*this, 0x0, 2, capability_header(0x11, next)),
      control(*this, 0x2, 2, kVectors - 1, {kEnable | kFunctionMask, 0, 0, 0}),
      table(*this, 0x4, 4, table_offset),             // BIR 0
      pending_array(*this, 0x8, 4, pending_offset) {  // BIR 0
  reset(Reset::power_on);
}

void Msix::was_reset(Reset) {
  entries_.fill(0);
  for (unsigned v = 0; v < kVectors; ++v) entries_[v * kEntrySize + kVectorControl] = kMasked;
  written_.fill(false);
  pending_ = 0;
}

void Msix::table_read(size_t offset, uint8_t* data, size_t size) const {
  std::copy_n(entries_.begin() + static_cast<std::ptrdiff_t>(offset), size, data);
}

void Msix::table_write(size_t offset, const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    const size_t place = (offset + i) % kEntrySize;
    uint8_t rw = 0xff;
    if (place == kAddress) rw = 0xfc;
    if (place >= kVectorControl) rw = place == kVectorControl ? kMasked : 0;
    uint8_t& byte = entries_[offset + i];
    byte = static_cast<uint8_t>((byte & ~rw) | (data[i] & rw));
    written_[(offset + i) / kEntrySize] = true;
  }
}

bool Msix::open(unsigned vector) const {
  if (!enabled() || control.any(kFunctionMask)) return false;
  return !written_[vector] || !(entries_[vector * kEntrySize + kVectorControl] & kMasked);
}

}  // namespace rdu::pcie
