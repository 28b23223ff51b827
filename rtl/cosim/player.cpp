#include "cosim/player.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>

#include "core/error.h"
#include "fabric/switch/ports.h"
#include "regs/switch.hpp"

namespace rdu::cosim {
namespace {

using fabric::PacketHead;
using fabric::PinCounts;
using fabric::PinInputs;
using fabric::PinOutputs;

constexpr uint64_t kNever = ~uint64_t{0};

template <class Use>
void for_each_bit(uint32_t mask, Use use) {
  for (; mask != 0; mask &= mask - 1) use(static_cast<unsigned>(__builtin_ctz(mask)));
}

[[noreturn]] void broken(const Stimulus& stimulus, uint64_t cycle, const std::string& text) {
  throw core::Error(core::ErrorKind::internal, stimulus.name(), fmt::format("cycle {}: {}", cycle, text));
}

/// Packets or words on their way into one input: in order for each flow. Behind a throttle there is one
/// credit at a time, whichever flow it is used for.
template <class Item>
class Entering {
 public:
  Entering(const std::vector<Item>& items, unsigned flows, uint64_t places, bool throttled = false)
      : items_(items), flows_(flows), throttled_(throttled) {
    for (Flow& flow : flows_) flow.places = places;
    for (size_t i = 0; i < items.size(); ++i) flows_[flow_of(items[i])].waiting.push_back(i);
  }

  /// What enters in this cycle.
  const Item* take(uint64_t cycle) {
    Flow* best = nullptr;
    for (Flow& flow : flows_) {
      if (!can_go(flow) || items_[flow.waiting.front()].cycle > cycle) continue;
      if (!best || flow.waiting.front() < best->waiting.front()) best = &flow;
    }
    if (!best) return nullptr;
    const Item& item = items_[best->waiting.front()];
    best->waiting.pop_front();
    --best->places;
    ++best->held;
    ++held_;
    return &item;
  }
  /// A place is free again. False: none was taken.
  bool credit(unsigned flow) {
    if (flow >= flows_.size() || flows_[flow].held == 0) return false;
    --flows_[flow].held;
    ++flows_[flow].places;
    --held_;
    return true;
  }
  /// The first cycle in which something could enter without a credit before.
  uint64_t next() const {
    uint64_t next = kNever;
    for (const Flow& flow : flows_) {
      if (can_go(flow)) next = std::min(next, items_[flow.waiting.front()].cycle);
    }
    return next;
  }

 private:
  struct Flow {
    std::deque<size_t> waiting;  ///< indices of items_
    uint64_t places = 0;
    uint64_t held = 0;
  };
  bool can_go(const Flow& flow) const {
    return flow.places != 0 && !flow.waiting.empty() && (!throttled_ || held_ == 0);
  }
  static unsigned flow_of(const Stimulus::Packet& packet) { return packet.flow(); }
  static unsigned flow_of(const Stimulus::Word& word) { return word.flow; }

  const std::vector<Item>& items_;
  std::vector<Flow> flows_;
  bool throttled_;
  uint64_t held_ = 0;  ///< of all flows
};

/// Has an input of a switch a throttle?
bool is_throttled(const Stimulus& stimulus, size_t port) {
  namespace regs = rdu::regs::switch_;
  if (stimulus.kind() != RDU_UNIT_SWITCH || port < fabric::port::kMeshPorts) return false;
  const uint64_t at = regs::kTHROTTLE_OFFSET + regs::kTHROTTLE_STRIDE * (port - fabric::port::kMeshPorts);
  return stimulus.words.get(at, regs::THROTTLE::INTERVAL) > 1;
}

/// The credits of one output and flow on their way back.
class Returning {
 public:
  explicit Returning(const Stimulus::Credits& credits) : back_(credits.back), left_(credits.at_start) {}

  /// Something leaves. False: without a credit.
  bool sent(uint64_t cycle) {
    if (left_ == 0) return false;
    --left_;
    const uint64_t asked = sent_ < back_.size() ? back_[sent_] : 0;
    ++sent_;
    last_ = std::max({asked, cycle + 1, last_ + 1});
    due_.push_back(last_);
    return true;
  }
  bool take(uint64_t cycle) {
    if (due_.empty() || due_.front() > cycle) return false;
    due_.pop_front();
    ++left_;
    return true;
  }
  uint64_t next() const { return due_.empty() ? kNever : due_.front(); }

