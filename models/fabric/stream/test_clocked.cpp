#include <deque>
#include <memory>
#include <random>

#include "core/error.h"
#include "fabric/stream/clocked.h"
#include "fabric/test/harness.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

/// What both models below do: firing i takes a packet from input 0 and, from firing `lead` on, one from input
/// 1 if there is such an input; `latency` cycles later their bytewise sum may leave. Firings are `ii` cycles
/// apart. An output FIFO of `depth`, reserved at firing, lies behind.
struct Joint {
  bool two = false;
  uint64_t lead = 0;
  uint64_t latency = 1;
  uint64_t ii = 1;
  uint64_t depth = 8;
  uint64_t firings = 0;
};

Packet sum(const Packet& a, const Packet& b) {
  Packet c;
  for (size_t i = 0; i < c.size(); ++i) c[i] = static_cast<uint8_t>(a[i] + b[i] + 1);
  return c;
}

/// By the time algebra.
class FastJoint : public Unit {
 public:
  FastJoint(Context& context, const Joint& joint)
      : Unit(context, 0), output(*this), joint_(joint), writer_(context.blocks) {}

  std::array<std::unique_ptr<InputPort>, 2> inputs{std::make_unique<InputPort>(*this),
                                                   std::make_unique<InputPort>(*this)};
  OutputPort output;

  void start(uint64_t cycle) override {
    done_ = 0;
    next_ = cycle;
    writer_.drop();
    output.start(cycle, joint_.depth, context_.params.max_burst);
  }
  void run() override {
    output.flush();
    while (done_ != joint_.firings && fire()) output.flush();
  }
  bool finished() const override { return done_ == joint_.firings && output.waiting() == 0; }
  std::string waits_for() const override { return ""; }
  const UnitCounts& counts() const override { return counts_; }

 private:
  bool fire() {
    const bool second = joint_.two && done_ >= joint_.lead;
    uint64_t limit = std::min<uint64_t>(joint_.firings - done_, writer_.room());
    if (joint_.two && !second) limit = std::min(limit, joint_.lead - done_);
    Firing firing(next_, joint_.ii, limit);
    for (unsigned i = 0; i < (second ? 2u : 1u); ++i) {
      if (inputs[i]->available() == 0) return false;
      firing.need(inputs[i]->head(), Cause::input);
    }
    const Run places = output.places();
    if (places.n == 0) return false;
    firing.need(places, Cause::output);
    const Run run = firing.solve().run;
    output.take_places(run.n);
    std::vector<Packet> packets(run.n, Packet{});
    for (unsigned i = 0; i < (second ? 2u : 1u); ++i) {
      size_t at = 0;
      inputs[i]->pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned n) {
        for (unsigned p = 0; p < n; ++p) {
          Packet packet;
          std::memcpy(packet.data(), block.packet(offset + p), kPacketBytes);
          packets[at] = sum(packets[at], packet);
          ++at;
        }
      });
    }
    std::memcpy(writer_.next(), packets.data(), run.n * kPacketBytes);
    output.put({{run.t + joint_.latency, run.dt, run.n}, writer_.block(), writer_.offset()});
    writer_.take(static_cast<unsigned>(run.n));
    next_ = run.last() + joint_.ii;
    done_ += run.n;
    return true;
  }

  Joint joint_;
  BlockWriter writer_;
  UnitCounts counts_;
  uint64_t done_ = 0;
  uint64_t next_ = 0;
};

/// Clock by clock, knowing nothing of times.
class PinJoint : public PinModel {
 public:
  explicit PinJoint(const Joint& joint) : joint_(joint) {
    pins_.packet_in = 2;
    pins_.packet_out = 1;
  }
  const PinCounts& pins() const override { return pins_; }
  void reset() override {
    for (auto& fifo : in_) fifo.clear();
    pipeline_.clear();
    done_ = 0;
    wait_ = 0;
    reserved_ = 0;
    was_sent_ = false;
  }
  void configure(const ConfigWords&) override {}
  void start(const PinCredits& credits, PinOutputs& out) override {
    credits_ = credits.out[0][0];
    show(out);
  }
  void tick(const PinInputs& in, PinOutputs& out) override {
    for (unsigned i = 0; i < 2; ++i) {
      if ((in.valid >> i & 1) == 0) continue;
      in_[i].emplace_back();
      std::memcpy(in_[i].back().data(), in.data[i], kPacketBytes);
    }
    if ((in.credit & 1) != 0) ++credits_;
    for (auto& entry : pipeline_) entry.left -= entry.left != 0;
    if (wait_ != 0) --wait_;
    show(out);
    ++ticks;
  }

