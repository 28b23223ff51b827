#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>

#include "fabric/stream/clocked.h"
#include "fabric/switch/cycle_switch.h"
#include "fabric/switch/network.h"
#include "fabric/switch/wiring.h"
#include "fabric/test/harness.h"
#include "regs/switch.hpp"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace sw = rdu::regs::switch_;

namespace {

constexpr unsigned kNorth = 0, kEast = 4, kSouth = 8, kWest = 12;

// --- one switch, pin by pin, against the page ---

struct Item {
  uint64_t head;
  uint32_t data;
};

/// The page's pseudo-code as it stands there, for one of the two packet-switched networks.
struct PlainNetwork {
  PlainNetwork(bool is_vector, uint64_t places)
      : inputs(is_vector ? 21 : 11),
        outputs(is_vector ? 26 : 14),
        flows(is_vector ? 8 : 4),
        mesh(is_vector ? 16 : 8),
        depth(static_cast<unsigned>(places)),
        vector(is_vector) {}

  unsigned inputs, outputs, flows, mesh;
  unsigned depth;
  bool vector;
  unsigned own_row = 0, own_column = 0;
  std::vector<uint32_t> out_words, next_words;  // by 8 p + f (4 p + f)
  std::vector<unsigned> interval;               // by p - mesh
  std::vector<bool> join;                       // by o - mesh

  std::map<std::pair<unsigned, unsigned>, std::deque<Item>> q;
  std::map<std::pair<unsigned, unsigned>, std::set<unsigned>> done;
  std::map<std::pair<unsigned, unsigned>, unsigned> credits;
  std::vector<unsigned> rr, expected, hold, room, flow;
  std::vector<bool> given;

  void start() {
    rr.assign(outputs, 0);
    expected.assign(outputs, 0);
    hold.assign(inputs, 0);
    room.assign(inputs, depth - 1);
    flow.assign(inputs, 0);
    given.assign(inputs, true);
  }
  std::set<unsigned> outputs_of(unsigned p, const Item& item) const {
    const unsigned f = flow_of(item);
    if (vector && f == 7) {
      const unsigned column = item.head >> 16 & 0xff, row = item.head >> 24 & 0xff,
                     port = item.head >> 32 & 31;
      if (column > own_column) return {4};
      if (column < own_column) return {12};
      if (row < own_row) return {0};
      if (row > own_row) return {8};
      return {port};
    }
    std::set<unsigned> set;
    for (unsigned o = 0; o < outputs; ++o) {
      if ((out_words[p * flows + f] >> o & 1) != 0) set.insert(o);
    }
    return set;
  }
  unsigned next(unsigned p, const Item& item) const {
    return vector && flow_of(item) == 7 ? 7 : next_words[p * flows + flow_of(item)];
  }
  unsigned flow_of(const Item& item) const { return static_cast<unsigned>(item.head >> 37 & 7); }
  unsigned slot(unsigned o, unsigned f) const { return o < mesh ? f : 0; }

  bool is_done() const {
    for (const auto& [key, queue] : q) {
      if (!queue.empty()) return false;
    }
    for (unsigned p = mesh; vector && p < inputs; ++p) {
      if (interval[p - mesh] > 1 && !given[p]) return false;
    }
    return true;
  }

  struct Pins {
    std::map<unsigned, Item> out;                    // by output port
    std::set<std::pair<unsigned, unsigned>> credit;  // input port, flow
  };
  /// What a cycle shows, and what that changes.
  Pins show() {
    Pins pins;
    std::vector<std::tuple<unsigned, unsigned, unsigned>> winners;  // o, p, f
    std::vector<unsigned> waiting;
    for (const auto& [key, queue] : q) {
      if (!queue.empty()) waiting.push_back(key.first * flows + key.second);
    }
    for (unsigned o = 0; o < outputs; ++o) {
      std::rotate(waiting.begin(), std::lower_bound(waiting.begin(), waiting.end(), rr[o]), waiting.end());
      for (const unsigned n : waiting) {
        const unsigned p = n / flows, f = n % flows;
        const Item& head = q[{p, f}].front();
        if (outputs_of(p, head).count(o) == 0 || done[{p, f}].count(o) != 0) continue;
        if (credits[{o, slot(o, next(p, head))}] == 0) continue;
        if (vector && o >= mesh && join[o - mesh] && (head.head & 0xffff) != expected[o]) continue;
        winners.emplace_back(o, p, f);
        break;
      }
      std::sort(waiting.begin(), waiting.end());
    }
    for (const auto& [o, p, f] : winners) {
      Item item = q[{p, f}].front();
      const unsigned n = next(p, item);
      item.head = (item.head & ((uint64_t{1} << 37) - 1)) | uint64_t{n} << 37;
      pins.out[o] = item;
      --credits[{o, slot(o, n)}];
      rr[o] = (p * flows + f + 1) % (inputs * flows);
      if (o >= mesh) expected[o] = (expected[o] + 1) % 65536;
      done[{p, f}].insert(o);
    }
    for (auto& [key, queue] : q) {
      const auto [p, f] = key;
      if (queue.empty() || done[key] != outputs_of(p, queue.front())) continue;
      queue.pop_front();
      done[key].clear();
      if (!vector || p < mesh || interval[p - mesh] <= 1) {
        pins.credit.insert(key);
      } else {
        ++room[p];
      }
    }
    for (unsigned p = mesh; vector && p < inputs; ++p) {
      if (interval[p - mesh] <= 1) continue;
      if (!given[p] && hold[p] == 0 && room[p] > 0) {
        pins.credit.insert({p, flow[p]});
        given[p] = true;
        --room[p];
      }
    }
    return pins;
  }
  /// What comes in a cycle.
  void take(const std::map<unsigned, Item>& in, const std::set<std::pair<unsigned, unsigned>>& out_credit) {
    for (unsigned p = mesh; vector && p < inputs; ++p) {
      if (interval[p - mesh] <= 1) continue;
      if (in.count(p) != 0) {
        given[p] = false;
        hold[p] = interval[p - mesh] - 2;
        flow[p] = flow_of(in.at(p));
      } else if (hold[p] > 0) {
        --hold[p];
      }
    }
    for (const auto& key : out_credit) ++credits[key];
    for (const auto& [p, item] : in) q[{p, flow_of(item)}].push_back(item);
  }
};

/// Traffic into one network: keeps to the credits.
struct Driver {
  Driver(PlainNetwork& n, std::mt19937_64& r) : net(n), random(r) {}

