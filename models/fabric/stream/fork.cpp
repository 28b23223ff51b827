#include "fabric/stream/fork.h"

#include <algorithm>

#include "fabric/stream/port.h"

namespace rdu::fabric {

unsigned Fork::add(InputPort& input, uint64_t latency, uint64_t capacity) {
  branches_.push_back({&input, nullptr, latency, capacity, {}});
  return static_cast<unsigned>(branches_.size() - 1);
}

unsigned Fork::add(Fork& fork, uint64_t latency, uint64_t capacity) {
  branches_.push_back({nullptr, &fork, latency, capacity, {}});
  return static_cast<unsigned>(branches_.size() - 1);
}

void Fork::start(uint64_t cycle, uint64_t max_burst) {
  standing_.clear();
  next_ = cycle;
  done_ = 0;
  last_way_ = 0;
  max_burst_ = max_burst;
  for (Branch& branch : branches_) {
    branch.credits.clear();
    branch.credits.push({cycle, 0, branch.capacity}, branch.capacity);
  }
}

void Fork::arrive(const Burst& burst) {
  standing_.push(burst, max_burst_);
  go_on();
}

void Fork::taken(unsigned branch, const Run& times) {
  Branch& way = branches_[branch];
  way.credits.push({times.t + way.latency, times.dt, times.n}, max_burst_);
  go_on();
}

void Fork::go_on() {
  if (is_going_) return;  // a fork behind this one has given a credit: it is seen
  is_going_ = true;
  while (standing_.count() != 0 && (send_run() || send_first())) {
  }
  is_going_ = false;
}

void Fork::deliver(const Branch& branch, const Run& times, const BlockRef& block, uint32_t offset) const {
  const Burst burst{{times.t + branch.latency, times.dt, times.n}, block, offset};
  if (branch.input) {
    branch.input->arrive(burst, max_burst_);
  } else {
    branch.fork->arrive(burst);
  }
}

void Fork::have_left(const Run& times) {
  next_ = times.last() + 1;
  if (parent_) parent_->taken(parent_branch_, times);
}

/// Sends packets all ways, as long as credits are known of all of them.
bool Fork::send_run() {
  if (done_ != 0) return false;
  const Run arrivals = standing_.front().run;
  Firing unheld(next_, 1, std::min(arrivals.n, max_burst_));
  unheld.need(arrivals, Cause::input);
  Firing leaving = unheld;
  for (const Branch& branch : branches_) {
    if (branch.credits.count() == 0) return false;
    leaving.need(branch.credits.head(), Cause::output);
  }
  const Run left = leaving.solve().run;
  const Run first = unheld.solve().run;
  const bool is_held = left.t != first.t || (left.n > 1 && (left.dt != first.dt || left.n > first.n));
  const BlockRef block = standing_.front().block;
  const uint32_t offset = standing_.front().offset;
  standing_.pop(left.n, [](const BlockRef&, uint32_t, unsigned) {});
  for (Branch& branch : branches_) {
    if (!is_held) {
      branch.credits.pop(left.n);
      deliver(branch, left, block, offset);
      continue;
    }
    uint64_t earliest = next_;
    for (uint64_t i = 0; i < left.n;) {
      Firing going(earliest, 1, i == 0 ? 1 : left.n - i);
      going.need({arrivals.at(i), arrivals.dt, left.n - i}, Cause::input);
      if (i != 0) going.need({left.at(i - 1) + 1, left.dt, left.n - i}, Cause::other);
      going.need(branch.credits.head(), Cause::output);
      const Run run = going.solve().run;
      branch.credits.pop(run.n);
      deliver(branch, run, block, offset + static_cast<uint32_t>(i));
      i += run.n;
      earliest = run.last() + 1;
    }
  }
  have_left(left);
  return true;
}

/// Sends the first packet those ways of which credits are known.
bool Fork::send_first() {
  const BlockRef block = standing_.front().block;
  const uint32_t offset = standing_.front().offset;
  const uint64_t first = std::max(standing_.front().run.t, next_);
  bool progress = false;
  for (unsigned k = 0; k < branches_.size(); ++k) {
    Branch& branch = branches_[k];
    if ((done_ >> k & 1) != 0 || branch.credits.count() == 0) continue;
    const uint64_t cycle = std::max(first, branch.credits.pop(1));
    done_ |= 1u << k;
    last_way_ = std::max(last_way_, cycle);
    deliver(branch, {cycle, 0, 1}, block, offset);
    progress = true;
  }
  if (done_ != (uint64_t{1} << branches_.size()) - 1) return progress;
  standing_.pop(1, [](const BlockRef&, uint32_t, unsigned) {});
  done_ = 0;
  const Run left{last_way_, 0, 1};
  last_way_ = 0;
  have_left(left);
  return true;
}

}  // namespace rdu::fabric
