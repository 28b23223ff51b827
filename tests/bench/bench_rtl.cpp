// What the platform adds to verilated units: PCUs stepped in a graph of streams (ClockedUnit), and by the
// player of stimuli, against a bare loop that writes the same values to the same pins of the same verilated
// class. Prints JSON; a ratio is the bare loop's time a clock, divided by ours.
//
//   bench_rtl [TURNS]
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vrtl_pcu.h"

#include "bench/turns.h"
#include "core/systemc.h"
#include "cosim/generator.h"
#include "cosim/player.h"
#include "fabric/pcu/pcu_config.h"
#include "fabric/stream/clocked.h"
#include "fabric/test/harness.h"
#include "units/units.h"

using namespace rdu;
using namespace rdu::fabric;

namespace {

/// Input pins of one clock.
struct Frame {
  uint32_t valid = 0, credit = 0, scalar_valid = 0, scalar_credit = 0, tokens = 0;
  std::array<std::array<uint8_t, kPacketBytes>, 4> data{};
  std::array<uint64_t, 4> head{};
  std::array<uint32_t, 2> scalar{};
};

/// Passes on a unit's pins, and keeps what goes in.
class Tap : public PinModel {
 public:
  Tap(std::unique_ptr<PinModel> model, std::vector<Frame>& frames, PinCredits& credits)
      : model_(std::move(model)), frames_(frames), credits_(credits) {}
  const PinCounts& pins() const override { return model_->pins(); }
  void reset() override { model_->reset(); }
  void configure(const ConfigWords& words) override { model_->configure(words); }
  void start(const PinCredits& credits, PinOutputs& out) override {
    credits_ = credits;
    model_->start(credits, out);
  }
  void tick(const PinInputs& in, PinOutputs& out) override {
    Frame frame;
    frame.valid = in.valid;
    frame.credit = in.credit;
    frame.scalar_valid = in.scalar_valid;
    frame.scalar_credit = in.scalar_credit;
    frame.tokens = in.tokens;
    for (unsigned i = 0; i < 4; ++i) {
      if ((in.valid >> i & 1) == 0) continue;
      std::memcpy(frame.data[i].data(), in.data[i], kPacketBytes);
      frame.head[i] = in.head[i];
    }
    for (unsigned i = 0; i < 2; ++i) frame.scalar[i] = in.scalar[i];
    frames_.push_back(frame);
    model_->tick(in, out);
  }

 private:
  std::unique_ptr<PinModel> model_;
  std::vector<Frame>& frames_;
  PinCredits& credits_;
};

/// A loop as a bench of Verilator's own would have it.
class Bare {
 public:
  Bare() : context_(std::make_unique<VerilatedContext>()), v_(std::make_unique<Vrtl_pcu>(context_.get())) {}
  ~Bare() { v_->final(); }

  void begin(const ConfigWords& words, const PinCredits& credits) {
    v_->rst_n = 0;
    clock();
    clock();
    v_->rst_n = 1;
    v_->cfg_valid = 1;
    for (unsigned i = 0; i < words.size(); ++i) {
      v_->cfg_word = static_cast<uint16_t>(i);
      v_->cfg_data = words.at(4 * i);
      clock();
    }
    v_->cfg_valid = 0;
    v_->out_init = credits.out[0][0] | static_cast<uint32_t>(credits.out[1][0]) << 16;
    v_->sout_init = credits.scalar_out[0][0];
    v_->start = 1;
    clock();
    v_->start = 0;
  }
  uint64_t run(const std::vector<Frame>& frames) {
    uint64_t sent = 0;
    for (const Frame& frame : frames) {
      v_->in_valid = static_cast<uint8_t>(frame.valid);
      for (unsigned i = 0; i < 4; ++i) {
        if ((frame.valid >> i & 1) != 0)
          std::memcpy(v_->in_data.data() + 16 * i, frame.data[i].data(), kPacketBytes);
      }
      v_->out_credit = static_cast<uint8_t>(frame.credit);
      v_->sin_valid = static_cast<uint8_t>(frame.scalar_valid);
      v_->sin_data = frame.scalar[0] | static_cast<uint64_t>(frame.scalar[1]) << 32;
      v_->sout_credit = static_cast<uint8_t>(frame.scalar_credit);
      v_->tok_in = static_cast<uint8_t>(frame.tokens);
      clock();
      sent += (v_->out_valid & 1) + (v_->out_valid >> 1 & 1);
    }
    return sent;
  }