  PlainNetwork& net;
  std::mt19937_64& random;
  std::map<std::pair<unsigned, unsigned>, unsigned> credits;  // by input port and flow
  std::map<std::pair<unsigned, unsigned>, unsigned> away;     // by output port and flow: credits to come back
  std::deque<unsigned> ids[2];                                // of the first two queues, which are joined
  unsigned next_id = 0;
  uint32_t count = 0;

  std::map<unsigned, Item> send(const std::vector<std::pair<unsigned, unsigned>>& queues, unsigned percent) {
    std::map<unsigned, Item> in;
    for (const auto& [p, f] : queues) {
      if (in.count(p) != 0 || credits[{p, f}] == 0 || random() % 100 >= percent) continue;
      uint64_t head = random() & 0xffff;
      if (net.vector && f == 7)
        head |= (random() % 5) << 16 | (random() % 5) << 24 | (16 + random() % 10) << 32;
      if (net.vector) {
        for (unsigned k = 0; k < 2; ++k) {
          if (queues[k] != std::pair(p, f)) continue;
          while (ids[k].empty()) ids[random() % 2].push_back(next_id++ & 0xffff);
          head = ids[k].front();
          ids[k].pop_front();
        }
      }
      in[p] = {head | uint64_t{f} << 37, ++count};
      --credits[{p, f}];
    }
    return in;
  }
};

void compare_with_page(uint64_t seed) {
  std::mt19937_64 random(seed);
  FabricParams params;
  params.switch_depth = 1 + random() % 3;
  params.scalar_depth = 1 + random() % 4;
  const unsigned row = 2, column = 2;
  CycleSwitch model(params, row, column);
  PlainNetwork packets(true, params.switch_depth);
  PlainNetwork scalars(false, params.scalar_depth);
  packets.own_row = row;
  packets.own_column = column;
  ConfigWords words = ConfigWords::reset_of<sw::Registers>();
  packets.interval.resize(5);
  packets.join.resize(10);
  constexpr unsigned kJoined = 19;  // joined output port; nobody else sends there
  for (PlainNetwork* net : {&packets, &scalars}) {
    const bool v = net->vector;
    for (unsigned n = 0; n < net->inputs * net->flows; ++n) {
      uint32_t out = 0;
      for (uint64_t outs = 1 + random() % 3; outs != 0; --outs) out |= 1u << random() % net->outputs;
      if (v) out &= ~(1u << kJoined);
      if (out == 0) out = 2;
      if (v && (n == 3 * 8 + 1 || n == 18 * 8 + 2)) out = 1u << kJoined;
      const auto next = static_cast<uint32_t>(random() % (v ? 7 : 4));
      net->out_words.push_back(out);
      net->next_words.push_back(next);
      const uint64_t offset = (v ? sw::kROUTE_OFFSET : sw::kSCALAR_OFFSET) + 4 * n;
      if (v) {
        words.set(offset, sw::ROUTE::OUT, out);
        words.set(offset, sw::ROUTE::NEXT_FLOW, next);
      } else {
        words.set(offset, sw::SCALAR::OUT, out);
        words.set(offset, sw::SCALAR::NEXT_FLOW, next);
      }
    }
  }
  packets.join[kJoined - 16] = true;
  words.set(sw::kJOIN_OFFSET + 4 * (kJoined - 16), sw::JOIN::ENABLE, 1);
  for (unsigned n = 0; n < 5; ++n) {
    packets.interval[n] = random() % 2 == 0 ? 0 : static_cast<unsigned>(random() % 6);
    words.set(sw::kTHROTTLE_OFFSET + 4 * n, sw::THROTTLE::INTERVAL, packets.interval[n]);
  }
  std::vector<uint32_t> control(22);
  for (unsigned n = 0; n < 22; ++n) {
    control[n] = static_cast<uint32_t>(random() & random() & 0xfffffff);
    words.set(sw::kCONTROL_OFFSET + 4 * n, sw::CONTROL::OUT, control[n]);
  }
  PinCredits init;
  Driver packet_driver(packets, random);
  Driver scalar_driver(scalars, random);
  for (Driver* driver : {&packet_driver, &scalar_driver}) {
    PlainNetwork& net = driver->net;
    for (unsigned o = 0; o < net.outputs; ++o) {
      for (unsigned f = 0; f < (o < net.mesh ? net.flows : 1); ++f) {
        const auto n = static_cast<uint16_t>(1 + random() % 4);
        (net.vector ? init.out[o] : init.scalar_out[o])[f] = n;
        net.credits[{o, f}] = n;
      }
    }
    for (unsigned p = 0; p < net.inputs; ++p) {
      for (unsigned f = 0; f < net.flows; ++f) {
        const bool single = net.vector && p >= net.mesh && net.interval[p - net.mesh] > 1;
        driver->credits[{p, f}] = single ? 1 : net.depth;
      }
    }
    net.start();
  }
  // A unit's output has one flow; the joined queues come first. Some queues are busy, most are not.
  std::vector<std::pair<unsigned, unsigned>> packet_queues{{3, 1}, {18, 2}}, scalar_queues;
  for (unsigned p = 0; p < 21; ++p) {
    if (p >= 16 && p != 18) packet_queues.emplace_back(p, random() % 3 == 0 ? 7 : random() % 7);
    for (unsigned f = 0; p < 16 && f < 8; ++f) {
      if ((p != 3 || f != 1) && random() % 4 == 0) packet_queues.emplace_back(p, f);
    }
  }
  for (unsigned p = 0; p < 11; ++p) {
    for (unsigned f = 0; f < 4; ++f) {
      if (random() % 3 == 0) scalar_queues.emplace_back(p, f);
    }
  }
  model.reset();
  model.configure(words);
  PinOutputs out;
  std::array<std::array<uint8_t, kPacketBytes>, 26> data{};
  for (unsigned o = 0; o < 26; ++o) out.data[o] = data[o].data();
  out.clear();
  model.start(init, out);
  uint32_t tokens = 0;
  uint64_t moved = 0, joined = 0;
  std::array<std::array<uint8_t, kPacketBytes>, 21> in_data{};
  for (unsigned cycle = 0; cycle < 1500; ++cycle) {
    INFO("RDU_SEED=" << seed << " cycle " << cycle);
    // Bursts and pauses.
    const unsigned percent = cycle / 100 % 3 == 2 ? 0 : 10 + 30 * (cycle / 100 % 3);
    PinInputs in;
    in.clear();
    const auto step = [&](Driver& driver, std::vector<std::pair<unsigned, unsigned>>& queues) {
      std::shuffle(queues.begin() + (driver.net.vector ? 2 : 0), queues.end(), random);
      const std::map<unsigned, Item> sent = driver.send(queues, percent);
      std::set<std::pair<unsigned, unsigned>> back;
      for (auto& [slot, n] : driver.away) {
        if (n == 0 || random() % 3 != 0) continue;
        --n;
        back.insert(slot);
      }
      const bool v = driver.net.vector;
      const PlainNetwork::Pins expect = driver.net.show();
      driver.net.take(sent, back);
      uint32_t valid = 0;
      for (const auto& [o, item] : expect.out) {
        valid |= 1u << o;
        REQUIRE(((v ? out.valid : out.scalar_valid) >> o & 1) == 1);
        uint32_t word = v ? 0 : out.scalar[o];
        if (v) std::memcpy(&word, data[o].data(), 4);
        REQUIRE(word == item.data);
        if (v) {
          REQUIRE(out.head[o] == item.head);
        } else {
          REQUIRE(out.scalar_flow[o] == driver.net.flow_of(item));
        }
        ++driver.away[{o, driver.net.slot(o, driver.net.flow_of(item))}];
        ++moved;
        if (v && o == kJoined) ++joined;
      }
      REQUIRE((v ? out.valid : out.scalar_valid) == valid);
      uint32_t credit_ports = 0;
      for (const auto& [p, f] : expect.credit) {
        credit_ports |= 1u << p;
        ++driver.credits[{p, f}];
        REQUIRE(((v ? out.in_credit[p] : out.sin_credit[p]) >> f & 1) == 1);
      }
      REQUIRE((v ? out.credit : out.scalar_credit) == credit_ports);
      for (const auto& [p, item] : sent) {
        if (v) {
          in.valid |= 1u << p;
          in.head[p] = item.head;
          std::memcpy(in_data[p].data(), &item.data, 4);
          in.data[p] = in_data[p].data();
        } else {
          in.scalar_valid |= 1u << p;
          in.scalar[p] = item.data;
          in.scalar_flow[p] = static_cast<uint8_t>(driver.net.flow_of(item));
        }
      }
      for (const auto& [o, f] : back) {
        uint32_t& mask = v ? in.credit : in.scalar_credit;
        uint8_t& flows = v ? in.out_credit[o] : in.sout_credit[o];
        if ((mask >> o & 1) == 0) flows = 0;
        mask |= 1u << o;
        flows = static_cast<uint8_t>(flows | 1u << f);
      }
    };
    const bool idle = out.idle;
    const bool empty = packets.is_done() && scalars.is_done();
    step(packet_driver, packet_queues);
    step(scalar_driver, scalar_queues);
    REQUIRE(out.done == (empty && tokens == 0));
    REQUIRE(out.tokens == tokens);
    tokens = 0;
    if (percent != 0 && random() % 8 == 0) {
      in.tokens = static_cast<uint32_t>(random() & 0x3fffff);
      for (unsigned n = 0; n < 22; ++n) tokens |= (in.tokens >> n & 1) != 0 ? control[n] : 0;
    }
    const bool quiet = (in.valid | in.scalar_valid | in.credit | in.scalar_credit | in.tokens) == 0;
    out.clear();
    model.tick(in, out);
    if (idle && quiet) {
      REQUIRE((out.valid | out.scalar_valid | out.credit | out.scalar_credit | out.tokens) == 0);
      REQUIRE(out.idle);
    }
  }
  REQUIRE(moved > 1000);
  REQUIRE(joined > 20);
}

// --- switches in a graph ---

/// Sends what it is given; packets carry who sent them and their number.
class Sender : public Unit {
 public:
  Sender(Context& context, uint32_t id, const PortUse::Output& use)
      : Unit(context, id), output(*this), use_(use), writer_(context.blocks) {}

