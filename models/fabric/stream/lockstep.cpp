#include "fabric/stream/lockstep.h"

#include <algorithm>
#include <map>
#include <set>

namespace rdu::fabric {
namespace {

/// None of the times is later than the line t, t + 1, ...; the line goes on where they end.
bool not_later(const RunQueue& times, uint64_t* t) {
  return times.each([&](const Run& run) {
    if (run.t > *t || run.last() > *t + run.n - 1) return false;
    *t += run.n;
    return true;
  });
}
bool not_later(const BurstQueue& times, uint64_t* t) {
  return times.each([&](const Burst& burst) {
    const Run& run = burst.run;
    if (run.t > *t || run.last() > *t + run.n - 1) return false;
    *t += run.n;
    return true;
  });
}

}  // namespace

Lockstep::Lockstep(std::vector<SteadySource*> sources, std::vector<SteadySink*> sinks)
    : sources_(std::move(sources)), sinks_(std::move(sinks)), firings_(sinks_.size()) {
  for (size_t sink = 0; sink < sinks_.size(); ++sink) {
    for (unsigned input = 0; input < sinks_[sink]->steady_inputs(); ++input) {
      const InputPort& port = sinks_[sink]->steady_input(input);
      for (size_t source = 0; source < sources_.size(); ++source) {
        if (port.producer_ == &sources_[source]->steady_output())
          feeds_.push_back({source, port.sink_, sink, input});
      }
    }
  }
}

std::vector<std::unique_ptr<Lockstep>> Lockstep::find(const std::vector<SteadySource*>& sources,
                                                      const std::vector<SteadySink*>& sinks,
                                                      uint64_t max_burst) {
  std::vector<std::unique_ptr<Lockstep>> found;
  if (max_burst < kLeast) return found;
  std::map<const OutputPort*, SteadySource*> by_output;
  for (SteadySource* source : sources) by_output.emplace(&source->steady_output(), source);
  std::map<const InputPort*, SteadySink*> by_input;
  for (SteadySink* sink : sinks) {
    for (unsigned i = 0; i < sink->steady_inputs(); ++i) by_input.emplace(&sink->steady_input(i), sink);
  }
  std::set<const SteadySink*> seen;
  for (SteadySink* first : sinks) {
    if (!seen.insert(first).second) continue;
    std::vector<SteadySink*> group = {first};
    std::vector<SteadySource*> feeders;
    bool is_closed = true;
    for (size_t g = 0; g < group.size(); ++g) {
      for (unsigned i = 0; i < group[g]->steady_inputs(); ++i) {
        const OutputPort* output = group[g]->steady_input(i).producer_;
        const auto source = by_output.find(output);
        if (source == by_output.end()) {
          is_closed = false;
          continue;
        }
        if (std::find(feeders.begin(), feeders.end(), source->second) != feeders.end()) continue;
        feeders.push_back(source->second);
        for (const OutputPort::Sink& end : output->sinks_) {
          const auto consumer = by_input.find(end.input);
          if (consumer == by_input.end()) {
            is_closed = false;
          } else if (seen.insert(consumer->second).second) {
            group.push_back(consumer->second);
          }
        }
      }
    }
    if (!is_closed) continue;
    found.push_back(std::make_unique<Lockstep>(std::move(feeders), group));
    for (SteadySink* sink : group) sink->set_lockstep(found.back().get());
  }
  return found;
}

uint64_t Lockstep::next(const OutputPort& output, const Fork* fork) {
  return fork ? fork->next_ : output.earliest_;
}

uint64_t Lockstep::passed(const OutputPort& output, const Fork* fork) {
  return fork ? passed(output, fork->parent_) - fork->standing_.count() : output.sent_;
}

const Fork* Lockstep::last_fork(const Feed& feed) const {
  const OutputPort& output = sources_[feed.source]->steady_output();
  const int fork = output.sinks_[feed.end].fork;
  return fork < 0 ? nullptr : &output.forks_[static_cast<size_t>(fork)].fork;
}

uint64_t Lockstep::taken(const Feed& feed) const {
  const OutputPort& output = sources_[feed.source]->steady_output();
  return passed(output, last_fork(feed)) - output.sinks_[feed.end].input->available();
}

bool Lockstep::is_steady(SteadySource& source) const {
  const OutputPort& output = source.steady_output();
  if (output.interval_ > 1) return false;
  // s[i] is the line from steady_next(), o[i] that from the output's earliest_.
  // A place for firing i: those known, then o[i - places] + 1.
  uint64_t firing = source.steady_next();
  if (!not_later(output.places_, &firing) || output.earliest_ + 1 > firing) return false;
  // Ready to leave: what waits, then s[i] + latency.
  uint64_t leaving = output.earliest_;
  if (!not_later(output.ready_, &leaving) || source.steady_next() + source.steady_latency() > leaving)
    return false;
  return std::all_of(output.forks_.begin(), output.forks_.end(), [&](const OutputPort::Forking& forking) {
    const Fork& fork = forking.fork;
    if (fork.done_ != 0) return false;
    const Fork* parent = fork.parent_;
    // A packet to pass: those that stand there, then those that come from where it came from.
    uint64_t passing = fork.next_;
    const uint64_t latency = parent ? parent->branches_[fork.parent_branch_].latency : forking.latency;
    if (!not_later(fork.standing_, &passing) || next(output, parent) + latency > passing) return false;
    // A place here for a packet that passes the parent.
    if (!parent) return true;
    uint64_t place = parent->next_;
    return not_later(parent->branches_[fork.parent_branch_].credits, &place) && fork.next_ + latency <= place;
  });
}

bool Lockstep::may_go(SteadySource& source) const {
  return source.steady_firings() >= kLeast && is_steady(source);
}

bool Lockstep::may_go(const Feed& feed) const {
  const uint64_t capacity = sources_[feed.source]->steady_output().sinks_[feed.end].capacity;
  return sinks_[feed.sink]->steady_firings() >= capacity && is_steady(feed);
}

bool Lockstep::is_steady(const Feed& feed) const {
  const OutputPort& output = sources_[feed.source]->steady_output();
  const OutputPort::Sink& end = output.sinks_[feed.end];
  SteadySink& sink = *sinks_[feed.sink];
  const uint64_t credit = sink.steady_next() + sink.steady_credit_cycles();
  // A credit for packet i: those known, then that of the packet `capacity` before it.
  uint64_t leaving = output.earliest_;
  if (!not_later(end.credits, &leaving) || credit + end.latency > leaving) return false;
  const Fork* fork = last_fork(feed);
  uint64_t latency = end.latency;
  if (fork) {
    const Fork::Branch& branch = fork->branches_[end.branch];
    latency = branch.latency;
    uint64_t passing = fork->next_;
    if (!not_later(branch.credits, &passing) || credit + latency > passing) return false;
  }
  // A packet for firing i: those on their way, then those that come.
  uint64_t taking = sink.steady_next();
  return not_later(end.input->queue_, &taking) && next(output, fork) + latency <= taking;
}

bool Lockstep::advance(uint64_t horizon) {
  // Looking at everybody is dear; who stood in the way the last time often still does.
  if (blocking_source_ && !may_go(*blocking_source_)) return false;
  if (blocking_feed_ && !may_go(*blocking_feed_)) return false;
  blocking_source_ = nullptr;
  blocking_feed_ = nullptr;
  // Everybody goes on to the same packet, counted from the execution's beginning, so that nothing is left
  // under way.
  uint64_t target = ~uint64_t{0};
  uint64_t least = 0;
  for (SteadySource* source : sources_) {
    const OutputPort& output = source->steady_output();
    const uint64_t fired = output.sent_ + output.waiting();
    const uint64_t firings = source->steady_firings();
    if (firings == 0) blocking_source_ = source;
    if (firings == 0 || source->steady_next() > horizon) return false;
    target = std::min({target, fired + firings, fired + (horizon - source->steady_next()) + 1});
    // All places that are free now are used up then.
    least = std::max(least, fired + std::max(kLeast, output.places_.count()));
    for (const OutputPort::Forking& forking : output.forks_) {
      const Fork* parent = forking.fork.parent_;
      if (!parent) continue;
      least = std::max(
          least, passed(output, &forking.fork) + parent->branches_[forking.fork.parent_branch_].capacity);
    }
  }
  for (const Feed& feed : feeds_) {
    const uint64_t first = taken(feed);
    target = std::min(target, first + sinks_[feed.sink]->steady_firings());
    // And all credits.
    least = std::max(least, first + sources_[feed.source]->steady_output().sinks_[feed.end].capacity);
  }
  for (SteadySource* source : sources_) {
    if (may_go(*source)) continue;
    blocking_source_ = source;
    return false;
  }
  for (const Feed& feed : feeds_) {
    if (may_go(feed)) continue;
    blocking_feed_ = &feed;
    return false;
  }
  if (target < least) return false;
  go_to(target);
  ++advances_;
  return true;
}

void Lockstep::go_to(uint64_t target) {
  // Data first: what is under way, the oldest first, then what is made.
  for (const Feed& feed : feeds_) {
    OutputPort& output = sources_[feed.source]->steady_output();
    InputPort& input = *output.sinks_[feed.end].input;
    firings_[feed.sink] = target - taken(feed);
    const auto take = [&](const BlockRef& block, uint32_t offset, unsigned packets) {
      sinks_[feed.sink]->take_packets(feed.input, block, offset, packets);
    };
    const auto take_all = [&](const BurstQueue& bursts) {
      bursts.each([&](const Burst& burst) {
        take(burst.block, burst.offset, static_cast<unsigned>(burst.run.n));
        return true;
      });
    };
    take_all(input.queue_);
    for (const Fork* fork = last_fork(feed); fork; fork = fork->parent_) take_all(fork->standing_);
    take_all(output.ready_);
  }
  for (const Feed& feed : feeds_)
    sources_[feed.source]->steady_output().sinks_[feed.end].input->queue_.clear();
  // Times follow from the ends of all lines.
  const auto all_back = [](RunQueue& credits, uint64_t capacity, uint64_t end, uint64_t latency) {
    credits.clear();
    credits.push({end - capacity + latency, 1, capacity}, capacity);
  };
  for (size_t i = 0; i < sources_.size(); ++i) {
    OutputPort& output = sources_[i]->steady_output();
    for (OutputPort::Forking& forking : output.forks_)
      forking.fork.next_ += target - passed(output, &forking.fork);
    for (OutputPort::Forking& forking : output.forks_) {
      Fork& fork = forking.fork;
      fork.standing_.clear();
      for (Fork::Branch& branch : fork.branches_) {
        if (branch.fork) all_back(branch.credits, branch.capacity, branch.fork->next_, branch.latency);
      }
    }
    const uint64_t made = target - output.sent_ - output.waiting();
    uint64_t first = 0;
    const SourceRef packets = sources_[i]->fire_steadily(made, &first);
    const uint64_t sent = target - output.sent_;
    const uint64_t places = output.places_.count() + output.waiting();
    if (output.sent_ == 0) output.first_ = output.earliest_;
    output.sent_ = target;
    output.earliest_ += sent;
    output.last_ = output.earliest_ - 1;
    output.ready_.clear();
    output.places_.clear();
    output.places_.push({output.earliest_ - places + 1, 1, places}, places);
    for (const Feed& feed : feeds_) {
      if (feed.source != i) continue;
      SteadySink& sink = *sinks_[feed.sink];
      sink.take_packets(feed.input, *packets, first, made);
      OutputPort::Sink& end = output.sinks_[feed.end];
      const uint64_t back = sink.steady_next() + firings_[feed.sink] + sink.steady_credit_cycles();
      all_back(end.credits, end.capacity, back, end.latency);
      if (end.fork < 0) continue;
      Fork::Branch& branch = output.forks_[static_cast<size_t>(end.fork)].fork.branches_[end.branch];
      all_back(branch.credits, branch.capacity, back, branch.latency);
    }
    output.owner().wake();
  }
  for (size_t i = 0; i < sinks_.size(); ++i) sinks_[i]->fire_steadily(firings_[i]);
}

}  // namespace rdu::fabric