  uint64_t ticks = 0;

 private:
  struct Entry {
    uint64_t left;
    Packet packet;
  };
  void show(PinOutputs& out) {
    if (was_sent_) --reserved_;
    was_sent_ = false;
    const bool second = joint_.two && done_ >= joint_.lead;
    if (done_ != joint_.firings && wait_ == 0 && reserved_ < joint_.depth && !in_[0].empty() &&
        (!second || !in_[1].empty())) {
      Packet packet = sum({}, in_[0].front());
      in_[0].pop_front();
      out.credit |= 1;
      out.in_credit[0] = 1;
      if (second) {
        packet = sum(packet, in_[1].front());
        in_[1].pop_front();
        out.credit |= 2;
        out.in_credit[1] = 1;
      }
      pipeline_.push_back({joint_.latency, packet});
      ++reserved_;
      ++done_;
      wait_ = joint_.ii;
    }
    if (credits_ != 0 && !pipeline_.empty() && pipeline_.front().left == 0) {
      out.valid = 1;
      out.head[0] = 0;
      std::memcpy(out.data[0], pipeline_.front().packet.data(), kPacketBytes);
      pipeline_.pop_front();
      --credits_;
      was_sent_ = true;
    }
    const bool moves = !pipeline_.empty() && (pipeline_.back().left != 0 || credits_ != 0);
    const bool may_fire = done_ != joint_.firings && !in_[0].empty() &&
                          (!joint_.two || done_ < joint_.lead || !in_[1].empty()) &&
                          (reserved_ < joint_.depth || was_sent_);
    out.idle = !moves && !may_fire && wait_ == 0;  // what counts down is not idle
    out.done = done_ == joint_.firings && pipeline_.empty();
  }

  Joint joint_;
  PinCounts pins_;
  std::array<std::deque<Packet>, 2> in_;
  std::deque<Entry> pipeline_;
  uint64_t credits_ = 0;
  uint64_t done_ = 0;
  uint64_t wait_ = 0;
  uint64_t reserved_ = 0;
  bool was_sent_ = false;
};

/// No words: the models above have none.
ConfigWords no_words() {
  struct Registers {
    size_t size() const { return 0; }
    std::vector<const rdu::core::Register*> registers() const { return {}; }
  };
  return ConfigWords::reset_of<Registers>();
}

/// A joint of either kind in a graph.
struct Node {
  std::unique_ptr<FastJoint> fast;
  std::unique_ptr<ClockedUnit> clocked;
  Unit* unit() { return fast ? static_cast<Unit*>(fast.get()) : clocked.get(); }
  InputPort& input(unsigned i) { return fast ? *fast->inputs[i] : clocked->input(i); }
  OutputPort& output() { return fast ? fast->output : clocked->output(0); }
};