  OutputPort output;
  std::vector<uint64_t> ready;  ///< by packet

  OutputPort& packet_output(unsigned, unsigned) override { return output; }
  void start(uint64_t cycle) override {
    output.start(cycle, 0, context_.params.max_burst);
    for (uint32_t i = 0; i < ready.size(); ++i) {
      writer_.room();
      std::memset(writer_.next(), 0, kPacketBytes);
      const uint32_t words[] = {id(), i};
      std::memcpy(writer_.next(), words, sizeof words);
      const uint32_t sequence = use_.has_sequence ? use_.first + use_.step * i : 0;
      writer_.block().set_head(writer_.offset(),
                               PacketHead::make(sequence, use_.is_dynamic ? use_.destination : 0, 0));
      output.put({{cycle + ready[i], 0, 1}, writer_.block(), writer_.offset()});
      writer_.take(1);
    }
  }
  void run() override { output.flush(); }
  bool finished() const override { return output.waiting() == 0; }
  std::string waits_for() const override { return output.blocked_by(); }
  const UnitCounts& counts() const override { return counts_; }

 private:
  PortUse::Output use_;
  BlockWriter writer_;
  UnitCounts counts_;
};

class Taker : public Sink {
 public:
  using Sink::Sink;
  InputPort& packet_input(unsigned, unsigned) override { return input; }
  std::vector<std::pair<uint32_t, uint32_t>> got() const {
    std::vector<std::pair<uint32_t, uint32_t>> got;
    for (const Packet& packet : packets) {
      uint32_t words[2];
      std::memcpy(words, packet.data(), sizeof words);
      got.emplace_back(words[0], words[1]);
    }
    return got;
  }
};

uint32_t pcu(unsigned row, unsigned column) {
  return RDU_UNIT(RDU_UNIT_PCU, row, column);
}
uint32_t pmu(unsigned row, unsigned column) {
  return RDU_UNIT(RDU_UNIT_PMU, row, column);
}
uint32_t switch_at(unsigned row, unsigned column) {
  return RDU_UNIT(RDU_UNIT_SWITCH, row, column);
}

/// A tile of switches with senders and takers in the place of units.
class Mesh {
 public:
  Mesh() {
    params.rows = 4;
    params.columns = 5;
  }
  ConfigWords& words(uint32_t unit) {
    return words_.emplace(unit, ConfigWords::reset_of<sw::Registers>()).first->second;
  }
  PortUse::Output& sends(uint32_t unit, unsigned flow = 0) {
    PortUse::Output output;
    output.flow = flow;
    return uses_[unit].outputs.emplace_back(output);
  }
  void takes(uint32_t unit, bool any_order = false) { uses_[unit].inputs = {{0, 1, any_order}}; }
  static unsigned to(uint32_t unit) { return RDU_UNIT_KIND(unit) == RDU_UNIT_PCU ? 16 : 20; }
  static unsigned from(uint32_t unit) { return RDU_UNIT_KIND(unit) == RDU_UNIT_PCU ? 16 : 18; }
  void numbered(uint32_t unit, uint16_t first, uint16_t step) {
    PortUse::Output& output = uses_.at(unit).outputs[0];
    output.has_sequence = true;
    output.first = first;
    output.step = step;
  }
  void dynamic(uint32_t unit, uint32_t target) {
    PortUse::Output& output = sends(unit);
    output.is_dynamic = true;
    output.destination = RDU_UNIT_COL(target) | RDU_UNIT_ROW(target) << 8 | to(target) << 16;
  }
  /// A static route, columns first, on one channel and with one flow id all the way.
  void route(uint32_t source, uint32_t target, unsigned channel, unsigned flow) {
    unsigned row = RDU_UNIT_ROW(source), column = RDU_UNIT_COL(source), in = from(source);
    for (bool there = false; !there;) {
      unsigned side = ~0u;
      if (column != RDU_UNIT_COL(target)) {
        side = column < RDU_UNIT_COL(target) ? kEast : kWest;
      } else if (row != RDU_UNIT_ROW(target)) {
        side = row < RDU_UNIT_ROW(target) ? kSouth : kNorth;
      }
      there = side == ~0u;
      const unsigned out = there ? to(target) : side + channel;
      const uint64_t offset = sw::kROUTE_OFFSET + 4 * (in * 8 + flow);
      ConfigWords& w = words(switch_at(row, column));
      w.set(offset, sw::ROUTE::OUT, w.get(offset, sw::ROUTE::OUT) | 1u << out);
      w.set(offset, sw::ROUTE::NEXT_FLOW, flow);
      w.set(offset, sw::ROUTE::VALID, 1);
      row += side == kSouth ? 1 : side == kNorth ? ~0u : 0;
      column += side == kEast ? 1 : side == kWest ? ~0u : 0;
      in = (side + 8) % 16 + channel;
    }
  }
  const PortUse::Output& use(uint32_t unit) { return uses_.at(unit).outputs[0]; }
  const std::map<uint32_t, ConfigWords>& all_words() const { return words_; }
  void join(uint32_t unit) {
    words(switch_at(RDU_UNIT_ROW(unit), RDU_UNIT_COL(unit)))
        .set(sw::kJOIN_OFFSET + 4 * (to(unit) - 16), sw::JOIN::ENABLE, 1);
  }
  void throttle(uint32_t unit, unsigned interval) {
    words(switch_at(RDU_UNIT_ROW(unit), RDU_UNIT_COL(unit)))
        .set(sw::kTHROTTLE_OFFSET + 4 * (from(unit) - 16), sw::THROTTLE::INTERVAL, interval);
  }

