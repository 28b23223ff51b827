#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

// Before SystemC, whose time it would take for its own.
#include <verilated.h>
#if defined(RDU_TEST_SWITCH)
#include "Vrtl_switch.h"
#endif

#include "cosim/coverage.h"
#include "cosim/generator.h"
#include "cosim/player.h"
#include "fabric/fidelity.h"
#include "fabric/switch/cycle_switch.h"
#include "pins/verilated_pins.h"
#include "test/catch.h"
#include "test/seed.h"
#include "units/units.h"

// Generated stimuli on the cycle model of a unit and on its Verilog. RDU_SEED chooses them, RDU_ROUNDS says
// how many. What differs is made small and left in RDU_STIMULUS_DIR, or the working
// folder. RDU_COVERAGE=FILE: writes what has been covered.
using namespace rdu;
using namespace rdu::cosim;

namespace {

#if defined(RDU_TEST_SWITCH)
constexpr unsigned kKind = RDU_UNIT_SWITCH;
constexpr unsigned kRounds = 12;

Dut make_verilog(const Stimulus& stimulus) {
  const fabric::PinCounts pins = stimulus.pins();
  auto model = std::make_unique<rtl::VerilatedPins<Vrtl_switch>>(pins);
  model->module().here =
      static_cast<uint16_t>(RDU_UNIT_COL(stimulus.unit) | RDU_UNIT_ROW(stimulus.unit) << 8);
  return {nullptr, std::move(model)};
}
#else
#if defined(RDU_TEST_PMU)
constexpr unsigned kKind = RDU_UNIT_PMU;
constexpr unsigned kRounds = 300;
#else
constexpr unsigned kKind = RDU_UNIT_PCU;
constexpr unsigned kRounds = 400;
#endif

Dut make_verilog(const Stimulus& stimulus) {
  if (fabric::rtl_units().kinds.empty()) rtl::offer_units();
  return make_rtl(stimulus.unit, stimulus.params);
}
#endif

unsigned rounds() {
  const char* text = std::getenv("RDU_ROUNDS");
  return text ? static_cast<unsigned>(std::atoi(text)) : kRounds;
}

}  // namespace

TEST_CASE("random units: the Verilog does, pin by pin and cycle by cycle, what the model does") {
  uint64_t cycles = 0;
  uint64_t items = 0;
  unsigned done = 0;
  Coverage coverage(kKind);
  std::unique_ptr<Dut> verilog;
  uint32_t unit = 0;
  for (unsigned round = 0; round < rounds(); ++round) {
    const uint64_t seed = test_seed() * 1'000'003 + round;
    const Stimulus stimulus = generate(RDU_UNIT(kKind, 1, 2), seed);
    INFO("RDU_SEED=" << test_seed() << ", round " << round << ", seed of the stimulus " << seed);
    stimulus.check();
    Dut model = make_model(stimulus.unit, stimulus.params);
    if (!verilog || unit != stimulus.unit) verilog = std::make_unique<Dut>(make_verilog(stimulus));
    unit = stimulus.unit;
    PlayOptions options;
    options.keep_log = true;
    const Played played = play(stimulus, model, {verilog.get()}, options);
    coverage.add(stimulus, played.log);
    cycles += played.cycles;
    items += stimulus.size();
    done += played.done;
    if (!played.divergence) continue;
    FAIL(played.divergence->text());
  }
  std::printf("%u units, %llu packets, words and tokens, %llu cycles, %u had all they need\n", rounds(),
              static_cast<unsigned long long>(items), static_cast<unsigned long long>(cycles), done);
  CHECK(done > rounds() / 2);
  if (const char* file = std::getenv("RDU_COVERAGE")) std::ofstream(file) << coverage.to_json();
}
