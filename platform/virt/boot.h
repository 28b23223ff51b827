#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mgmt/elf_image.h"
#include "platform/options.h"
#include "platform/virt/images.h"

namespace rdu::platform::virt {

/// What QEMU's loader does for its `virt` machine: firmware at the first byte of RAM, the kernel 2 MiB behind
/// its end (0x80200000), the initial RAM disk half of RAM (at most 128 MiB) above the kernel's begin, the
/// device tree at the top; and the reset vector that tells the first program about the rest.
class Boot {
 public:
  /// `tree`: the machine's own device tree, unless --dtb gives another. Throws bad_input.
  Boot(const Options& options, uint64_t ram_base, uint64_t ram_size, std::vector<uint8_t> tree);

  const Images& images() const { return images_; }
  /// Contents of the boot ROM from its first byte, where harts start: a0 = hart, a1 = device tree, a2 =
  /// OpenSBI's description of the next stage; then it jumps to the first program.
  std::vector<uint8_t> reset_vector() const;
  const std::vector<uint8_t>& device_tree() const { return tree_; }
  /// Of all programs, for messages.
  const mgmt::SymbolTable& symbols() const { return symbols_; }
  /// Of the kernel, if it has any.
  const mgmt::SymbolTable& kernel_symbols() const { return kernel_symbols_; }

 private:
  Images images_;
  uint64_t entry_ = 0;         ///< of what runs first
  uint64_t kernel_entry_ = 0;  ///< of what the firmware starts
  uint64_t tree_at_ = 0;
  std::vector<uint8_t> tree_;
  mgmt::SymbolTable symbols_;
  mgmt::SymbolTable kernel_symbols_;
};

}  // namespace rdu::platform::virt