  /// Makes units and connects them; then ready, interval and so on are to be set.
  void build(const std::set<uint32_t>& on_pins = {}, bool check = true) {
    units_.clear();  // their packets lie in the context's blocks
    context = std::make_unique<Context>(params);
    senders.clear();
    takers.clear();
    for (const auto& [id, use] : uses_) {
      if (!use.outputs.empty()) {
        auto made = std::make_unique<Sender>(*context, id, use.outputs[0]);
        senders[id] = made.get();
        units_.emplace(id, std::move(made));
      } else {
        auto made = std::make_unique<Taker>(*context);
        takers[id] = made.get();
        units_.emplace(id, std::move(made));
      }
    }
    if (check) {
      routes = find_routes(params, words_, uses_, on_pins);
    } else {
      routes = {};
      routes.packets =
          Network(NetworkShape::packets(params), params, words_, uses_, on_pins).cut(routes.clocked);
    }
    for (const uint32_t id : routes.clocked)
      units_.emplace(id, make_clocked_switch(*context, id, Fidelity::cycle, "tile", words_));
    connect(routes, params, units_);
  }
  void run() {
    std::vector<Unit*> all;
    for (const auto& [id, unit] : units_) all.push_back(unit.get());
    run_all(*context, all);
  }
  std::map<uint32_t, std::vector<uint64_t>> times() const {
    std::map<uint32_t, std::vector<uint64_t>> times;
    for (const auto& [id, taker] : takers) times[id] = taker->times;
    for (const auto& [id, sender] : senders) times[id] = {sender->output.sent(), sender->output.last_sent()};
    return times;
  }

  FabricParams params;
  std::unique_ptr<Context> context;
  Routes routes;
  std::map<uint32_t, Sender*> senders;
  std::map<uint32_t, Taker*> takers;