 private:
  void clock() {
    v_->clk = 1;
    v_->eval();
    v_->clk = 0;
    v_->eval();
  }
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vrtl_pcu> v_;
};

/// The unit among sources and sinks that never stop.
struct InGraph {
  InGraph(const cosim::Stimulus& stimulus, std::unique_ptr<PinModel> model)
      : params(stimulus.params),
        context(params),
        unit(context, stimulus.unit, std::move(model), stimulus.words, params.fifo_depth,
             params.scalar_depth),
        tokens(context) {
    const PortUse ports = PcuConfig::decode(stimulus.words, params).ports();
    for (const PortUse::Input& in : ports.inputs) {
      test::Source& source = add<test::Source>();
      for (const auto& packet : stimulus.packets[in.port]) source.packets.push_back(packet.data);
      source.output.connect(unit.packet_input(in.port, 0), 2, params);
    }
    for (const PortUse::Input& in : ports.scalar_inputs) {
      test::Source& source = add<test::Source>();
      for (const auto& word : stimulus.scalars[in.port]) {
        source.packets.emplace_back();
        std::memcpy(source.packets.back().data(), &word.value, sizeof word.value);
      }
      source.output.connect(unit.scalar_input(in.port, 0), 2, params);
    }
    for (const PortUse::Input& in : ports.token_inputs) {
      tokens.times[in.port] = stimulus.tokens[in.port];
      tokens.sends[in.port].connect(unit.token_input(in.port), 2);
    }
    for (const PortUse::Output& out : ports.outputs)
      unit.packet_output(out.port, 0).connect(add<test::Sink>().input, 2, params);
    for (const PortUse::Output& out : ports.scalar_outputs)
      unit.scalar_output(out.port, 0).connect(add<test::Sink>().input, 2, params);
  }
  template <class Kind>
  Kind& add() {
    auto made = std::make_unique<Kind>(context);
    Kind& kind = *made;
    others.push_back(std::move(made));
    return kind;
  }
  /// Everything but the clocks.
  void begin() {
    for (auto& other : others) other->start(0);
    tokens.start(0);
    unit.start(0);
    for (auto& other : others) other->wake();
    tokens.wake();
    unit.wake();
  }
  void run() { context.work.run(~uint64_t{0}); }

  FabricParams params;
  Context context;
  ClockedUnit unit;
  test::TokenEnds tokens;
  std::vector<std::unique_ptr<Unit>> others;
};

std::unique_ptr<PinModel> verilog(const cosim::Stimulus& stimulus) {
  return cosim::make_rtl(stimulus.unit, stimulus.params).model;
}

}  // namespace

int sc_main(int argc, char* argv[]) {
  const int turns = argc > 1 ? std::atoi(argv[1]) : 7;
  constexpr size_t kUnits = 4;
  constexpr uint64_t kLeastClocks = 1500;
  rtl::offer_units();
  std::vector<double> graph_ratios, player_ratios;
  std::printf("{\"units\": [");
  size_t units = 0;
  for (uint64_t seed = 1; units < kUnits; ++seed) {
    const cosim::Stimulus stimulus = cosim::generate(RDU_UNIT(RDU_UNIT_PCU, 1, 2), seed);
    std::vector<Frame> frames;
    PinCredits credits;
    InGraph graph(stimulus, std::make_unique<Tap>(cosim::make_model(stimulus.unit, stimulus.params).model,
                                                  frames, credits));
    graph.begin();
    graph.run();
    if (frames.size() < kLeastClocks) continue;
    ++units;

    InGraph timed(stimulus, verilog(stimulus));
    std::vector<Frame> played_frames;
    PinCredits played_credits;
    cosim::Dut tapped{nullptr, std::make_unique<Tap>(verilog(stimulus), played_frames, played_credits)};
    cosim::play(stimulus, tapped);
    cosim::Dut played{nullptr, verilog(stimulus)};
    Bare bare;
    std::vector<double> in_graph, by_player;
    for (int turn = 0; turn < turns; ++turn) {
      timed.begin();
      const double ours = bench::seconds([&] { timed.run(); });
      bare.begin(stimulus.words, credits);
      const double plain = bench::seconds([&] { bare.run(frames); });
      in_graph.push_back(plain / ours);
      // With reset and configuration, which are the player's, too.
      const double player = bench::seconds([&] { cosim::play(stimulus, played); });
      by_player.push_back(bench::seconds([&] {
                            bare.begin(stimulus.words, played_credits);
                            bare.run(played_frames);
                          }) /
                          player);
    }
    graph_ratios.push_back(bench::median(in_graph));
    player_ratios.push_back(bench::median(by_player));
    std::printf("%s\n  {\"seed\": %llu, \"clocks\": %zu, \"graph_ratio\": %.3f, \"player_ratio\": %.3f}",
                units == 1 ? "" : ",", static_cast<unsigned long long>(seed), frames.size(),
                graph_ratios.back(), player_ratios.back());
  }
  std::printf("],\n \"graph_ratio\": %.3f, \"player_ratio\": %.3f}\n", bench::median(graph_ratios),
              bench::median(player_ratios));
  return 0;
}

/// SystemC's own main() would print its banner into the JSON.
int main(int argc, char* argv[]) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  return sc_core::sc_elab_and_sim(argc, argv);
}
