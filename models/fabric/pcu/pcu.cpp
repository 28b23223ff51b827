#include "fabric/pcu/pcu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "fabric/math/kernels.h"
#include "fabric/math/scalar.h"
#include "fabric/stream/pins.h"

namespace rdu::fabric {

Pcu::Pcu(Context& context, uint32_t id, const PcuConfig& config)
    : Unit(context, id),
      config_(config),
      inputs_{InputPort(*this), InputPort(*this), InputPort(*this), InputPort(*this)},
      scalar_inputs_{InputPort(*this), InputPort(*this)},
      token_inputs_{TokenInput(*this), TokenInput(*this)},
      outputs_{OutputPort(*this), OutputPort(*this)},
      scalar_output_(*this),
      token_outputs_{TokenOutput(*this), TokenOutput(*this)} {
  for (unsigned p = 0; p < PcuConfig::kPrograms; ++p) {
    if (config.programs[p].mode == PcuConfig::Mode::simd)
      programs_[p] = std::make_unique<SimdProgram>(*this, p);
    if (config.programs[p].mode == PcuConfig::Mode::matrix)
      programs_[p] = std::make_unique<MatrixProgram>(*this);
  }
}

Pcu::~Pcu() = default;

void Pcu::start(uint64_t cycle) {
  const FabricParams& params = context_.params;
  for (unsigned p = 0; p < PcuConfig::kPrograms; ++p) {
    outputs_[p].start(cycle, params.output_depth, params.max_burst);
    token_outputs_[p].start(params.max_burst);
    if (programs_[p]) programs_[p]->start(cycle);
  }
  scalar_output_.start(cycle, params.output_depth, params.max_burst);
}

void Pcu::run() {
  for (const auto& program : programs_) {
    if (program) program->run();
  }
}

bool Pcu::finished() const {
  return std::all_of(programs_.begin(), programs_.end(), [](const auto& p) { return !p || p->finished(); });
}

std::string Pcu::waits_for() const {
  std::string text;
  const bool both = programs_[0] && programs_[1];
  for (unsigned p = 0; p < PcuConfig::kPrograms; ++p) {
    if (!programs_[p] || programs_[p]->finished()) continue;
    const std::string what = programs_[p]->waits_for();
    text += (text.empty() ? "" : ", ") + (both ? fmt::format("program {}: ", p) : "") + what;
  }
  return text;
}

const UnitCounts& Pcu::counts() const {
  counts_ = {};
  for (const auto& program : programs_) {
    if (!program) continue;
    const UnitCounts& own = program->counts();
    if (own.firings != 0 && (counts_.firings == 0 || own.first < counts_.first)) counts_.first = own.first;
    counts_.last = std::max(counts_.last, own.last);
    counts_.firings += own.firings;
    counts_.vectors += own.vectors;
    if (own.busy >= counts_.busy) {
      counts_.busy = own.busy;
      counts_.stalls = own.stalls;
    }
  }
  return counts_;
}

PcuProgram::PcuProgram(Pcu& unit, unsigned number)
    : unit_(unit), number_(number), writer_(unit.context_.blocks) {}

void PcuProgram::start(uint64_t cycle) {
  counts_ = {};
  next_ = cycle;
  writer_.drop();
  sequence_ = program().sequence_first;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    generator_[lane] = scalar::random_start(program().seed, lane);
  }
}

std::string PcuProgram::missing(const char* what, unsigned number, const std::string& source) {
  return fmt::format("{} {} ({})", what, number, source);
}

void PcuProgram::finish(uint32_t* values, size_t vectors) {
  static constexpr Kernels::Unary Kernels::*kTails[] = {nullptr,           &Kernels::exp,  &Kernels::recip,
                                                        &Kernels::log,     &Kernels::sqrt, &Kernels::rsqrt,
                                                        &Kernels::sigmoid, &Kernels::tanh, &Kernels::erf};
  const PcuConfig::Program& p = program();
  const Kernels& math = kernels();
  if (p.tail != PcuConfig::Tail::none) {
    (math.*kTails[static_cast<size_t>(p.tail)])(values, values, vectors * kLanes);
  }
  if (p.lanes < kLanes) {
    for (size_t v = 0; v < vectors; ++v) {
      std::fill(values + v * kLanes + p.lanes, values + (v + 1) * kLanes, 0);
    }
  }
  write_packets(writer_.next(), values, vectors);
  if (!p.has_sequence && !p.is_dynamic) return;
  for (size_t i = 0; i < vectors * p.packets_out(); ++i) {
    writer_.block().set_head(writer_.offset() + i, PacketHead::make(sequence_, p.destination, 0));
    sequence_ = static_cast<uint16_t>(sequence_ + p.sequence_step);
  }
}

void PcuProgram::write_packets(uint8_t* packets, uint32_t* values, size_t vectors) {
  const Kernels& math = kernels();
  if (program().scalar_out) {
    std::memset(packets, 0, vectors * kPacketBytes);
    for (size_t v = 0; v < vectors; ++v) std::memcpy(packets + v * kPacketBytes, values + v * kLanes, 4);
    return;
  }
  switch (program().format) {
    case PcuConfig::Format::fp32:
      math.canonical(packets, values, vectors * kLanes);
      break;
    case PcuConfig::Format::int32:
      std::memcpy(packets, values, vectors * kLanes * sizeof *values);
      break;
    case PcuConfig::Format::bf16_sr:
      math.srbf16(values, values, generator_.data(), vectors);
      [[fallthrough]];
    case PcuConfig::Format::bf16:
      math.to_bf16(packets, values, vectors);
      break;
    case PcuConfig::Format::int8:
      math.to_int8(packets, values, vectors);
      break;
  }
}

}  // namespace rdu::fabric
