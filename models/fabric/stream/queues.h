#pragma once

#include <cstdint>

#include "fabric/stream/block.h"
#include "fabric/stream/ring.h"
#include "fabric/stream/run.h"

namespace rdu::fabric {

/// The times at which the next firings find `per` events each, when firing i may take its q-th event q cycles
/// after its own time: the largest of time(i * per + q) - q. `next` is the run behind `front`, needed where a
/// firing straddles both. n is 0 if not even one firing is covered.
template <class NextRun>
Run grouped(const Run& front, uint64_t per, NextRun next) {
  if (per == 1) return front;
  if (front.n >= per) {
    const uint64_t spread = (per - 1) * (front.dt == 0 ? 0 : front.dt - 1);
    return {front.t + spread, front.dt * per, front.n / per};
  }
  uint64_t t = 0;
  uint64_t q = 0;
  for (size_t run = 0; q < per; ++run) {
    const Run* r = run == 0 ? &front : next(run);
    if (!r) return {};
    for (uint64_t i = 0; i < r->n && q < per; ++i, ++q) t = std::max(t, r->at(i) - std::min(r->at(i), q));
  }
  return {t, 0, 1};
}

/// Whether `next` goes on where `run` ends; then it is appended. Runs of one take on any interval.
inline bool append(Run& run, const Run& next, uint64_t max_length) {
  if (run.n + next.n > max_length || next.t < run.t) return false;
  if (run.n == 1) {
    const uint64_t dt = next.t - run.t;
    if (next.n != 1 && next.dt != dt) return false;
    run.dt = dt;
  } else if (next.t != run.at(run.n) || (next.n != 1 && next.dt != run.dt)) {
    return false;
  }
  run.n += next.n;
  return true;
}

/// Times of things that were given and are taken in order: credits, free places.
class RunQueue {
 public:
  uint64_t count() const { return count_; }

  void push(const Run& run, uint64_t max_length) {
    count_ += run.n;
    if (!runs_.empty() && append(runs_.back(), run, max_length)) return;
    runs_.push_back(run);
  }
  /// For firings that take `per` each; n is 0 if there are fewer.
  Run head(uint64_t per = 1) const {
    if (count_ < per) return {};
    return grouped(runs_.front(), per, [this](size_t i) { return i < runs_.size() ? &runs_[i] : nullptr; });
  }
  /// Time of the next; there is one.
  uint64_t front() const { return runs_.front().t; }
  /// Takes n away; returns the time of the last.
  uint64_t pop(uint64_t n) {
    count_ -= n;
    uint64_t last = 0;
    while (n != 0) {
      Run& front = runs_.front();
      const uint64_t take = std::min(n, front.n);
      last = front.at(take - 1);
      n -= take;
      if (take == front.n) {
        runs_.pop_front();
      } else {
        front.t += take * front.dt;
        front.n -= take;
      }
    }
    return last;
  }
  /// Shows all runs in order, as long as use(run) is true; whether it always was.
  template <class Use>
  bool each(Use use) const {
    for (size_t i = 0; i < runs_.size(); ++i) {
      if (!use(runs_[i])) return false;
    }
    return true;
  }
  void clear() {
    runs_.clear();
    count_ = 0;
  }

 private:
  Ring<Run> runs_;
  uint64_t count_ = 0;
};

/// A run of packets of one stream: when, and where their data lies.
struct Burst {
  Run run;
  BlockRef block;
  uint32_t offset = 0;  ///< first packet in the block

  const uint8_t* data() const { return block.packet(offset); }
};

/// Bursts in order.
class BurstQueue {
 public:
  uint64_t count() const { return count_; }

  void push(const Burst& burst, uint64_t max_length) {
    count_ += burst.run.n;
    if (!bursts_.empty()) {
      Burst& last = bursts_.back();
      if (last.block == burst.block && last.offset + last.run.n == burst.offset &&
          append(last.run, burst.run, max_length)) {
        return;
      }
    }
    bursts_.push_back(burst);
  }
  Run head(uint64_t per = 1) const {
    if (count_ < per) return {};
    return grouped(bursts_.front().run, per,
                   [this](size_t i) { return i < bursts_.size() ? &bursts_[i].run : nullptr; });
  }
  const Burst& front() const { return bursts_.front(); }

  /// Takes n packets away and shows them as pieces: use(block, offset in it, packets).
  template <class Use>
  void pop(uint64_t n, Use use) {
    count_ -= n;
    while (n != 0) {
      Burst& front = bursts_.front();
      const uint64_t take = std::min(n, front.run.n);
      use(front.block, front.offset, static_cast<unsigned>(take));
      n -= take;
      if (take == front.run.n) {
        bursts_.pop_front();
      } else {
        front.run.t += take * front.run.dt;
        front.run.n -= take;
        front.offset += static_cast<uint32_t>(take);
      }
    }
  }
  /// As RunQueue::each(), with bursts.
  template <class Use>
  bool each(Use use) const {
    for (size_t i = 0; i < bursts_.size(); ++i) {
      if (!use(bursts_[i])) return false;
    }
    return true;
  }
  void clear() {
    bursts_.clear();
    count_ = 0;
  }

 private:
  Ring<Burst> bursts_;
  uint64_t count_ = 0;
};

}  // namespace rdu::fabric
