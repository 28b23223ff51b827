#ifndef RDU_IMAGE_H
#define RDU_IMAGE_H

/* What lies in the boot flash, and what the host pushes in recovery. Little-endian.
 *
 * An image is a header, the payload (a RISC-V ELF64 executable, padded to 8 bytes) and, if SIGNED, an Ed25519
 * signature of all that comes before it. scripts/sign-firmware makes them.
 *
 * The flash begins with a sector a slot for its state, and has the slots from RDU_FLASH_FIRST on. */

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#define RDU_IMAGE_MAGIC 0x49554452u /* "RDUI" */
#define RDU_IMAGE_HEADER_VERSION 1u
#define RDU_IMAGE_FLAG_SIGNED 0x1u
#define RDU_IMAGE_ALIGNMENT 8u
#define RDU_IMAGE_DIGEST_BYTES 32u
#define RDU_IMAGE_SIGNATURE_BYTES 64u
#define RDU_IMAGE_KEY_BYTES 32u

/* Types of images: FUSES.ROLLBACK has a counter for each. */
#define RDU_IMAGE_FIRMWARE 0u

struct rdu_image_header {
  uint32_t magic;
  uint16_t header_version;
  uint16_t header_bytes;
  uint32_t type;
  uint32_t version;       /* as HOSTIF.FW_VERSION; of two slots the ROM tries the newer first */
  uint32_t rollback;      /* refused if lower than FUSES.ROLLBACK[type] */
  uint32_t flags;         /* RDU_IMAGE_FLAG_*; others are zero */
  uint32_t key_id;        /* the first four bytes of the public key; 0 if not signed */
  uint32_t payload_bytes; /* a multiple of RDU_IMAGE_ALIGNMENT */
  uint8_t payload_digest[RDU_IMAGE_DIGEST_BYTES]; /* SHA-256 */
  char name[32];                                  /* for people; ends with a zero */
  uint8_t reserved[28];                           /* zero */
  uint32_t header_crc;                            /* CRC-32 (IEEE 802.3) of all before it */
};

#define RDU_FLASH_SLOTS 2u
#define RDU_FLASH_SECTOR 4096u /* FLASH_CTL.SECTOR_BYTES */
#define RDU_FLASH_FIRST 0x10000u
#define RDU_FLASH_STATE(slot) ((slot)*RDU_FLASH_SECTOR)
#define RDU_FLASH_SLOT_BYTES(flash_bytes) \
  (((flash_bytes)-RDU_FLASH_FIRST) / RDU_FLASH_SLOTS & ~(RDU_FLASH_SECTOR - 1u))
#define RDU_FLASH_SLOT(slot, flash_bytes) (RDU_FLASH_FIRST + (slot)*RDU_FLASH_SLOT_BYTES(flash_bytes))

/* At the beginning of a state sector. Written by clearing bits; an erased one is that of a slot that was
 * neither activated nor ever booted. */
struct rdu_slot_state {
  uint32_t rank;     /* of two slots the ROM tries the higher first; ~0: 0 */
  uint32_t good;     /* 0: has booted to the end; ~0: not yet */
  uint32_t attempts; /* each boot that is not known to end well clears the lowest set bit */
  uint32_t reserved; /* ~0 */
};
#define RDU_SLOT_GOOD 0u
#define RDU_SLOT_ATTEMPTS 3u /* then the slot is given up */

#endif
