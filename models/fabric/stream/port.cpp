#include "fabric/stream/port.h"

namespace rdu::fabric {

void InputPort::return_credits(const Run& firings, uint64_t per) {
  OutputPort::Sink& sink = producer_->sinks_[sink_];
  const auto give = [&](const Run& taken) {
    sink.credits.push({taken.t + sink.latency, taken.dt, taken.n}, producer_->max_burst_);
    if (sink.fork >= 0) producer_->forks_[static_cast<size_t>(sink.fork)].fork.taken(sink.branch, taken);
  };
  if (per == 1) {
    give(firings);
  } else if (firings.dt == per || firings.n == 1) {
    give({firings.t, 1, firings.n * per});
  } else {
    for (uint64_t i = 0; i < firings.n; ++i) give({firings.at(i), 1, per});
  }
  if (producer_->is_clocked_ || producer_->ready_.count() != 0) producer_->owner_.wake();
}

std::string InputPort::source() const {
  return producer_ ? "from " + unit_name(producer_->owner_.id()) : "from nowhere";
}

void OutputPort::connect(InputPort& input, uint64_t latency, uint64_t capacity, int fork) {
  input.producer_ = this;
  input.sink_ = sinks_.size();
  least_latency_ = std::min(least_latency_, latency);
  unsigned branch = 0;
  if (fork >= 0) {
    Forking& f = forks_.at(static_cast<size_t>(fork));
    branch = f.fork.add(input, latency - f.latency, capacity - f.capacity);
  }
  sinks_.push_back({&input, latency, capacity, fork, branch, {}});
}

int OutputPort::add_fork(int parent, uint64_t latency, uint64_t capacity) {
  if (parent < 0) {
    forks_.emplace_back(nullptr, 0, latency, capacity);
  } else {
    Forking& p = forks_.at(static_cast<size_t>(parent));
    const unsigned branch = p.fork.branches();
    forks_.emplace_back(&p.fork, branch, latency, capacity);
    p.fork.add(forks_.back().fork, latency - p.latency, capacity - p.capacity);
  }
  return static_cast<int>(forks_.size() - 1);
}

void OutputPort::pass_on(const Run& leave, const BlockRef& block, uint32_t offset) {
  if (!forks_.empty()) {
    forks_.front().fork.arrive({{leave.t + forks_.front().latency, leave.dt, leave.n}, block, offset});
    return;
  }
  for (const Sink& sink : sinks_)
    sink.input->arrive({{leave.t + sink.latency, leave.dt, leave.n}, block, offset}, max_burst_);
}

void OutputPort::empty_stream(uint64_t cycle, uint64_t max_burst) {
  earliest_ = cycle;
  max_burst_ = max_burst;
  sent_ = 0;
  first_ = 0;
  last_ = 0;
  stalls_ = {};
  ready_.clear();
  places_.clear();
  on_the_way_.clear();
  for (Sink& sink : sinks_) {
    sink.input->queue_.clear();
    sink.input->held_ = 0;
    sink.credits.clear();
    sink.credits.push({cycle, 0, sink.capacity}, sink.capacity);
  }
  for (Forking& f : forks_) f.fork.start(cycle, max_burst);
}

void OutputPort::start(uint64_t cycle, uint64_t places, uint64_t max_burst) {
  empty_stream(cycle, max_burst);
  is_clocked_ = false;
  if (places != 0) places_.push({cycle, 0, places}, places);
}

uint64_t OutputPort::start_clocked(uint64_t cycle, uint64_t max_burst) {
  empty_stream(cycle, max_burst);
  is_clocked_ = true;
  if (sinks_.empty()) return 0;
  uint64_t credits = ~uint64_t{0};
  for (const Sink& sink : sinks_) credits = std::min(credits, sink.capacity);
  if (interval_ > 1) credits = std::min<uint64_t>(credits, 1);
  for (Sink& sink : sinks_) sink.credits.pop(credits);
  return credits;
}

std::optional<uint64_t> OutputPort::next_credit() const {
  if (on_the_way_.count() == 0) return std::nullopt;
  uint64_t cycle = interval_ > 1 ? on_the_way_.front() + interval_ : 0;
  for (const Sink& sink : sinks_) {
    if (sink.credits.count() == 0) return std::nullopt;
    cycle = std::max(cycle, sink.credits.front());
  }
  return cycle;
}

void OutputPort::take_credit() {
  for (Sink& sink : sinks_) sink.credits.pop(1);
  on_the_way_.pop(1);
}

void OutputPort::send(uint64_t cycle, const BlockRef& block, uint32_t offset) {
  if (sent_ == 0) first_ = cycle;
  last_ = cycle;
  ++sent_;
  on_the_way_.push({cycle, 0, 1}, max_burst_);
  pass_on({cycle, 0, 1}, block, offset);
}

bool OutputPort::flush() {
  const uint64_t before = sent_;
  while (ready_.count() != 0) {
    Firing firing(earliest_, interval_, max_burst_);
    firing.need(ready_.head(), Cause::input);
    bool blocked = false;
    for (const Sink& sink : sinks_) {
      if (sink.credits.count() == 0) {
        blocked = true;
        break;
      }
      firing.need(sink.credits.head(), Cause::output);
    }
    if (blocked) break;
    const auto solution = firing.solve();
    const Run& run = solution.run;
    stalls_ += solution.stalls;
    earliest_ = run.last() + interval_;
    if (sent_ == 0) first_ = run.t;
    last_ = run.last();
    sent_ += run.n;
    uint64_t i = 0;
    ready_.pop(run.n, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
      pass_on({run.at(i), run.dt, packets}, block, offset);
      i += packets;
    });
    for (Sink& sink : sinks_) sink.credits.pop(run.n);
    places_.push({run.t + 1, run.dt, run.n}, max_burst_);
  }
  return sent_ != before;
}

std::string OutputPort::consumers() const {
  std::string text;
  for (const Sink& sink : sinks_) text += (text.empty() ? "" : ", ") + unit_name(sink.input->owner_.id());
  return text;
}

std::string OutputPort::blocked_by() const {
  std::string text;
  if (ready_.count() == 0) return text;
  for (const Sink& sink : sinks_) {
    if (sink.credits.count() != 0) continue;
    text += (text.empty() ? "credit of " : ", ") + unit_name(sink.input->owner_.id());
  }
  return text;
}

std::string TokenInput::source() const {
  return producer_ ? "from " + unit_name(producer_->id()) : "from nowhere";
}

void TokenOutput::connect(TokenInput& input, uint64_t latency) {
  input.producer_ = &owner_;
  sinks_.push_back({&input, latency});
}

void TokenOutput::start(uint64_t max_burst) {
  max_burst_ = max_burst;
  for (Sink& sink : sinks_) sink.input->arrivals_.clear();
}

void TokenOutput::send(const Run& times) {
  for (Sink& sink : sinks_) {
    sink.input->arrivals_.push({times.t + sink.latency, times.dt, times.n}, max_burst_);
    sink.input->owner_.wake();
  }
}

}  // namespace rdu::fabric
