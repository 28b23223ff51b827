#include "fabric/stream/clocked.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace rdu::fabric {
namespace {

/// Calls use(n) for each bit n that is set.
template <class Use>
void for_each_bit(uint32_t mask, Use use) {
  for (; mask != 0; mask &= mask - 1) use(static_cast<unsigned>(__builtin_ctz(mask)));
}

constexpr uint64_t kMostCredits = 0xffff;

}  // namespace

ClockedUnit::ClockedUnit(Context& context, uint32_t id, std::unique_ptr<PinModel> model,
                         const ConfigWords& words, uint64_t fifo_depth, uint64_t scalar_depth)
    : BoundUnit(context, id),
      model_(std::move(model)),
      words_(words),
      fifo_depth_(fifo_depth),
      scalar_depth_(scalar_depth) {
  const PinCounts& pins = model_->pins();
  set_up(packets_, pins.packet_in, pins.packet_out, pins.flows, pins.merged_out);
  set_up(scalars_, pins.scalar_in, pins.scalar_out, pins.scalar_flows, pins.merged_scalar_out);
  model_->set_neighbours(*this);
}

ClockedUnit::~ClockedUnit() = default;

void ClockedUnit::set_up(Network& network, unsigned in, unsigned out, unsigned flows, uint32_t merged) {
  network.flows = flows;
  network.merged = merged;
  network.in_at.resize(in * flows);
  network.out_at.resize(out * flows);
  network.writers.resize(out);
}

InputPort& ClockedUnit::input(Network& network, unsigned port, unsigned flow, uint64_t depth) {
  In*& in = network.in_at.at(port * network.flows + flow);
  if (!in) in = &network.inputs.emplace_back(*this, port, flow, depth);
  return in->stream;
}

OutputPort& ClockedUnit::output(Network& network, unsigned port, unsigned flow) {
  Out*& out = network.out_at.at(port * network.flows + flow);
  if (!out) out = &network.outputs.emplace_back(*this, port, flow);
  if (!network.writers[port]) network.writers[port] = std::make_unique<BlockWriter>(context_.blocks);
  return out->stream;
}

InputPort& ClockedUnit::input(unsigned port, unsigned flow) {
  return input(packets_, port, flow, fifo_depth_);
}
OutputPort& ClockedUnit::output(unsigned port, unsigned flow) {
  return output(packets_, port, flow);
}
InputPort& ClockedUnit::scalar_input(unsigned port, unsigned flow) {
  return input(scalars_, port, flow, scalar_depth_);
}
OutputPort& ClockedUnit::scalar_output(unsigned port, unsigned flow) {
  return output(scalars_, port, flow);
}

TokenInput& ClockedUnit::token_input(unsigned port) {
  for (TokenIn& in : tokens_in_) {
    if (in.port == port) return in.wire;
  }
  return tokens_in_.emplace_back(*this, port).wire;
}

TokenOutput& ClockedUnit::token_output(unsigned port) {
  TokenOut*& out = token_out_at_.at(port);
  if (!out) out = &tokens_out_.emplace_back(*this, port);
  return out->wire;
}

void ClockedUnit::broken(const std::string& text) const {
  throw core::Error(core::ErrorKind::internal, unit_name(id()), fmt::format("cycle {}: {}", cycle_, text));
}

void ClockedUnit::start(uint64_t cycle) {
  cycle_ = cycle;
  has_begun_ = false;
  clocked_ = 0;
  counts_ = {};
  for (unsigned n = 0; n < kMostActors; ++n) actors_[n] = {cycle, {}};
  PinCredits credits;
  credits.cycle = cycle;
  for (Network* network : {&packets_, &scalars_}) {
    for (In& in : network->inputs) {
      in.late_until = 0;
      in.block = {};
    }
    for (Out& out : network->outputs) {
      out.credits = std::min(out.stream.start_clocked(cycle, context_.params.max_burst), kMostCredits);
      auto& pins = network == &packets_ ? credits.out[out.port] : credits.scalar_out[out.port];
      pins[out.flow] = static_cast<uint16_t>(out.credits);
    }
    for (auto& writer : network->writers) {
      if (writer) writer->drop();
    }
  }
  for (TokenOut& token : tokens_out_) token.wire.start(context_.params.max_burst);
  out_.clear();
  out_.idle = out_.done = false;
  for (unsigned port = 0; port < packets_.writers.size(); ++port) {
    if (packets_.writers[port]) place(port);
  }
  model_->reset();
  model_->configure(words_);
  model_->start(credits, out_);
  take_part();
}

