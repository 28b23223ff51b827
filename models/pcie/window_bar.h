#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/mappable_memory.h"
#include "regs/hostif.hpp"

namespace rdu::pcie {

/// BAR2: windows side by side, each over a part of HBM or DDR. Its bytes are those of a file that the client
/// maps, so that its accesses need no message. While a window shows memory, that part of the memory lives in
/// the file.
///
/// A window that shows none has bytes of its own: zero at first, kept until it moves.
class WindowBar {
 public:
  static constexpr unsigned kWindows = regs::hostif::kWINDOW_COUNT;
  static constexpr uint64_t kWindowBytes = 16 << 20;
  static constexpr uint64_t kSize = kWindows * kWindowBytes;
  static constexpr uint64_t kGranule = 2 << 20;  ///< of an offset in memory

  /// Throws bad_input if the system gives no file. The memories outlive it.
  explicit WindowBar(const std::string& name);
  ~WindowBar();
  WindowBar(const WindowBar&) = delete;
  WindowBar& operator=(const WindowBar&) = delete;

  /// The file to map; stays ours. Nobody can make it shorter.
  int fd() const { return fd_; }

  /// Shows [offset, offset + kWindowBytes) of `memory` in a window, nullptr: none. Why not, in words, or "":
  /// then the window shows nothing.
  std::string move(unsigned window, core::MappableMemory* memory, uint64_t offset);
  void move_all_away();
  /// The same, with a file that nobody else has: who mapped the old one reaches nothing any more.
  void renew();

  /// The same bytes as through the mapping; [offset, offset + size) lies inside.
  void read(uint64_t offset, uint8_t* data, size_t size) const;
  void write(uint64_t offset, const uint8_t* data, size_t size);

 private:
  struct Window {
    core::MappableMemory* memory = nullptr;
    uint64_t offset = 0;
  };

  std::string refusal(unsigned window, const core::MappableMemory& memory, uint64_t offset) const;
  void empty(unsigned window);
  void make_file();
  void drop_file();

  std::string name_;
  int fd_ = -1;
  uint8_t* data_ = nullptr;
  std::array<Window, kWindows> windows_;
};

}  // namespace rdu::pcie
