#pragma once

#include "core/time.h"

namespace rdu::platform {

/// When the next event is due, an absolute time; kNever if nothing is left to happen by itself.
core::Time next_event();

/// Lets about `slice` of simulated time pass, at least to the next event, at most to `until`. Time stands
/// still if nothing is left to happen. True if something still is afterwards.
bool simulate_slice(core::Time slice, core::Time until);

/// Moves simulated time on to `until`, which does not lie behind the next event.
void skip_to(core::Time until);

}  // namespace rdu::platform
