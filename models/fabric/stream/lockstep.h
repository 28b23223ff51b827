#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fabric/stream/port.h"

namespace rdu::fabric {

class Lockstep;

/// A unit's output that can go on by itself, a packet a cycle, for a while: what Lockstep asks and tells it.
class SteadySource {
 public:
  virtual OutputPort& steady_output() = 0;
  /// How many of its next firings need nothing but a place each, make one packet each and take one cycle
  /// each.
  virtual uint64_t steady_firings() const = 0;
  /// Earliest cycle of the next one, and from it to the packet's being ready to leave.
  virtual uint64_t steady_next() const = 0;
  virtual uint64_t steady_latency() const = 0;
  /// Makes the next `firings`, one a cycle from steady_next() on, without output: their packets are packets
  /// `first` on of the source that it returns.
  virtual SourceRef fire_steadily(uint64_t firings, uint64_t* first) = 0;

 protected:
  ~SteadySource() = default;
};

/// A unit that takes a packet from each of its inputs in each of its firings, without a word for a while.
class SteadySink {
 public:
  /// Of the stream that enters by `input`.
  virtual InputPort& steady_input(unsigned input) = 0;
  virtual unsigned steady_inputs() const = 0;
  /// How many of its next firings need nothing but a packet of each input and take one cycle each.
  virtual uint64_t steady_firings() const = 0;
  virtual uint64_t steady_next() const = 0;
  /// From a firing to the return of its packets' credits.
  virtual uint64_t steady_credit_cycles() const = 0;
  /// The packets of input `input` for the firings that fire_steadily() is going to make, in order.
  virtual void take_packets(unsigned input, const BlockRef& block, uint32_t offset, unsigned packets) = 0;
  virtual void take_packets(unsigned input, PacketSource& source, uint64_t first, uint64_t packets) = 0;
  /// Makes the next `firings`, one a cycle from steady_next() on, with the packets given.
  virtual void fire_steadily(uint64_t firings) = 0;
  /// With whom it may go in lockstep; it tries when it runs.
  virtual void set_lockstep(Lockstep* lockstep) = 0;

 protected:
  ~SteadySink() = default;
};

/// Sources and sinks whose streams begin and end among them. As long as everybody fires once a cycle, credits
/// and places come back in time, and nothing else happens, the time of everything is a line, t + i; then any
/// number of firings is made at once, whatever the depth of FIFOs. The times are those that the units would
/// find one credit after the other (stream/README.md, "Lockstep").
class Lockstep {
 public:
  /// Firings that are worth the effort.
  static constexpr uint64_t kLeast = 64;
  /// After as many, a sink tries again: about a FIFO, in which what was irregular has passed.
  static constexpr uint64_t kRetry = 16;

  Lockstep(std::vector<SteadySource*> sources, std::vector<SteadySink*> sinks);

  /// The groups among these: sinks all of whose inputs come from sources, and sources that feed nobody else,
  /// as far as streams connect them. Tells the sinks. None if bursts, or runs of firings, are to be shorter
  /// than kLeast.
  static std::vector<std::unique_ptr<Lockstep>> find(const std::vector<SteadySource*>& sources,
                                                     const std::vector<SteadySink*>& sinks,
                                                     uint64_t max_burst);

  /// Makes as many firings as can be made so, up to the cycle `horizon`; false if none.
  bool advance(uint64_t horizon);

  /// How many times that was so.
  uint64_t advances() const { return advances_; }

 private:
  /// An input of a sink and the stream that feeds it.
  struct Feed {
    size_t source;  ///< of sources_
    size_t end;     ///< of the output's sinks
    size_t sink;    ///< of sinks_
    unsigned input;
  };
  /// When the next packet passes the fork, or leaves the output if `fork` is null, at the earliest.
  static uint64_t next(const OutputPort& output, const Fork* fork);
  /// Packets that have passed there.
  static uint64_t passed(const OutputPort& output, const Fork* fork);
  /// The last one before the input; null if there is none.
  const Fork* last_fork(const Feed& feed) const;
  /// Packets that the sink has taken.
  uint64_t taken(const Feed& feed) const;
  void go_to(uint64_t target);
  bool is_steady(const Feed& feed) const;
  /// Whether these do not stand in the way.
  bool may_go(SteadySource& source) const;
  bool may_go(const Feed& feed) const;
  bool is_steady(SteadySource& source) const;

  std::vector<SteadySource*> sources_;
  std::vector<SteadySink*> sinks_;
  std::vector<Feed> feeds_;
  std::vector<uint64_t> firings_;            ///< by sink; of the advance under way
  SteadySource* blocking_source_ = nullptr;  ///< who stood in the way the last time
  const Feed* blocking_feed_ = nullptr;
  uint64_t advances_ = 0;
};

}  // namespace rdu::fabric
