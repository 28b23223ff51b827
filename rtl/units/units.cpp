#include "units/units.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "Vrtl_pcu.h"
#include "Vrtl_pmu.h"
#include "Vrtl_pmu___024root.h"
#include "Vrtl_switch.h"
#include "core/error.h"
#include "fabric/fidelity.h"
#include "fabric/pcu/pcu_cycle.h"
#include "fabric/pmu/pmu_cycle.h"
#include "fabric/program.h"
#include "fabric/switch/cycle_switch.h"
#include "pins/verilated_pins.h"
#include "pins/verilated_pmu.h"

namespace rdu::rtl {
namespace {

using fabric::FabricParams;

/// The Verilog is compiled for one set of numbers: the parameters' defaults, which are those of the chip.
fabric::RtlUnits::Kind offer(unsigned kind, const char* unit, fabric::PinMaker make) {
  return {std::move(make), [kind, unit](const FabricParams& params) {
            const FabricParams built;
            for (const fabric::Number& number : fabric::numbers_of(kind)) {
              if (params.*number.value == built.*number.value) continue;
              core::bad_input(fmt::format("fidelity rtl: the Verilog of the {} was built for {} = {}, not {}",
                                          unit, number.name, built.*number.value, params.*number.value));
            }
          }};
}

std::unique_ptr<fabric::PinModel> make_pcu(const fabric::PinSite& site) {
  return std::make_unique<VerilatedPins<Vrtl_pcu>>(fabric::PcuCycle(site.params).pins());
}

struct PmuMemory {
  static auto& of(Vrtl_pmu& v) { return v.rootp->pmu__DOT__memory; }
};

std::unique_ptr<fabric::PinModel> make_pmu(const fabric::PinSite& site) {
  return std::make_unique<VerilatedPmu<Vrtl_pmu, PmuMemory>>(
      fabric::PmuCycle(site.params, *site.memory).pins(), *site.memory);
}

std::unique_ptr<fabric::PinModel> make_switch(const fabric::PinSite& site) {
  const unsigned row = RDU_UNIT_ROW(site.unit);
  const unsigned column = RDU_UNIT_COL(site.unit);
  auto made =
      std::make_unique<VerilatedPins<Vrtl_switch>>(fabric::CycleSwitch(site.params, row, column).pins());
  made->module().here = static_cast<uint16_t>(column | row << 8);
  return made;
}

}  // namespace

void offer_units() {
  auto& kinds = fabric::rtl_units().kinds;
  kinds[RDU_UNIT_PCU] = offer(RDU_UNIT_PCU, "PCU", make_pcu);
  kinds[RDU_UNIT_PMU] = offer(RDU_UNIT_PMU, "PMU", make_pmu);
  kinds[RDU_UNIT_SWITCH] = offer(RDU_UNIT_SWITCH, "switch", make_switch);
}

}  // namespace rdu::rtl