/// Sources and sinks around joints that are connected at random: chains, forks that join again, loops. The
/// same seed makes the same graph, whichever joints are clocked.
struct Mesh {
  Mesh(const FabricParams& p, uint64_t seed, uint32_t clocked, bool burst_of_one)
      : params(p), context(params) {
    std::mt19937_64 random(seed);
    const auto pick = [&](uint64_t below) { return random() % below; };
    params.fifo_depth = 2 + pick(6);
    params.switch_depth = pick(3);
    params.max_burst = 1 + pick(60);
    if (burst_of_one) params.max_burst = 1;
    const uint64_t n = 30 + pick(60);
    const unsigned count = 1 + static_cast<unsigned>(pick(5));
    std::vector<OutputPort*> open;
    const auto connect = [&](OutputPort& from, InputPort& to) { from.connect(to, 1 + pick(4), params); };
    for (unsigned i = 0; i < 2; ++i) {
      sources.push_back(std::make_unique<Source>(context));
      Source& source = *sources.back();
      source.packets.resize(n);
      uint64_t t = pick(50);
      for (Packet& packet : source.packets) {
        for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random());
        source.ready.push_back(t += pick(3) == 0 ? pick(40) : pick(3));
      }
      open.push_back(&source.output);
    }
    for (unsigned i = 0; i < count; ++i) {
      Joint joint;
      joint.two = pick(2) != 0;
      joint.latency = 1 + pick(9);
      joint.ii = 1 + pick(3);
      joint.depth = 1 + pick(10);
      joint.firings = n;
      const bool loops = joint.two && pick(2) != 0;
      joint.lead = loops ? 1 + pick(3) : 0;
      nodes.emplace_back();
      Node& node = nodes.back();
      if ((clocked >> i & 1) != 0) {
        auto model = std::make_unique<PinJoint>(joint);
        node.clocked =
            std::make_unique<ClockedUnit>(context, i, std::move(model), no_words(), params.fifo_depth, 1);
      } else {
        node.fast = std::make_unique<FastJoint>(context, joint);
      }
      connect(*open[pick(open.size())], node.input(0));
      if (joint.two) connect(loops ? node.output() : *open[pick(open.size())], node.input(1));
      open.push_back(&node.output());
    }
    for (OutputPort* output : open) {
      sinks.push_back(std::make_unique<Sink>(context));
      sinks.back()->interval = 1 + pick(4);
      sinks.back()->open = pick(60);
      connect(*output, sinks.back()->input);
    }
  }
  std::vector<Unit*> units() {
    std::vector<Unit*> all;
    for (auto& source : sources) all.push_back(source.get());
    for (Node& node : nodes) all.push_back(node.unit());
    for (auto& sink : sinks) all.push_back(sink.get());
    return all;
  }
  std::vector<std::pair<std::vector<uint64_t>, std::vector<Packet>>> outcome() const {
    std::vector<std::pair<std::vector<uint64_t>, std::vector<Packet>>> all;
    for (const auto& sink : sinks) all.emplace_back(sink->times, sink->packets);
    return all;
  }

  FabricParams params;
  Context context;
  std::vector<std::unique_ptr<Source>> sources;
  std::deque<Node> nodes;
  std::vector<std::unique_ptr<Sink>> sinks;
};

}  // namespace

TEST_CASE("clocked units give the times and packets of the closed formulas, in any mixture") {
  uint64_t packets = 0;
  for (uint64_t round = 0; round < 400; ++round) {
    const uint64_t seed = test_seed() * 1000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    Mesh fast({}, seed, 0, false);
    run_all(fast.context, fast.units());
    const auto expect = fast.outcome();
    for (const auto& sink : expect) packets += sink.first.size();
    for (const uint32_t clocked : {0xffu, static_cast<uint32_t>(seed * 0x9e3779b9 >> 8)}) {
      Mesh mixed({}, seed, clocked, false);
      run_all(mixed.context, mixed.units());
      const bool same = mixed.outcome() == expect;
      REQUIRE(same);
      for (size_t i = 0; i < mixed.nodes.size(); ++i) {
        REQUIRE(mixed.nodes[i].unit()->finished() == fast.nodes[i].unit()->finished());
      }
    }
  }
  REQUIRE(packets > 10000);
}

TEST_CASE("how a clocked unit is fed changes nothing: bursts, horizons") {
  for (uint64_t round = 0; round < 100; ++round) {
    const uint64_t seed = test_seed() * 1000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    Mesh fast({}, seed, 0, true);
    run_all(fast.context, fast.units());
    Mesh stepped({}, seed, 0xff, false);
    for (Unit* unit : stepped.units()) unit->start(0);
    for (Unit* unit : stepped.units()) unit->wake();
    // A horizon that moves by a few cycles: no clocked unit goes beyond it, and each is asked for again.
    uint64_t horizon = 3;
    do {
      stepped.context.work.run(horizon);
      for (Node& node : stepped.nodes) REQUIRE(node.clocked->clocked() <= horizon);
      if (stepped.context.work.again()) REQUIRE(*stepped.context.work.again() == horizon);
      horizon += 1 + seed % 7;
    } while (stepped.context.work.again());
    const bool same = stepped.outcome() == fast.outcome();
    REQUIRE(same);
  }
}

