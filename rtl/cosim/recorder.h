#pragma once

#include <cstdint>
#include <optional>

#include "cosim/stimulus.h"

namespace rdu::cosim {

/// Writes down what a unit gets at its pins in one execution: a stimulus that plays it again, cycle for
/// cycle.
class Recorder {
 public:
  /// Keeps at most so many bytes; of an execution that has more, nothing is kept.
  Recorder(uint32_t unit, const fabric::FabricParams& params, uint64_t most_bytes);

  void configure(const fabric::ConfigWords& words) { stimulus_.words = words; }
  /// An execution begins; what was recorded before is forgotten. `scratchpad`: of a PMU, before the start.
  void start(const fabric::PinCredits& credits, const uint8_t* scratchpad);
  void tick(const fabric::PinInputs& in);

  /// The execution so far; nothing if it was too long.
  std::optional<Stimulus> stimulus() const;
  uint64_t most_bytes() const { return most_bytes_; }

 private:
  void add(uint64_t bytes) { bytes_ += bytes; }
  void drop();

  Stimulus stimulus_;
  uint64_t most_bytes_;
  uint64_t bytes_ = 0;
  uint64_t first_ = 0;  ///< cycle
  std::vector<uint8_t> scratchpad_;
};

}  // namespace rdu::cosim
