#pragma once

#include <cstddef>
#include <cstdint>

#include "fabric/pmu/scratchpad.h"
#include "fabric/stream/pins.h"

/// How a unit's RTL comes to the programs as a shared library: rduvp --dut, rdu-cosim --rtl. README.md ("Your
/// own RTL") says how one is made; whoever uses rdu_cosim_dut() needs to know nothing of this.
namespace rdu::cosim {

struct DutPlugin {
  /// Raised when this structure or the pins change.
  static constexpr uint32_t kVersion = 2;

  uint32_t version;
  uint32_t inputs_size;  ///< of fabric::PinInputs, and so on: both sides were built from the same sources
  uint32_t outputs_size;
  uint32_t memory_size;  ///< of fabric::Scratchpad
  const char* unit;      ///< "pcu", "pmu", "switch"
  const char* name;      ///< of the module
  /// The numbers of a tile that it was built for, where they are not the chip's: "pmu_bytes=4096 lanes=16".
  const char* numbers;
  /// `memory`: of a PMU, else null; outlives the unit.
  fabric::PinModel* (*make)(const fabric::PinCounts& pins, unsigned row, unsigned column,
                            fabric::Scratchpad* memory);
};

/// The one symbol of the library.
inline constexpr const char* kDutEntry = "rdu_cosim_dut";
using DutEntry = const DutPlugin* (*)();

}  // namespace rdu::cosim