 private:
  const std::vector<uint64_t>& back_;
  uint64_t left_;
  size_t sent_ = 0;
  uint64_t last_ = 0;
  std::deque<uint64_t> due_;
};

/// Drives the input pins by the stimulus and by what the lead shows.
class Driver {
 public:
  Driver(const Stimulus& stimulus) : stimulus_(stimulus), pins_(stimulus.pins()) {
    for (const auto& list : stimulus.packets) {
      packets_.emplace_back(list, pins_.flows, stimulus.packet_places(),
                            is_throttled(stimulus, packets_.size()));
    }
    for (const auto& list : stimulus.scalars)
      scalars_.emplace_back(list, pins_.scalar_flows, stimulus.scalar_places());
    for (const auto& credits : stimulus.credits) credits_.emplace_back(credits);
    for (const auto& credits : stimulus.scalar_credits) scalar_credits_.emplace_back(credits);
    tokens_.resize(stimulus.tokens.size());
  }

  /// What the lead shows in a cycle.
  void look(uint64_t cycle, const PinOutputs& out) {
    for_each_bit(out.valid, [&](unsigned port) {
      const unsigned flow =
          merged(pins_.flows, pins_.merged_out, port) ? 0 : PacketHead::flow(out.head[port]);
      if (!credits_[port * pins_.flows + flow].sent(cycle)) no_credit(cycle, "output", port, flow);
    });
    for_each_bit(out.scalar_valid, [&](unsigned port) {
      const unsigned flow =
          merged(pins_.scalar_flows, pins_.merged_scalar_out, port) ? 0 : out.scalar_flow[port];
      if (!scalar_credits_[port * pins_.scalar_flows + flow].sent(cycle))
        no_credit(cycle, "scalar output", port, flow);
    });
    for_each_bit(out.credit, [&](unsigned port) {
      for_each_bit(out.in_credit[port], [&](unsigned flow) {
        if (!packets_[port].credit(flow)) no_packet(cycle, "input", port, flow);
      });
    });
    for_each_bit(out.scalar_credit, [&](unsigned port) {
      for_each_bit(out.sin_credit[port], [&](unsigned flow) {
        if (!scalars_[port].credit(flow)) no_packet(cycle, "scalar input", port, flow);
      });
    });
  }

  /// The input pins of a cycle.
  void drive(uint64_t cycle, PinInputs& in) {
    in.clear();
    in.cycle = cycle;
    for (unsigned port = 0; port < packets_.size(); ++port) {
      const Stimulus::Packet* packet = packets_[port].take(cycle);
      if (!packet) continue;
      in.valid |= 1u << port;
      in.data[port] = packet->data.data();
      in.head[port] = packet->head;
    }
    for (unsigned port = 0; port < scalars_.size(); ++port) {
      const Stimulus::Word* word = scalars_[port].take(cycle);
      if (!word) continue;
      in.scalar_valid |= 1u << port;
      in.scalar[port] = word->value;
      in.scalar_flow[port] = static_cast<uint8_t>(word->flow);
    }
    for (unsigned port = 0; port < tokens_.size(); ++port) {
      const std::vector<uint64_t>& times = stimulus_.tokens[port];
      if (tokens_[port] == times.size() || times[tokens_[port]] > cycle) continue;
      ++tokens_[port];
      in.tokens |= 1u << port;
    }
    credits(cycle, credits_, pins_.flows, in.credit, in.out_credit);
    credits(cycle, scalar_credits_, pins_.scalar_flows, in.scalar_credit, in.sout_credit);
  }

  /// The first cycle in which an input pin will be high if the unit shows nothing before.
  uint64_t next() const {
    uint64_t next = kNever;
    for (const auto& port : packets_) next = std::min(next, port.next());
    for (const auto& port : scalars_) next = std::min(next, port.next());
    for (const auto& credits : credits_) next = std::min(next, credits.next());
    for (const auto& credits : scalar_credits_) next = std::min(next, credits.next());
    for (size_t port = 0; port < tokens_.size(); ++port) {
      const std::vector<uint64_t>& times = stimulus_.tokens[port];
      if (tokens_[port] < times.size()) next = std::min(next, times[tokens_[port]]);
    }
    return next;
  }

