#pragma once

#include <cstdint>
#include <functional>

#include "cosim/stimulus.h"

namespace rdu::cosim {

struct ShrinkOptions {
  uint64_t most_tries = 3000;
  /// Asked before each try; false ends it. Called with what was reached so far.
  std::function<bool(const Stimulus& best, uint64_t tries)> goes_on;
};

struct Shrunk {
  Stimulus stimulus;
  uint64_t tries = 0;
  bool is_smallest = false;  ///< no single step makes it smaller; else the tries were used up
};

/// The smallest stimulus that it finds for which `fails` still holds: fewer cycles, packets, words, tokens
/// and scratchpad words, configuration fields at reset or smaller, data of zeros, credits that come at once,
/// everything as early as it goes. `fails` holds for `stimulus`; it is asked for legal stimuli only, and must
/// give the same answer for the same.
///
/// Delta debugging: a step is tried on halves of what there is, then on quarters, and so on down to single
/// items; all steps again until none helps.
Shrunk shrink(const Stimulus& stimulus, const std::function<bool(const Stimulus&)>& fails,
              const ShrinkOptions& options = {});

}  // namespace rdu::cosim
