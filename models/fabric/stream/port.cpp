#include "fabric/stream/port.h"

namespace rdu::fabric {

void InputPort::return_credits(const Run& firings, uint64_t per) {
  OutputPort::Sink& sink = producer_->sinks_[sink_];
  const uint64_t limit = producer_->max_burst_;
  const uint64_t t = firings.t + sink.latency;
  if (per == 1) {
    sink.credits.push({t, firings.dt, firings.n}, limit);
  } else if (firings.dt == per || firings.n == 1) {
    sink.credits.push({t, 1, firings.n * per}, limit);
  } else {
    for (uint64_t i = 0; i < firings.n; ++i) sink.credits.push({t + i * firings.dt, 1, per}, limit);
  }
  if (producer_->ready_.count() != 0) producer_->owner_.wake();
}

std::string InputPort::source() const {
  return producer_ ? "from " + unit_name(producer_->owner_.id()) : "from nowhere";
}

void OutputPort::connect(InputPort& input, uint64_t switches, const FabricParams& params) {
  input.producer_ = this;
  input.sink_ = sinks_.size();
  sinks_.push_back(
      {&input, switches * params.hop_cycles, params.fifo_depth + switches * params.switch_depth, {}});
}

void OutputPort::start(uint64_t cycle, uint64_t places, uint64_t max_burst) {
  earliest_ = cycle;
  max_burst_ = max_burst;
  sent_ = 0;
  first_ = 0;
  last_ = 0;
  stalls_ = {};
  ready_.clear();
  places_.clear();
  if (places != 0) places_.push({cycle, 0, places}, places);
  for (Sink& sink : sinks_) {
    sink.input->queue_.clear();
    sink.credits.clear();
    sink.credits.push({cycle, 0, sink.capacity}, sink.capacity);
  }
}

bool OutputPort::flush() {
  const uint64_t before = sent_;
  while (ready_.count() != 0) {
    Firing firing(earliest_, 1, max_burst_);
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
    earliest_ = run.last() + 1;
    if (sent_ == 0) first_ = run.t;
    last_ = run.last();
    sent_ += run.n;
    uint64_t i = 0;
    ready_.pop(run.n, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
      for (Sink& sink : sinks_) {
        sink.input->queue_.push({{run.at(i) + sink.latency, run.dt, packets}, block, offset}, max_burst_);
      }
      i += packets;
    });
    for (Sink& sink : sinks_) {
      sink.credits.pop(run.n);
      sink.input->owner_.wake();
    }
    places_.push({run.t + 1, run.dt, run.n}, max_burst_);
  }
  return sent_ != before;
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

}  // namespace rdu::fabric
