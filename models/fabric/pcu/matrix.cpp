#include <algorithm>

#include "fabric/pcu/pcu.h"

namespace rdu::fabric {

void MatrixPcu::Steps::add(const BlockRef& block, uint32_t offset, unsigned packets) {
  if (!empty()) {
    Piece& last = pieces_.back();
    if (last.block == block && last.offset + last.packets == offset) {
      last.packets += packets;
      return;
    }
  }
  pieces_.push_back({block, offset, packets});
}

void MatrixPcu::Steps::drop(unsigned packets) {
  Piece& piece = pieces_[first_];
  piece.offset += packets;
  piece.packets -= packets;
  if (piece.packets != 0) return;
  piece.block = {};
  if (++first_ == pieces_.size()) clear();
}

void MatrixPcu::Steps::clear() {
  pieces_.clear();
  first_ = 0;
}

void MatrixPcu::start(uint64_t cycle) {
  Pcu::start(cycle);
  tile_ = 0;
  step_ = 0;
  for (Steps& steps : steps_) steps.clear();
  accumulators_.fill(0.0f);
  results_ = {};
  free_.fill(cycle);
  drained_ = 0;
  drained_packets_ = 0;
  drain_next_ = cycle;
}

void MatrixPcu::run() {
  bool progress = true;
  while (progress) {
    progress = output_.flush();
    progress |= drain();
    progress |= accumulate();
  }
}

bool MatrixPcu::accumulate() {
  if (tile_ == config_.iterations || tile_ - drained_ >= 2) return false;
  const Run lanes_side = inputs_[0].head();
  const Run rows_side = inputs_[1].head();
  if (lanes_side.n == 0 || rows_side.n == 0) return false;

  const uint64_t limit = std::min(config_.k - step_, context_.params.max_burst);
  Firing firing(next_, 1, limit);
  firing.need(lanes_side, Cause::input);
  firing.need(rows_side, Cause::input);
  if (step_ == 0) firing.need({free_[tile_ % 2], 0, limit}, Cause::output);
  const auto [run, stalls] = firing.solve();
  for (unsigned i = 0; i < 2; ++i) {
    inputs_[i].pop({run.t + kCreditCycles, run.dt, run.n}, 1,
                   [&](const BlockRef& block, uint32_t offset, unsigned packets) {
                     steps_[i].add(block, offset, packets);
                   });
  }
  if (std::max(steps_[0].pieces(), steps_[1].pieces()) >= kMostPieces) compute();

  counts_.fired(run);
  counts_.busy += run.n;
  counts_.stalls += stalls;
  next_ = run.last() + 1;
  step_ += run.n;
  if (step_ == config_.k) end_tile(run.last());
  return true;
}

void MatrixPcu::compute() {
  const FloatMode mode;
  const Kernels& math = kernels();
  while (!steps_[0].empty()) {  // both hold the same number of packets
    const unsigned n = std::min(steps_[0].run(), steps_[1].run());
    math.matrix(accumulators_.data(), steps_[0].data(), steps_[1].data(), n, config_.rows);
    steps_[0].drop(n);
    steps_[1].drop(n);
  }
}

void MatrixPcu::end_tile(uint64_t last_step) {
  compute();
  const unsigned packets = config_.rows * config_.packets_out();
  writer_.room(packets);
  {
    const FloatMode mode;
    finish(writer_.next(), accumulators_.data(), config_.rows);
  }
  accumulators_.fill(0.0f);
  results_[tile_ % 2] = {writer_.block(), writer_.offset(), last_step + config_.latency};
  writer_.take(packets);
  counts_.vectors += config_.rows;
  step_ = 0;
  ++tile_;
}

bool MatrixPcu::drain() {
  if (drained_ == tile_) return false;
  const Run places = output_.places();
  if (places.n == 0) return false;
  Result& result = results_[drained_ % 2];
  const unsigned packets = config_.rows * config_.packets_out();
  const uint64_t limit = std::min<uint64_t>(packets - drained_packets_, context_.params.max_burst);
  Firing firing(drain_next_, 1, limit);
  firing.need({result.ready, 0, limit}, Cause::input);
  firing.need(places, Cause::output);
  const Run run = firing.solve().run;  // waits of the drain are not the unit's: it goes on accumulating
  output_.take_places(run.n);
  output_.put(
      {{run.t + config_.tail_latency, run.dt, run.n}, result.block, result.offset + drained_packets_});
  drain_next_ = run.last() + 1;
  drained_packets_ += static_cast<unsigned>(run.n);
  if (drained_packets_ == packets) {
    free_[drained_ % 2] = drain_next_;
    result.block = {};
    drained_packets_ = 0;
    ++drained_;
  }
  return true;
}

std::string MatrixPcu::waits_for() const {
  const std::string credit = output_.blocked_by();
  if (!credit.empty()) return credit;
  return tile_ == config_.iterations ? "" : missing_input();
}

}  // namespace rdu::fabric
