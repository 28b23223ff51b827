#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>

#include "core/error.h"
#include "cosim/dut_library.h"
#include "cosim/player.h"
#include "cosim/shadow.h"
#include "cosim/shrink.h"
#include "cosim/stimulus.h"
#include "fabric/pcu/pcu_config.h"
#include "fabric/pmu/pmu_config.h"
#include "fabric/test/random_unit.h"
#include "regs/switch.hpp"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu;
using namespace rdu::cosim;
using fabric::PortUse;

namespace {

namespace switch_ = rdu::regs::switch_;

/// Some unit with some configuration and traffic: enough to try what is done with stimuli.
class RandomStimulus {
 public:
  explicit RandomStimulus(uint64_t seed) : seed_(seed), random_(seed) {}

  Stimulus make(unsigned kind) {
    fabric::FabricParams params;
    params.pmu_bytes = 4096;
    Stimulus stimulus(RDU_UNIT(kind, 1, 2), params);
    stimulus.origin = "a test";
    stimulus.cycles = 2000;
    if (kind == RDU_UNIT_SWITCH) {
      route(stimulus);
      return stimulus;
    }
    const PortUse ports = configure(stimulus);
    for (const PortUse::Input& in : ports.inputs) fill(stimulus.packets[in.port], 1);
    for (const PortUse::Input& in : ports.scalar_inputs) {
      uint64_t t = 0;
      for (size_t n = 40; n != 0; --n) stimulus.scalars[in.port].push_back({t += gap(), 0, word()});
    }
    for (const PortUse::Input& in : ports.token_inputs) {
      uint64_t t = 0;
      for (size_t n = 40; n != 0; --n) stimulus.tokens[in.port].push_back(t += gap());
    }
    for (const PortUse::Output& out : ports.outputs) fill(stimulus.credits_of(out.port));
    for (const PortUse::Output& out : ports.scalar_outputs) fill(stimulus.scalar_credits_of(out.port));
    if (kind == RDU_UNIT_PMU) {
      for (int i = 0; i < 200; ++i) stimulus.scratchpad[4 * (random_() % 1024)] = word() | 1;
    }
    return stimulus;
  }

 private:
  uint32_t word() { return static_cast<uint32_t>(random_()); }
  uint64_t gap() { return random_() % 4 == 0 ? random_() % 30 : 1; }

  PortUse configure(Stimulus& stimulus) {
    fabric::test::RandomUnit unit(stimulus.params, seed_);
    for (;;) {
      try {
        if (stimulus.kind() == RDU_UNIT_PCU) {
          stimulus.words = unit.pcu();
          return fabric::PcuConfig::decode(stimulus.words, stimulus.params).ports();
        }
        stimulus.words = unit.pmu();
        return fabric::PmuConfig::decode(stimulus.words, stimulus.params).ports();
      } catch (const fabric::BadConfig&) {
      }
    }
  }

  /// Every input's flow goes to one output of its own.
  void route(Stimulus& stimulus) {
    for (unsigned port = 0; port < 16; ++port) {
      const unsigned out = (port + 4) % 16;
      for (unsigned flow = 0; flow < 3; ++flow) {
        const uint64_t at = switch_::kROUTE_OFFSET + switch_::kROUTE_STRIDE * (port * RDU_FLOWS + flow);
        stimulus.words.set(at, switch_::ROUTE::OUT, 1u << out);
        stimulus.words.set(at, switch_::ROUTE::NEXT_FLOW, flow);
        fill(stimulus.credits_of(out, flow));
      }
      fill(stimulus.packets[port], 3);
    }
  }

