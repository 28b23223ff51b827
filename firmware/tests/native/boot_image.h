#pragma once

#include <sodium.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

extern "C" {
#include "rom/image.h"
}
#include "rdu_abi.h"
#include "rdu_image.h"

/// Firmware images for tests, and a chip's demands.
namespace rdu::firmware {

inline constexpr uint64_t kRamBase = 0x80000000, kRamBytes = 0x10000;

struct KeyPair {
  uint8_t key[32], secret[64];
  explicit KeyPair(uint8_t seed) {
    uint8_t bytes[32] = {seed};
    crypto_sign_seed_keypair(key, secret, bytes);
  }
};

/// A small executable: 16 bytes of code at the first address of RAM.
inline std::vector<uint8_t> small_elf() {
  std::vector<uint8_t> file(64 + 56 + 16, 0x13);
  const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  const struct {
    uint16_t type = 2, machine = 243;
    uint32_t version = 1;
    uint64_t entry = kRamBase, headers = 64, sections = 0;
    uint32_t flags = 0;
    uint16_t size = 64, entry_size = 56, count = 1, rest[3] = {};
  } header;
  const struct {
    uint32_t type = 1, flags = 5;
    uint64_t offset = 120, virtual_address = kRamBase, physical = kRamBase, file_bytes = 16, bytes = 32,
             align = 8;
  } segment;
  static_assert(sizeof header == 48 && sizeof segment == 56, "as in the file");
  std::memcpy(file.data(), ident, sizeof ident);
  std::memcpy(file.data() + 16, &header, sizeof header);
  std::memcpy(file.data() + 64, &segment, sizeof segment);
  return file;
}

struct ImageOptions {
  uint32_t version = 0x010000, rollback = 0, type = RDU_IMAGE_FIRMWARE;
  const KeyPair* signer = nullptr;  ///< nullptr: not signed
  std::vector<uint8_t> payload = small_elf();
};

inline std::vector<uint8_t> make_image(const ImageOptions& o) {
  rdu_image_header header{};
  header.magic = RDU_IMAGE_MAGIC;
  header.header_version = RDU_IMAGE_HEADER_VERSION;
  header.header_bytes = sizeof header;
  header.type = o.type;
  header.version = o.version;
  header.rollback = o.rollback;
  header.flags = o.signer ? RDU_IMAGE_FLAG_SIGNED : 0;
  if (o.signer) std::memcpy(&header.key_id, o.signer->key, 4);
  header.payload_bytes = static_cast<uint32_t>(o.payload.size());
  crypto_hash_sha256(header.payload_digest, o.payload.data(), o.payload.size());
  std::memcpy(header.name, "test", 5);
  header.header_crc = image_crc32(&header, offsetof(rdu_image_header, header_crc));
  const size_t bytes = sizeof header + o.payload.size();
  std::vector<uint8_t> image(bytes + (o.signer ? RDU_IMAGE_SIGNATURE_BYTES : 0));
  std::memcpy(image.data(), &header, sizeof header);
  std::copy(o.payload.begin(), o.payload.end(), image.begin() + sizeof header);
  if (o.signer) crypto_sign_detached(image.data() + bytes, nullptr, image.data(), bytes, o.signer->secret);
  return image;
}

}  // namespace rdu::firmware
