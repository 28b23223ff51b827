#include <algorithm>
#include <cstring>
#include <utility>

#include "fabric/math/kernels.h"
#include "fabric/pcu/pcu.h"

namespace rdu::fabric {
namespace {

/// Vectors that go through the stages together: few enough that everything stays in the first-level cache.
constexpr size_t kChunk = 16;

using Values = std::array<uint32_t, kChunk * kLanes>;

/// The pipeline's values while a chunk is computed. Nothing survives a call, so one is enough for all units.
struct Scratch {
  alignas(64) std::array<Values, PcuConfig::kInputs> inputs;
  alignas(64) std::array<Values, PcuConfig::kRegisters> saved;
  alignas(64) std::array<Values, PcuConfig::kConstants> constants;
  alignas(64) std::array<Values, PcuConfig::kScalarInputs> scalars;
  alignas(64) std::array<Values, PcuConfig::kLevels> counters;
  alignas(64) Values lane;
  alignas(64) std::array<Values, 2> results;  ///< of stages, in turn
  alignas(64) std::array<uint32_t, kLanes> zeros{};

  std::array<uint8_t, kChunk> predicates;  ///< of each firing, a bit each
  std::array<CounterChain, kChunk> chains;
  // What has been filled in for this chunk.
  std::array<bool, PcuConfig::kConstants> has_constant;
  std::array<bool, PcuConfig::kScalarInputs> has_scalar;
  std::array<bool, PcuConfig::kLevels> has_counter;
  bool has_lane;
};

Scratch& scratch() {
  static thread_local Scratch instance;
  return instance;
}

/// A vector's lanes from its packets.
void unpack(uint32_t* values, const uint8_t* packets, unsigned count, PcuConfig::Format format) {
  switch (format) {
    case PcuConfig::Format::bf16:
      kernels().from_bf16(values, packets, count);
      break;
    case PcuConfig::Format::int8:
      kernels().from_int8(values, packets, count);
      break;
    default:
      std::memcpy(values, packets, count * kPacketBytes);
      break;
  }
}

}  // namespace

void SimdProgram::start(uint64_t cycle) {
  PcuProgram::start(cycle);
  left_ = program().firings;
  counters_.start(program().counts);
  scalars_ = {};
  pending_ = {};
  last_ = {};
  registers_ = {};
}

void SimdProgram::run() {
  output().flush();
  while (left_ != 0 && fire()) output().flush();
}

unsigned SimdProgram::predicates_at(const CounterChain& counters) const {
  using Kind = PcuConfig::Predicate::Kind;
  unsigned bits = 1;
  for (unsigned n = 1; n < program().predicates.size(); ++n) {
    const PcuConfig::Predicate& p = program().predicates[n];
    bool holds = true;
    switch (p.kind) {
      case Kind::always:
        break;
      case Kind::first:
        holds = counters.first(p.level);
        break;
      case Kind::last:
        holds = counters.last(p.level);
        break;
      case Kind::equal:
        holds = counters.value(p.level) == p.value;
        break;
      case Kind::less:
        holds = counters.value(p.level) < p.value;
        break;
      case Kind::scalar:
        // A word that this firing takes is there already.
        holds = (pending_[p.level].there && counters.first(program().scalars[p.level].level)
                     ? pending_[p.level].word
                     : scalars_[p.level]) != 0;
        break;
    }
    if (holds != p.negate) bits |= 1u << n;
  }
  return bits;
}

SimdProgram::Traffic SimdProgram::traffic_at(const CounterChain& counters, unsigned predicates) const {
  const PcuConfig::Program& p = program();
  Traffic traffic;
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    const PcuConfig::Input& input = config().inputs[i];
    if (input.used && input.program == number_ && (predicates >> input.predicate & 1) != 0) {
      traffic.takes |= static_cast<uint8_t>(1u << i);
    }
  }
  traffic.sends = (predicates >> p.out_predicate & 1) != 0;
  traffic.waits = p.waits && counters.first(p.wait_level);
  traffic.signals = p.signals && counters.last(p.signal_level);
  for (unsigned s = 0; s < PcuConfig::kScalarInputs; ++s) {
    if (p.scalars[s].enabled && counters.first(p.scalars[s].level)) {
      traffic.scalars |= static_cast<uint8_t>(1u << s);
    }
  }
  return traffic;
}

