#include "user/windows.h"

#include <fmt/format.h>

#include <algorithm>

#include "regs/hostif.h"
#include "user/errors.h"

namespace rdu::user {

namespace {

// HOSTIF.WINDOW.BASE.OFFSET is in units of 4 KiB, from bit 12 on: the byte offset itself.
uint64_t base_of(uint32_t memory, uint64_t offset) {
  return memory | offset;
}

}  // namespace

void Windows::find_out() {
  if (known_) return;
  data_ = bus_.bar2();
  if (data_ != nullptr) {
    const uint32_t cap = bus_.read32(RDU_HOSTIF_WINDOW_CAP);
    windows_.resize((cap & RDU_HOSTIF_WINDOW_CAP_COUNT_MASK) >> RDU_HOSTIF_WINDOW_CAP_COUNT_SHIFT);
    log2_bytes_ = (cap & RDU_HOSTIF_WINDOW_CAP_LOG2_BYTES_MASK) >> RDU_HOSTIF_WINDOW_CAP_LOG2_BYTES_SHIFT;
    if ((uint64_t{windows_.size()} << log2_bytes_) > bus_.bar2_size())
      throw DeviceError(DeviceError::Kind::kProtocol,
                        fmt::format("BAR2 has {:#x} bytes, its {} windows of {:#x} bytes need more",
                                    bus_.bar2_size(), windows_.size(), uint64_t{1} << log2_bytes_));
  }
  known_ = true;
}

bool Windows::exist() {
  std::lock_guard lock(mutex_);
  find_out();
  return !windows_.empty();
}

bool Windows::shows(const Window& window, Of memory, uint64_t part) const {
  return window.mappings != 0 && window.memory == memory && window.part == part;
}

// Whether windows [first, first + count) are free for the parts, or show them already, and no other does.
bool Windows::can_show(size_t first, Of memory, uint64_t part, uint64_t count) const {
  for (uint64_t i = 0; i < count; ++i) {
    const Window& window = windows_[first + i];
    if (shows(window, memory, part + i)) continue;
    if (window.mappings != 0) return false;
    if (std::any_of(windows_.begin(), windows_.end(),
                    [&](const Window& other) { return shows(other, memory, part + i); }))
      return false;
  }
  return true;
}

void Windows::move(size_t window, uint32_t memory, uint64_t part) {
  const uint64_t base = base_of(memory, part << log2_bytes_);
  bus_.write64(RDU_HOSTIF_WINDOW_BASE(window), base);
  if (bus_.read64(RDU_HOSTIF_WINDOW_BASE(window)) != base)
    throw DeviceError(DeviceError::Kind::kProtocol,
                      fmt::format("the device refused a window at {:#x} of its memory", part << log2_bytes_));
}

uint8_t* Windows::map(Of memory, uint64_t offset, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  find_out();
  const uint64_t part = offset >> log2_bytes_;
  const uint64_t count = ((offset + std::max<uint64_t>(bytes, 1) - 1) >> log2_bytes_) - part + 1;
  for (size_t first = 0; first + count <= windows_.size(); ++first) {
    if (!can_show(first, memory, part, count)) continue;
    for (uint64_t i = 0; i < count; ++i)
      if (windows_[first + i].mappings == 0) move(first + i, static_cast<uint32_t>(memory), part + i);
    for (uint64_t i = 0; i < count; ++i) {
      Window& window = windows_[first + i];
      window = {window.mappings + 1, memory, part + i};
    }
    return data_ + ((uint64_t{first} - part) << log2_bytes_) + offset;
  }
  return nullptr;
}

void Windows::unmap(Of memory, uint64_t offset, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  const uint64_t part = offset >> log2_bytes_;
  const uint64_t last = (offset + std::max<uint64_t>(bytes, 1) - 1) >> log2_bytes_;
  for (size_t i = 0; i < windows_.size(); ++i) {
    Window& window = windows_[i];
    if (window.mappings == 0 || window.memory != memory || window.part < part || window.part > last) continue;
    if (--window.mappings == 0) move(i, RDU_HOSTIF_WINDOW_BASE_MEMORY_NONE, 0);
  }
}

}  // namespace rdu::user
