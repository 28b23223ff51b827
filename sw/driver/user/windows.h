// The windows of BAR2 (HOSTIF.WINDOW): which part of the device's memory each shows, and to how many
// mappings.
//
// A window shows a part that begins at a multiple of its size, so that no two overlap; parts side by side lie
// in windows side by side.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "user/bus.h"

namespace rdu::user {

class Windows {
 public:
  // HOSTIF.WINDOW.BASE.MEMORY
  enum class Of : uint32_t { kHbm = 1, kDdr = 2 };

  explicit Windows(Bus& bus) : bus_(bus) {}
  Windows(const Windows&) = delete;
  Windows& operator=(const Windows&) = delete;

  // Whether the device has any that this process can map.
  bool exist();
  // [offset, offset + bytes) of the memory as this process sees it; nullptr: not enough windows side by side
  // are free. Throws DeviceError if the device refuses the place.
  uint8_t* map(Of memory, uint64_t offset, uint64_t bytes);
  // Takes back what one map() gave. Throws DeviceLost.
  void unmap(Of memory, uint64_t offset, uint64_t bytes);

 private:
  struct Window {
    uint32_t mappings = 0;
    Of memory = Of::kHbm;  // if there are mappings
    uint64_t part = 0;     // in units of a window's size
  };

  void find_out();
  bool shows(const Window& window, Of memory, uint64_t part) const;
  bool can_show(size_t first, Of memory, uint64_t part, uint64_t count) const;
  void move(size_t window, uint32_t memory, uint64_t part);

  Bus& bus_;
  std::mutex mutex_;
  bool known_ = false;
  uint8_t* data_ = nullptr;
  unsigned log2_bytes_ = 0;
  std::vector<Window> windows_;
};

}  // namespace rdu::user
