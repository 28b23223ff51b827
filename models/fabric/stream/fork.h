#pragma once

#include <cstdint>
#include <vector>

#include "fabric/stream/queues.h"

namespace rdu::fabric {

class InputPort;

/// A switch from which the packets of a multicast go several ways. A packet goes each way as soon as there is
/// a place and leaves its queue when it has gone all of them; the next one then stands first. With arr[i] its
/// arrival, the packet goes way k at
///
///     b_k[i]  = max(arr[i], left[i-1] + 1, credit_k[i])      left[i] = max over k of b_k[i]
///
/// and credits are those of the way alone, up to the next fork or the consumer:
///
///     credit_k[i] = start                                    for i < capacity_k
///                 = taken_k[i - capacity_k] + latency_k      else; a fork takes a packet when it leaves
class Fork {
 public:
  /// `parent`: the fork before this one, and which of its ways leads here; null: the stream's source.
  Fork(Fork* parent, unsigned branch) : parent_(parent), parent_branch_(branch) {}
  Fork(const Fork&) = delete;
  Fork& operator=(const Fork&) = delete;

  /// A way from here, to a consumer or another fork; returns its number.
  unsigned add(InputPort& input, uint64_t latency, uint64_t capacity);
  unsigned add(Fork& fork, uint64_t latency, uint64_t capacity);

  unsigned branches() const { return static_cast<unsigned>(branches_.size()); }

  /// Empty.
  void start(uint64_t cycle, uint64_t max_burst);
  /// Packets arrive.
  void arrive(const Burst& burst);
  /// Packets have been taken from the end of a way.
  void taken(unsigned branch, const Run& times);
  /// Whether the packet that stands first lacks a place on that way.
  bool waits(unsigned branch) const {
    return standing_.count() != 0 && (done_ >> branch & 1) == 0 && branches_[branch].credits.count() == 0;
  }

 private:
  friend class Lockstep;
  struct Branch {
    InputPort* input;
    Fork* fork;
    uint64_t latency;
    uint64_t capacity;
    RunQueue credits;
  };
  void go_on();
  bool send_run();
  bool send_first();
  void deliver(const Branch& branch, const Run& times, const BlockRef& block, uint32_t offset) const;
  void have_left(const Run& times);

  Fork* parent_;
  unsigned parent_branch_;
  std::vector<Branch> branches_;
  BurstQueue standing_;
  uint64_t next_ = 0;      ///< in which the next packet can stand first, at the earliest
  uint32_t done_ = 0;      ///< ways that the first packet has gone
  uint64_t last_way_ = 0;  ///< when it went the last of them
  uint64_t max_burst_ = 1;
  bool is_going_ = false;
};

}  // namespace rdu::fabric
