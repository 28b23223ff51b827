#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "fabric/stream/fork.h"
#include "fabric/stream/queues.h"
#include "fabric/stream/unit.h"

namespace rdu::fabric {

class OutputPort;

/// A consumer's end of a stream: the packets that have arrived or are known to arrive.
class InputPort {
 public:
  explicit InputPort(Unit& owner) : owner_(owner) {}
  InputPort(const InputPort&) = delete;
  InputPort& operator=(const InputPort&) = delete;

  bool connected() const { return producer_ != nullptr; }
  uint64_t available() const { return queue_.count(); }
  /// Those, and what lies in the FIFO inside a clocked unit.
  uint64_t untaken() const { return queue_.count() + held_; }
  /// Arrival times for firings that take `per` packets each; n is 0 if not even one firing's have arrived.
  Run head(uint64_t per = 1) const { return queue_.head(per); }

  /// Data of the next packet; there is one.
  const uint8_t* front() const { return queue_.front().data(); }

  /// Takes packets away at the firings' times (packet q of a firing q cycles later) and returns their
  /// credits. use(block, offset, packets) sees them piece by piece.
  template <class Use>
  void pop(const Run& firings, uint64_t per, Use use) {
    queue_.pop(firings.n * per, use);
    return_credits(firings, per);
  }

  /// "from pmu[1][2]"
  std::string source() const;
  Unit& owner() const { return owner_; }

  // For a clocked unit, which has the packets of a stream in a FIFO of its own before it takes them.
  /// Arrival of the next packet; there is one.
  uint64_t next_arrival() const { return queue_.front().run.t; }
  /// Moves the next packet into that FIFO: use(block, offset, 1).
  template <class Use>
  void deliver(Use use) {
    queue_.pop(1, use);
    ++held_;
  }
  /// Packets in that FIFO.
  uint64_t held() const { return held_; }
  /// A packet has been taken from it.
  void taken(uint64_t cycle) {
    --held_;
    return_credits({cycle, 0, 1}, 1);
  }

 private:
  friend class Lockstep;
  friend class OutputPort;
  friend class Fork;
  void arrive(const Burst& burst, uint64_t max_burst) {
    queue_.push(burst, max_burst);
    owner_.wake();
  }
  void return_credits(const Run& firings, uint64_t per);

  Unit& owner_;
  OutputPort* producer_ = nullptr;
  size_t sink_ = 0;
  BurstQueue queue_;
  uint64_t held_ = 0;
};

/// A producer's end of a stream: an output FIFO, and one route to each consumer (more than one: multicast).
///
/// Packet i, ready at r[i], leaves at
///
///     o[i] = max(r[i], o[i-1] + interval, credit_1[i], credit_2[i], ...)
///
/// and arrives at consumer j at o[i] + latency_j. Consumer j's FIFO and the switches on the way to it hold
/// capacity_j packets: credit_j[i] = 0 for i < capacity_j, else the time at which it takes packet i -
/// capacity_j + latency_j. A packet's place in the output FIFO is free again at o[i] + 1. Behind a fork, a
/// packet may arrive later: see Fork.
class OutputPort {
 public:
  explicit OutputPort(Unit& owner) : owner_(owner) {}
  OutputPort(const OutputPort&) = delete;
  OutputPort& operator=(const OutputPort&) = delete;

  /// Over `hops` wires, that is through hops - 1 switches.
  void connect(InputPort& input, uint64_t hops, const FabricParams& params) {
    connect(input, hops * params.hop_cycles, params.fifo_depth + (hops - 1) * params.switch_depth);
  }
  /// A route of `latency` cycles, each way, that holds `capacity` packets, the consumer's FIFO included. It
  /// leads over `fork`, the last of those on its way; -1: over none.
  void connect(InputPort& input, uint64_t latency, uint64_t capacity, int fork = -1);
  /// A switch at which routes part, `latency` cycles from here, with places for `capacity` packets up to and
  /// in it; behind the fork `parent`, or -1. Returns its number.
  int add_fork(int parent, uint64_t latency, uint64_t capacity);
  bool connected() const { return !sinks_.empty(); }
  /// At least so many cycles from one packet to the next (a throttled output of a unit).
  void set_interval(uint64_t cycles) { interval_ = cycles; }

  /// Empties the stream, its consumers' queues included. `places` in the output FIFO are free.
  void start(uint64_t cycle, uint64_t places, uint64_t max_burst);

  /// When places become free, for firings that make `per` packets each.
  Run places(uint64_t per = 1) const { return places_.head(per); }
  uint64_t free_places() const { return places_.count(); }
  /// Takes n places; returns the time at which the last was free.
  uint64_t take_places(uint64_t n) { return places_.pop(n); }

  /// Packets whose places were taken; their times are when they are ready to leave.
  void put(const Burst& burst) { ready_.push(burst, max_burst_); }
  /// Sends what is ready as far as credits are known. True if anything was sent.
  bool flush();

  uint64_t sent() const { return sent_; }
  uint64_t waiting() const { return ready_.count(); }
  uint64_t first_sent() const { return first_; }  ///< cycle; 0 if nothing was
  uint64_t last_sent() const { return last_; }
  const Stalls& stalls() const { return stalls_; }
  /// Consumers whose credits are missing: "credit of pcu[1][2], ..."; empty if none is.
  std::string blocked_by() const;
  Unit& owner() const { return owner_; }

