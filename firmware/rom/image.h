#ifndef RDU_FW_ROM_IMAGE_H
#define RDU_FW_ROM_IMAGE_H

/* Whether an image (rdu_image.h) may be started. Everything is checked before anything of it is used. */

#include <stdbool.h>
#include <stdint.h>

#include "rdu_image.h"
#include "rom/elf_image.h"

/* Who computes; both return false if they cannot. */
struct image_crypto {
  bool (*sha256)(const void* data, uint64_t bytes, uint8_t digest[RDU_IMAGE_DIGEST_BYTES]);
  bool (*verify)(const uint8_t key[RDU_IMAGE_KEY_BYTES], const uint8_t signature[RDU_IMAGE_SIGNATURE_BYTES],
                 const void* data, uint64_t bytes, bool* valid);
};

/* What the chip demands. */
struct image_policy {
  const struct image_crypto* crypto;
  uint8_t key[RDU_IMAGE_KEY_BYTES];
  bool signature_required;
  uint32_t type;     /* RDU_IMAGE_* */
  uint32_t rollback; /* the lowest */
  uint64_t ram, ram_bytes;
};

struct image {
  struct rdu_image_header header;
  struct elf_image elf;
  bool authentic; /* signed with the key, and intact */
};

/* The header of the image at `at`, in a place of `space` bytes: RDU_BOOT_OK, NO_IMAGE (erased), BAD_HEADER or
 * BAD_LENGTH. */
uint32_t image_header(const uint8_t* at, uint64_t space, struct rdu_image_header* header);

/* All of it: RDU_BOOT_OK, or why it must not be started. `at` is aligned to 8 bytes. Without
 * `signature_required` an image that is not signed, or with another key, is taken too. */
uint32_t image_check(const struct image_policy* policy, const uint8_t* at, uint64_t space,
                     struct image* image);

/* Bytes of an image with a good header. */
uint64_t image_bytes(const struct rdu_image_header* header);

/* Stable over time; for tools that build images, too. */
uint32_t image_crc32(const void* data, uint64_t bytes);

#endif
