#include "fabric/fidelity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <regex>

#include "core/error.h"
#include "fabric/program.h"

namespace rdu::fabric {
namespace {

constexpr std::array<const char*, 3> kNames{"fast", "cycle", "rtl"};

/// What to call the setting in messages.
constexpr const char* kKey = "socket.tile.fidelity_of";

Fidelity fidelity_named(const std::string& name, const std::string& where) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Fidelity>(i);
  }
  core::bad_input(fmt::format("{}: '{}' is none of fast, cycle, rtl", where, name));
}

}  // namespace

const char* to_string(Fidelity fidelity) {
  return kNames[static_cast<size_t>(fidelity)];
}

RtlUnits& rtl_units() {
  static RtlUnits units;
  return units;
}

FidelityMap::FidelityMap(const FabricParams& params)
    : all_(fidelity_named(params.fidelity, "socket.tile.fidelity")) {
  std::string text = params.fidelity_of;
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    rules_.push_back(parse(text.substr(begin, end - begin), params));
    begin = end + 1;
  }
  const auto need = [&](bool is_there, const auto& check, unsigned kind, const char* name) {
    bool wanted = all_ == Fidelity::rtl;
    for (const Rule& rule : rules_) wanted |= rule.kind == kind && rule.fidelity == Fidelity::rtl;
    if (wanted && !is_there) {
      core::bad_input(
          fmt::format("fidelity rtl: this program was built without the Verilog of the {}", name));
    }
    if (wanted && check) check(params);
  };
  need(static_cast<bool>(rtl_units().pcu), rtl_units().check_pcu, RDU_UNIT_PCU, "PCU");
  need(static_cast<bool>(rtl_units().pmu), rtl_units().check_pmu, RDU_UNIT_PMU, "PMU");
  need(static_cast<bool>(rtl_units().switch_), rtl_units().check_switch, RDU_UNIT_SWITCH, "switch");
}

FidelityMap::Rule FidelityMap::parse(const std::string& text, const FabricParams& params) {
  static const std::regex kForm(R"(([a-z_]+)\[(\*|[0-9]{1,3})\]\[(\*|[0-9]{1,3})\]=([a-z]+))");
  std::smatch part;
  if (!std::regex_match(text, part, kForm)) {
    core::bad_input(fmt::format(
        "{}: '{}' is not of the form UNIT[ROW][COLUMN]=FIDELITY, e.g. pcu[1][2]=rtl or pmu[*][*]=cycle", kKey,
        text));
  }
  Rule rule{};
  const std::string kind = part[1];
  if (kind == "pcu") {
    rule.kind = RDU_UNIT_PCU;
  } else if (kind == "pmu") {
    rule.kind = RDU_UNIT_PMU;
  } else if (kind == "switch") {
    rule.kind = RDU_UNIT_SWITCH;
  } else {
    core::bad_input(
        fmt::format("{}: '{}': no unit '{}' has a choice; pcu, pmu and switch have", kKey, text, kind));
  }
  const auto place = [&](const std::string& number, uint64_t size, const char* what) {
    if (number == "*") return -1;
    const int value = std::atoi(number.c_str());
    if (static_cast<uint64_t>(value) >= size) {
      core::bad_input(
          fmt::format("{}: '{}': there is no {} {}; a tile has {}", kKey, text, what, value, size));
    }
    return value;
  };
  rule.row = place(part[2], params.rows, "row");
  rule.column = place(part[3], params.columns, "column");
  rule.fidelity = fidelity_named(part[4], fmt::format("{}: '{}'", kKey, text));
  return rule;
}

Fidelity FidelityMap::of(uint32_t unit) const {
  const unsigned kind = RDU_UNIT_KIND(unit);
  if (kind != RDU_UNIT_PCU && kind != RDU_UNIT_PMU && kind != RDU_UNIT_SWITCH) return Fidelity::fast;
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->kind == kind && (rule->row < 0 || static_cast<unsigned>(rule->row) == RDU_UNIT_ROW(unit)) &&
        (rule->column < 0 || static_cast<unsigned>(rule->column) == RDU_UNIT_COL(unit))) {
      return rule->fidelity;
    }
  }
  return all_;
}

}  // namespace rdu::fabric