  void fill(std::vector<Stimulus::Packet>& packets, unsigned flows) {
    uint64_t t = 0;
    for (size_t n = 150; n != 0; --n) {
      Stimulus::Packet packet;
      packet.cycle = t += gap();
      packet.head = fabric::PacketHead::make(word() & 0xffff, word() & 0x1fffff,
                                             static_cast<unsigned>(random_() % flows));
      for (size_t i = 0; i < packet.data.size(); i += 4) {
        const uint32_t value = random_() % 5 == 0 ? 0 : (word() & 0xbfffbfff) | 0x3f003f00;
        std::memcpy(&packet.data[i], &value, 4);
      }
      packets.push_back(packet);
    }
  }
  void fill(Stimulus::Credits& credits) {
    credits.at_start = static_cast<uint16_t>(1 + random_() % 20);
    uint64_t t = random_() % 100;
    for (size_t n = random_() % 100; n != 0; --n) credits.back.push_back(t += gap());
  }

  uint64_t seed_;
  std::mt19937_64 random_;
};

constexpr unsigned kKinds[] = {RDU_UNIT_PCU, RDU_UNIT_PMU, RDU_UNIT_SWITCH};

Log log_of(const Stimulus& stimulus) {
  Dut dut = make_model(stimulus.unit, stimulus.params);
  PlayOptions options;
  options.keep_log = true;
  return play(stimulus, dut, {}, options).log;
}

/// Passes on a model's output pins, and changes them in one place.
class Spoilt : public fabric::PinModel {
 public:
  using Spoil = std::function<void(uint64_t cycle, fabric::PinOutputs& out)>;
  Spoilt(std::unique_ptr<fabric::PinModel> model, Spoil spoil)
      : model_(std::move(model)), spoil_(std::move(spoil)) {}

  const fabric::PinCounts& pins() const override { return model_->pins(); }
  void reset() override { model_->reset(); }
  void configure(const fabric::ConfigWords& words) override { model_->configure(words); }
  void start(const fabric::PinCredits& credits, fabric::PinOutputs& out) override {
    model_->start(credits, out);
  }
  void tick(const fabric::PinInputs& in, fabric::PinOutputs& out) override {
    model_->tick(in, out);
    spoil_(in.cycle + 1, out);
  }

