#include "rom/image.h"

#include <stddef.h>
#include <string.h>

#include "rdu_abi.h"

_Static_assert(sizeof(struct rdu_image_header) == 128, "the header has no gaps");

uint32_t image_crc32(const void* data, uint64_t bytes) {
  const uint8_t* const p = data;
  uint32_t crc = ~0u;
  for (uint64_t n = 0; n < bytes; ++n) {
    crc ^= p[n];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

static bool blank(const uint8_t* at, uint64_t bytes) {
  for (uint64_t n = 0; n < bytes; ++n)
    if (at[n] != 0xff) return false;
  return true;
}

uint64_t image_bytes(const struct rdu_image_header* header) {
  return sizeof *header + (uint64_t)header->payload_bytes +
         (header->flags & RDU_IMAGE_FLAG_SIGNED ? RDU_IMAGE_SIGNATURE_BYTES : 0);
}

uint32_t image_header(const uint8_t* at, uint64_t space, struct rdu_image_header* header) {
  if (space < sizeof *header) return RDU_BOOT_BAD_LENGTH;
  if (blank(at, sizeof *header)) return RDU_BOOT_NO_IMAGE;
  memcpy(header, at, sizeof *header);
  if (header->magic != RDU_IMAGE_MAGIC || header->header_version != RDU_IMAGE_HEADER_VERSION ||
      header->header_bytes != sizeof *header || (header->flags & ~RDU_IMAGE_FLAG_SIGNED) != 0 ||
      header->header_crc != image_crc32(header, offsetof(struct rdu_image_header, header_crc)))
    return RDU_BOOT_BAD_HEADER;
  if (header->payload_bytes == 0 || header->payload_bytes % RDU_IMAGE_ALIGNMENT != 0 ||
      image_bytes(header) > space)
    return RDU_BOOT_BAD_LENGTH;
  return RDU_BOOT_OK;
}

static uint32_t check_digest(const struct image_policy* policy, const struct rdu_image_header* header,
                             const uint8_t* payload) {
  uint8_t digest[RDU_IMAGE_DIGEST_BYTES];
  if (!policy->crypto->sha256(payload, header->payload_bytes, digest)) return RDU_BOOT_CRYPTO;
  return memcmp(digest, header->payload_digest, sizeof digest) == 0 ? RDU_BOOT_OK : RDU_BOOT_BAD_DIGEST;
}

static uint32_t check_signature(const struct image_policy* policy, const struct rdu_image_header* header,
                                const uint8_t* at) {
  const uint64_t bytes = sizeof *header + (uint64_t)header->payload_bytes;
  bool valid = false;
  if (!policy->crypto->verify(policy->key, at + bytes, at, bytes, &valid)) return RDU_BOOT_CRYPTO;
  return valid ? RDU_BOOT_OK : RDU_BOOT_BAD_SIGNATURE;
}

uint32_t image_check(const struct image_policy* policy, const uint8_t* at, uint64_t space,
                     struct image* image) {
  struct rdu_image_header* const header = &image->header;
  image->authentic = false;
  uint32_t error = image_header(at, space, header);
  if (error != RDU_BOOT_OK) return error;
  if (header->type != policy->type) return RDU_BOOT_BAD_TYPE;
  if (header->rollback < policy->rollback) return RDU_BOOT_ROLLED_BACK;

  const bool is_signed = header->flags & RDU_IMAGE_FLAG_SIGNED;
  const bool is_ours = is_signed && memcmp(&header->key_id, policy->key, sizeof header->key_id) == 0;
  if (policy->signature_required && !is_signed) return RDU_BOOT_UNSIGNED;
  if (policy->signature_required && !is_ours) return RDU_BOOT_OTHER_KEY;
  error = check_digest(policy, header, at + sizeof *header);
  if (error != RDU_BOOT_OK) return error;
  if (is_ours) {
    error = check_signature(policy, header, at);
    if (error != RDU_BOOT_OK) return error;
    image->authentic = true;
  }
  return elf_open(&image->elf, at + sizeof *header, header->payload_bytes, policy->ram, policy->ram_bytes);
}
