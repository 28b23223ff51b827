#include "mgmt/elf_image.h"

#include <elf.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "core/error.h"

namespace rdu::mgmt {

void SymbolTable::add(const std::string& name, uint64_t address, uint64_t size) {
  // Of several names of one address the one with a size says most.
  auto [it, is_new] = by_address_.try_emplace(address, Symbol{name, size});
  if (!is_new && it->second.size == 0 && size != 0) it->second = Symbol{name, size};
  by_name_.try_emplace(name, address);
}

void SymbolTable::merge(const SymbolTable& other) {
  for (const auto& [address, symbol] : other.by_address_) add(symbol.name, address, symbol.size);
  by_name_.insert(other.by_name_.begin(), other.by_name_.end());
}

std::optional<SymbolTable::Range> SymbolTable::range(uint64_t address) const {
  const auto next = by_address_.upper_bound(address);
  if (next == by_address_.begin()) return std::nullopt;
  const auto& [start, symbol] = *std::prev(next);
  constexpr uint64_t kUnsizedReach = 0x10000;
  uint64_t last = start + (symbol.size ? symbol.size : kUnsizedReach) - 1;
  if (next != by_address_.end()) last = std::min(last, next->first - 1);
  if (address > last) return std::nullopt;
  return Range{symbol.name, start, last};
}

std::string SymbolTable::describe(uint64_t address) const {
  const auto found = range(address);
  if (!found) return {};
  const uint64_t offset = address - found->first;
  return offset == 0 ? found->name : fmt::format("{}+{:#x}", found->name, offset);
}

bool SymbolTable::find(const std::string& name, uint64_t* address) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return false;
  *address = found->second;
  return true;
}

std::vector<uint8_t> read_file(const std::string& path, uint64_t limit) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) core::bad_input(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  const std::streamoff size = in.tellg();
  if (size < 0) core::bad_input(fmt::format("{}: cannot be read: not a file", path));
  if (static_cast<uint64_t>(size) > limit) {
    core::bad_input(fmt::format("{}: has {} bytes, more than the {} that fit", path, size, limit));
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes.data()), size);
  if (!in) core::bad_input(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  return bytes;
}

namespace {

constexpr uint64_t kLargestFile = uint64_t{1} << 30;

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_386:
      return "x86 (32 bit)";
    case EM_X86_64:
      return "x86-64";
    case EM_ARM:
      return "ARM";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    default:
      return fmt::format("number {}", machine);
  }
}

struct EndElf {
  void operator()(Elf* elf) const { elf_end(elf); }
};

class Parser {
 public:
  Parser(const std::string& name, const std::vector<uint8_t>& bytes) : name_(name), bytes_(bytes) {}

  void check_header() {
    if (!ElfImage::is_elf(bytes_)) fail("not an ELF file");
    if (bytes_.size() <= EI_DATA) fail("truncated: the ELF header is incomplete");
    // Which machine it is for tells a user more than its word size, and lies at the same place for all.
    if (bytes_.size() > offsetof(Elf64_Ehdr, e_machine) + 1) {
      const bool big = bytes_[EI_DATA] == ELFDATA2MSB;
      const unsigned low = bytes_[offsetof(Elf64_Ehdr, e_machine) + (big ? 1 : 0)];
      const unsigned high = bytes_[offsetof(Elf64_Ehdr, e_machine) + (big ? 0 : 1)];
      const unsigned machine = high << 8 | low;
      if (machine != EM_RISCV) {
        fail(fmt::format("is for machine {}, the core needs RISC-V (64 bit)", machine_name(machine)));
      }
    }
    if (bytes_[EI_CLASS] == ELFCLASS32) fail("is for RISC-V with 32 bit, the core needs RISC-V (64 bit)");
    if (bytes_[EI_CLASS] != ELFCLASS64) fail("damaged: its ELF class is neither 32 nor 64 bit");
    if (bytes_[EI_DATA] != ELFDATA2LSB) fail("is big-endian, the core needs little-endian");
    if (bytes_.size() < sizeof(Elf64_Ehdr)) fail("truncated: the ELF header is incomplete");
    std::memcpy(&header_, bytes_.data(), sizeof header_);
    // Firmware that relocates itself is of the second kind; it still says where it wants to lie.
    if (header_.e_type != ET_EXEC && header_.e_type != ET_DYN) {
      fail(fmt::format("is no linked executable (ELF type {}, expected {} or {})", header_.e_type, ET_EXEC,
                       ET_DYN));
    }
    if (header_.e_phnum != 0 && header_.e_phentsize != sizeof(Elf64_Phdr)) {
      fail(fmt::format("damaged: program headers of {} bytes", header_.e_phentsize));
    }
    if (!inside(header_.e_phoff, uint64_t{header_.e_phnum} * sizeof(Elf64_Phdr))) {
      fail("truncated: program headers lie behind its end");
    }
  }

