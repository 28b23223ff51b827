#include "units/units.h"

#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <vector>

#include "Vrtl_pcu.h"
#include "Vrtl_pmu.h"
#include "Vrtl_pmu___024root.h"
#include "Vrtl_switch.h"
#include "core/error.h"
#include "fabric/fidelity.h"
#include "fabric/pcu/pcu_cycle.h"
#include "fabric/pmu/pmu_cycle.h"
#include "fabric/pmu/scratchpad.h"
#include "fabric/switch/cycle_switch.h"
#include "pins/verilated_pins.h"

namespace rdu::rtl {
namespace {

using fabric::FabricParams;

/// The Verilog is compiled for one set of numbers: the parameters' defaults, which are those of the chip.
struct Built {
  const char* name;
  uint64_t FabricParams::*parameter;
};
const std::vector<Built> kPcu = {
    {"lanes", &FabricParams::lanes},
    {"stages", &FabricParams::stages},
    {"fifo_depth", &FabricParams::fifo_depth},
    {"output_depth", &FabricParams::output_depth},
    {"scalar_depth", &FabricParams::scalar_depth},
    {"exp_cycles", &FabricParams::exp_cycles},
    {"recip_cycles", &FabricParams::recip_cycles},
    {"tail_cycles", &FabricParams::tail_cycles},
};
const std::vector<Built> kPmu = {
    {"pmu_bytes", &FabricParams::pmu_bytes},
    {"pmu_banks", &FabricParams::pmu_banks},
    {"pmu_read_cycles", &FabricParams::pmu_read_cycles},
    {"fifo_depth", &FabricParams::fifo_depth},
    {"output_depth", &FabricParams::output_depth},
    {"scalar_depth", &FabricParams::scalar_depth},
};
const std::vector<Built> kSwitch = {
    {"switch_depth", &FabricParams::switch_depth},
    {"scalar_depth", &FabricParams::scalar_depth},
};

void check(const char* unit, const std::vector<Built>& numbers, const FabricParams& params) {
  const FabricParams built;
  for (const Built& number : numbers) {
    if (params.*number.parameter == built.*number.parameter) continue;
    core::bad_input(fmt::format("fidelity rtl: the Verilog of the {} was built for {} = {}, not {}", unit,
                                number.name, built.*number.parameter, params.*number.parameter));
  }
}

std::unique_ptr<fabric::PinModel> make_pcu(const FabricParams& params) {
  return std::make_unique<VerilatedPins<Vrtl_pcu>>(fabric::PcuCycle(params).pins());
}

/// The Verilog has its memory inside; it is that of the tile only from the start of an execution to the end
/// of its work.
class Pmu final : public VerilatedPins<Vrtl_pmu> {
 public:
  Pmu(const FabricParams& params, fabric::Scratchpad& memory)
      : VerilatedPins(fabric::PmuCycle(params, memory).pins()), memory_(memory) {}
  ~Pmu() override { give_back(); }

  void start(const fabric::PinCredits& credits, fabric::PinOutputs& out) override {
    give_back();
    const uint8_t* bytes = memory_.data();
    for (uint64_t i = 0; i < words(); ++i) {
      uint32_t word;
      std::memcpy(&word, bytes + 4 * i, 4);
      module().rootp->pmu__DOT__memory[i] =
          word == 0 ? 0 : word | static_cast<uint64_t>(fabric::ecc::check_bits(word)) << 32;
    }
    has_it_ = true;
    clears_ = memory_.clears();
    VerilatedPins::start(credits, out);
  }
  void tick(const fabric::PinInputs& in, fabric::PinOutputs& out) override {
    VerilatedPins::tick(in, out);
    if (out.done) give_back();
  }

 private:
  uint64_t words() const { return memory_.bytes() / 4; }
  void give_back() {
    if (!has_it_) return;
    has_it_ = false;
    if (memory_.clears() != clears_)
      return;  // cleared since, as after a kernel that was ended: what is here is gone
    uint8_t* bytes = memory_.data();
    for (uint64_t i = 0; i < words(); ++i) {
      const auto word = static_cast<uint32_t>(module().rootp->pmu__DOT__memory[i]);
      std::memcpy(bytes + 4 * i, &word, 4);
    }
  }

  fabric::Scratchpad& memory_;
  bool has_it_ = false;
  uint64_t clears_ = 0;  ///< of the memory, when it was taken
};

std::unique_ptr<fabric::PinModel> make_pmu(const FabricParams& params, fabric::Scratchpad& memory) {
  return std::make_unique<Pmu>(params, memory);
}

std::unique_ptr<fabric::PinModel> make_switch(const FabricParams& params, unsigned row, unsigned column) {
  auto made = std::make_unique<VerilatedPins<Vrtl_switch>>(fabric::CycleSwitch(params, row, column).pins());
  made->module().here = static_cast<uint16_t>(column | row << 8);
  return made;
}

}  // namespace

void offer_units() {
  fabric::RtlUnits& units = fabric::rtl_units();
  units.pcu = make_pcu;
  units.pmu = make_pmu;
  units.switch_ = make_switch;
  units.check_pcu = [](const FabricParams& params) { check("PCU", kPcu, params); };
  units.check_pmu = [](const FabricParams& params) { check("PMU", kPmu, params); };
  units.check_switch = [](const FabricParams& params) { check("switch", kSwitch, params); };
}

}  // namespace rdu::rtl
