#pragma once

#include "fabric/params.h"

namespace rdu::platform {

struct Options;

/// What options of the command line say about units as RTL: other RTL than was built in, shadows, waves.
class Cosimulation {
 public:
  /// Exit status of a run in which a unit's RTL differed from its model.
  static constexpr int kDivergedStatus = 7;

  /// Before the first tile is made, and before its parameters are checked. Throws bad_input.
  explicit Cosimulation(const Options& options);

  /// When the parameters are known. Throws bad_input for waves of a unit that has none.
  void check(const fabric::FabricParams& params);

  /// At the end of a run: says what was found, and returns the exit status: `status` if that is not 0.
  int finish(int status) const;

 private:
  const Options& options_;
};

}  // namespace rdu::platform
