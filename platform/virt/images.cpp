#include "platform/virt/images.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace rdu::platform::virt {
namespace {

constexpr uint64_t kLargestFile = uint64_t{2} << 30;

bool begins_with(const std::vector<uint8_t>& file, size_t offset, const char* text) {
  const size_t length = std::strlen(text);
  return file.size() >= offset + length && std::memcmp(file.data() + offset, text, length) == 0;
}

/// Bytes that a Linux `Image` occupies, its zeroed data included; 0 if the file is none. (Its header is
/// described in Linux's Documentation/arch/riscv/boot-image-header.rst.)
uint64_t linux_image_size(const std::vector<uint8_t>& file) {
  constexpr size_t kImageSize = 16, kMagic2 = 56;
  if (!begins_with(file, kMagic2, "RSC\x05")) return 0;
  uint64_t size = 0;
  std::memcpy(&size, file.data() + kImageSize, sizeof size);
  return size;
}

}  // namespace

void Images::add(const std::string& name, uint64_t address, std::vector<uint8_t> bytes,
                 uint64_t memory_size) {
  memory_size = std::max<uint64_t>(memory_size, bytes.size());
  if (address < base_ || address - base_ > size_ || memory_size > size_ - (address - base_)) {
    core::bad_input(
        fmt::format("{}: {:#x} bytes at {:#x} do not lie in RAM ({:#x} to {:#x}; -m sets its size)", name,
                    memory_size, address, base_, base_ + size_ - 1));
  }
  for (const Image& other : images_) {
    if (address < other.address + other.memory_size && other.address < address + memory_size) {
      core::bad_input(fmt::format("{} ({:#x} to {:#x}) overlaps {} ({:#x} to {:#x})", name, address,
                                  address + memory_size - 1, other.name, other.address,
                                  other.address + other.memory_size - 1));
    }
  }
  images_.push_back({name, address, std::move(bytes), memory_size});
}

void Images::write_to(mgmt::Ram& ram) const {
  for (const Image& image : images_) {
    uint8_t* to = ram.data() + (image.address - base_);
    if (!image.bytes.empty()) std::memcpy(to, image.bytes.data(), image.bytes.size());
    std::memset(to + image.bytes.size(), 0, image.memory_size - image.bytes.size());
  }
}

Loaded load_program(Images& images, const std::string& path, uint64_t address) {
  std::vector<uint8_t> file = mgmt::read_file(path, kLargestFile);
  Loaded loaded;
  if (mgmt::ElfImage::is_elf(file)) {
    const mgmt::ElfImage elf(path, file);
    for (const mgmt::ElfImage::Segment& s : elf.segments()) {
      images.add(path, s.physical, s.bytes, s.memory_size);
      loaded.end = std::max(loaded.end, s.physical + s.memory_size);
    }
    loaded.entry = elf.entry();
    loaded.symbols = elf.symbols();
    return loaded;
  }
  if (file.empty()) core::bad_input(fmt::format("{}: is empty", path));
  if (begins_with(file, 0, "\x1f\x8b") || begins_with(file, 4, "zimg"))
    core::bad_input(fmt::format("{}: is compressed; unpack it first (gunzip -c FILE > Image)", path));
  const uint64_t size = std::max<uint64_t>(file.size(), linux_image_size(file));
  loaded.entry = address;
  loaded.end = address + size;
  images.add(path, address, std::move(file), size);
  return loaded;
}

}  // namespace rdu::platform::virt
