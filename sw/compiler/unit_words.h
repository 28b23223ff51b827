#pragma once

#include <cstdint>
#include <string>

/// What the configuration words of the units mean, from models/fabric/<unit>/<unit>.regs.yaml (unit_words.py
/// makes the table at build time).
namespace rdu::compiler {

struct WordEnum {
  const char* name;
  uint64_t value;
};
struct WordField {
  const char* name;
  unsigned lsb, width;
  const WordEnum* values;  ///< names of values, or null
  unsigned value_count;

  uint64_t of(uint64_t word) const;
  /// The value's name, or null.
  const char* name_of(uint64_t value) const;
};
struct UnitRegister {
  const char* name;  ///< "READ_COUNTER[2].STRIDE"
  uint16_t word;
  uint16_t words;  ///< 1 or 2
  uint64_t reset;
  const WordField* fields;
  unsigned field_count;

  uint64_t mask() const;  ///< bits that belong to fields
};
struct UnitTable {
  const char* block;
  const UnitRegister* registers;
  unsigned count;
};

/// The registers of a kind of unit (RDU_UNIT_PCU, ...), or null.
const UnitTable* unit_table(uint32_t kind);
/// The register that word `word` belongs to, or null for a hole.
const UnitRegister* unit_register(uint32_t kind, unsigned word);
/// The value in words: "MODE=MATRIX FIRST=0 STAGES=0 LANES=32 TAIL=NONE"; a register of one unnamed field as
/// a number.
std::string register_text(const UnitRegister& reg, uint64_t value);

namespace generated {
extern const UnitTable kTables[];
extern const unsigned kTableCount;
}  // namespace generated

}  // namespace rdu::compiler