  // For a clocked unit, which has the output FIFO inside and counts its credits itself: a credit is one of
  // every consumer.
  /// Empties the stream, its consumers' queues included. Returns the credits at the start: the smallest
  /// capacity, or 1 if an interval has to be kept: then the next credit comes with the interval's end.
  uint64_t start_clocked(uint64_t cycle, uint64_t max_burst);
  /// The first cycle in which the next credit may be used; nothing if that is not known.
  std::optional<uint64_t> next_credit() const;
  /// A cycle before which the next credit cannot be used, whatever the consumers do: a packet has to get
  /// there, and its credit back. ~0 if no packet is on its way.
  uint64_t next_credit_bound() const {
    return on_the_way_.count() == 0 ? ~uint64_t{0} : on_the_way_.front() + 2 * least_latency_;
  }
  void take_credit();
  /// "pcu[1][2], pmu[0][1]"
  std::string consumers() const;
  /// A packet, for which there was a credit, leaves.
  void send(uint64_t cycle, const BlockRef& block, uint32_t offset);

  // Its consumers, in order of connect().
  size_t consumer_count() const { return sinks_.size(); }
  const InputPort& consumer(size_t i) const { return *sinks_[i].input; }
  uint64_t capacity(size_t i) const { return sinks_[i].capacity; }
  /// Whether a packet that is ready waits for a credit of this consumer. Of a clocked unit, nobody outside
  /// knows what is ready: whether it may not send.
  bool waits_for_credit(size_t i) const {
    const Sink& sink = sinks_[i];
    if (sink.fork >= 0 && forks_[static_cast<size_t>(sink.fork)].fork.waits(sink.branch)) return true;
    return sink.credits.count() == 0 && (ready_.count() != 0 || on_the_way_.count() != 0);
  }

 private:
  friend class InputPort;
  friend class Lockstep;
  struct Sink {
    InputPort* input;
    uint64_t latency;
    uint64_t capacity;
    int fork;
    unsigned branch;  ///< of the fork
    RunQueue credits;
  };
  struct Forking {
    Forking(Fork* parent, unsigned branch, uint64_t l, uint64_t c)
        : fork(parent, branch), latency(l), capacity(c) {}
    Fork fork;
    uint64_t latency;  ///< from here
    uint64_t capacity;
  };
  /// Packets that have left, to whom they go.
  void pass_on(const Run& leave, const BlockRef& block, uint32_t offset);
  void empty_stream(uint64_t cycle, uint64_t max_burst);

  Unit& owner_;
  std::vector<Sink> sinks_;
  std::deque<Forking> forks_;  ///< parents first; if there are any, all sinks lie behind the first
  BurstQueue ready_;
  RunQueue places_;
  uint64_t interval_ = 1;
  uint64_t earliest_ = 0;
  uint64_t max_burst_ = 1;
  uint64_t sent_ = 0;
  uint64_t first_ = 0;
  uint64_t last_ = 0;
  Stalls stalls_;
  bool is_clocked_ = false;
  uint64_t least_latency_ = ~uint64_t{0};
  RunQueue on_the_way_;  ///< clocked: when the packets left whose credits have not come back
};

/// A consumer's end of a control wire: tokens that have arrived or are known to arrive.
class TokenInput {
 public:
  explicit TokenInput(Unit& owner) : owner_(owner) {}
  TokenInput(const TokenInput&) = delete;
  TokenInput& operator=(const TokenInput&) = delete;

  bool connected() const { return producer_ != nullptr; }
  uint64_t available() const { return arrivals_.count(); }
  /// Arrival times, for firings that take `per` tokens each.
  Run head(uint64_t per = 1) const { return arrivals_.head(per); }
  /// Takes n away; returns the arrival of the last.
  uint64_t pop(uint64_t n) { return arrivals_.pop(n); }
  std::string source() const;
  /// Who sends them; null if nobody does.
  const Unit* producer() const { return producer_; }

 private:
  friend class TokenOutput;
  Unit& owner_;
  Unit* producer_ = nullptr;
  RunQueue arrivals_;
};

/// A producer's end of a control wire, to one or more consumers. A wire has latency and neither credits nor
/// buffers: receivers count. A token is one pulse, so a wire carries at most one a cycle.
class TokenOutput {
 public:
  explicit TokenOutput(Unit& owner) : owner_(owner) {}
  TokenOutput(const TokenOutput&) = delete;
  TokenOutput& operator=(const TokenOutput&) = delete;

  void connect(TokenInput& input, uint64_t latency);
  bool connected() const { return !sinks_.empty(); }
  /// Takes back all tokens on the way.
  void start(uint64_t max_burst);
  /// Tokens that leave at these times, not before those sent so far.
  void send(const Run& times);

 private:
  struct Sink {
    TokenInput* input;
    uint64_t latency;
  };
  Unit& owner_;
  std::vector<Sink> sinks_;
  uint64_t max_burst_ = 1;
};

}  // namespace rdu::fabric
