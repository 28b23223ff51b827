#include "platform/slice.h"

#include <algorithm>

#include "core/systemc.h"

namespace rdu::platform {

core::Time next_event() {
  return sc_core::sc_pending_activity() ? core::now() + core::from_sc(sc_core::sc_time_to_pending_activity())
                                        : core::kNever;
}

bool simulate_slice(core::Time slice, core::Time until) {
  const core::Time next = next_event();
  if (next == core::kNever) return false;
  if (next > until) {
    skip_to(until);
  } else {
    // A slice that ends before the next event would not move time at all.
    const core::Time end = std::min(std::max(core::now() + slice, next), until);
    sc_core::sc_start(core::to_sc(end - core::now()), sc_core::SC_EXIT_ON_STARVATION);
  }
  return sc_core::sc_pending_activity();
}

void skip_to(core::Time until) {
  if (until > core::now()) {
    sc_core::sc_start(core::to_sc(until - core::now()), sc_core::SC_RUN_TO_TIME);
  }
}

}  // namespace rdu::platform