unsigned SimdProgram::cost_of(const Traffic& traffic) const {
  unsigned cost = traffic.sends ? program().packets_out() : 1;
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if (traffic.takes >> i & 1) cost = std::max(cost, config().packets_in(i));
  }
  return cost;
}

bool SimdProgram::fetch_scalars() {
  bool complete = true;
  for (unsigned s = 0; s < PcuConfig::kScalarInputs; ++s) {
    const PcuConfig::ScalarInput& scalar = program().scalars[s];
    PendingScalar& pending = pending_[s];
    if (!scalar.enabled || !counters_.first(scalar.level) || pending.there) continue;
    InputPort& port = scalar_input(s);
    if (port.available() == 0) {
      complete = false;
      continue;
    }
    pending.there = true;
    pending.arrival = port.next_arrival();
    port.deliver([&](const BlockRef& block, uint32_t offset, unsigned) {
      std::memcpy(&pending.word, block.packet(offset), sizeof pending.word);
    });
  }
  return complete;
}

uint64_t SimdProgram::look_ahead(uint64_t limit, Traffic* traffic) {
  Scratch& s = scratch();
  CounterChain chain = counters_;
  s.predicates[0] = static_cast<uint8_t>(predicates_at(chain));
  s.chains[0] = chain;
  *traffic = traffic_at(chain, s.predicates[0]);
  if (program().plain && !program().waits && !program().signals) {
    std::fill(s.predicates.begin() + 1, s.predicates.end(), uint8_t{1});
    return limit;
  }
  if (traffic->is_single()) return 1;
  // No further than packets and places are known: at least the next firing, which may have to wait.
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if (traffic->takes >> i & 1) limit = std::min(limit, input(i).head(config().packets_in(i)).n);
  }
  if (traffic->sends) limit = std::min(limit, output().places(program().packets_out()).n);
  limit = std::max<uint64_t>(limit, 1);
  for (uint64_t i = 1; i < limit; ++i) {
    chain.next();
    s.predicates[i] = static_cast<uint8_t>(predicates_at(chain));
    s.chains[i] = chain;
    if (!(traffic_at(chain, s.predicates[i]) == *traffic)) return i;
  }
  return limit;
}

bool SimdProgram::fire() {
  if (beyond_horizon(next_)) return false;
  if (!fetch_scalars()) return false;
  const unsigned per = program().packets_out();
  const uint64_t limit = std::min({left_, params().max_burst, static_cast<uint64_t>(kChunk),
                                   static_cast<uint64_t>(writer_.room(per) / per)});
  Traffic traffic;
  const uint64_t alike = look_ahead(limit, &traffic);
  const unsigned cost = cost_of(traffic);
  Firing firing(next_, cost, alike);
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if ((traffic.takes >> i & 1) == 0) continue;
    const Run head = input(i).head(config().packets_in(i));
    if (head.n == 0) return false;
    firing.need(head, Cause::input);
  }
  if (traffic.waits) {
    const Run head = token_input().head();
    if (head.n == 0) return false;
    firing.need(head, Cause::input);
  }
  for (unsigned s = 0; s < PcuConfig::kScalarInputs; ++s) {
    if (traffic.scalars >> s & 1) firing.need({pending_[s].arrival, 0, 1}, Cause::input);
  }
  if (traffic.sends) {
    const Run places = output().places(per);
    if (places.n == 0) return false;
    firing.need(places, Cause::output);
  }

  const auto [run, stalls] = firing.solve();
  for (unsigned s = 0; s < PcuConfig::kScalarInputs; ++s) {
    if ((traffic.scalars >> s & 1) == 0) continue;
    scalars_[s] = pending_[s].word;
    pending_[s].there = false;
    scalar_input(s).taken(run.t + kCreditCycles);
  }
  if (traffic.waits) token_input().pop(1);
  take_inputs(run, traffic);
  uint32_t* const results = execute(run.n);
  if (traffic.sends) {
    output().take_places(run.n * per);
    const FloatMode mode;
    finish(results, run.n);
    send(run);
  }
  if (traffic.signals) token_output().send({run.t + program().latency, 0, 1});

  counts_.fired(run);
  counts_.busy += run.n * cost;
  if (traffic.sends) counts_.vectors += run.n;
  counts_.stalls += stalls;
  next_ = run.last() + cost;
  left_ -= run.n;
  if (!program().plain || program().waits || program().signals) {
    for (uint64_t i = 0; i < run.n; ++i) counters_.next();
  }
  return true;
}