/// Where the next packet of an output goes.
void ClockedUnit::place(unsigned port) {
  packets_.writers[port]->room();
  out_.data[port] = packets_.writers[port]->next();
}

void ClockedUnit::advance(uint64_t known) {
  if (!has_begun_) {
    has_begun_ = true;
    give();
  }
  for (;;) {
    uint64_t next = cycle_;
    if (out_.idle) {
      const uint64_t event = next_event();
      next = event == kNoCycle ? kNoCycle : event - 1 - (event - 1 - cycle_) % model_->pins().idle_step;
    }
    set_next_cycle(next);
    if (next == kNoCycle || beyond_horizon(next + 1)) return;
    if (next + 1 > known && !is_known(next + 1)) return;
    if (next + 1 >= answers_unknown_from()) return;
    cycle_ = next;
    tick();
    // What this caused comes back two cycles later at the earliest, so that one more is known.
    if (!context_.work.empty()) known = std::min(known, cycle_ + 1);
  }
}

/// The arrival of what is known to come next, not before the next cycle; kNoCycle: of nothing.
uint64_t ClockedUnit::next_event() const {
  uint64_t event = next_answer();
  for (const Network* network : {&packets_, &scalars_}) {
    for (const In& in : network->inputs) {
      if (in.stream.available() != 0 && in.stream.held() < in.depth) {
        event = std::min(event, std::max(in.stream.next_arrival(), cycle_ + 1));
      }
    }
    for (const Out& out : network->outputs)
      event = std::min(event, out.stream.next_credit().value_or(kNoCycle));
  }
  for (const TokenIn& token : tokens_in_) {
    if (token.wire.available() != 0) event = std::min(event, token.wire.head().t);
  }
  return event;
}

/// Whether the ports know everything that arrives up to this cycle.
bool ClockedUnit::is_known(uint64_t arrival) const {
  for (const Network* network : {&packets_, &scalars_}) {
    for (const In& in : network->inputs) {
      if (in.stream.available() == 0 && in.stream.held() < in.depth) return false;
    }
    for (const Out& out : network->outputs) {
      if (!out.stream.next_credit() && out.stream.next_credit_bound() <= arrival) return false;
    }
  }
  for (const TokenIn& token : tokens_in_) {
    if (token.wire.available() == 0) return false;
  }
  return true;
}

template <class Deliver>
void ClockedUnit::deliver(Network& network, uint64_t arrival, Deliver deliver) {
  for (In& in : network.inputs) {
    if (in.stream.held() == in.depth) {
      in.late_until = arrival;
      continue;
    }
    if (in.stream.available() == 0) continue;
    const uint64_t at = in.stream.next_arrival();
    if (at > arrival) continue;
    if (at < arrival && at > in.late_until) {
      broken(fmt::format("{} input {} gets something that arrived at {}", network.name, in.port, at));
    }
    in.stream.deliver([&](const BlockRef& block, uint32_t offset, unsigned) {
      in.block = block;
      deliver(in, offset);
    });
    in.late_until = arrival;
  }
}

template <class Credit>
void ClockedUnit::collect_credits(Network& network, uint64_t arrival, Credit credit) {
  for (Out& out : network.outputs) {
    const std::optional<uint64_t> at = out.stream.next_credit();
    if (!at || *at > arrival) continue;
    if (*at < arrival) {
      broken(fmt::format("{} output {} gets a credit that arrived at {}", network.name, out.port, *at));
    }
    out.stream.take_credit();
    ++out.credits;
    credit(out);
  }
}

WavesWindow& waves_window() {
  static WavesWindow window;
  return window;
}

void ClockedUnit::record(WavesWindow& window) {
  waves_ = &window;
  waves_from_ = window.from;
}

/// With this cycle, the first clock in the window or after it.
void ClockedUnit::begin_waves() {
  waves_from_ = kNoCycle;
  if (cycle_ > waves_->to || waves_->has_begun) return;
  if (!model_->record(waves_->file, waves_->to))
    core::bad_input(fmt::format("{} has no waves to show: it is not its Verilog", unit_name(id())));
  waves_->has_begun = true;
}