 private:
  std::unique_ptr<fabric::PinModel> model_;
  Spoil spoil_;
};

std::optional<Divergence> play_spoilt(const Stimulus& stimulus, const Spoilt::Spoil& spoil) {
  Dut lead = make_model(stimulus.unit, stimulus.params);
  Dut other = make_model(stimulus.unit, stimulus.params);
  other.model = std::make_unique<Spoilt>(std::move(other.model), spoil);
  return play(stimulus, lead, {&other}).divergence;
}

/// One whose first output sends something, and what.
struct Sending {
  Stimulus stimulus;
  Log log;
};
Sending sending(unsigned kind, size_t least) {
  for (uint64_t seed = test_seed();; ++seed) {
    Stimulus stimulus = RandomStimulus(seed).make(kind);
    Log log = log_of(stimulus);
    if (log.packets.size() >= least) return {stimulus, log};
  }
}

void expect_refused(const std::string& text, const std::string& message) {
  INFO(text);
  try {
    Stimulus::parse(text, "x.stim");
    FAIL("accepted");
  } catch (const core::Error& e) {
    INFO(e.what());
    REQUIRE(e.kind() == core::ErrorKind::bad_input);
    REQUIRE(std::string(e.what()).find(message) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("a stimulus is written, read back, and played twice: the same") {
  size_t packets = 0;
  for (const unsigned kind : kKinds) {
    for (uint64_t seed = test_seed(); seed < test_seed() + 8; ++seed) {
      INFO("RDU_SEED=" << seed << " kind " << kind);
      const Stimulus stimulus = RandomStimulus(seed).make(kind);
      stimulus.write("test_cosim.stim");
      const Stimulus again = Stimulus::read("test_cosim.stim");
      const bool same = again == stimulus;
      REQUIRE(same);
      const Log log = log_of(stimulus);
      const bool same_log = log_of(again) == log;
      REQUIRE(same_log);
      packets += log.packets.size();
    }
  }
  std::remove("test_cosim.stim");
  REQUIRE(packets > 1000);
}

TEST_CASE("two that are equal do not diverge") {
  for (const unsigned kind : kKinds) {
    for (uint64_t seed = test_seed(); seed < test_seed() + 8; ++seed) {
      INFO("RDU_SEED=" << seed << " kind " << kind);
      const Stimulus stimulus = RandomStimulus(seed).make(kind);
      Dut lead = make_model(stimulus.unit, stimulus.params);
      Dut one = make_model(stimulus.unit, stimulus.params);
      Dut two = make_model(stimulus.unit, stimulus.params);
      const Played played = play(stimulus, lead, {&one, &two});
      INFO((played.divergence ? played.divergence->text() : ""));
      REQUIRE(!played.divergence);
    }
  }
}

TEST_CASE("whatever is left out of a stimulus, or comes earlier, it keeps the rules of the pins") {
  std::mt19937_64 random(test_seed());
  for (const unsigned kind : kKinds) {
    for (uint64_t seed = test_seed(); seed < test_seed() + 6; ++seed) {
      INFO("RDU_SEED=" << seed << " kind " << kind);
      Stimulus stimulus = RandomStimulus(seed).make(kind);
      for (auto& list : stimulus.packets) {
        list.erase(std::remove_if(list.begin(), list.end(), [&](auto&) { return random() % 3 == 0; }),
                   list.end());
        for (auto& packet : list) packet.cycle /= 1 + random() % 3;
      }
      for (auto& credits : stimulus.credits) {
        if (credits.at_start != 0) credits.at_start = 1;
        credits.back.resize(credits.back.size() / 2);
      }
      Dut lead = make_model(stimulus.unit, stimulus.params);
      REQUIRE_NOTHROW(play(stimulus, lead));
    }
  }
}

TEST_CASE("a wrong bit names vector, lane, cycle and both values") {
  const Sending unit = sending(RDU_UNIT_PMU, 30);
  const Log::Packet& packet = unit.log.packets[20];
  const auto index =
      static_cast<uint64_t>(std::count_if(unit.log.packets.begin(), unit.log.packets.begin() + 20,
                                          [&](const auto& p) { return p.port == packet.port; }));
  const auto shapes = shapes_of(RDU_UNIT_PMU, unit.stimulus.params, unit.stimulus.words);
  const unsigned element = shapes[packet.port].element;
  const auto difference = play_spoilt(unit.stimulus, [&](uint64_t cycle, fabric::PinOutputs& out) {
    if (cycle == packet.cycle) out.data[packet.port][3 * element] ^= 1;
  });
  REQUIRE(difference);
  REQUIRE(difference->kind == Divergence::Kind::value);
  const bool same_stream = difference->stream == Stream{Stream::Kind::packet, packet.port, 0};
  REQUIRE(same_stream);
  REQUIRE(difference->index == index);
  REQUIRE(difference->cycle == packet.cycle);
  REQUIRE(difference->place == "lane 3");
  uint32_t bits = 0;
  std::memcpy(&bits, &packet.data[3 * element], element);
  char expected[20], actual[20];
  std::snprintf(expected, sizeof expected, "0x%0*x", static_cast<int>(2 * element), bits);
  std::snprintf(actual, sizeof actual, "0x%0*x", static_cast<int>(2 * element), bits ^ 1);
  REQUIRE(difference->expected == expected);
  REQUIRE(difference->actual == actual);
  REQUIRE(difference->text().find("pmu[1][2]: output") == 0);
}

TEST_CASE("a packet that is late, early, missing or not asked for is told apart") {
  using Kind = Divergence::Kind;
  const Sending unit = sending(RDU_UNIT_PCU, 30);
  const Log::Packet& packet = unit.log.packets[25];
  // What leaves on this port from here on is gone; this one may come again later.
  const auto without = [&](std::optional<uint64_t> later) {
    return play_spoilt(unit.stimulus, [&, later](uint64_t cycle, fabric::PinOutputs& out) {
      const uint32_t bit = 1u << packet.port;
      if (cycle >= packet.cycle) out.valid &= ~bit;
      if (later && cycle < packet.cycle + *later) out.idle = false;
      if (!later || cycle != packet.cycle + *later) return;
      out.valid |= bit;
      out.head[packet.port] = packet.head;
      std::copy(packet.data.begin(), packet.data.end(), out.data[packet.port]);
    });
  };
  const auto late = without(3);
  REQUIRE(late);
  REQUIRE(late->kind == Kind::late);
  REQUIRE(late->cycle == packet.cycle);
  REQUIRE(late->text().find("got it 3 cycles later") != std::string::npos);
  const auto missing = without(std::nullopt);
  REQUIRE(missing);
  REQUIRE(missing->kind == Kind::missing);
  // One that comes although none is due: before the next one, or after the last.
  const Log::Packet& last = unit.log.packets.back();
  const auto extra = play_spoilt(unit.stimulus, [&](uint64_t cycle, fabric::PinOutputs& out) {
    if (cycle == last.cycle + 1) out.valid |= 1u << last.port;
  });
  REQUIRE(extra);
  REQUIRE(extra->kind == Kind::unexpected);
  const Log::Packet& first = *std::find_if(unit.log.packets.begin(), unit.log.packets.end(),
                                           [&](const auto& p) { return p.port == packet.port; });
  const auto early = play_spoilt(unit.stimulus, [&](uint64_t cycle, fabric::PinOutputs& out) {
    if (cycle + 1 == first.cycle) out.valid |= 1u << first.port;
  });
  if (first.cycle > 1) {
    REQUIRE(early);
    REQUIRE(early->kind == Kind::early);
  }
}

TEST_CASE("credits, tokens and heads are compared, too") {
  const Sending unit = sending(RDU_UNIT_SWITCH, 50);
  const Log::Packet& packet = unit.log.packets[40];
  const auto head = play_spoilt(unit.stimulus, [&](uint64_t cycle, fabric::PinOutputs& out) {
    if (cycle == packet.cycle) out.head[packet.port] ^= 4;
  });
  REQUIRE(head);
  REQUIRE(head->kind == Divergence::Kind::head);
  REQUIRE(head->place == "sequence id");
  const Log::Credit& credit = unit.log.credits[30];
  const auto lost = play_spoilt(unit.stimulus, [&](uint64_t cycle, fabric::PinOutputs& out) {
    if (cycle == credit.cycle) {
      out.in_credit[credit.port] &= static_cast<uint8_t>(~(1u << credit.flow));
      if (out.in_credit[credit.port] == 0) out.credit &= ~(1u << credit.port);
    }
  });
  REQUIRE(lost);
  REQUIRE(lost->stream.kind == Stream::Kind::credit);
  REQUIRE(lost->stream.port == credit.port);
  const auto token = play_spoilt(unit.stimulus, [&](uint64_t cycle, fabric::PinOutputs& out) {
    if (cycle == 7) out.tokens |= 2;
  });
  REQUIRE(token);
  REQUIRE(token->kind == Divergence::Kind::unexpected);
  REQUIRE(token->stream.kind == Stream::Kind::token);
}

TEST_CASE("a failing stimulus is shrunk to what matters") {
  // A fault that shows in one packet: when data with a certain lowest byte have come by input 5, flow 1.
  Stimulus stimulus = RandomStimulus(test_seed()).make(RDU_UNIT_SWITCH);
  stimulus.packets[5][70].head = fabric::PacketHead::with_flow(stimulus.packets[5][70].head, 1);
  stimulus.packets[5][70].data[8] = 0x5a;
  uint64_t asked = 0;
  const auto fails = [&](const Stimulus& candidate) {
    ++asked;
    const auto difference = play_spoilt(candidate, [](uint64_t, fabric::PinOutputs& out) {
      if ((out.valid >> 9 & 1) != 0 && fabric::PacketHead::flow(out.head[9]) == 1 && out.data[9][8] == 0x5a)
        out.data[9][0] ^= 0x80;
    });
    return difference && difference->kind == Divergence::Kind::value;
  };
  REQUIRE(fails(stimulus));
  const Shrunk shrunk = shrink(stimulus, fails);
  INFO(shrunk.stimulus.to_text());
  REQUIRE(shrunk.is_smallest);
  REQUIRE(shrunk.tries + 1 == asked);
  REQUIRE(fails(shrunk.stimulus));
  REQUIRE(shrunk.stimulus.size() == 1);
  REQUIRE(shrunk.stimulus.cycles < 10);
  const Stimulus::Packet& packet = shrunk.stimulus.packets[5].at(0);
  REQUIRE(packet.cycle == 0);
  REQUIRE(packet.flow() == 1);
  Stimulus::Data least{};
  least[8] = 0x5a;  // and what lies in its word
  std::copy(&packet.data[9], &packet.data[12], &least[9]);
  const bool same = packet.data == least;
  REQUIRE(same);
  unsigned words = 0;
  for (size_t i = 0; i < words_of(RDU_UNIT_SWITCH).size(); ++i)
    words += shrunk.stimulus.words.at(4 * i) != words_of(RDU_UNIT_SWITCH)[i].reset;
  REQUIRE(words == 1);  // its route

  ShrinkOptions few;
  few.most_tries = 5;
  const Shrunk stopped = shrink(stimulus, fails, few);
  REQUIRE(!stopped.is_smallest);
  REQUIRE(stopped.tries == 5);
  REQUIRE(fails(stopped.stimulus));
}

TEST_CASE("a shadow records what its unit gets, and reports the first difference alone") {
  const std::string file = "tile0-pmu-1-2.stim";
  std::remove(file.c_str());
  const Sending unit = sending(RDU_UNIT_PMU, 30);
  const Log::Packet& packet = unit.log.packets[20];
  const auto spoil = [&](uint64_t cycle, fabric::PinOutputs& out) {
    if (cycle >= packet.cycle && (out.valid >> packet.port & 1) != 0) out.data[packet.port][0] ^= 1;
  };
  std::vector<std::string> lines;
  ShadowLog& log = ShadowLog::get();
  log.clear();
  log.set_sink([&](const std::string& line) { lines.push_back(line); });
  const auto run = [&](const ShadowSettings& settings) {
    Dut lead = make_model(unit.stimulus.unit, unit.stimulus.params);
    Dut shadow = make_model(unit.stimulus.unit, unit.stimulus.params);
    shadow.model = std::make_unique<Spoilt>(std::move(shadow.model), spoil);
    fabric::Scratchpad* memory = lead.memory.get();
    lead.model = std::make_unique<ShadowPins>("socket0.tile0", unit.stimulus.unit, unit.stimulus.params,
                                              std::move(lead.model), memory, std::move(shadow), settings);
    PlayOptions options;
    options.keep_log = true;
    return play(unit.stimulus, lead, {}, options).log;
  };

  SECTION("the run goes on with the model; the recording plays again, cycle for cycle") {
    const bool same = run({}) == unit.log;
    REQUIRE(same);
    REQUIRE(log.compared() == 1);
    REQUIRE(log.diverged() == 1);
    REQUIRE(log.summary() == "shadow: 1 of 1 unit diverged");
    REQUIRE(lines.size() == 2);
    REQUIRE(lines[0].find("socket0.tile0.pmu[1][2]: output") != std::string::npos);
    REQUIRE(lines[1].find("rdu-cosim replay ./" + file) != std::string::npos);
    const Stimulus recorded = Stimulus::read(file);
    const auto again = play_spoilt(recorded, spoil);
    REQUIRE(again);
    REQUIRE(again->cycle == packet.cycle);
    REQUIRE(lines[0].find(again->text()) != std::string::npos);
  }
  SECTION("a recording that is too long is not kept") {
    ShadowSettings settings;
    settings.most_bytes = 5000;
    run(settings);
    REQUIRE(lines.size() == 2);
    REQUIRE(lines[1].find("shadow_bytes = 5000") != std::string::npos);
    REQUIRE(std::fopen(file.c_str(), "r") == nullptr);
  }
  SECTION("it can end the run") {
    ShadowSettings settings;
    settings.stop = true;
    REQUIRE_THROWS_AS(run(settings), Diverged);
  }
  log.set_sink({});
  log.clear();
  std::remove(file.c_str());
}

TEST_CASE("a shadow looks at the scratchpad when all is done") {
  for (uint64_t seed = test_seed();; ++seed) {
    Stimulus stimulus = RandomStimulus(seed).make(RDU_UNIT_PMU);
    Dut lead = make_model(stimulus.unit, stimulus.params);
    if (!play(stimulus, lead).done) continue;
    INFO("RDU_SEED=" << seed);
    Dut shadow = make_model(stimulus.unit, stimulus.params);
    fabric::Scratchpad& memory = *shadow.memory;
    shadow.model = std::make_unique<Spoilt>(std::move(shadow.model), [&](uint64_t, fabric::PinOutputs& out) {
      if (out.done) memory.data()[0x124] = static_cast<uint8_t>(lead.memory->data()[0x124] ^ 2);
    });
    const auto difference = play(stimulus, lead, {&shadow}).divergence;
    REQUIRE(difference);
    REQUIRE(difference->kind == Divergence::Kind::content);
    REQUIRE(difference->place == "word at 0x00124");
    break;
  }
}

TEST_CASE("what is no DUT is refused") {
  const auto message = [](const std::string& file) -> std::string {
    try {
      use_dut(file);
    } catch (const core::Error& e) {
      return e.kind() == core::ErrorKind::bad_input ? e.what() : "";
    }
    return "accepted";
  };
  REQUIRE(message("/nowhere/x.so").find("DUT '/nowhere/x.so': ") != std::string::npos);
  REQUIRE(message("/nowhere/x.so").find("No such file") != std::string::npos);
  REQUIRE(message("libsystemc.so.nothing").find("DUT 'libsystemc.so.nothing': ./") != std::string::npos);
}

TEST_CASE("what is no stimulus is refused with file and place") {
  const std::string head = R"({"rdu-stimulus": 1, "unit": "pcu[0][0]", "cycles": 5)";
  REQUIRE_NOTHROW(Stimulus::parse(head + "}", "x.stim"));
  expect_refused("", "x.stim: ");
  expect_refused("{}", "no stimulus file");
  expect_refused(R"({"rdu-stimulus": 2})", "x.stim.rdu-stimulus: format 2");
  expect_refused(R"({"rdu-stimulus": 1, "unit": "agcu[0][0]", "cycles": 5})", "'agcu[0][0]' is no unit");
  expect_refused(R"({"rdu-stimulus": 1, "unit": "pcu[0][0]"})", "'cycles' is missing");
  expect_refused(head + R"(, "inptus": []})", "unknown key 'inptus' (did you mean 'inputs'?)");
  expect_refused(head + R"(, "params": {"lanse": 4}})", "did you mean 'lanes'?");
  expect_refused(head + R"(, "configuration": {"PROGRAM[0].MOD": 1}})",
                 "x.stim.configuration.PROGRAM[0].MOD");
  expect_refused(head + R"(, "configuration": {"0x3": 1}})", "no byte offset");
  expect_refused(head + R"(, "inputs": [{"port": 9, "packets": []}]})",
                 "x.stim.inputs[0].port: 9 is too large");
  expect_refused(head + R"(, "inputs": [{"port": 0, "packets": [{"cycle": 1, "data": "12 xy"}]}]})",
                 "packets[0].data: 'xy' is no hexadecimal word");
  expect_refused(head + R"(, "inputs": [{"port": 0, "packets": [{"cycle": -1, "data": ""}]}]})",
                 "packets[0].cycle: a number is expected");
  expect_refused(head + R"(, "scratchpad": {"0x0": "1"}})", "only a PMU has a scratchpad");
  REQUIRE_THROWS_AS(Stimulus::read("/nowhere/x.stim"), core::Error);
  REQUIRE_THROWS_AS(Stimulus(RDU_UNIT(RDU_UNIT_PCU, 0, 0)).write("/nowhere/x.stim"), core::Error);
}
