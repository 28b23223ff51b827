#include "rom/elf_image.h"

#include <string.h>

#include "rdu_abi.h"

struct elf_header {
  uint8_t magic[4];
  uint8_t file_class, byte_order, ident_version, padding[9];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, program_headers, section_headers;
  uint32_t flags;
  uint16_t header_size, program_header_size, program_header_count, section_header_size, section_header_count,
      names;
};

struct program_header {
  uint32_t type, flags;
  uint64_t offset, virtual_address, physical_address, file_bytes, bytes, alignment;
};

enum {
  CLASS_64 = 2,
  LITTLE_ENDIAN_DATA = 1,
  VERSION_CURRENT = 1,
  TYPE_EXECUTABLE = 2,
  MACHINE_RISCV = 243,
  SEGMENT_LOAD = 1,
  SEGMENT_EXECUTABLE = 1,
};

/* Does [offset, offset + bytes) lie inside [0, size)? */
static bool inside(uint64_t offset, uint64_t bytes, uint64_t size) {
  return offset <= size && bytes <= size - offset;
}

static bool blank(const uint8_t* file, uint64_t file_size) {
  if (file_size < 4) return true;
  for (int i = 1; i < 4; ++i)
    if (file[i] != file[0]) return false;
  return file[0] == 0xff || file[0] == 0;
}

static struct program_header program_header(const struct elf_image* image, uint32_t n) {
  struct program_header header;
  memcpy(&header, image->file + image->headers + (uint64_t)n * sizeof header, sizeof header);
  return header;
}

uint32_t elf_open(struct elf_image* image, const uint8_t* file, uint64_t file_size, uint64_t ram,
                  uint64_t ram_size) {
  static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
  struct elf_header header;
  if (blank(file, file_size)) return RDU_BOOT_NO_IMAGE;
  if (file_size < sizeof header) return RDU_BOOT_BAD_IMAGE;
  memcpy(&header, file, sizeof header);
  if (memcmp(header.magic, magic, sizeof magic) != 0 || header.file_class != CLASS_64 ||
      header.byte_order != LITTLE_ENDIAN_DATA || header.version != VERSION_CURRENT ||
      header.type != TYPE_EXECUTABLE || header.machine != MACHINE_RISCV ||
      header.program_header_size != sizeof(struct program_header))
    return RDU_BOOT_BAD_IMAGE;
  image->file = file;
  image->entry = header.entry;
  image->headers = header.program_headers;
  image->header_count = header.program_header_count;
  if (!inside(image->headers, (uint64_t)image->header_count * sizeof(struct program_header), file_size))
    return RDU_BOOT_BAD_IMAGE;

  bool entry_found = false;
  for (uint32_t n = 0; n < image->header_count; ++n) {
    const struct program_header p = program_header(image, n);
    if (p.type != SEGMENT_LOAD || p.bytes == 0) continue;
    if (p.file_bytes > p.bytes || !inside(p.offset, p.file_bytes, file_size)) return RDU_BOOT_BAD_IMAGE;
    if (p.physical_address < ram || !inside(p.physical_address - ram, p.bytes, ram_size))
      return RDU_BOOT_BAD_SEGMENT;
    if ((p.flags & SEGMENT_EXECUTABLE) && image->entry >= p.physical_address &&
        image->entry - p.physical_address < p.bytes)
      entry_found = true;
  }
  return entry_found && image->entry % 2 == 0 ? RDU_BOOT_OK : RDU_BOOT_BAD_IMAGE;
}

bool elf_segment(const struct elf_image* image, uint32_t n, struct elf_segment* segment) {
  const struct program_header p = program_header(image, n);
  segment->contents = image->file + p.offset;
  segment->address = p.physical_address;
  segment->file_bytes = p.file_bytes;
  segment->bytes = p.bytes;
  return p.type == SEGMENT_LOAD && p.bytes != 0;
}
