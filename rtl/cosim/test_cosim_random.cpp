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
#include "cosim/shrink.h"
#include "fabric/fidelity.h"
#include "fabric/switch/cycle_switch.h"
#include "pins/verilated_pins.h"
#include "test/catch.h"
#include "test/seed.h"
#include "units/units.h"

// Generated stimuli on the cycle model of a unit and on its Verilog. RDU_SEED chooses them, RDU_ROUNDS says
// how many. A small stimulus on which they differ is left in RDU_STIMULUS_DIR, or the working
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

/// Do model and Verilog still differ in that way?
bool differs(const Stimulus& stimulus, Dut& verilog, const Divergence& as) {
  Dut model = make_model(stimulus.unit, stimulus.params);
  const Played played = play(stimulus, model, {&verilog});
  return played.divergence && played.divergence->kind == as.kind &&
         played.divergence->stream.kind == as.stream.kind;
}

/// Leaves a stimulus in a file, whose name it returns.
std::string keep(const Stimulus& stimulus, uint64_t seed) {
  const char* folder = std::getenv("RDU_STIMULUS_DIR");
  const std::string file =
      std::string(folder ? folder : ".") + "/" + stimulus.name() + "-" + std::to_string(seed) + ".stim";
  stimulus.write(file);
  return file;
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
    const Shrunk small = shrink(
        stimulus, [&](const Stimulus& s) { return differs(s, *verilog, *played.divergence); }, {500, {}});
    FAIL(played.divergence->text() << "; a small stimulus that shows it is in "
                                   << keep(small.stimulus, seed));
  }
  std::printf("%u units, %llu packets, words and tokens, %llu cycles, %u had all they need\n", rounds(),
              static_cast<unsigned long long>(items), static_cast<unsigned long long>(cycles), done);
  CHECK(done > rounds() / 2);
  if (const char* file = std::getenv("RDU_COVERAGE")) std::ofstream(file) << coverage.to_json();
}

namespace {

/// A unit with a mistake: from packet `first` of every output on, a bit of each is wrong.
class Wrong : public fabric::PinModel {
 public:
  Wrong(std::unique_ptr<fabric::PinModel> right, unsigned first) : right_(std::move(right)), first_(first) {}

  const fabric::PinCounts& pins() const override { return right_->pins(); }
  void reset() override {
    right_->reset();
    sent_ = {};
  }
  void configure(const fabric::ConfigWords& words) override { right_->configure(words); }
  void start(const fabric::PinCredits& credits, fabric::PinOutputs& out) override {
    right_->start(credits, out);
    spoil(out);
  }
  void tick(const fabric::PinInputs& in, fabric::PinOutputs& out) override {
    right_->tick(in, out);
    spoil(out);
  }

 private:
  void spoil(fabric::PinOutputs& out) {
    for (unsigned port = 0; port < sent_.size(); ++port) {
      if ((out.valid >> port & 1) != 0 && sent_[port]++ >= first_) out.data[port][5] ^= 4;
    }
  }

  std::unique_ptr<fabric::PinModel> right_;
  unsigned first_;
  std::array<uint64_t, fabric::kMostPacketOut> sent_{};
};

}  // namespace

TEST_CASE("a mistake that was planted is found, and a handful of packets is left that shows it") {
  constexpr unsigned kFirst = 3;
  for (uint64_t seed = test_seed();; ++seed) {
    REQUIRE(seed < test_seed() + 50);
    const Stimulus stimulus = generate(RDU_UNIT(kKind, 1, 2), seed);
    const auto fails = [&](const Stimulus& s) {
      Dut right = make_model(s.unit, s.params);
      Dut wrong = make_model(s.unit, s.params);
      wrong.model = std::make_unique<Wrong>(std::move(wrong.model), kFirst);
      const Played played = play(s, right, {&wrong});
      return played.divergence && played.divergence->kind == Divergence::Kind::value;
    };
    if (stimulus.size() < 100 || !fails(stimulus)) continue;
    const Shrunk small = shrink(stimulus, fails, {kKind == RDU_UNIT_SWITCH ? 1500u : 1000u, {}});
    INFO("seed " << seed << ": " << stimulus.size() << " packets, words and tokens, " << small.stimulus.size()
                 << " after " << small.tries << " tries");
    std::printf("seed %llu: %zu packets, words and tokens, %zu after %llu tries\n",
                static_cast<unsigned long long>(seed), stimulus.size(), small.stimulus.size(),
                static_cast<unsigned long long>(small.tries));
    CHECK(fails(small.stimulus));
    CHECK(small.stimulus.size() <= 4 * (kFirst + 1));
    return;
  }
}
