#include "platform/replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/systemc.h"
#include "platform/slice.h"

namespace rdu::platform {

using pcie::record::Record;

namespace {
constexpr std::chrono::milliseconds kLook{100};  // a signal handler's stop() cannot wake us

bool is_for_us(const Record& record) {
  return record.kind == Record::Kind::request || record.kind == Record::Kind::end;
}
}  // namespace

/// Whether the host's next word is due. One that came after the device had settled comes when it has; one
/// that did not, in the middle of things, when that very moment has been reached and nothing of it has
/// happened.
bool Replay::is_due(const Record& next) const {
  if (!is_for_us(next) || core::now() > next.time) return false;
  return next.settled ? next_event() == core::kNever : core::now() == next.time;
}

/// One slice, which does not run beyond what comes next.
void Replay::run_towards(const Record& next, core::Time run_for) {
  // What happens at the time of `next` has still to happen, unless it is a word of the host amid things.
  const bool is_amid = is_for_us(next) && !next.settled;
  const core::Time last = is_amid ? next.time : next.time + 1;
  if (next_event() == core::kNever) {
    host_.miss(
        fmt::format("{}: the device has settled: nothing is left to happen", core::format_time(core::now())));
  } else if (core::now() >= last) {
    host_.miss(fmt::format("{}: nothing of it", core::format_time(core::now())));
  } else {
    simulate_slice(slice_, std::min(last, run_for));
  }
}

Replay::End Replay::run(core::Time run_for) {
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  while (!stopped_) {
    if (debugger_) {
      if (debugger_->killed()) return End::killed;
      debugger_->serve(debugger_->halted() ? kLook : std::chrono::milliseconds(0));
      if (debugger_->halted() || debugger_->killed()) continue;
    }
    if (console_) {
      console_->exchange();
      if (console_->backend().quit()) return End::stopped;
      if (console_->congested()) {
        console_->wait(kLook);
        continue;
      }
    }
    if (!host_.difference().empty()) return End::differed;
    if (core::now() >= run_for) return End::time_over;
    const Record* next = host_.upcoming();
    if (!next) return End::cut_off;
    if (!is_due(*next) || !endpoint_.idle()) {
      run_towards(*next, run_for);
      continue;
    }
    skip_to(next->time);  // time that went by on the host alone
    if (next->kind == Record::Kind::end) {
      host_.end();
      return host_.difference().empty() ? End::same : End::differed;
    }
    if (auto request = host_.next()) endpoint_.submit(std::move(*request));
  }
  return End::stopped;
}

}  // namespace rdu::platform
