#include "Vrtl_switch.h"
#include "fabric/switch/cycle_switch.h"
#include "pins/verilated_pins.h"
#include "test/catch.h"
#include "test/switch_bench.h"

// The switch, in Verilog and as a cycle model, against the pseudo-code of its page. So the two are equal,
// too.
using rdu::fabric::PinCounts;
using rdu::rtl::test::hold_against_the_page;

TEST_CASE("the switch in Verilog does in every cycle what its page says") {
  const PinCounts pins = rdu::fabric::CycleSwitch({}, 0, 0).pins();
  hold_against_the_page(true, [&](unsigned row, unsigned column) {
    auto model = std::make_unique<rdu::rtl::VerilatedPins<Vrtl_switch>>(pins);
    model->module().here = static_cast<uint16_t>(column | row << 8);
    return model;
  });
}

TEST_CASE("the cycle model of the switch does in every cycle what its page says") {
  const rdu::fabric::FabricParams params;
  hold_against_the_page(false, [&](unsigned row, unsigned column) {
    return std::make_unique<rdu::fabric::CycleSwitch>(params, row, column);
  });
}
