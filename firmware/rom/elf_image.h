#ifndef RDU_FW_ROM_ELF_IMAGE_H
#define RDU_FW_ROM_ELF_IMAGE_H

/* What the boot ROM needs of an ELF file, checked before anything of it is used. */

#include <stdbool.h>
#include <stdint.h>

struct elf_image {
  const uint8_t* file;
  uint64_t entry;
  uint64_t headers; /* offset of the program headers */
  uint32_t header_count;
};

struct elf_segment {
  const uint8_t* contents;
  uint64_t address;    /* physical */
  uint64_t file_bytes; /* that many come from the file */
  uint64_t bytes;      /* the rest is zero */
};

/* Checks that `file` holds an executable for this hart, whose segments lie inside the file and inside [ram,
 * ram + ram_size). Returns RDU_BOOT_OK, NO_IMAGE (nothing was ever written there), BAD_IMAGE or BAD_SEGMENT.
 */
uint32_t elf_open(struct elf_image* image, const uint8_t* file, uint64_t file_size, uint64_t ram,
                  uint64_t ram_size);

/* Program header n of a checked image; false when it is none to load. */
bool elf_segment(const struct elf_image* image, uint32_t n, struct elf_segment* segment);

#endif
