#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "core/register.h"

namespace rdu::core {

/// Counts which registers and fields software uses. A block that is not watched is not slowed down.
///
/// - A register is read (written) by each access that succeeds. A field is *read* by a read that carries its
///   bits: all fields of the register, or those of one half.
/// - A field is *written* by a write that carries its bits, unless it is read-only; it is *changed* if that
///   write gives it another value or, for fields that act on ones (w1c, w1s), if a one is among its bits.
///   Writing a register as a whole thus writes all its fields; `changed` tells which of them were meant.
class RegisterCoverage {
 public:
  RegisterCoverage() = default;
  ~RegisterCoverage();
  RegisterCoverage(const RegisterCoverage&) = delete;
  RegisterCoverage& operator=(const RegisterCoverage&) = delete;

  /// Counts from now on. `file` must outlive this object.
  void watch(const std::string& name, uint64_t base, RegisterFile& file);

  struct Count {
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t changes = 0;  ///< of fields only
  };
  /// Of a register or (not null) a field of a watched block; zero if there is none of these names.
  Count of(const std::string& block, const std::string& reg, const char* field = nullptr) const;

  /// {"blocks": [{"name", "base", "registers": [{"name", "offset", "reads", "writes", "fields": [{"name",
  /// "access", "reads", "writes", "changes"}]}]}]}
  void write_json(std::ostream& out) const;
  /// A table a block: what was used, then the names of what never was.
  void write_text(std::ostream& out) const;

 private:
  struct Item {
    const Register* reg;
    Count count;
    std::vector<Count> fields;
  };
  struct Block {
    std::string name;
    uint64_t base;
    RegisterFile* file;
    unsigned observer = 0;    ///< its number
    std::vector<Item> items;  ///< by offset
  };
  static void count(Block& block, const RegisterFile::Access& access);
  static void write_unused(std::ostream& out, const Block& block);

  std::vector<std::unique_ptr<Block>> blocks_;
};

const char* to_string(Access access);

}  // namespace rdu::core
