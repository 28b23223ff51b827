#include "fabric/switch/crossbar.h"

#include <algorithm>

#include "fabric/stream/pins.h"

namespace rdu::fabric {

Crossbar::Crossbar(const Shape& shape)
    : shape_(shape),
      queues_(shape.inputs * shape.flows),
      credits_(shape.outputs * shape.flows),
      turn_(shape.outputs),
      expected_(shape.outputs),
      winners_(shape.outputs) {
  reset();
}

void Crossbar::reset() {
  for (Queue& queue : queues_) {
    queue.items.clear();
    queue.done = 0;
  }
  std::fill(credits_.begin(), credits_.end(), 0);
  std::fill(turn_.begin(), turn_.end(), 0);
  std::fill(expected_.begin(), expected_.end(), -1);
  held_ = 0;
}

void Crossbar::find_winners() {
  const auto queues = static_cast<unsigned>(queues_.size());
  std::fill(winners_.begin(), winners_.end(), kNone);
  const auto distance = [&](unsigned q, unsigned output) {
    return q >= turn_[output] ? q - turn_[output] : q + queues - turn_[output];
  };
  for (unsigned q = 0; q < queues; ++q) {
    const Queue& queue = queues_[q];
    if (queue.items.empty()) continue;
    const Item& item = queue.items.front();
    for (uint32_t left = item.way.outputs & ~queue.done; left != 0; left &= left - 1) {
      const auto output = static_cast<unsigned>(__builtin_ctz(left));
      if (credits_[slot(output, item.way.flow)] == 0) continue;
      if (expected_[output] >= 0 &&
          PacketHead::sequence(item.head) != static_cast<uint32_t>(expected_[output]))
        continue;
      unsigned& winner = winners_[output];
      if (winner == kNone || distance(q, output) < distance(winner, output)) winner = q;
    }
  }
}

}  // namespace rdu::fabric
