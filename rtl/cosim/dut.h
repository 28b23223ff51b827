#pragma once

#include <functional>
#include <memory>
#include <string>

#include "fabric/pmu/scratchpad.h"
#include "fabric/stream/pins.h"

namespace rdu::cosim {

/// A unit that can be played alone.
struct Dut {
  std::unique_ptr<fabric::Scratchpad> memory;  ///< of a PMU; before the model, which uses it
  std::unique_ptr<fabric::PinModel> model;
};

/// Makes the unit (RDU_UNIT) of a tile with these numbers. Throws bad_input if it cannot be had for them.
using DutMaker = std::function<Dut(uint32_t unit, const fabric::FabricParams& params)>;

/// The cycle models of PCU, PMU and switch.
Dut make_model(uint32_t unit, const fabric::FabricParams& params);

/// The Verilog that this program was built with; rtl::offer_units() comes before.
Dut make_rtl(uint32_t unit, const fabric::FabricParams& params);

}  // namespace rdu::cosim
