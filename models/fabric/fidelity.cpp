#include "fabric/fidelity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <regex>

#include "core/error.h"
#include "fabric/pcu/pcu_cycle.h"
#include "fabric/pmu/pmu_cycle.h"
#include "fabric/program.h"
#include "fabric/switch/cycle_switch.h"

namespace rdu::fabric {
namespace {

constexpr std::array<const char*, 4> kNames{"fast", "cycle", "rtl", "shadow"};

/// What to call the setting in messages.
constexpr const char* kKey = "socket.tile.fidelity_of";

Fidelity fidelity_named(const std::string& name, const std::string& where) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Fidelity>(i);
  }
  core::bad_input(fmt::format("{}: '{}' is none of fast, cycle, rtl, shadow", where, name));
}

}  // namespace

const char* to_string(Fidelity fidelity) {
  return kNames[static_cast<size_t>(fidelity)];
}

RtlUnits& rtl_units() {
  static RtlUnits units;
  return units;
}

std::unique_ptr<PinModel> make_pins(Fidelity fidelity, const PinSite& site) {
  const unsigned kind = RDU_UNIT_KIND(site.unit);
  if (fidelity == Fidelity::rtl) return rtl_units().kinds.at(kind).make(site);
  if (fidelity == Fidelity::shadow) return rtl_units().shadow(site);
  switch (kind) {
    case RDU_UNIT_PCU:
      return std::make_unique<PcuCycle>(site.params);
    case RDU_UNIT_PMU:
      return std::make_unique<PmuCycle>(site.params, *site.memory);
    default:
      return std::make_unique<CycleSwitch>(site.params, RDU_UNIT_ROW(site.unit), RDU_UNIT_COL(site.unit));
  }
}

const std::vector<Number>& numbers_of(unsigned kind) {
  static const std::vector<Number> pcu = {
      {"lanes", &FabricParams::lanes},
      {"stages", &FabricParams::stages},
      {"fifo_depth", &FabricParams::fifo_depth},
      {"output_depth", &FabricParams::output_depth},
      {"scalar_depth", &FabricParams::scalar_depth},
      {"exp_cycles", &FabricParams::exp_cycles},
      {"recip_cycles", &FabricParams::recip_cycles},
      {"tail_cycles", &FabricParams::tail_cycles},
  };
  static const std::vector<Number> pmu = {
      {"pmu_bytes", &FabricParams::pmu_bytes},
      {"pmu_banks", &FabricParams::pmu_banks},
      {"pmu_read_cycles", &FabricParams::pmu_read_cycles},
      {"fifo_depth", &FabricParams::fifo_depth},
      {"output_depth", &FabricParams::output_depth},
      {"scalar_depth", &FabricParams::scalar_depth},
  };
  static const std::vector<Number> switch_ = {
      {"switch_depth", &FabricParams::switch_depth},
      {"scalar_depth", &FabricParams::scalar_depth},
  };
  return kind == RDU_UNIT_PCU ? pcu : kind == RDU_UNIT_PMU ? pmu : switch_;
}

FidelityMap::FidelityMap(const FabricParams& params)
    : all_(fidelity_named(params.fidelity, "socket.tile.fidelity")), shadow_(params.shadow) {
  std::string text = params.fidelity_of;
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    rules_.push_back(parse(text.substr(begin, end - begin), params));
    begin = end + 1;
  }
  const auto needs_verilog = [](Fidelity f) { return f == Fidelity::rtl || f == Fidelity::shadow; };
  for (const auto& [kind, name] :
       {std::pair{RDU_UNIT_PCU, "PCU"}, {RDU_UNIT_PMU, "PMU"}, {RDU_UNIT_SWITCH, "switch"}}) {
    bool wanted = needs_verilog(all_);
    for (const Rule& rule : rules_) wanted |= rule.kind == kind && needs_verilog(rule.fidelity);
    if (!wanted) continue;
    const auto built = rtl_units().kinds.find(kind);
    if (built == rtl_units().kinds.end()) {
      core::bad_input(
          fmt::format("fidelity rtl: this program was built without the Verilog of the {}", name));
    }
    if (built->second.check) built->second.check(params);
  }
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
  } else if (kind == "agcu") {
    rule.kind = RDU_UNIT_AGCU;
  } else {
    core::bad_input(
        fmt::format("{}: '{}': no unit '{}' has a choice; pcu, pmu, switch and agcu have", kKey, text, kind));
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
  const bool is_agcu = rule.kind == RDU_UNIT_AGCU;
  rule.column = place(part[3], is_agcu ? 2 : params.columns, is_agcu ? "side" : "column");
  rule.fidelity = fidelity_named(part[4], fmt::format("{}: '{}'", kKey, text));
  if (is_agcu && rule.fidelity != Fidelity::fast && rule.fidelity != Fidelity::cycle)
    core::bad_input(
        fmt::format("{}: '{}': there is no Verilog of the AGCU; it is fast or cycle", kKey, text));
  return rule;
}

Fidelity FidelityMap::of(uint32_t unit) const {
  const Fidelity fidelity = chosen(unit);
  return shadow_ && fidelity == Fidelity::rtl ? Fidelity::shadow : fidelity;
}

Fidelity FidelityMap::chosen(uint32_t unit) const {
  const unsigned kind = RDU_UNIT_KIND(unit);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->kind == kind && (rule->row < 0 || static_cast<unsigned>(rule->row) == RDU_UNIT_ROW(unit)) &&
        (rule->column < 0 || static_cast<unsigned>(rule->column) == RDU_UNIT_COL(unit))) {
      return rule->fidelity;
    }
  }
  return kind == RDU_UNIT_AGCU && all_ != Fidelity::fast ? Fidelity::cycle : all_;
}

}  // namespace rdu::fabric
