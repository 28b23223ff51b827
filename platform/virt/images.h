#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mgmt/elf_image.h"
#include "mgmt/memory.h"

namespace rdu::platform::virt {

/// What lies in RAM when the machine starts, and again after each reset.
class Images {
 public:
  Images(uint64_t ram_base, uint64_t ram_size) : base_(ram_base), size_(ram_size) {}

  /// `memory_size` bytes from `address`: first `bytes`, then zeros. Throws bad_input, with `name`, if they do
  /// not lie in RAM or hit another image.
  void add(const std::string& name, uint64_t address, std::vector<uint8_t> bytes, uint64_t memory_size);

  void write_to(mgmt::Ram& ram) const;

  uint64_t ram_base() const { return base_; }
  uint64_t ram_end() const { return base_ + size_; }

 private:
  struct Image {
    std::string name;
    uint64_t address;
    std::vector<uint8_t> bytes;
    uint64_t memory_size;
  };

  uint64_t base_;
  uint64_t size_;
  std::vector<Image> images_;
};

/// A program in RAM.
struct Loaded {
  uint64_t entry = 0;
  uint64_t end = 0;  ///< behind its last byte
  mgmt::SymbolTable symbols;
};

/// An ELF file at the physical addresses that it names; a Linux `Image` or any other file as it is, at
/// `address`. Throws bad_input.
Loaded load_program(Images& images, const std::string& path, uint64_t address);

}  // namespace rdu::platform::virt
