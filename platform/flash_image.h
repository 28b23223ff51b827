#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mgmt/memory.h"

/// Contents of the boot flash, for users who have firmware and no flash (firmware/include/rdu_image.h).
namespace rdu::platform {

/// Firmware as a file: an image (scripts/sign-firmware), or a RISC-V ELF, of which an image without a
/// signature is made. Throws bad_input if it is neither.
struct Firmware {
  explicit Firmware(const std::string& file, const std::string& symbols = "");

  std::string file;
  std::string symbols;  ///< an ELF with the names of its addresses; empty: none
  std::vector<uint8_t> image;
  bool is_signed = false;
};

/// A flash of `bytes` whose slot 0 holds the firmware, as if it was written there: nothing is known of it.
/// With `is_good`, as it comes from the factory: it is known to come up. Throws bad_input if the slot is too
/// small.
std::vector<uint8_t> flash_with(const Firmware& firmware, uint64_t bytes, bool is_good);

/// Throws bad_input if the file cannot be written.
void save_flash(const std::string& file, const mgmt::Memory& flash);

}  // namespace rdu::platform
