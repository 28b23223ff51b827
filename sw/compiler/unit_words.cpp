#include "compiler/unit_words.h"

#include <fmt/format.h>

#include <cstring>

#include "fabric/program.h"

namespace rdu::compiler {

namespace {
uint64_t ones(unsigned width) {
  return width >= 64 ? ~0ull : (uint64_t{1} << width) - 1;
}
}  // namespace

uint64_t WordField::of(uint64_t word) const {
  return word >> lsb & ones(width);
}

const char* WordField::name_of(uint64_t value) const {
  for (unsigned i = 0; i < value_count; ++i) {
    if (values[i].value == value) return values[i].name;
  }
  return nullptr;
}

uint64_t UnitRegister::mask() const {
  uint64_t bits = 0;
  for (unsigned i = 0; i < field_count; ++i) bits |= ones(fields[i].width) << fields[i].lsb;
  return bits;
}

const UnitTable* unit_table(uint32_t kind) {
  const char* block = nullptr;
  switch (kind) {
    case RDU_UNIT_PCU:
      block = "pcu";
      break;
    case RDU_UNIT_PMU:
      block = "pmu";
      break;
    case RDU_UNIT_SWITCH:
      block = "switch";
      break;
    case RDU_UNIT_AGCU:
      block = "agcu";
      break;
    default:
      return nullptr;
  }
  for (unsigned i = 0; i < generated::kTableCount; ++i) {
    if (std::strcmp(generated::kTables[i].block, block) == 0) return &generated::kTables[i];
  }
  return nullptr;
}

const UnitRegister* unit_register(uint32_t kind, unsigned word) {
  const UnitTable* table = unit_table(kind);
  if (!table) return nullptr;
  for (unsigned i = 0; i < table->count; ++i) {
    const UnitRegister& r = table->registers[i];
    if (word >= r.word && word < r.word + r.words) return &r;
  }
  return nullptr;
}

std::string register_text(const UnitRegister& reg, uint64_t value) {
  const bool plain = reg.field_count == 1 && std::strcmp(reg.fields[0].name, "VALUE") == 0;
  if (plain) {
    // Strides are signed; everything above a million reads better in hexadecimal.
    const bool is_signed = std::strstr(reg.name, "STRIDE") != nullptr;
    if (is_signed) return fmt::format("{}", static_cast<int32_t>(static_cast<uint32_t>(value)));
    if (value < 1000000) return fmt::format("{}", value);
    return fmt::format("{:#x}", value);
  }
  std::string text;
  for (unsigned i = 0; i < reg.field_count; ++i) {
    const WordField& f = reg.fields[i];
    const uint64_t v = f.of(value);
    const char* name = f.name_of(v);
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", f.name,
                        name ? std::string(name) : fmt::format("{}", v));
  }
  return text;
}

}  // namespace rdu::compiler