 private:
  std::map<uint32_t, ConfigWords> words_;
  std::map<uint32_t, PortUse> uses_;
  std::map<uint32_t, std::unique_ptr<Unit>> units_;
};

/// The same tile, switch by switch and cycle by cycle, by the page's pseudo-code: what the graph has to
/// equal.
class PlainMesh {
 public:
  struct Source {
    std::vector<uint64_t> ready;
    PortUse::Output use;
    size_t next = 0;
    unsigned credits = 0;
    uint64_t last = 0;
  };
  struct Target {
    uint64_t interval = 1, open = 0;
    std::deque<std::pair<uint64_t, Item>> fifo;  // arrival
    std::vector<uint64_t> times;
    std::vector<std::pair<uint32_t, uint32_t>> got;
  };

  PlainMesh(const FabricParams& params, const std::map<uint32_t, ConfigWords>& words) : params_(params) {
    for (unsigned row = 0; row < params.rows; ++row) {
      for (unsigned column = 0; column < params.columns; ++column) {
        PlainNetwork net(true, params.switch_depth);
        net.own_row = row;
        net.own_column = column;
        net.out_words.resize(168);
        net.next_words.resize(168);
        net.interval.resize(5);
        net.join.resize(10);
        const auto found = words.find(switch_at(row, column));
        if (found != words.end()) {
          const ConfigWords& w = found->second;
          for (unsigned i = 0; i < 168; ++i) {
            net.out_words[i] = w.get(sw::kROUTE_OFFSET + 4 * i, sw::ROUTE::OUT);
            net.next_words[i] = w.get(sw::kROUTE_OFFSET + 4 * i, sw::ROUTE::NEXT_FLOW);
          }
          for (unsigned i = 0; i < 10; ++i)
            net.join[i] = w.get(sw::kJOIN_OFFSET + 4 * i, sw::JOIN::ENABLE) != 0;
          for (unsigned i = 0; i < 5; ++i)
            net.interval[i] = w.get(sw::kTHROTTLE_OFFSET + 4 * i, sw::THROTTLE::INTERVAL);
        }
        for (unsigned o = 0; o < 26; ++o) {
          for (unsigned f = 0; f < (o < 16 ? 8 : 1); ++f)
            net.credits[{o, f}] = static_cast<unsigned>(o < 16 ? params.switch_depth : params.fifo_depth);
        }
        net.start();
        switches_.emplace(switch_at(row, column), std::move(net));
      }
    }
  }

  std::map<uint32_t, Source> sources;
  std::map<uint32_t, Target> targets;

  void run(size_t packets) {
    for (auto& [unit, source] : sources) {
      const PlainNetwork& net = switches_.at(switch_of(unit));
      source.credits = net.interval[Mesh::from(unit) - 16] > 1 ? 1 : net.depth;
    }
    size_t taken = 0;
    for (uint64_t cycle = 0; taken < packets; ++cycle) {
      REQUIRE(cycle < 100000);
      std::map<uint32_t, std::map<unsigned, Item>> in;
      std::map<uint32_t, std::set<std::pair<unsigned, unsigned>>> credit;
      std::vector<uint32_t> refill;
      for (auto& [unit, target] : targets) {
        const uint64_t due = target.times.empty() ? target.open : target.times.back() + target.interval;
        if (target.fifo.empty() || target.fifo.front().first > cycle || due > cycle) continue;
        target.times.push_back(cycle);
        target.got.push_back(sent_[target.fifo.front().second.data]);
        target.fifo.pop_front();
        credit[switch_of(unit)].insert({Mesh::to(unit), 0});
        ++taken;
      }
      for (auto& [id, net] : switches_) {
        const unsigned row = RDU_UNIT_ROW(id), column = RDU_UNIT_COL(id);
        const PlainNetwork::Pins pins = net.show();
        for (const auto& [o, item] : pins.out) {
          if (o >= 16) {
            const uint32_t unit = o < 20 ? pcu(row, column) : pmu(row, column);
            targets.at(unit).fifo.emplace_back(cycle + 1, item);
          } else {
            in[beside(row, column, o / 4)][(o + 8) % 16] = item;
          }
        }
        for (const auto& [p, f] : pins.credit) {
          if (p >= 16) {
            refill.push_back(p < 18 ? pcu(row, column) : pmu(row, column));
          } else {
            credit[beside(row, column, p / 4)].insert({(p + 8) % 16, f});
          }
        }
      }
      for (auto& [unit, source] : sources) {
        if (source.next == source.ready.size() || source.credits == 0 || source.ready[source.next] > cycle)
          continue;
        const auto i = static_cast<uint32_t>(source.next++);
        const uint32_t sequence =
            source.use.has_sequence ? (source.use.first + source.use.step * i) & 0xffff : 0;
        const unsigned flow = source.use.is_dynamic ? 7 : source.use.flow;
        const uint64_t destination = source.use.is_dynamic ? source.use.destination : 0;
        in[switch_of(unit)][Mesh::from(unit)] = {sequence | destination << 16 | uint64_t{flow} << 37,
                                                 static_cast<uint32_t>(sent_.size())};
        sent_.emplace_back(unit, i);
        --source.credits;
        source.last = cycle;
      }
      for (const uint32_t unit : refill) ++sources.at(unit).credits;
      for (auto& [id, net] : switches_) net.take(in[id], credit[id]);
    }
  }

 private:
  static uint32_t switch_of(uint32_t unit) { return switch_at(RDU_UNIT_ROW(unit), RDU_UNIT_COL(unit)); }
  static uint32_t beside(unsigned row, unsigned column, unsigned side) {
    return side == 0   ? switch_at(row - 1, column)
           : side == 1 ? switch_at(row, column + 1)
           : side == 2 ? switch_at(row + 1, column)
                       : switch_at(row, column - 1);
  }

  const FabricParams& params_;
  std::map<uint32_t, PlainNetwork> switches_;
  std::vector<std::pair<uint32_t, uint32_t>> sent_;
};

std::vector<uint64_t> always(size_t n) {
  return std::vector<uint64_t>(n, 0);
}

}  // namespace

TEST_CASE("the cycle model does what the page says, pin by pin") {
  for (uint64_t round = 0; round < 6; ++round) compare_with_page(test_seed() * 100 + round);
}