void SimdProgram::take_inputs(const Run& run, const Traffic& traffic) {
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    const PcuConfig::Input& from = config().inputs[i];
    if (!from.used || from.program != number_) continue;
    uint32_t* values = scratch().inputs[i].data();
    if ((traffic.takes >> i & 1) == 0) {
      for (uint64_t v = 0; v < run.n; ++v) std::memcpy(values + v * kLanes, last_[i].data(), sizeof(Vector));
      continue;
    }
    const unsigned per = config().packets_in(i);
    Run credits = run;
    credits.t += kCreditCycles;
    uint32_t* next = values;
    input(i).pop(credits, per, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
      unpack(next, block.packet(offset), packets, from.format);
      next += packets * kLanes / per;
    });
    if (from.predicate != 0) std::memcpy(last_[i].data(), values + (run.n - 1) * kLanes, sizeof(Vector));
  }
}

uint32_t* SimdProgram::execute(size_t vectors) {
  const FloatMode mode;
  Scratch& s = scratch();
  s.has_constant.fill(false);
  s.has_scalar.fill(false);
  s.has_counter.fill(false);
  s.has_lane = false;
  uint32_t* previous = nullptr;
  for (unsigned i = 0; i < program().stage_count; ++i) {
    const PcuConfig::Stage& stage = program().stages[i];
    uint32_t* out = stage.save ? s.saved[stage.saved_as].data() : s.results[i % 2].data();
    if (stage.predicate == 0 && stage.alternative == 0 && !stage.accumulates) {
      execute_plainly(stage, previous, out, vectors);
      previous = out;
    } else {
      previous = execute_one_by_one(stage, previous, s.results[i % 2].data(), vectors);
    }
  }
  return previous;
}

const uint32_t* SimdProgram::operand(const PcuConfig::Operand& from, const uint32_t* previous,
                                     size_t vectors) {
  using Kind = PcuConfig::Operand::Kind;
  Scratch& s = scratch();
  const size_t count = vectors * kLanes;
  switch (from.kind) {
    case Kind::input:
      return s.inputs[from.index].data();
    case Kind::saved:
      return s.saved[from.index].data();
    case Kind::constant:
      if (!std::exchange(s.has_constant[from.index], true)) {
        std::fill_n(s.constants[from.index].data(), count, config().constants[from.index]);
      }
      return s.constants[from.index].data();
    case Kind::scalar:
      if (!std::exchange(s.has_scalar[from.index], true)) {
        std::fill_n(s.scalars[from.index].data(), count, scalars_[from.index]);
      }
      return s.scalars[from.index].data();
    case Kind::lane:
      if (!std::exchange(s.has_lane, true)) {
        for (size_t i = 0; i < count; ++i) s.lane[i] = static_cast<uint32_t>(i % kLanes);
      }
      return s.lane.data();
    case Kind::counter:
      if (!std::exchange(s.has_counter[from.index], true)) {
        for (size_t v = 0; v < vectors; ++v) {
          std::fill_n(s.counters[from.index].data() + v * kLanes, kLanes, s.chains[v].value(from.index));
        }
      }
      return s.counters[from.index].data();
    default:
      return previous;
  }
}