/// The clock edge at the end of cycle_.
void ClockedUnit::tick() {
  if (cycle_ >= waves_from_) begin_waves();
  const uint64_t arrival = cycle_ + 1;
  in_.clear();
  in_.cycle = cycle_;
  deliver(packets_, arrival, [&](const In& in, uint32_t offset) {
    if ((in_.valid >> in.port & 1) != 0) broken(fmt::format("two packets enter by input {}", in.port));
    in_.valid |= 1u << in.port;
    in_.data[in.port] = in.block.packet(offset);
    in_.head[in.port] = PacketHead::with_flow(in.block.head(offset), in.flow);
  });
  deliver(scalars_, arrival, [&](const In& in, uint32_t offset) {
    if ((in_.scalar_valid >> in.port & 1) != 0) broken(fmt::format("two words enter by input {}", in.port));
    in_.scalar_valid |= 1u << in.port;
    std::memcpy(&in_.scalar[in.port], in.block.packet(offset), sizeof in_.scalar[0]);
    in_.scalar_flow[in.port] = static_cast<uint8_t>(in.flow);
  });
  const auto give_credit = [](uint32_t& mask, uint8_t& credits, const Out& out) {
    if ((mask >> out.port & 1) == 0) credits = 0;
    mask |= 1u << out.port;
    credits = static_cast<uint8_t>(credits | 1u << out.flow);
  };
  collect_credits(packets_, arrival,
                  [&](const Out& out) { give_credit(in_.credit, in_.out_credit[out.port], out); });
  collect_credits(scalars_, arrival,
                  [&](const Out& out) { give_credit(in_.scalar_credit, in_.sout_credit[out.port], out); });
  for (TokenIn& token : tokens_in_) {
    if (token.wire.available() == 0 || token.wire.head().t > arrival) continue;
    if (token.wire.head().t < arrival) {
      broken(fmt::format("token input {} gets a token that arrived at {}", token.port, token.wire.head().t));
    }
    token.wire.pop(1);
    in_.tokens |= 1u << token.port;
  }
  bring_answers(arrival);
  out_.clear();
  model_->tick(in_, out_);
  ++cycle_;
  ++clocked_;
  give();
}

ClockedUnit::Out& ClockedUnit::sending(Network& network, unsigned port, unsigned flow) {
  if (network.flows == 1 || (network.merged >> port & 1) != 0) flow = 0;
  const size_t at = port * network.flows + flow;
  Out* out = at < network.out_at.size() ? network.out_at[at] : nullptr;
  if (!out) {
    broken(fmt::format("sends by {} output {}, flow {}, which is not connected", network.name, port, flow));
  }
  if (out->credits == 0) broken(fmt::format("sends by {} output {} without a credit", network.name, port));
  --out->credits;
  return *out;
}

void ClockedUnit::take(Network& network, unsigned port, unsigned flows) {
  for_each_bit(flows, [&](unsigned flow) {
    const size_t at = port * network.flows + flow;
    In* in = flow < network.flows && at < network.in_at.size() ? network.in_at[at] : nullptr;
    if (!in || in->stream.held() == 0) {
      broken(fmt::format("gives a credit for {} input {}, flow {}, where nothing was", network.name, port,
                         flow));
    }
    in->stream.taken(cycle_);
  });
}

/// Passes on what the output pins show in cycle_.
void ClockedUnit::give() {
  for_each_bit(out_.valid, [&](unsigned port) {
    const uint64_t head = out_.head[port];
    Out& out = sending(packets_, port, PacketHead::flow(head));
    BlockWriter& writer = *packets_.writers[port];
    writer.block().set_head(writer.offset(), PacketHead::with_flow(head, 0));
    out.stream.send(cycle_, writer.block(), writer.offset());
    writer.take(1);
    place(port);
  });
  for_each_bit(out_.scalar_valid, [&](unsigned port) {
    Out& out = sending(scalars_, port, out_.scalar_flow[port]);
    BlockWriter& writer = *scalars_.writers[port];
    writer.room();
    std::memcpy(writer.next(), &out_.scalar[port], sizeof out_.scalar[0]);
    out.stream.send(cycle_, writer.block(), writer.offset());
    writer.take(1);
  });
  for_each_bit(out_.tokens, [&](unsigned port) {
    if (port >= token_out_at_.size() || !token_out_at_[port]) return;  // a wire to nowhere
    token_out_at_[port]->wire.send({cycle_, 0, 1});
  });
  give_requests(cycle_);
  for_each_bit(out_.credit, [&](unsigned port) { take(packets_, port, out_.in_credit[port]); });
  for_each_bit(out_.scalar_credit, [&](unsigned port) { take(scalars_, port, out_.sin_credit[port]); });
  if (out_.active != 0) count();
}

