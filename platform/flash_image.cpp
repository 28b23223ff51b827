#include "platform/flash_image.h"

#include <elf.h>
#include <fmt/format.h>
#include <sodium.h>
#include <zlib.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "mgmt/elf_image.h"
#include "rdu_image.h"
#include "regs/address_map.hpp"

namespace rdu::platform {
namespace {

template <class T>
void put(std::vector<uint8_t>& out, uint64_t offset, const T& value) {
  if (out.size() < offset + sizeof value) out.resize(offset + sizeof value);
  std::memcpy(out.data() + offset, &value, sizeof value);
}

void pad(std::vector<uint8_t>& out) {
  out.resize((out.size() + RDU_IMAGE_ALIGNMENT - 1) / RDU_IMAGE_ALIGNMENT * RDU_IMAGE_ALIGNMENT);
}

/// Headers and segments alone: symbols and debug information are no business of the chip.
std::vector<uint8_t> reduced(const mgmt::ElfImage& elf) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_RISCV;
  header.e_version = EV_CURRENT;
  header.e_entry = elf.entry();
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<uint16_t>(elf.segments().size());
  std::vector<uint8_t> out;
  put(out, 0, header);
  out.resize(sizeof header + elf.segments().size() * sizeof(Elf64_Phdr));
  for (size_t n = 0; n < elf.segments().size(); ++n) {
    const mgmt::ElfImage::Segment& segment = elf.segments()[n];
    Elf64_Phdr p{};
    p.p_type = PT_LOAD;
    p.p_flags = segment.flags;
    p.p_offset = out.size();
    p.p_vaddr = segment.virtual_address;
    p.p_paddr = segment.physical;
    p.p_filesz = segment.bytes.size();
    p.p_memsz = segment.memory_size;
    p.p_align = RDU_IMAGE_ALIGNMENT;
    put(out, sizeof header + n * sizeof p, p);
    out.insert(out.end(), segment.bytes.begin(), segment.bytes.end());
    pad(out);
  }
  return out;
}

std::vector<uint8_t> unsigned_image(const std::string& file, const std::vector<uint8_t>& bytes) {
  const std::vector<uint8_t> payload = reduced(mgmt::ElfImage(file, bytes));
  rdu_image_header header{};
  header.magic = RDU_IMAGE_MAGIC;
  header.header_version = RDU_IMAGE_HEADER_VERSION;
  header.header_bytes = sizeof header;
  header.type = RDU_IMAGE_FIRMWARE;
  header.rollback = ~uint32_t{0};  // whatever the fuses ask for: development
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  crypto_hash_sha256(header.payload_digest, payload.data(), payload.size());
  const std::string name = std::filesystem::path(file).filename().string();
  name.copy(header.name, sizeof header.name - 1);
  header.header_crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(&header), offsetof(rdu_image_header, header_crc)));
  std::vector<uint8_t> image;
  put(image, 0, header);
  image.insert(image.end(), payload.begin(), payload.end());
  return image;
}

}  // namespace

Firmware::Firmware(const std::string& path, const std::string& symbol_file)
    : file(path), symbols(symbol_file) {
  constexpr uint64_t kLargest = 1u << 30;  // an ELF with debug information
  const std::vector<uint8_t> bytes = mgmt::read_file(path, kLargest);
  rdu_image_header header{};
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic == RDU_IMAGE_MAGIC) {  // the boot ROM judges the rest
    image = bytes;
    is_signed = (header.flags & RDU_IMAGE_FLAG_SIGNED) != 0;
  } else {
    image = unsigned_image(path, bytes);
    symbols = path;
  }
}

std::vector<uint8_t> flash_with(const Firmware& firmware, uint64_t bytes, bool is_good) {
  const uint64_t slot = RDU_FLASH_SLOT_BYTES(bytes);
  if (firmware.image.size() > slot) {
    core::bad_input(
        fmt::format("{}: the image has {} bytes, a slot of the flash holds {}; set mgmt.flash.size",
                    firmware.file, firmware.image.size(), slot));
  }
  std::vector<uint8_t> flash(bytes, 0xff);
  put(flash, RDU_FLASH_STATE(0), rdu_slot_state{1, is_good ? RDU_SLOT_GOOD : ~0u, ~0u, ~0u});
  std::copy(firmware.image.begin(), firmware.image.end(),
            flash.begin() + static_cast<std::ptrdiff_t>(RDU_FLASH_SLOT(0, bytes)));
  return flash;
}

void save_flash(const std::string& file, const mgmt::Memory& flash) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(flash.data()), static_cast<std::streamsize>(flash.capacity()));
  if (!out.flush()) core::bad_input(fmt::format("cannot write the flash's contents to '{}'", file));
}

}  // namespace rdu::platform
