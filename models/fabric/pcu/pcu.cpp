#include "fabric/pcu/pcu.h"

#include <fmt/format.h>

#include <algorithm>

#include "fabric/math/scalar.h"
#include "fabric/pcu/finish.h"
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

SteadySink* Pcu::steady_sink() {
  return config_.programs[0].mode == PcuConfig::Mode::matrix ? static_cast<MatrixProgram*>(programs_[0].get())
                                                             : nullptr;
}

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
  const PcuConfig::Program& p = program();
  fabric::finish(p, writer_.next(), values, vectors, generator_.data());
  if (!p.has_sequence && !p.is_dynamic) return;
  for (size_t i = 0; i < vectors * p.packets_out(); ++i) {
    writer_.block().set_head(writer_.offset() + i, PacketHead::make(sequence_, p.destination, 0));
    sequence_ = static_cast<uint16_t>(sequence_ + p.sequence_step);
  }
}

}  // namespace rdu::fabric
