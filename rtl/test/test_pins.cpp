#include <filesystem>
#include <random>

#include "Vpin_fifo.h"
#include "core/error.h"
#include "core/register.h"
#include "fabric/stream/clocked.h"
#include "fabric/test/harness.h"
#include "pins/verilated_pins.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;

// A verilated module among the units of a graph: the smallest one that has the port list (pin_fifo.sv).
namespace {

constexpr uint64_t kOutputDepth = 8;

/// A configuration of one word, the addend.
ConfigWords words_of(uint32_t addend) {
  struct Registers {
    size_t size() const { return 4; }
    std::vector<const rdu::core::Register*> registers() const { return {}; }
  };
  ConfigWords words = ConfigWords::reset_of<Registers>();
  words.set_word(0, addend);
  return words;
}

std::unique_ptr<PinModel> make_fifo() {
  PinCounts pins;
  pins.packet_in = pins.packet_out = pins.scalar_in = pins.scalar_out = pins.token_in = pins.token_out = 1;
  return std::make_unique<rdu::rtl::VerilatedPins<Vpin_fifo>>(pins);
}

struct Ends : Unit {
  explicit Ends(Context& context) : Unit(context, 0), in(*this), out(*this) {}
  TokenInput in;
  TokenOutput out;
  std::vector<uint64_t> times;
  void start(uint64_t) override { out.start(16); }
  void run() override {
    for (; in.available() != 0; in.pop(1)) times.push_back(in.head().t);
  }
  bool finished() const override { return true; }
  std::string waits_for() const override { return ""; }
  const UnitCounts& counts() const override { return counts_; }
  UnitCounts counts_;
};

}  // namespace

TEST_CASE("a verilated queue has the times of the closed formula") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 40; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    FabricParams params;
    params.fifo_depth = 16;  // the module's
    params.switch_depth = random() % 3;
    params.max_burst = 1 + random() % 40;
    Context context(params);
    Source source(context);
    Sink sink(context);
    const auto addend = static_cast<uint32_t>(random());
    ClockedUnit unit(context, 1, make_fifo(), words_of(addend), params.fifo_depth, 4);
    const uint64_t latency[2] = {1 + random() % 4, 1 + random() % 4};
    const uint64_t capacity[2] = {2 + random() % 30, 2 + random() % 30};
    source.output.connect(unit.input(0), latency[0], capacity[0]);
    unit.output(0).connect(sink.input, latency[1], capacity[1]);
    source.packets.resize(150);
    uint64_t r = 0;
    for (Packet& packet : source.packets) {
      for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random());
      source.ready.push_back(r += random() % 4 == 0 ? random() % 30 : 1);
      source.heads.push_back(random() & 0x1fffffffff);
    }
    sink.open = random() % 200;
    sink.interval = 1 + random() % 2;
    run_all(context, {&source, &unit, &sink});

    // Leaves the source, is taken by the queue, leaves it, is taken by the sink.
    std::vector<uint64_t> left, taken, sent, times;
    const auto back = [](const std::vector<uint64_t>& v, size_t i, uint64_t n, uint64_t more) {
      return i < n ? 0 : v[i - n] + more;
    };
    for (size_t i = 0; i < source.packets.size(); ++i) {
      left.push_back(
          std::max({source.ready[i], back(left, i, 1, 1), back(taken, i, capacity[0], latency[0])}));
      taken.push_back(std::max({left[i] + latency[0], back(taken, i, 1, 1), back(sent, i, kOutputDepth, 1)}));
      sent.push_back(std::max({taken[i] + 1, back(sent, i, 1, 1), back(times, i, capacity[1], latency[1])}));
      times.push_back(std::max({sent[i] + latency[1], sink.open, back(times, i, 1, sink.interval)}));
    }
    REQUIRE(sink.times == times);
    for (size_t i = 0; i < source.packets.size(); ++i) {
      Packet expect = source.packets[i];
      uint32_t first;
      std::memcpy(&first, expect.data(), 4);
      first += addend;
      std::memcpy(expect.data(), &first, 4);
      const bool same = sink.packets.at(i) == expect;
      REQUIRE(same);
    }
    REQUIRE(unit.finished());
  }
}

TEST_CASE("words and tokens of a verilated module; it is clocked only while it has work") {
  FabricParams params;
  Context context(params);
  Source source(context);
  Sink sink(context);
  Ends ends(context);
  ClockedUnit unit(context, 1, make_fifo(), words_of(0), 16, 4);
  source.output.connect(unit.scalar_input(0), uint64_t{1}, uint64_t{4});
  unit.scalar_output(0).connect(sink.input, uint64_t{1}, uint64_t{4});
  ends.out.connect(unit.token_input(0), 1);
  unit.token_output(0).connect(ends.in, 1);
  source.packets.resize(3);
  source.ready = {10, 1000, 1'000'000};
  for (uint32_t i = 0; i < 3; ++i) std::memcpy(source.packets[i].data(), &i, 4);
  for (Unit* u : std::initializer_list<Unit*>{&source, &unit, &sink, &ends}) {
    u->start(0);
    u->wake();
  }
  ends.out.send({50, 1, 2});
  context.work.run(kNoCycle);
  REQUIRE(sink.times == std::vector<uint64_t>{13, 1003, 1'000'003});
  for (uint32_t i = 0; i < 3; ++i) REQUIRE(std::memcmp(sink.packets[i].data(), &i, 4) == 0);
  REQUIRE(ends.times == std::vector<uint64_t>{52, 53});
  REQUIRE(unit.clocked() < 40);
}

TEST_CASE("waves of a verilated module are written on demand") {
  FabricParams params;
  Context context(params);
  Source source(context);
  Sink sink(context);
  ClockedUnit unit(context, 1, make_fifo(), words_of(0), 16, 4);
  source.output.connect(unit.input(0), 1, params);
  unit.output(0).connect(sink.input, 1, params);
  source.packets.resize(5);
  const std::string file = "test_pins.fst";
  std::filesystem::remove(file);
  WavesWindow window;
  window.file = file;
  unit.record(window);
  run_all(context, {&source, &unit, &sink});
  unit.model().stop_recording();
  REQUIRE(std::filesystem::file_size(file) > 500);
  std::filesystem::remove(file);
  REQUIRE_THROWS_AS(unit.model().record("/nowhere/x.fst", 9), rdu::core::Error);
}
