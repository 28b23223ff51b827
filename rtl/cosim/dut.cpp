#include "cosim/dut.h"

#include <fmt/format.h>

#include "core/error.h"
#include "cosim/stimulus.h"
#include "fabric/fidelity.h"
#include "fabric/program.h"
#include "fabric/stream/unit.h"

namespace rdu::cosim {
namespace {

/// A PMU has a scratchpad of its own.
Dut make(uint32_t unit, const fabric::FabricParams& params, const fabric::PinMaker& make_pins) {
  Dut dut;
  if (RDU_UNIT_KIND(unit) == RDU_UNIT_PMU)
    dut.memory = std::make_unique<fabric::Scratchpad>(params.pmu_bytes);
  dut.model = make_pins({"", unit, params, dut.memory.get()});
  return dut;
}

}  // namespace

Dut make_model(uint32_t unit, const fabric::FabricParams& params) {
  pins_of(RDU_UNIT_KIND(unit));  // throws
  return make(unit, params,
              [](const fabric::PinSite& site) { return make_pins(fabric::Fidelity::cycle, site); });
}

Dut make_rtl(uint32_t unit, const fabric::FabricParams& params) {
  const auto& kinds = fabric::rtl_units().kinds;
  const auto kind = kinds.find(RDU_UNIT_KIND(unit));
  if (kind == kinds.end())
    core::bad_input(fmt::format("this program was built without the Verilog of {}", fabric::unit_name(unit)));
  if (kind->second.check) kind->second.check(params);
  return make(unit, params, kind->second.make);
}

}  // namespace rdu::cosim
