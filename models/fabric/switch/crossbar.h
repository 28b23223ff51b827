#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "fabric/stream/block.h"
#include "fabric/stream/ring.h"

namespace rdu::fabric {

/// The packet-switched part of a switch, one cycle at a time (switch/README.md, "Vector network, cycle by
/// cycle"): a queue a flow at each input port, credits, and outputs for which queues take turns. The vector
/// and the scalar network are one each.
class Crossbar {
 public:
  /// Where an item goes from here.
  struct Way {
    uint32_t outputs = 0;
    unsigned flow = 0;  ///< from here on
  };
  struct Item {
    Way way;
    uint64_t head = 0;
    std::array<uint8_t, kPacketBytes> data;  ///< scalars: the first four
  };
  struct Shape {
    unsigned inputs;
    unsigned outputs;
    unsigned flows;
    unsigned unit_outputs;  ///< from this one on an output has one queue behind it: credits of flow 0
  };

  explicit Crossbar(const Shape& shape);

  unsigned queue_of(unsigned input, unsigned flow) const { return input * shape_.flows + flow; }

  /// Everything empty, no credits, no joins.
  void reset();
  void set_credits(unsigned output, unsigned flow, uint64_t n) { credits_[slot(output, flow)] = n; }
  /// Items leave by this output in order of their sequence ids.
  void join(unsigned output) { expected_[output] = 0; }

  // What comes in at the end of a cycle.
  void add_credit(unsigned output, unsigned flow) { ++credits_[slot(output, flow)]; }
  Item& push(unsigned queue) {
    queues_[queue].items.push_back({});
    ++held_;
    return queues_[queue].items.back();
  }

  /// What one cycle does: send(output, item) for each output that sends, free(queue) for each item that has
  /// left.
  template <class Send, class Free>
  void cycle(Send send, Free free) {
    if (held_ == 0) return;
    find_winners();
    for (unsigned output = 0; output < shape_.outputs; ++output) {
      if (winners_[output] == kNone) continue;
      const unsigned q = winners_[output];
      Queue& queue = queues_[q];
      const Item& item = queue.items.front();
      send(output, item);
      --credits_[slot(output, item.way.flow)];
      turn_[output] = (q + 1) % static_cast<unsigned>(queues_.size());
      if (expected_[output] >= 0) expected_[output] = (expected_[output] + 1) & 0xffff;
      queue.done |= 1u << output;
    }
    for (unsigned output = 0; output < shape_.outputs; ++output) {
      if (winners_[output] == kNone) continue;
      Queue& queue = queues_[winners_[output]];
      if (queue.done == 0 || queue.done != queue.items.front().way.outputs) continue;
      queue.items.pop_front();
      queue.done = 0;
      --held_;
      free(winners_[output]);
    }
  }

  bool empty() const { return held_ == 0; }

 private:
  struct Queue {
    Ring<Item> items;
    uint32_t done = 0;  ///< outputs that the first item has left by
  };
  static constexpr unsigned kNone = ~0u;

  unsigned slot(unsigned output, unsigned flow) const {
    return output * shape_.flows + (output < shape_.unit_outputs ? flow : 0);
  }
  void find_winners();

  Shape shape_;
  std::vector<Queue> queues_;
  std::vector<uint64_t> credits_;
  std::vector<unsigned> turn_;     ///< by output: the queue that comes first
  std::vector<int32_t> expected_;  ///< by output: the next sequence id; -1 without a join
  std::vector<unsigned> winners_;  ///< by output, of this cycle
  uint64_t held_ = 0;
};

}  // namespace rdu::fabric
