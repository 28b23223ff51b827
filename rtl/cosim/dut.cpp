#include "cosim/dut.h"

#include <fmt/format.h>

#include "core/error.h"
#include "fabric/fidelity.h"
#include "fabric/pcu/pcu_cycle.h"
#include "fabric/pmu/pmu_cycle.h"
#include "fabric/program.h"
#include "fabric/stream/unit.h"
#include "fabric/switch/cycle_switch.h"

namespace rdu::cosim {
namespace {

/// A PMU has a scratchpad of its own.
template <class MakeModel>
Dut make(uint32_t unit, const fabric::FabricParams& params, MakeModel make_model) {
  Dut dut;
  if (RDU_UNIT_KIND(unit) == RDU_UNIT_PMU)
    dut.memory = std::make_unique<fabric::Scratchpad>(params.pmu_bytes);
  dut.model = make_model(dut.memory.get());
  return dut;
}

}  // namespace

Dut make_model(uint32_t unit, const fabric::FabricParams& params) {
  return make(unit, params, [&](fabric::Scratchpad* memory) -> std::unique_ptr<fabric::PinModel> {
    switch (RDU_UNIT_KIND(unit)) {
      case RDU_UNIT_PCU:
        return std::make_unique<fabric::PcuCycle>(params);
      case RDU_UNIT_PMU:
        return std::make_unique<fabric::PmuCycle>(params, *memory);
      case RDU_UNIT_SWITCH:
        return std::make_unique<fabric::CycleSwitch>(params, RDU_UNIT_ROW(unit), RDU_UNIT_COL(unit));
      default:
        core::bad_input(fmt::format("{} cannot be played alone", fabric::unit_name(unit)));
    }
  });
}

Dut make_rtl(uint32_t unit, const fabric::FabricParams& params) {
  const fabric::RtlUnits& units = fabric::rtl_units();
  const auto need = [&](bool is_there, const auto& check) {
    if (!is_there) core::bad_input(fmt::format("there is no Verilog of {} here", fabric::unit_name(unit)));
    if (check) check(params);
  };
  return make(unit, params, [&](fabric::Scratchpad* memory) -> std::unique_ptr<fabric::PinModel> {
    switch (RDU_UNIT_KIND(unit)) {
      case RDU_UNIT_PCU:
        need(static_cast<bool>(units.pcu), units.check_pcu);
        return units.pcu(params);
      case RDU_UNIT_PMU:
        need(static_cast<bool>(units.pmu), units.check_pmu);
        return units.pmu(params, *memory);
      default:
        need(false, units.check_pcu);
        return nullptr;
    }
  });
}

}  // namespace rdu::cosim