void SimdProgram::execute_plainly(const PcuConfig::Stage& stage, const uint32_t* previous, uint32_t* out,
                                  size_t vectors) {
  const Operation& op = *stage.operation;
  const uint32_t* a = operand(stage.a, previous, vectors);
  const uint32_t* b = op.reads >= 2 ? operand(stage.b, previous, vectors) : nullptr;
  const uint32_t* c = op.reads >= 3 ? operand(stage.c, previous, vectors) : nullptr;
  op.apply(out, a, b, c, vectors, program().lanes, generator_.data());
  if (stage.save) {
    std::memcpy(registers_[stage.saved_as].data(), out + (vectors - 1) * kLanes, sizeof(Vector));
  }
}

uint32_t* SimdProgram::execute_one_by_one(const PcuConfig::Stage& stage, const uint32_t* previous,
                                          uint32_t* out, size_t vectors) {
  Scratch& s = scratch();
  const Operation& op = *stage.operation;
  Vector& own = registers_[stage.saved_as];
  for (size_t v = 0; v < vectors; ++v) {
    const unsigned holds = s.predicates[v];
    uint32_t* result = out + v * kLanes;
    const uint32_t* passed_on = previous ? previous + v * kLanes : s.zeros.data();
    if (holds >> stage.predicate & 1) {
      const auto vector_of = [&](const PcuConfig::Operand& from) -> const uint32_t* {
        using Kind = PcuConfig::Operand::Kind;
        if (from.kind == Kind::previous) return passed_on;
        if (from.kind == Kind::saved && stage.save && from.index == stage.saved_as) return own.data();
        return operand(from, previous, vectors) + v * kLanes;
      };
      const uint32_t* a = vector_of(stage.a);
      const uint32_t* b = op.reads >= 2 ? vector_of(stage.b) : nullptr;
      const uint32_t* c = op.reads >= 3 ? vector_of(stage.c) : nullptr;
      if (stage.alternative != 0 && (holds >> stage.alternative & 1) != 0) {
        (stage.zero_addend ? c : b) = stage.zero_addend ? s.zeros.data() : vector_of(stage.c);
      }
      op.apply(result, a, b, c, 1, program().lanes, generator_.data());
      if (stage.save) std::memcpy(own.data(), result, sizeof own);
    } else {
      std::memcpy(result, passed_on, sizeof own);
    }
    if (stage.save) std::memcpy(s.saved[stage.saved_as].data() + v * kLanes, own.data(), sizeof own);
  }
  return out;
}

void SimdProgram::send(const Run& firings) {
  const unsigned per = program().packets_out();
  const uint64_t t = firings.t + program().latency;
  const auto packets = static_cast<unsigned>(firings.n * per);
  OutputPort& to = output();
  if (per == 1) {
    to.put({{t, firings.dt, firings.n}, writer_.block(), writer_.offset()});
  } else if (firings.dt == per || firings.n == 1) {
    to.put({{t, 1, packets}, writer_.block(), writer_.offset()});
  } else {
    for (uint64_t i = 0; i < firings.n; ++i) {
      to.put(
          {{t + i * firings.dt, 1, per}, writer_.block(), writer_.offset() + static_cast<uint32_t>(i * per)});
    }
  }
  writer_.take(packets);
}

std::string SimdProgram::waits_for() const {
  const std::string credit = output().blocked_by();
  if (!credit.empty() || left_ == 0) return credit;
  for (unsigned s = 0; s < PcuConfig::kScalarInputs; ++s) {
    const PcuConfig::ScalarInput& from = program().scalars[s];
    if (from.enabled && counters_.first(from.level) && !pending_[s].there &&
        scalar_input(s).available() == 0) {
      return missing("scalar input", s, scalar_input(s).source());
    }
  }
  const Traffic traffic = traffic_at(counters_, predicates_at(counters_));
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if ((traffic.takes >> i & 1) != 0 && input(i).available() < config().packets_in(i)) {
      return missing("input", i, input(i).source());
    }
  }
  if (traffic.waits && token_input().available() == 0) {
    return missing("a token on control input", program().wait_input, token_input().source());
  }
  return {};
}

}  // namespace rdu::fabric
