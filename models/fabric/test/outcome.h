#pragma once

#include <array>
#include <string>
#include <vector>

#include "fabric/test/bench.h"
#include "fabric/test/random_program.h"

namespace rdu::fabric::test {

/// A tile of 4 x 4 with short FIFOs and few slots, so that everything that can wait does.
FabricParams tight_tile();

/// Everything that an execution shows.
struct Outcome {
  uint64_t fault = 0;
  uint64_t cycles = 0;
  std::string text;                                      ///< of faults
  std::array<std::vector<Bench::Counters>, 5> counters;  ///< by RDU_UNIT_* kind: of all units of a kind
  std::vector<FakeMemory::Seen> requests;                ///< times from the start of the execution
  std::vector<uint8_t> memory;

  /// What was asked for up to the end. A program may end before all has come that it has asked memory for;
  /// units that had gone ahead of its end have then done more than others.
  std::vector<FakeMemory::Seen> requests_to_the_end(const FabricParams& params) const;
  bool has_loose_ends(const FabricParams& params) const;
};

/// Loads and executes a program on a bench whose memory it fills with moderate numbers and makes answer at
/// random times; both follow from `seed`.
Outcome outcome_of(Bench& bench, const RandomProgram& program, uint64_t seed);

}  // namespace rdu::fabric::test
