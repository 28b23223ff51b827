// Firmware images as files (firmware/include/rdu_image.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "rdu_image.h"

namespace rdu::fw {

using PublicKey = std::array<uint8_t, RDU_IMAGE_KEY_BYTES>;

// "development", 64 hexadecimal digits, or a file that holds them. Throws Error.
PublicKey public_key(const std::string& text);

struct ImageFile {
  std::string path;
  std::vector<uint8_t> bytes;
  rdu_image_header header;
  bool is_signed = false;
  bool authentic = false;  // signed with the key, and intact

  std::string name() const;
};

// Reads a file and checks it as the boot ROM does, for a chip whose fuses hold `key`, demand a signature if
// `signature_required` and nothing below `rollback`. Throws Error with the reason.
ImageFile read_image(const std::string& path, const PublicKey& key, bool signature_required,
                     uint32_t rollback);

std::string version_text(uint32_t version);

}  // namespace rdu::fw