TEST_CASE("a unit that has nothing to do is not clocked") {
  FabricParams params;
  Context context(params);
  Source source(context);
  Sink sink(context);
  Joint joint;
  joint.latency = 5;
  joint.firings = 2;
  auto model = std::make_unique<PinJoint>(joint);
  PinJoint& pins = *model;
  ClockedUnit unit(context, 0, std::move(model), no_words(), params.fifo_depth, 1);
  source.output.connect(unit.input(0), 3, params);
  unit.output(0).connect(sink.input, 2, params);
  source.packets.resize(2);
  source.ready = {1'000'000, 2'000'000'000};
  run_all(context, {&source, &unit, &sink});
  REQUIRE(sink.times == std::vector<uint64_t>{1'000'000 + 3 + 5 + 2, 2'000'000'000 + 3 + 5 + 2});
  REQUIRE(unit.finished());
  REQUIRE(pins.ticks < 30);
}

TEST_CASE("an answer of memory that may still come keeps clocked units from running ahead") {
  // A joint that fires by itself after its first input: a long latency stands for work inside.
  struct Memory : Outside {
    uint64_t earliest_answer() const override { return answer; }
    uint64_t request_cycles() const override { return 2; }
    uint64_t answer = 0;
  } memory;
  FabricParams params;
  Context context(params);
  Source known(context);
  Source pending(context);
  Sink sink(context);
  Joint joint;
  joint.two = true;
  joint.lead = 1;
  joint.latency = 40;
  joint.firings = 2;
  ClockedUnit unit(context, 0, std::make_unique<PinJoint>(joint), no_words(), params.fifo_depth, 1);
  known.output.connect(unit.input(0), 1, params);
  pending.output.connect(unit.input(1), 1, params);
  unit.output(0).connect(sink.input, 1, params);
  known.packets.resize(2);
  for (Unit* unit_ : std::initializer_list<Unit*>{&known, &pending, &unit, &sink}) {
    unit_->start(0);
    unit_->wake();
  }
  // The first packet arrives at 1 and leaves at 41. At 20 the unit must not be past 20, for the answer could
  // come then; it wants to be asked again before what it may do at 21 could become a request.
  memory.answer = 20;
  context.work.run(1 << 17, &memory);
  REQUIRE(unit.clocked() <= 20);
  REQUIRE(sink.times.empty());
  REQUIRE(context.work.again() == 20 + 2 + 2);
  memory.answer = 24;
  context.work.run(1 << 17, &memory);
  REQUIRE(unit.clocked() <= 24);
  REQUIRE(context.work.again() == 24 + 2 + 2);
  // The answer: a packet that leaves at 27. Nothing is on its way any more.
  pending.packets.resize(1);
  pending.ready = {27};
  pending.start(0);
  pending.wake();
  memory.answer = kNoCycle;
  context.work.run(1 << 17, &memory);
  REQUIRE_FALSE(context.work.again());
  REQUIRE(sink.times == std::vector<uint64_t>{42, 28 + 40 + 1});
}

TEST_CASE("an execution that is broken off leaves nothing behind for the next") {
  const uint64_t seed = test_seed();
  Mesh fast({}, seed, 0, false);
  run_all(fast.context, fast.units());
  Mesh clocked({}, seed, 0xff, false);
  for (Unit* unit : clocked.units()) unit->start(0);
  for (Unit* unit : clocked.units()) unit->wake();
  clocked.context.work.run(40);
  clocked.context.work.clear();
  for (auto& sink : clocked.sinks) {
    sink->times.clear();
    sink->packets.clear();
  }
  run_all(clocked.context, clocked.units());
  const bool same = clocked.outcome() == fast.outcome();
  REQUIRE(same);
}

TEST_CASE("tokens and words cross a clocked unit") {
  /// Passes a token and a word on, three cycles later and in the next cycle.
  class Relay : public PinModel {
   public:
    Relay() {
      pins_.scalar_in = pins_.scalar_out = 1;
      pins_.token_in = pins_.token_out = 2;
    }
    const PinCounts& pins() const override { return pins_; }
    void reset() override { history_ = {}; }
    void configure(const ConfigWords&) override {}
    void start(const PinCredits& credits, PinOutputs& out) override {
      REQUIRE(credits.scalar_out[0][0] == 4);
      out.idle = true;
    }
    void tick(const PinInputs& in, PinOutputs& out) override {
      out.tokens = history_[2];
      history_ = {in.tokens, history_[0], history_[1]};
      if (in.scalar_valid != 0) {
        out.scalar_valid = 1;
        out.scalar[0] = in.scalar[0] + 1;
        out.scalar_flow[0] = 0;
        out.scalar_credit = 1;
        out.sin_credit[0] = 1;
      }
      out.idle = history_ == std::array<uint32_t, 3>{};
    }

   private:
    PinCounts pins_;
    std::array<uint32_t, 3> history_{};
  };
  class Ends : public Unit {
   public:
    explicit Ends(Context& context) : Unit(context, 0), token_in(*this), token_out(*this) {}
    TokenInput token_in;
    TokenOutput token_out;
    std::vector<uint64_t> times;
    void start(uint64_t) override { token_out.start(16); }
    void run() override {
      for (; token_in.available() != 0; token_in.pop(1)) times.push_back(token_in.head().t);
    }
    bool finished() const override { return true; }
    std::string waits_for() const override { return ""; }
    const UnitCounts& counts() const override { return counts_; }

   private:
    UnitCounts counts_;
  };
  FabricParams params;
  Context context(params);
  Source source(context);
  Sink sink(context);
  Ends ends(context);
  ClockedUnit relay(context, 0, std::make_unique<Relay>(), no_words(), 16, 4);
  source.output.connect(relay.scalar_input(0), uint64_t{2}, uint64_t{4});
  relay.scalar_output(0).connect(sink.input, uint64_t{1}, uint64_t{4});
  ends.token_out.connect(relay.token_input(1), 5);
  relay.token_output(1).connect(ends.token_in, 2);
  uint32_t word = 41;
  source.packets.resize(1);
  std::memcpy(source.packets[0].data(), &word, 4);
  for (Unit* unit : std::initializer_list<Unit*>{&source, &relay, &sink, &ends}) {
    unit->start(0);
    unit->wake();
  }
  ends.token_out.send({10, 3, 3});
  context.work.run(kNoCycle);
  REQUIRE(sink.times == std::vector<uint64_t>{2 + 1});
  std::memcpy(&word, sink.packets.at(0).data(), 4);
  REQUIRE(word == 42);
  REQUIRE(ends.times == std::vector<uint64_t>{15 + 3 + 2, 18 + 3 + 2, 21 + 3 + 2});
}

TEST_CASE("what breaks the rules of the pins is named") {
  enum class Mistake { no_credit, false_credit, nowhere };
  /// Does one thing wrong in its third cycle.
  class Broken : public PinModel {
   public:
    explicit Broken(Mistake mistake) : mistake_(mistake) {
      pins_.packet_in = 1;
      pins_.packet_out = 2;
    }
    const PinCounts& pins() const override { return pins_; }
    void reset() override {}
    void configure(const ConfigWords&) override {}
    void start(const PinCredits&, PinOutputs& out) override { out.idle = false; }
    void tick(const PinInputs&, PinOutputs& out) override {
      ++cycle_;
      out.idle = cycle_ > 20;
      if (mistake_ == Mistake::no_credit) {
        out.valid = 1;
        out.head[0] = 0;
      } else if (cycle_ == 3 && mistake_ == Mistake::nowhere) {
        out.valid = 2;
        out.head[1] = 0;
      } else if (cycle_ == 3) {
        out.credit = 1;
        out.in_credit[0] = 1;
      }
    }

   private:
    Mistake mistake_;
    PinCounts pins_;
    unsigned cycle_ = 0;
  };
  const auto message = [](Mistake mistake) {
    FabricParams params;
    params.fifo_depth = 4;
    params.switch_depth = 0;
    Context context(params);
    Source source(context);
    Sink sink(context);
    sink.open = 1000;
    ClockedUnit unit(context, RDU_UNIT(RDU_UNIT_PCU, 1, 2), std::make_unique<Broken>(mistake), no_words(), 4,
                     1);
    source.output.connect(unit.input(0), 1, params);
    unit.output(0).connect(sink.input, 1, params);
    try {
      run_all(context, {&source, &unit, &sink});
    } catch (const rdu::core::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const auto has = [](const std::string& text, const std::string& part) {
    INFO(text);
    REQUIRE(text.find(part) != std::string::npos);
  };
  has(message(Mistake::no_credit), "pcu[1][2]");
  has(message(Mistake::no_credit), "cycle 5: sends by packet output 0 without a credit");
  has(message(Mistake::false_credit),
      "cycle 3: gives a credit for packet input 0, flow 0, where nothing was");
  has(message(Mistake::nowhere), "cycle 3: sends by packet output 1, flow 0, which is not connected");
}
