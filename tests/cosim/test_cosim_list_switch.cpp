#include "Vlist_switch_dut.h"
#include "fabric/switch/cycle_switch.h"
#include "pins/verilated_pins.h"
#include "test/catch.h"
#include "test/switch_bench.h"

TEST_CASE("a switch that shares nothing with ours but its page does in every cycle what the page says") {
  const rdu::fabric::PinCounts pins = rdu::fabric::CycleSwitch({}, 0, 0).pins();
  rdu::rtl::test::hold_against_the_page(true, [&](unsigned row, unsigned column) {
    auto model = std::make_unique<rdu::rtl::VerilatedPins<Vlist_switch_dut>>(pins);
    model->module().here = static_cast<uint16_t>(column | row << 8);
    return model;
  });
}