TEST_CASE("nobody in the way: a clocked switch takes as long as the formula says") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 60; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    Mesh m;
    m.params.hop_cycles = 1 + random() % 2;
    m.params.switch_depth = 2 * m.params.hop_cycles + random() % 3;
    m.params.fifo_depth = 2 * m.params.hop_cycles + random() % 8;
    m.params.max_burst = 1 + random() % 30;
    // Every row has a stream of its own on each channel, and maybe down a column.
    std::map<uint32_t, std::vector<uint64_t>> ready;
    std::map<uint32_t, std::pair<uint64_t, uint64_t>> slow;
    for (unsigned row = 0; row < 4; ++row) {
      for (unsigned channel = 0; channel < 2; ++channel) {
        const auto source = (channel == 0 ? pcu : pmu)(row, random() % 2);
        const auto target = (channel == 0 ? pcu : pmu)(row, 2 + random() % 3);
        m.sends(source, channel);
        m.takes(target);
        m.route(source, target, channel, channel);
        if (random() % 3 == 0) m.throttle(source, 1 + random() % 5);
        uint64_t t = 0;
        for (uint64_t i = 1 + random() % 60; i != 0; --i) ready[source].push_back(t += random() % 4);
        slow[target] = {1 + random() % 4, random() % 60};
      }
    }
    if (m.params.hop_cycles != 1) {  // a throttle's credits take their way, too
      for (unsigned row = 0; row < 4; ++row) {
        for (unsigned column = 0; column < 5; ++column) {
          m.throttle(pcu(row, column), 0);
          m.throttle(pmu(row, column), 0);
        }
      }
    }
    std::set<uint32_t> some;
    for (unsigned row = 0; row < 4; ++row) {
      for (unsigned column = 0; column < 5; ++column) {
        if (random() % 2 == 0) some.insert(switch_at(row, column));
      }
    }
    const auto run = [&](const std::set<uint32_t>& on_pins) {
      m.build(on_pins);
      for (const auto& [id, times] : ready) m.senders.at(id)->ready = times;
      for (const auto& [id, how] : slow) {
        m.takers.at(id)->interval = how.first;
        m.takers.at(id)->open = how.second;
      }
      m.run();
      return m.times();
    };
    const auto closed = run({});
    REQUIRE(m.routes.clocked.empty());
    const auto clocked = run(some);
    REQUIRE((!m.routes.clocked.empty() || some.empty()));
    REQUIRE(clocked == closed);
  }
}

TEST_CASE("two flows on one channel, to the cycle") {
  Mesh m;
  m.sends(pcu(0, 0), 0);
  m.sends(pmu(0, 0), 1);
  m.takes(pcu(0, 1));
  m.takes(pmu(0, 1));
  m.route(pcu(0, 0), pcu(0, 1), 0, 0);
  m.route(pmu(0, 0), pmu(0, 1), 0, 1);
  m.build();
  m.senders.at(pcu(0, 0))->ready = always(4);
  m.senders.at(pmu(0, 0))->ready = always(4);
  m.run();
  REQUIRE(m.routes.clocked == std::set<uint32_t>{switch_at(0, 0)});
  // Leave the units at 0, are at the switch at 1, take turns from then on; two more wires.
  REQUIRE(m.takers.at(pcu(0, 1))->times == std::vector<uint64_t>{3, 5, 7, 9});
  REQUIRE(m.takers.at(pmu(0, 1))->times == std::vector<uint64_t>{4, 6, 8, 10});
}

TEST_CASE("flows that want a channel all the time get the same share of it") {
  Mesh m;
  // From all of a row to its end, over one channel.
  std::vector<uint32_t> sources;
  for (unsigned column = 0; column < 3; ++column) {
    const uint32_t source = pcu(1, column), target = column == 2   ? pmu(1, 4)
                                                     : column == 1 ? pcu(1, 4)
                                                                   : pcu(1, 3);
    sources.push_back(source);
    m.sends(source, column);
    m.takes(target);
    m.route(source, target, 0, column);
  }
  m.build();
  for (const uint32_t source : sources) m.senders.at(source)->ready = always(600);
  m.run();
  // At the last merge three flows share: each has a third, although two of them come by one channel.
  for (const auto& [id, taker] : m.takers) {
    REQUIRE(taker->times.size() == 600);
    REQUIRE(taker->times[400] - taker->times[100] == 900);
  }
}

TEST_CASE("a flow that is held up holds no other up") {
  Mesh m;
  m.sends(pcu(0, 0), 0);
  m.sends(pmu(0, 0), 1);
  m.takes(pcu(0, 3));
  m.takes(pmu(0, 3));
  m.route(pcu(0, 0), pcu(0, 3), 0, 0);
  m.route(pmu(0, 0), pmu(0, 3), 0, 1);
  m.build();
  m.senders.at(pcu(0, 0))->ready = always(200);
  m.senders.at(pmu(0, 0))->ready = always(200);
  m.takers.at(pcu(0, 3))->open = 100000;
  m.run();
  REQUIRE(m.takers.at(pmu(0, 3))->times.size() == 200);
  REQUIRE(m.takers.at(pmu(0, 3))->times.back() < 300);
  REQUIRE(m.takers.at(pcu(0, 3))->times.size() == 200);
  REQUIRE(m.takers.at(pcu(0, 3))->times.front() == 100000);
}

TEST_CASE("a join gives the same order whatever comes first") {
  std::mt19937_64 random(test_seed());
  std::vector<std::pair<uint32_t, uint32_t>> first;
  for (int round = 0; round < 30; ++round) {
    Mesh m;
    m.params.max_burst = 1 + random() % 20;
    const uint32_t sources[] = {pcu(0, 0), pmu(1, 3), pcu(2, 4)};
    m.takes(pcu(1, 2));
    m.join(pcu(1, 2));
    for (unsigned i = 0; i < 3; ++i) {
      m.sends(sources[i], i);
      m.numbered(sources[i], static_cast<uint16_t>(i), 3);
      m.route(sources[i], pcu(1, 2), random() % 2, i);
    }
    m.build();
    for (const uint32_t source : sources) {
      uint64_t t = random() % 100;
      const uint64_t spread = 1 + random() % 8;
      for (int i = 0; i < 40; ++i) m.senders.at(source)->ready.push_back(t += random() % spread);
    }
    m.takers.at(pcu(1, 2))->interval = 1 + random() % 3;
    m.run();
    const auto got = m.takers.at(pcu(1, 2))->got();
    REQUIRE(got.size() == 120);
    for (size_t i = 0; i < got.size(); ++i) {
      REQUIRE(got[i].first == sources[i % 3]);
      REQUIRE(got[i].second == i / 3);
    }
    if (first.empty()) first = got;
    REQUIRE(got == first);
  }
}

