#pragma once

#include <cstdint>

#include "fabric/config.h"
#include "fabric/counters.h"
#include "fabric/params.h"
#include "fabric/switch/port_use.h"

namespace rdu::fabric {

/// What a PMU's configuration words say, checked: every address that can occur lies in the scratchpad, and no
/// buffer reaches into the next.
struct PmuConfig {
  bool enabled = false;
  unsigned out_flow = 0;
  uint64_t fills = 0;
  uint64_t buffers = 1;
  uint64_t buffer_size = 0;
  uint64_t base = 0;

  unsigned write_bytes = 64;
  Counters<6> write;
  uint64_t writes = 1;  ///< of a fill

  unsigned lanes = 32;
  unsigned element = 2;  ///< bytes
  int64_t lane_stride = 2;
  Counters<6> read;
  uint64_t reads = 1;  ///< of a fill

  unsigned bank_shift = 2;
  unsigned bank_skew = 0;

  /// What it uses of its ports.
  PortUse ports() const;

  /// Throws BadConfig.
  static PmuConfig decode(const ConfigWords& words, const FabricParams& params);
};

}  // namespace rdu::fabric
