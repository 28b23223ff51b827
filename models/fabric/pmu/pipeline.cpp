#include "fabric/pmu/pipeline.h"

#include <algorithm>

namespace rdu::fabric {

Pipeline::Pipeline(const PmuPipelineConfig& config, unsigned banks, unsigned bank_shift, unsigned bank_skew)
    : config_(config),
      cost_(banks, bank_shift, bank_skew, config.lanes, config.element, config.lane_stride),
      counters_(config.counters) {
  is_uniform_ = cost_.is_period(counters_.inner_stride());
  buffer_costs_.assign(config.buffers, kUnknown);
  is_plain_ = config.range == PmuPipelineConfig::Range::off && config.pred == PmuPipelineConfig::Pred::always;
}

void Pipeline::start(uint64_t cycle) {
  counters_.rewind();
  start_ = cycle;
  fill_ = 0;
  index_ = 0;
  next_ = slot(cycle);
  busy_ = 0;
  held_ = 0;
  scalar_ = 0;
  fill_cost_ = 0;
}

Run Pipeline::slots(const Run& need, uint64_t ii) const {
  if (config_.period == 1) return need;
  const uint64_t t = slot(need.t);
  // Needs that are denser than the firings matter by their first one alone.
  if (need.dt <= ii || need.dt % 2 == 0) return {t, need.dt, need.n};
  return {t, 0, std::min<uint64_t>(need.n, 1)};
}

bool Pipeline::predicate(const Counters<6>& at, uint64_t ahead) const {
  using Pred = PmuPipelineConfig::Pred;
  if (config_.pred == Pred::always) return true;
  const uint64_t index = at.index(config_.pred_level) + (config_.pred_level == 0 ? ahead : 0);
  const bool is_true = config_.pred == Pred::equal ? index == config_.pred_value : index < config_.pred_value;
  return is_true != config_.negate;
}

Pipeline::Deed Pipeline::deed(const Counters<6>& at, uint64_t ahead) const {
  if (!predicate(at, ahead)) return Deed::nothing;
  const int64_t offset = at.offset() + static_cast<int64_t>(ahead) * at.inner_stride() + scalar_;
  if (in_range(offset)) return Deed::access;
  return config_.range == PmuPipelineConfig::Range::zero ? Deed::zeros : Deed::nothing;
}

void Pipeline::find_fill_cost() {
  uint8_t& cost = buffer_costs_[fill_ % config_.buffers];
  if (cost == kUnknown)
    cost = static_cast<uint8_t>(cost_.cost_of_all(static_cast<uint64_t>(start_of_buffer()), counters_));
  fill_cost_ = cost;
}

Pipeline::Batch Pipeline::look_ahead(uint64_t limit) {
  if (index_ == 0 && is_plain_ && config_.address == PmuPipelineConfig::Address::counters) find_fill_cost();
  const auto base = static_cast<uint64_t>(start_of_buffer() + scalar_);
  Counters<6>& ahead = behind_;
  ahead = counters_;
  Batch batch;
  batch.deed = deed(ahead, 0);
  const bool is_access = batch.deed == Deed::access;
  if (fill_cost_ != 0) {
    batch.cost = fill_cost_;
  } else if (is_access) {
    batch.cost = cost_.cost(base + static_cast<uint64_t>(ahead.offset()));
  }
  limit = std::min<uint64_t>({limit, kBlockPackets, left_in_fill()});
  const auto same = [&](uint64_t address, uint64_t k) {
    if (!is_plain_ && deed(ahead, k) != batch.deed) return false;
    return !is_access || cost_.cost(address + k * static_cast<uint64_t>(ahead.inner_stride())) == batch.cost;
  };
  while (batch.count < limit) {
    const uint64_t address = base + static_cast<uint64_t>(ahead.offset());
    const uint64_t most = std::min(limit - batch.count, ahead.inner_left());
    uint64_t count = 0;
    if (fill_cost_ != 0) {
      count = most;
    } else if (is_plain_ && is_uniform_) {
      if (same(address, 0)) count = most;
    } else {
      while (count < most && same(address, count)) ++count;
    }
    if (count == 0) break;
    stretches_[batch.stretches++] = {address, static_cast<unsigned>(count)};
    ahead.advance_inner(count);
    batch.count += count;
    if (count < most) break;
  }
  return batch;
}

void Pipeline::took_index(uint64_t cycle) {
  ++held_;
  ++busy_;
  next_ = cycle + config_.period;
}

bool Pipeline::advance(const Run& run, const Batch& batch) {
  if (run.n == batch.count && batch.stretches != 0) {
    counters_ = behind_;
  } else {
    counters_.advance(run.n);
  }
  held_ = 0;
  busy_ += run.n * batch.cost;
  next_ = run.last() + uint64_t{batch.cost} * config_.period;
  index_ += run.n;
  if (index_ != config_.accesses) return false;
  index_ = 0;
  fill_cost_ = 0;
  ++fill_;
  return true;
}

}  // namespace rdu::fabric