TEST_CASE("sequence ids wrap around") {
  Mesh m;
  m.takes(pcu(0, 1));
  m.join(pcu(0, 1));
  m.sends(pcu(0, 0), 0);
  m.sends(pmu(0, 0), 1);
  m.numbered(pcu(0, 0), 0, 2);
  m.numbered(pmu(0, 0), 1, 2);
  m.route(pcu(0, 0), pcu(0, 1), 0, 0);
  m.route(pmu(0, 0), pcu(0, 1), 1, 1);
  m.build();
  m.senders.at(pcu(0, 0))->ready = always(33000);
  m.senders.at(pmu(0, 0))->ready = always(33000);
  m.run();
  REQUIRE(m.takers.at(pcu(0, 1))->got().size() == 66000);
  REQUIRE(m.takers.at(pcu(0, 1))->times.back() == 3 + 65999);
}

TEST_CASE("many to one, dynamically: all arrive, in order of each, at the rate of the input") {
  std::mt19937_64 random(test_seed());
  Mesh m;
  const uint32_t target = pmu(2, 2);
  m.takes(target, true);
  std::vector<uint32_t> sources;
  for (unsigned row = 0; row < 4; ++row) {
    for (unsigned column = 0; column < 5; ++column) sources.push_back(pcu(row, column));
  }
  std::shuffle(sources.begin(), sources.end(), random);
  sources.resize(8);
  for (size_t i = 0; i < sources.size(); ++i) {
    m.dynamic(sources[i], target);
    m.numbered(sources[i], static_cast<uint16_t>(i), 8);
  }
  m.build();
  for (const uint32_t source : sources) m.senders.at(source)->ready = always(50);
  m.run();
  const auto got = m.takers.at(target)->got();
  REQUIRE(got.size() == 400);
  std::map<uint32_t, uint32_t> next;
  for (const auto& [source, number] : got) REQUIRE(number == next[source]++);
  REQUIRE(m.takers.at(target)->times.back() - m.takers.at(target)->times.front() == 399);
}

TEST_CASE("dynamic and static streams at random: bursts and pins change nothing") {
  std::mt19937_64 random(test_seed());
  unsigned shared = 0;
  for (int round = 0; round < 40; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    Mesh m;
    std::vector<uint32_t> cells;
    for (unsigned row = 0; row < 4; ++row) {
      for (unsigned column = 0; column < 5; ++column) {
        cells.push_back(pcu(row, column));
        cells.push_back(pmu(row, column));
      }
    }
    std::shuffle(cells.begin(), cells.end(), random);
    std::map<uint32_t, std::vector<uint64_t>> ready;
    std::map<uint32_t, uint32_t> goal;
    for (unsigned i = 0; i < 10; ++i) {
      const uint32_t source = cells[2 * i], target = cells[2 * i + 1];
      goal[source] = target;
      if (i < 5) {
        m.dynamic(source, target);
      } else {
        m.sends(source, i - 4);
        m.route(source, target, 0, i - 4);
      }
      m.takes(target);
      uint64_t t = 0;
      for (int k = 0; k < 40; ++k) ready[source].push_back(t += random() % 3);
    }
    std::set<uint32_t> all;
    for (unsigned row = 0; row < 4; ++row) {
      for (unsigned column = 0; column < 5; ++column) all.insert(switch_at(row, column));
    }
    const auto run = [&](uint64_t burst, const std::set<uint32_t>& on_pins) {
      m.params.max_burst = burst;
      m.build(on_pins);
      for (const auto& [id, times] : ready) m.senders.at(id)->ready = times;
      m.run();
      for (const auto& [source, target] : goal) {
        const auto got = m.takers.at(target)->got();
        REQUIRE(got.size() == 40);
        for (uint32_t i = 0; i < 40; ++i) REQUIRE(got[i] == std::pair(source, i));
      }
      return m.times();
    };
    const auto once = run(4096, {});
    shared += !m.routes.clocked.empty();
    REQUIRE(run(1, {}) == once);
    REQUIRE(run(7, all) == once);
  }
  REQUIRE(shared > 20);
}

