#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rdu::mgmt {

/// Names of addresses, for messages. Tables of several images can be merged.
class SymbolTable {
 public:
  void add(const std::string& name, uint64_t address, uint64_t size);
  void merge(const SymbolTable& other);
  /// "main+0x12", or "" if no symbol covers the address. A symbol without a size covers all up to the next
  /// one (at most 64 KiB).
  std::string describe(uint64_t address) const;
  struct Range {
    std::string name;
    uint64_t first;
    uint64_t last;  ///< inclusive; as far as describe() goes
  };
  /// The symbol that covers an address.
  std::optional<Range> range(uint64_t address) const;
  /// The address of a symbol; false if there is none.
  bool find(const std::string& name, uint64_t* address) const;
  bool empty() const { return by_address_.empty(); }

 private:
  struct Symbol {
    std::string name;
    uint64_t size;
  };
  std::map<uint64_t, Symbol> by_address_;    ///< one of an address
  std::map<std::string, uint64_t> by_name_;  ///< all of them
};

/// A RISC-V executable: an ELF for a 64-bit little-endian RISC-V machine with load segments that lie wholly
/// in the file. Anything else throws bad_input with the file's name and what is wrong.
class ElfImage {
 public:
  struct Segment {
    uint64_t physical;  ///< load address
    uint64_t virtual_address;
    std::vector<uint8_t> bytes;  ///< as in the file
    uint64_t memory_size;        ///< >= bytes.size(); the rest is zero
    uint32_t flags;              ///< PF_* of elf.h
  };

  explicit ElfImage(const std::string& path);
  /// From memory; `name` stands for the file in messages.
  ElfImage(const std::string& name, const std::vector<uint8_t>& bytes);

  /// True if the bytes begin like an ELF file of any kind.
  static bool is_elf(const std::vector<uint8_t>& bytes);

  /// The physical address to start at.
  uint64_t entry() const { return entry_; }
  const std::vector<Segment>& segments() const { return segments_; }
  const SymbolTable& symbols() const { return symbols_; }

 private:
  uint64_t entry_ = 0;
  std::vector<Segment> segments_;
  SymbolTable symbols_;
};

/// The whole file. Throws bad_input: "FILE: cannot be read: no such file", or larger than `limit` bytes.
std::vector<uint8_t> read_file(const std::string& path, uint64_t limit);

}  // namespace rdu::mgmt
