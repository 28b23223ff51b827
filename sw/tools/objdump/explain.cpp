#include "tools/objdump/explain.h"

#include <fmt/format.h>

#include <regex>

namespace rdu::tools {
namespace {

/// 0 for what is no unit.
uint32_t unit_of(const std::string& kind, const std::string& row, const std::string& column) {
  if (row.size() > 4 || column.size() > 4) return 0;
  const auto r = static_cast<uint32_t>(std::stoul(row));
  if (kind == "agcu_west" || kind == "agcu_east")
    return column.empty() ? RDU_UNIT(RDU_UNIT_AGCU, r, kind == "agcu_west" ? 0 : 1) : 0;
  if (column.empty()) return 0;
  return RDU_UNIT(kind == "pcu" ? RDU_UNIT_PCU : RDU_UNIT_PMU, r, static_cast<uint32_t>(std::stoul(column)));
}

}  // namespace

std::string explain(const compiler::Program& program, const std::string& text) {
  static const std::regex kUnit(R"((pcu|pmu|agcu_west|agcu_east)\[(\d+)\](?:\[(\d+)\])?)");
  std::string result;
  auto at = text.cbegin();
  for (std::smatch found; std::regex_search(at, text.cend(), found, kUnit); at = found.suffix().first) {
    result.append(at, found.suffix().first);
    std::string names;
    const uint32_t unit = unit_of(found[1], found[2], found[3]);
    for (const compiler::UnitEntry& u : program.units()) {
      if (u.id == unit) names += fmt::format("{}'{}'", names.empty() ? " " : ", ", u.name);
    }
    result += names;
  }
  return result.append(at, text.cend());
}

}  // namespace rdu::tools
