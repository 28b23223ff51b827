#include <algorithm>

#include "fabric/math/kernels.h"
#include "fabric/pcu/pcu.h"
#include "fabric/pcu/product.h"

namespace rdu::fabric {

void MatrixProgram::start(uint64_t cycle) {
  PcuProgram::start(cycle);
  tile_ = 0;
  step_ = 0;
  computed_ = 0;
  counters_.start(program().counts);
  for (Steps& steps : steps_) steps.clear();
  accumulators_.fill(0.0f);
  values_.fill(0);
  results_ = {};
  free_.fill(cycle);
  drained_ = 0;
  drained_packets_ = 0;
  drain_next_ = cycle;
  shared_program_ = std::make_shared<const PcuConfig::Program>(program());
  lender_.drop();
  try_at_ = 0;
}

void MatrixProgram::run() {
  bool progress = true;
  while (progress) {
    progress = output().flush();
    progress |= drain();
    progress |= go_in_lockstep() || accumulate();
  }
}

bool MatrixProgram::go_in_lockstep() {
  if (!lockstep_ || counts_.firings < try_at_) return false;
  if (lockstep_->advance(unit_.horizon())) return true;
  try_at_ = counts_.firings + Lockstep::kRetry;
  return false;
}

uint64_t MatrixProgram::steady_firings() const {
  const auto may_begin = [&](uint64_t tile, uint64_t ends_before) {
    return tile < program().firings && !program().waits && ends_before + 2 > tile && free_[tile % 2] <= next_;
  };
  if (step_ == 0) return may_begin(tile_, drained_) ? program().k : 0;
  return program().k - step_ + (may_begin(tile_ + 1, drained_) ? program().k : 0);
}

void MatrixProgram::fire_steadily(uint64_t firings) {
  while (firings != 0) {
    const uint64_t n = std::min(firings, program().k - step_);
    advance({next_, 1, n});
    firings -= n;
  }
  unit_.wake();
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
  counts_.stalls += stalls;
  advance(run);
  return true;
}

void MatrixProgram::advance(const Run& run) {
  counts_.fired(run);
  counts_.busy += run.n;
  next_ = run.last() + 1;
  step_ += run.n;
  if (step_ == program().k) {
    end_tile(run.last());
  } else if (std::max(steps_[0].pieces(), steps_[1].pieces()) >= kMostPieces) {
    compute(step_ - computed_);
  }
}

void MatrixProgram::compute(uint64_t steps) {
  const FloatMode mode;
  const Kernels& math = kernels();
  computed_ += steps;
  while (steps != 0) {
    unsigned n = 0;
    const uint8_t* lanes = steps_[0].data(steps, &n);
    const uint8_t* rows = steps_[1].data(n, &n);
    if (program().int8) {
      math.matrix_int8(values_.data(), lanes, rows, n, program().rows);
    } else {
      math.matrix(accumulators_.data(), lanes, rows, n, program().rows);
    }
    steps_[0].drop(n);
    steps_[1].drop(n);
    steps -= n;
  }
}

bool MatrixProgram::is_separate() const {
  const PcuConfig::Program& p = program();
  return computed_ == 0 && !p.int8 && !p.has_sequence && !p.is_dynamic && !p.scalar_out &&
         p.format != PcuConfig::Format::bf16_sr;
}

void MatrixProgram::end_tile(uint64_t last_step) {
  const unsigned rows = program().rows;
  const unsigned packets = rows * program().packets_out();
  Result& result = results_[tile_ % 2];
  result.ready = last_step + program().latency;
  result.signals = program().signals && counters_.last(program().signal_level);
  uint64_t first[2] = {};
  PacketSource* in0 = is_separate() ? steps_[0].source(program().k, &first[0]) : nullptr;
  PacketSource* in1 = is_separate() ? steps_[1].source(program().k, &first[1]) : nullptr;
  if (in0 && in1) {
    const SourceRef product =
        Product::create(shared_program_, in0->panel(PanelSide::lanes, first[0], program().k),
                        in1->panel(PanelSide::rows, first[1], program().k));
    for (Steps& steps : steps_) steps.drop(program().k);
    result.offset = lender_.lend(*product, 0, packets);
    result.block = lender_.block();
  } else {
    compute(program().k - computed_);
    const FloatMode mode;
    if (!program().int8) {
      // Whatever comes after the sums, a NaN is the canonical one.
      kernels().canonical(values_.data(), accumulators_.data(), rows * kLanes);
    }
    writer_.room(packets);
    finish(values_.data(), rows);
    accumulators_.fill(0.0f);
    values_.fill(0);
    result.block = writer_.block();
    result.offset = writer_.offset();
    writer_.take(packets);
  }
  counts_.vectors += rows;
  step_ = 0;
  computed_ = 0;
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
