#include "fabric/pcu/pcu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace rdu::fabric {

std::unique_ptr<Pcu> Pcu::make(Context& context, uint32_t id, const PcuConfig& config) {
  if (config.mode == PcuConfig::Mode::matrix) return std::make_unique<MatrixPcu>(context, id, config);
  return std::make_unique<SimdPcu>(context, id, config);
}

Pcu::Pcu(Context& context, uint32_t id, const PcuConfig& config)
    : Unit(context, id),
      config_(config),
      inputs_{InputPort(*this), InputPort(*this), InputPort(*this), InputPort(*this)},
      output_(*this),
      writer_(context.blocks) {}

void Pcu::start(uint64_t cycle) {
  counts_ = {};
  next_ = cycle;
  writer_.drop();
  output_.start(cycle, context_.params.output_depth, context_.params.max_burst);
}

std::string Pcu::missing_input() const {
  for (unsigned i = 0; i < PcuConfig::kInputs; ++i) {
    if (config_.uses_input[i] && inputs_[i].available() < config_.packets_in(i)) {
      return fmt::format("input {} ({})", i, inputs_[i].source());
    }
  }
  return {};
}

std::string Pcu::waits_for() const {
  const std::string credit = output_.blocked_by();
  return credit.empty() ? missing_input() : credit;
}

void Pcu::finish(uint8_t* packets, float* values, size_t vectors) const {
  const Kernels& math = kernels();
  const size_t count = vectors * kLanes;
  if (config_.tail == PcuConfig::Tail::exp) math.exp(values, values, count);
  if (config_.tail == PcuConfig::Tail::recip) math.recip(values, values, count);
  if (config_.lanes < kLanes) {
    for (size_t v = 0; v < vectors; ++v) {
      std::fill(values + v * kLanes + config_.lanes, values + (v + 1) * kLanes, 0.0f);
    }
  }
  if (config_.out_bf16) {
    math.to_bf16(packets, values, vectors);
  } else {
    math.canonical(values, values, count);
    std::memcpy(packets, values, count * sizeof(float));
  }
}

}  // namespace rdu::fabric