  uint64_t entry() const { return header_.e_entry; }

  /// An operating system's entry may be a virtual address; hardware jumps to where that byte was loaded.
  static uint64_t physical(uint64_t address, const std::vector<ElfImage::Segment>& segments) {
    for (const ElfImage::Segment& s : segments) {
      const uint64_t offset = address - s.virtual_address;
      if (address >= s.virtual_address && offset < s.memory_size) return s.physical + offset;
    }
    return address;
  }

  std::vector<ElfImage::Segment> segments() const {
    std::vector<ElfImage::Segment> out;
    for (unsigned i = 0; i < header_.e_phnum; ++i) {
      Elf64_Phdr ph;
      std::memcpy(&ph, bytes_.data() + header_.e_phoff + i * sizeof ph, sizeof ph);
      if (ph.p_type != PT_LOAD || ph.p_memsz == 0) continue;
      if (!inside(ph.p_offset, ph.p_filesz)) {
        fail(fmt::format("truncated: segment {} needs {} bytes from {}, the file has {}", i, ph.p_filesz,
                         ph.p_offset, bytes_.size()));
      }
      if (ph.p_memsz < ph.p_filesz || ph.p_paddr + (ph.p_memsz - 1) < ph.p_paddr) {
        fail(fmt::format("damaged: segment {} has {} bytes in the file and {} in memory at {:#x}", i,
                         ph.p_filesz, ph.p_memsz, ph.p_paddr));
      }
      const auto first = bytes_.begin() + static_cast<std::ptrdiff_t>(ph.p_offset);
      out.push_back({ph.p_paddr,
                     ph.p_vaddr,
                     {first, first + static_cast<std::ptrdiff_t>(ph.p_filesz)},
                     ph.p_memsz,
                     ph.p_flags});
    }
    if (out.empty()) fail("has nothing to load");
    return out;
  }

  /// Symbols are only a help for readers of messages: a damaged table gives fewer names.
  SymbolTable symbols() const {
    SymbolTable table;
    if (elf_version(EV_CURRENT) == EV_NONE) return table;
    std::vector<uint8_t> copy = bytes_;  // libelf may write to what it works on
    std::unique_ptr<Elf, EndElf> elf(elf_memory(reinterpret_cast<char*>(copy.data()), copy.size()));
    if (!elf) return table;
    Elf_Scn* section = nullptr;
    while ((section = elf_nextscn(elf.get(), section)) != nullptr) {
      GElf_Shdr header;
      if (!gelf_getshdr(section, &header) || header.sh_type != SHT_SYMTAB || header.sh_entsize == 0) continue;
      Elf_Data* data = elf_getdata(section, nullptr);
      if (!data) continue;
      const size_t count = std::min<size_t>(header.sh_size / header.sh_entsize, INT32_MAX);
      for (size_t i = 0; i < count; ++i) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, static_cast<int>(i), &symbol)) break;
        const unsigned type = GELF_ST_TYPE(symbol.st_info);
        if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS) continue;
        if (type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE) continue;
        const char* text = elf_strptr(elf.get(), header.sh_link, symbol.st_name);
        // "$x" marks code, ".L..." and empty names are the assembler's own.
        if (!text || text[0] == '\0' || text[0] == '$' || text[0] == '.') continue;
        table.add(text, symbol.st_value, symbol.st_size);
      }
    }
    return table;
  }

 private:
  [[noreturn]] void fail(const std::string& text) const { core::bad_input(name_ + ": " + text); }
  bool inside(uint64_t offset, uint64_t length) const {
    return offset <= bytes_.size() && length <= bytes_.size() - offset;
  }

  const std::string& name_;
  const std::vector<uint8_t>& bytes_;
  Elf64_Ehdr header_{};
};

}  // namespace

ElfImage::ElfImage(const std::string& path) : ElfImage(path, read_file(path, kLargestFile)) {}

ElfImage::ElfImage(const std::string& name, const std::vector<uint8_t>& bytes) {
  Parser parser(name, bytes);
  parser.check_header();
  segments_ = parser.segments();
  entry_ = Parser::physical(parser.entry(), segments_);
  symbols_ = parser.symbols();
}

bool ElfImage::is_elf(const std::vector<uint8_t>& bytes) {
  return bytes.size() >= SELFMAG && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
}

}  // namespace rdu::mgmt