TEST_CASE("random programs of streams are what the page's switches do, cycle by cycle") {
  std::mt19937_64 random(test_seed() + 7);
  unsigned joins = 0, meetings = 0;
  for (int round = 0; round < 12; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    Mesh m;
    m.params.switch_depth = 2 + random() % 2;
    m.params.fifo_depth = 2 + random() % 15;
    m.params.max_burst = 1 + random() % 40;
    std::vector<uint32_t> cells;
    for (unsigned row = 0; row < 4; ++row) {
      for (unsigned column = 0; column < 5; ++column) {
        cells.push_back(pcu(row, column));
        cells.push_back(pmu(row, column));
      }
    }
    std::shuffle(cells.begin(), cells.end(), random);
    struct Sent {
      std::vector<uint64_t> ready;
      PortUse::Output use;
    };
    std::map<uint32_t, Sent> sources;
    std::map<uint32_t, std::pair<uint64_t, uint64_t>> targets;  // interval, open
    size_t packets = 0;
    unsigned flow = 0;
    for (size_t next = 0; next + 4 < cells.size() && sources.size() < 12;) {
      const uint32_t target = cells[next++];
      targets[target] = {1 + random() % 4, random() % 40};
      const auto count = static_cast<unsigned>(1 + random() % 3);  // streams to it
      const bool dynamic = flow + count > 7 || random() % 3 == 0;
      m.takes(target, dynamic);
      if (!dynamic && count > 1) {
        m.join(target);
        ++joins;
      }
      const size_t each = 10 + random() % 40;
      for (unsigned k = 0; k < count; ++k) {
        const uint32_t source = cells[next++];
        if (dynamic) {
          m.dynamic(source, target);
        } else {
          m.sends(source, flow);
          m.route(source, target, random() % 2, flow);
          ++flow;
        }
        m.numbered(source, static_cast<uint16_t>(k), static_cast<uint16_t>(count));
        if (random() % 4 == 0) m.throttle(source, 2 + random() % 5);
        Sent& sent = sources[source];
        uint64_t t = random() % 20;
        for (size_t i = 0; i < each; ++i) sent.ready.push_back(t += random() % 3);
        sent.use = m.use(source);
        packets += each;
      }
    }
    m.build();
    meetings += !m.routes.clocked.empty();
    PlainMesh plain(m.params, m.all_words());
    for (const auto& [unit, sent] : sources) {
      m.senders.at(unit)->ready = sent.ready;
      plain.sources[unit].ready = sent.ready;
      plain.sources[unit].use = sent.use;
    }
    for (const auto& [unit, how] : targets) {
      m.takers.at(unit)->interval = plain.targets[unit].interval = how.first;
      m.takers.at(unit)->open = plain.targets[unit].open = how.second;
    }
    m.run();
    plain.run(packets);
    for (const auto& [unit, target] : plain.targets) {
      REQUIRE(m.takers.at(unit)->got() == target.got);
      REQUIRE(m.takers.at(unit)->times == target.times);
    }
    for (const auto& [unit, source] : plain.sources)
      REQUIRE(m.senders.at(unit)->output.last_sent() == source.last);
  }
  REQUIRE(joins > 5);
  REQUIRE(meetings > 8);
}

TEST_CASE("a multicast that nobody holds up arrives as by the formula; held up at a fork it waits there") {
  Mesh m;
  m.sends(pcu(0, 0), 2);
  for (const uint32_t target : {pcu(0, 3), pmu(0, 1), pmu(0, 4)}) {
    m.takes(target);
    m.route(pcu(0, 0), target, 1, 2);
  }
  std::map<uint32_t, std::vector<uint64_t>> times[2];
  for (const bool pins : {false, true}) {
    m.build(pins ? std::set<uint32_t>{switch_at(0, 1), switch_at(0, 3)} : std::set<uint32_t>{});
    m.senders.at(pcu(0, 0))->ready = always(30);
    m.run();
    times[pins] = m.times();
  }
  REQUIRE(times[0] == times[1]);
  m.build({switch_at(0, 1)});
  m.senders.at(pcu(0, 0))->ready = always(100);
  m.takers.at(pcu(0, 3))->open = 1000;
  m.run();
  // 16 in the unit and 2 in each of the switches 0.2 and 0.3; the next one goes to pmu[0][1] and then waits.
  REQUIRE(std::count_if(m.takers.at(pmu(0, 1))->times.begin(), m.takers.at(pmu(0, 1))->times.end(),
                        [](uint64_t t) { return t < 1000; }) == 21);
  REQUIRE(m.takers.at(pmu(0, 4))->times.size() == 100);
}

TEST_CASE("what the router refuses as a circle does hang") {
  // Both inputs of pcu[0][3] come dynamically over the same channels; it takes one of each in turn.
  class Both : public Unit {
   public:
    explicit Both(Context& context) : Unit(context, pcu(0, 3)), a(*this), b(*this) {}
    InputPort a, b;
    uint64_t fired = 0;
    InputPort& packet_input(unsigned port, unsigned) override { return port == 0 ? a : b; }
    void start(uint64_t) override {}
    void run() override {
      while (a.available() != 0 && b.available() != 0) {
        const Run run{std::max(a.head().t, b.head().t), 0, 1};
        a.pop(run, 1, [](const BlockRef&, uint32_t, unsigned) {});
        b.pop(run, 1, [](const BlockRef&, uint32_t, unsigned) {});
        ++fired;
      }
    }
    bool finished() const override { return true; }
    std::string waits_for() const override { return ""; }
    const UnitCounts& counts() const override { return counts_; }

   private:
    UnitCounts counts_;
  };
  FabricParams params;
  params.rows = 1;
  params.columns = 4;
  std::map<uint32_t, PortUse> uses;
  const auto dynamic = [&](uint32_t unit, unsigned port) {
    PortUse::Output output;
    output.is_dynamic = true;
    output.destination = 3 | port << 16;
    uses[unit].outputs = {output};
  };
  dynamic(pcu(0, 0), 16);
  dynamic(pmu(0, 0), 17);
  uses[pcu(0, 3)].inputs = {{0, 0, false}, {1, 0, false}};
  std::map<uint32_t, ConfigWords> words;
  for (unsigned column = 0; column < 4; ++column)
    words.emplace(switch_at(0, column), ConfigWords::reset_of<sw::Registers>());
  REQUIRE_THROWS_AS(find_routes(params, words, uses), BadRoute);
  Context context(params);
  std::map<uint32_t, std::unique_ptr<Unit>> units;
  const auto sender = [&](uint32_t unit, uint64_t from) {
    auto made = std::make_unique<Sender>(context, unit, uses[unit].outputs[0]);
    made->ready.assign(100, from);
    units[unit] = std::move(made);
  };
  const std::set<uint32_t> none;
  Routes routes;
  routes.packets = Network(NetworkShape::packets(params), params, words, uses, none).cut(routes.clocked);
  const auto fired = [&](uint64_t late) {
    context.work.clear();
    units.clear();
    sender(pcu(0, 0), 0);
    sender(pmu(0, 0), late);
    auto fresh = std::make_unique<Both>(context);
    Both& unit = *fresh;
    units[pcu(0, 3)] = std::move(fresh);
    for (const uint32_t id : routes.clocked)
      units[id] = make_clocked_switch(context, id, Fidelity::cycle, "tile", words);
    connect(routes, params, units);
    std::vector<Unit*> all;
    for (const auto& [id, u] : units) all.push_back(u.get());
    run_all(context, all);
    return unit.fired;
  };
  REQUIRE(fired(0) == 100);  // side by side
  REQUIRE(fired(500) == 0);  // the first stream is everywhere before the second has begun
}
