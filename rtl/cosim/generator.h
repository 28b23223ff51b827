#pragma once

#include <cstdint>

#include "cosim/stimulus.h"

namespace rdu::cosim {

/// A random legal configuration of a unit with traffic for it, by a seed. Equal seeds, equal stimuli.
///
/// What comes is all that the configuration takes, sometimes less, sometimes more than it does. When it
/// comes, and when credits come back, is adversarial: each port has a manner of its own, drawn anew (at once,
/// with gaps, in bursts, rarely, all of it late), so ports also overtake each other; queues behind the
/// outputs are of 1 to 40 places. `unit` is RDU_UNIT(kind, row, column); a switch gets a place of its own in
/// a tile of 4 by 4 instead. Throws bad_input for a unit without pins.
Stimulus generate(uint32_t unit, uint64_t seed, const fabric::FabricParams& params = {});

}  // namespace rdu::cosim
