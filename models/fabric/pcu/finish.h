#pragma once

#include <cstddef>
#include <cstdint>

#include "fabric/pcu/pcu_config.h"

namespace rdu::fabric {

/// Tail, idle lanes and format: makes program.packets_out() packets (or scalar words, a packet each) of each
/// of `vectors` times 32 values, which it changes. `generator`: a state a lane, for stochastic rounding; may
/// be null if the format has none. Runs in the scope of a FloatMode.
void finish(const PcuConfig::Program& program, uint8_t* packets, uint32_t* values, size_t vectors,
            uint32_t* generator);

}  // namespace rdu::fabric