 private:
  static bool merged(unsigned flows, uint32_t ports, unsigned port) {
    return flows == 1 || (ports >> port & 1) != 0;
  }

  template <class Pins>
  static void credits(uint64_t cycle, std::vector<Returning>& all, unsigned flows, uint32_t& mask,
                      Pins& pins) {
    for (unsigned port = 0; port < pins.size() && port * flows < all.size(); ++port) {
      unsigned given = 0;
      for (unsigned flow = 0; flow < flows; ++flow)
        given |= unsigned{all[port * flows + flow].take(cycle)} << flow;
      if (given == 0) continue;
      mask |= 1u << port;
      pins[port] = static_cast<uint8_t>(given);
    }
  }
  [[noreturn]] void no_credit(uint64_t cycle, const char* what, unsigned port, unsigned flow) const {
    broken(stimulus_, cycle, fmt::format("sends by {} {}, flow {}, without a credit", what, port, flow));
  }
  [[noreturn]] void no_packet(uint64_t cycle, const char* what, unsigned port, unsigned flow) const {
    broken(stimulus_, cycle,
           fmt::format("gives a credit for {} {}, flow {}, where nothing was", what, port, flow));
  }

  const Stimulus& stimulus_;
  const PinCounts& pins_;
  std::vector<Entering<Stimulus::Packet>> packets_;
  std::vector<Entering<Stimulus::Word>> scalars_;
  std::vector<size_t> tokens_;  ///< how many have entered
  std::vector<Returning> credits_;
  std::vector<Returning> scalar_credits_;
};

void keep(Log& log, uint64_t cycle, const PinOutputs& out) {
  for_each_bit(out.valid, [&](unsigned port) {
    Log::Packet packet{cycle, port, out.head[port], {}};
    std::memcpy(packet.data.data(), out.data[port], packet.data.size());
    log.packets.push_back(packet);
  });
  for_each_bit(out.scalar_valid, [&](unsigned port) {
    log.words.push_back({cycle, port, out.scalar_flow[port], out.scalar[port]});
  });
  for_each_bit(out.tokens, [&](unsigned port) { log.tokens.push_back({cycle, port}); });
  for_each_bit(out.credit, [&](unsigned port) {
    for_each_bit(out.in_credit[port], [&](unsigned flow) { log.credits.push_back({cycle, port, flow}); });
  });
  for_each_bit(out.scalar_credit, [&](unsigned port) {
    for_each_bit(out.sin_credit[port], [&](unsigned flow) {
      log.scalar_credits.push_back({cycle, port, flow});
    });
  });
}

void start(const Stimulus& stimulus, Dut& dut, PinOutputs& out) {
  if (dut.memory) {
    dut.memory->clear();
    uint8_t* bytes = dut.memory->data();
    for (const auto& [address, word] : stimulus.scratchpad) std::memcpy(bytes + address, &word, sizeof word);
  }
  const PinCounts& pins = stimulus.pins();
  fabric::PinCredits credits;
  for (size_t i = 0; i < stimulus.credits.size(); ++i)
    credits.out[i / pins.flows][i % pins.flows] = stimulus.credits[i].at_start;
  for (size_t i = 0; i < stimulus.scalar_credits.size(); ++i)
    credits.scalar_out[i / pins.scalar_flows][i % pins.scalar_flows] = stimulus.scalar_credits[i].at_start;
  out.clear();
  out.idle = out.done = false;
  dut.model->reset();
  dut.model->configure(stimulus.words);
  dut.model->start(credits, out);
}

/// A unit that gets the lead's pins.
struct Follower {
  Follower(const Stimulus& stimulus, Dut& d, const std::vector<VectorShape>& shapes)
      : dut(d), comparator(stimulus.name(), stimulus.pins(), shapes) {}
  Dut& dut;
  PinStore out;
  Comparator comparator;
};

}  // namespace

bool operator==(const Log& a, const Log& b) {
  const auto same = [](const auto& x, const auto& y, auto equal) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), equal);
  };
  const auto same_credit = [](const Log::Credit& x, const Log::Credit& y) {
    return x.cycle == y.cycle && x.port == y.port && x.flow == y.flow;
  };
  return same(a.packets, b.packets,
              [](const Log::Packet& x, const Log::Packet& y) {
                return x.cycle == y.cycle && x.port == y.port && x.head == y.head && x.data == y.data;
              }) &&
         same(a.words, b.words,
              [](const Log::Word& x, const Log::Word& y) {
                return x.cycle == y.cycle && x.port == y.port && x.flow == y.flow && x.value == y.value;
              }) &&
         same(a.tokens, b.tokens,
              [](const Log::Token& x, const Log::Token& y) {
                return x.cycle == y.cycle && x.port == y.port;
              }) &&
         same(a.credits, b.credits, same_credit) && same(a.scalar_credits, b.scalar_credits, same_credit);
}

