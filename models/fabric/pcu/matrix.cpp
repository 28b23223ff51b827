#include <algorithm>

#include "fabric/math/kernels.h"
#include "fabric/pcu/pcu.h"

namespace rdu::fabric {
void MatrixProgram::Steps::add(const BlockRef& block, uint32_t offset, unsigned packets) {
  if (!empty()) {
    Piece& last = pieces_.back();
    if (last.block == block && last.offset + last.packets == offset) {
      last.packets += packets;
      return;
    }
  }
  pieces_.push_back({block, offset, packets});
}

void MatrixProgram::Steps::drop(unsigned packets) {
  Piece& piece = pieces_[first_];
  piece.offset += packets;
  piece.packets -= packets;
  if (piece.packets != 0) return;
  piece.block = {};
  if (++first_ == pieces_.size()) clear();
}

void MatrixProgram::Steps::clear() {
  pieces_.clear();
  first_ = 0;
}

void MatrixProgram::start(uint64_t cycle) {
  PcuProgram::start(cycle);
  tile_ = 0;
  step_ = 0;
  counters_.start(program().counts);
  for (Steps& steps : steps_) steps.clear();
  accumulators_.fill(0.0f);
  values_.fill(0);
  results_ = {};
  free_.fill(cycle);
  drained_ = 0;
  drained_packets_ = 0;
  drain_next_ = cycle;
}

void MatrixProgram::run() {
  bool progress = true;
  while (progress) {
    progress = output().flush();
    progress |= drain();
    progress |= accumulate();
  }
}

bool MatrixProgram::accumulate() {
  if (tile_ == program().firings || tile_ - drained_ >= 2) return false;
  const Run lanes_side = input(0).head();
  const Run rows_side = input(1).head();
  if (lanes_side.n == 0 || rows_side.n == 0) return false;
  const bool waits = step_ == 0 && program().waits && counters_.first(program().wait_level);
  if (waits && token_input().available() == 0) return false;

  const uint64_t limit = std::min(program().k - step_, params().max_burst);
  Firing firing(next_, 1, limit);
  firing.need(lanes_side, Cause::input);
  firing.need(rows_side, Cause::input);
  if (waits) firing.need({token_input().head().t, 0, limit}, Cause::input);
  if (step_ == 0) firing.need({free_[tile_ % 2], 0, limit}, Cause::output);
  const auto [run, stalls] = firing.solve();
  Run credits = run;
  credits.t += kCreditCycles;
  for (unsigned i = 0; i < 2; ++i) {
    input(i).pop(credits, 1, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
      steps_[i].add(block, offset, packets);
    });
  }
  if (waits) token_input().pop(1);
  if (std::max(steps_[0].pieces(), steps_[1].pieces()) >= kMostPieces) compute();

  counts_.fired(run);
  counts_.busy += run.n;
  counts_.stalls += stalls;
  next_ = run.last() + 1;
  step_ += run.n;
  if (step_ == program().k) end_tile(run.last());
  return true;
}

void MatrixProgram::compute() {
  const FloatMode mode;
  const Kernels& math = kernels();
  while (!steps_[0].empty()) {  // both hold the same number of packets
    const unsigned n = std::min(steps_[0].run(), steps_[1].run());
    if (program().int8) {
      math.matrix_int8(values_.data(), steps_[0].data(), steps_[1].data(), n, program().rows);
    } else {
      math.matrix(accumulators_.data(), steps_[0].data(), steps_[1].data(), n, program().rows);
    }
    steps_[0].drop(n);
    steps_[1].drop(n);
  }
}

void MatrixProgram::end_tile(uint64_t last_step) {
  compute();
  const unsigned rows = program().rows;
  if (!program().int8) {
    // Whatever comes after the sums, a NaN is the canonical one.
    const FloatMode mode;
    kernels().canonical(values_.data(), accumulators_.data(), rows * kLanes);
  }
  const unsigned packets = rows * program().packets_out();
  writer_.room(packets);
  {
    const FloatMode mode;
    finish(values_.data(), rows);
  }
  accumulators_.fill(0.0f);
  values_.fill(0);
  results_[tile_ % 2] = {writer_.block(), writer_.offset(), last_step + program().latency,
                         program().signals && counters_.last(program().signal_level)};
  writer_.take(packets);
  counts_.vectors += rows;
  step_ = 0;
  counters_.next();
  ++tile_;
}

bool MatrixProgram::drain() {
  if (drained_ == tile_) return false;
  const Run places = output().places();
  if (places.n == 0) return false;
  Result& result = results_[drained_ % 2];
  const unsigned packets = program().rows * program().packets_out();
  const uint64_t limit = std::min<uint64_t>(packets - drained_packets_, params().max_burst);
  Firing firing(drain_next_, 1, limit);
  firing.need({result.ready, 0, limit}, Cause::input);
  firing.need(places, Cause::output);
  const Run run = firing.solve().run;  // waits of the drain are not the unit's: it goes on accumulating
  output().take_places(run.n);
  output().put(
      {{run.t + program().tail_latency, run.dt, run.n}, result.block, result.offset + drained_packets_});
  drain_next_ = run.last() + 1;
  drained_packets_ += static_cast<unsigned>(run.n);
  if (drained_packets_ == packets) {
    free_[drained_ % 2] = drain_next_;
    if (result.signals) token_output().send({run.last() + program().tail_latency, 0, 1});
    result.block = {};
    drained_packets_ = 0;
    ++drained_;
  }
  return true;
}

std::string MatrixProgram::waits_for() const {
  const std::string credit = output().blocked_by();
  if (!credit.empty() || tile_ == program().firings) return credit;
  for (unsigned i = 0; i < 2; ++i) {
    if (input(i).available() == 0) return missing("input", i, input(i).source());
  }
  if (step_ == 0 && program().waits && counters_.first(program().wait_level) &&
      token_input().available() == 0) {
    return missing("a token on control input", program().wait_input, token_input().source());
  }
  return {};
}

}  // namespace rdu::fabric