/// What the actors did in the cycle before.
void ClockedUnit::count() {
  const uint64_t then = cycle_ - 1;
  for_each_bit(out_.active, [&](unsigned n) {
    const Activity& did = out_.activity[n];
    Actor& actor = actors_[n];
    UnitCounts& counts = actor.counts;
    if (did.begins) {
      // The first slot of the second of two is a cycle later.
      const bool is_behind = did.is_slow && n % 2 == 1 && counts.busy == 0;
      const uint64_t waited = then - (actor.next + (is_behind ? 1 : 0));
      (did.late_in    ? counts.stalls.input
       : did.late_out ? counts.stalls.output
                      : counts.stalls.other) += waited;
    }
    if (did.fired) counts.fired({then, 0, 1});
    if (did.cost != 0) actor.next = then + did.cost * (did.is_slow ? 2 : 1);
    counts.busy += did.cost;
    counts.vectors += did.vectors;
    counts.bytes += did.bytes;
  });
}

const UnitCounts& ClockedUnit::counts() const {
  counts_ = {};
  if (model_->pins().actors == 0) {
    // A unit that passes on: what leaves are its firings, and it is as busy as its busiest output.
    for (const Network* network : {&packets_, &scalars_}) {
      std::array<uint64_t, kMostPacketOut> sent{};
      for (const Out& out : network->outputs) {
        const uint64_t n = out.stream.sent();
        if (n == 0) continue;
        counts_.fired({out.stream.first_sent(), 0, 1});
        counts_.last = std::max(counts_.last, out.stream.last_sent());
        counts_.firings += n - 1;
        counts_.vectors += n;
        counts_.busy = std::max(counts_.busy, sent[out.port] += n);
      }
    }
    return counts_;
  }
  for (const Actor& actor : actors_) {
    const UnitCounts& own = actor.counts;
    if (own.firings != 0) {
      if (counts_.firings == 0 || own.first < counts_.first) counts_.first = own.first;
      counts_.last = std::max(counts_.last, own.last);
    }
    counts_.firings += own.firings;
    counts_.vectors += own.vectors;
    counts_.bytes += own.bytes;
    if (model_->pins().stalls_add_up) {
      counts_.stalls += own.stalls;
    } else if (own.busy >= counts_.busy && own.busy != 0) {
      counts_.stalls = own.stalls;
    }
    counts_.busy = std::max(counts_.busy, own.busy);
  }
  return counts_;
}

std::string ClockedUnit::before(PinNeighbours::Network network, unsigned input, unsigned flow) const {
  if (network == PinNeighbours::Network::token) {
    for (const TokenIn& token : tokens_in_) {
      if (token.port == input) return token.wire.source();
    }
    return "";
  }
  const Network& n = network == PinNeighbours::Network::packet ? packets_ : scalars_;
  const size_t at = input * n.flows + flow;
  return at < n.in_at.size() && n.in_at[at] ? n.in_at[at]->stream.source() : "";
}

std::string ClockedUnit::behind(PinNeighbours::Network network, unsigned output) const {
  std::string text;
  if (network == PinNeighbours::Network::token) return text;
  for (const Out& out : (network == PinNeighbours::Network::packet ? packets_ : scalars_).outputs) {
    if (out.port == output) text += (text.empty() ? "to " : ", ") + out.stream.consumers();
  }
  return text;
}

std::string ClockedUnit::waits_for() const {
  if (finished()) return "";
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  for (const Network* network : {&packets_, &scalars_}) {
    for (const Out& out : network->outputs) {
      if (out.credits == 0 && out.stream.connected()) add("credit of " + out.stream.consumers());
    }
  }
  if (!text.empty()) return text;
  for (const Network* network : {&packets_, &scalars_}) {
    for (const In& in : network->inputs) {
      if (in.stream.held() != 0) continue;
      add(fmt::format("{}input {} ({})", network == &scalars_ ? "scalar " : "", in.port, in.stream.source()));
    }
  }
  for (const TokenIn& token : tokens_in_) add(fmt::format("token {} ({})", token.port, token.wire.source()));
  return text;
}

}  // namespace rdu::fabric
