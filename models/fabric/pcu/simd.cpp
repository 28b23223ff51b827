#include <algorithm>
#include <cstring>

#include "fabric/math/scalar.h"
#include "fabric/pcu/pcu.h"

namespace rdu::fabric {
namespace {

/// Vectors that go through the stages together: few enough that everything stays in the first-level cache.
constexpr size_t kChunk = 16;

/// The pipeline's values while a chunk is computed. Nothing survives a call, so one is enough for all units.
struct Scratch {
  using Values = std::array<float, kChunk * kLanes>;
  alignas(64) std::array<Values, PcuConfig::kInputs> inputs;
  alignas(64) std::array<Values, 4> saved;
  alignas(64) std::array<Values, 4> constants;
  alignas(64) Values result;
};

Scratch& scratch() {
  static thread_local Scratch instance;
  return instance;
}

}  // namespace

void SimdPcu::start(uint64_t cycle) {
  Pcu::start(cycle);
  left_ = config_.iterations;
}

void SimdPcu::run() {
  output_.flush();
  while (left_ != 0 && fire()) output_.flush();
}

bool SimdPcu::fire() {
  if (beyond_horizon(next_)) return false;
  const unsigned packets_out = config_.packets_out();
  const uint64_t limit = std::min({left_, context_.params.max_burst, static_cast<uint64_t>(kChunk),
                                   static_cast<uint64_t>(writer_.room(packets_out) / packets_out)});
  Firing firing(next_, config_.ii, limit);
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if (!config_.uses_input[i]) continue;
    const Run head = inputs_[i].head(config_.packets_in(i));
    if (head.n == 0) return false;
    firing.need(head, Cause::input);
  }
  const Run places = output_.places(packets_out);
  if (places.n == 0) return false;
  firing.need(places, Cause::output);

  const auto [run, stalls] = firing.solve();
  output_.take_places(run.n * packets_out);
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if (!config_.uses_input[i]) continue;
    float* values = scratch().inputs[i].data();
    const bool is_bf16 = config_.input_bf16[i];
    inputs_[i].pop({run.t + kCreditCycles, run.dt, run.n}, config_.packets_in(i),
                   [&](const BlockRef& block, uint32_t offset, unsigned packets) {
                     if (is_bf16) {
                       kernels().from_bf16(values, block.packet(offset), packets);
                       values += packets * kLanes;
                     } else {
                       std::memcpy(values, block.packet(offset), packets * kPacketBytes);
                       values += packets * (kLanes / 2);
                     }
                   });
  }
  execute(writer_.next(), run.n);
  send(run);

  counts_.fired(run);
  counts_.busy += run.n * config_.ii;
  counts_.vectors += run.n;
  counts_.stalls += stalls;
  next_ = run.last() + config_.ii;
  left_ -= run.n;
  return true;
}

void SimdPcu::execute(uint8_t* packets, size_t vectors) {
  const FloatMode mode;
  const Kernels& math = kernels();
  Scratch& s = scratch();
  const size_t count = vectors * kLanes;
  const float* previous = nullptr;
  std::array<bool, 4> has_constant{};
  const auto source = [&](PcuConfig::Operand operand) -> const float* {
    switch (operand.kind) {
      case PcuConfig::Operand::Kind::input:
        return s.inputs[operand.index].data();
      case PcuConfig::Operand::Kind::saved:
        return s.saved[operand.index].data();
      case PcuConfig::Operand::Kind::constant: {
        float* values = s.constants[operand.index].data();
        if (!has_constant[operand.index]) {
          std::fill(values, values + count, scalar::from_bits(config_.constants[operand.index]));
          has_constant[operand.index] = true;
        }
        return values;
      }
      default:
        return previous;
    }
  };
  for (unsigned i = 0; i < config_.stage_count; ++i) {
    const PcuConfig::Stage& stage = config_.stages[i];
    float* out = stage.save ? s.saved[stage.saved_as].data() : s.result.data();
    const float* a = source(stage.a);
    switch (stage.op) {
      case PcuConfig::Op::mov:
        if (out != a) std::memcpy(out, a, count * sizeof(float));
        break;
      case PcuConfig::Op::add:
        math.fadd(out, a, source(stage.b), count);
        break;
      case PcuConfig::Op::sub:
        math.fsub(out, a, source(stage.b), count);
        break;
      case PcuConfig::Op::mul:
        math.fmul(out, a, source(stage.b), count);
        break;
      case PcuConfig::Op::max:
        math.fmax(out, a, source(stage.b), count);
        break;
      case PcuConfig::Op::min:
        math.fmin(out, a, source(stage.b), count);
        break;
      case PcuConfig::Op::red_sum:
        math.fred_sum(out, a, vectors, config_.lanes);
        break;
      case PcuConfig::Op::red_max:
        math.fred_max(out, a, vectors, config_.lanes);
        break;
    }
    previous = out;
  }
  // The last result may be a saved register: finishing in place is fine, nobody reads it any more.
  finish(packets, const_cast<float*>(previous), vectors);
}

void SimdPcu::send(const Run& firings) {
  const unsigned per = config_.packets_out();
  const uint64_t t = firings.t + config_.latency;
  const auto packets = static_cast<unsigned>(firings.n * per);
  if (per == 1) {
    output_.put({{t, firings.dt, firings.n}, writer_.block(), writer_.offset()});
  } else if (firings.dt == per || firings.n == 1) {
    output_.put({{t, 1, packets}, writer_.block(), writer_.offset()});
  } else {
    for (uint64_t i = 0; i < firings.n; ++i) {
      output_.put(
          {{t + i * firings.dt, 1, per}, writer_.block(), writer_.offset() + static_cast<uint32_t>(i * per)});
    }
  }
  writer_.take(packets);
}

}  // namespace rdu::fabric