Played play(const Stimulus& stimulus, Dut& lead, const std::vector<Dut*>& followers,
            const PlayOptions& options) {
  Played played;
  Driver driver(stimulus);
  PinStore lead_out;
  PinInputs in;
  const std::vector<VectorShape> shapes = shapes_of(stimulus.kind(), stimulus.params, stimulus.words);
  std::vector<std::unique_ptr<Follower>> others;
  for (Dut* dut : followers) others.push_back(std::make_unique<Follower>(stimulus, *dut, shapes));

  fabric::PinModel& watched = followers.empty() ? *lead.model : *followers.front()->model;
  bool records = false;
  const auto record = [&](uint64_t cycle) {
    if (options.waves.empty() || records || cycle < options.waves_from || cycle > options.waves_to) return;
    records = watched.record(options.waves, options.waves_to);
    if (!records) core::bad_input(fmt::format("{}: a model has no waves to show", stimulus.name()));
  };
  const auto is_idle = [&] {
    return lead_out.pins.idle &&
           std::all_of(others.begin(), others.end(), [](const auto& other) { return other->out.pins.idle; });
  };
  /// Looks at the output pins of a cycle. False: enough has been seen.
  const auto look = [&](uint64_t cycle) {
    if (options.keep_log) keep(played.log, cycle, lead_out.pins);
    for (size_t i = 0; i < others.size(); ++i) {
      others[i]->comparator.compare(cycle, lead_out.pins, others[i]->out.pins);
      if (played.divergence || !others[i]->comparator.first()) continue;
      played.divergence = others[i]->comparator.first();
      played.diverged = i;
    }
    if (played.divergence && options.stop_at_divergence) return false;
    driver.look(cycle, lead_out.pins);
    return true;
  };

  start(stimulus, lead, lead_out.pins);
  for (auto& other : others) start(stimulus, other->dut, other->out.pins);
  uint64_t cycle = 0;
  bool goes_on = look(0);
  while (goes_on && cycle < stimulus.cycles) {
    if (is_idle()) {
      const uint64_t next = std::min(driver.next(), stimulus.cycles);
      if (next > cycle) cycle += (next - cycle) / stimulus.pins().idle_step * stimulus.pins().idle_step;
      if (cycle >= stimulus.cycles) break;
    }
    record(cycle);
    driver.drive(cycle, in);
    lead_out.pins.clear();
    lead.model->tick(in, lead_out.pins);
    for (auto& other : others) {
      other->out.pins.clear();
      other->dut.model->tick(in, other->out.pins);
    }
    ++played.cycles;
    ++cycle;
    goes_on = look(cycle);
  }
  if (records) watched.stop_recording();
  played.end = cycle;
  played.done = lead_out.pins.done;
  for (size_t i = 0; i < others.size() && !played.divergence; ++i) {
    Follower& other = *others[i];
    other.comparator.finish(cycle, lead_out.pins.done, other.out.pins.done);
    if (played.done && other.out.pins.done && lead.memory && other.dut.memory)
      other.comparator.compare_content(cycle, lead.memory->data(), other.dut.memory->data(),
                                       lead.memory->bytes());
    played.divergence = other.comparator.first();
    played.diverged = i;
  }
  return played;
}

}  // namespace rdu::cosim
