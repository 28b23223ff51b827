#include "platform/pacer.h"

#include <algorithm>

namespace rdu::platform {

using std::chrono::nanoseconds;

void Pacer::begin(core::Time at) {
  begun_ = at;
  const Clock::time_point here = now_();
  const Clock::time_point due = host_ + nanoseconds((at - simulated_) / core::kNanosecond);
  // Too late by more than kMostLag, or early because the harts ran faster than real ones: start anew.
  if (here > due + kMostLag) {
    host_ = here - kMostLag;
  } else if (here < due) {
    host_ = here;
  } else {
    host_ = due;
  }
  simulated_ = at;
}

void Pacer::forget(core::Time at) {
  host_ = now_();
  simulated_ = begun_ = at;
}

nanoseconds Pacer::left(core::Time until) const {
  // Never, and whatever is too far for the host's clock, is a day: the caller asks again.
  constexpr core::Time kDay = 86400 * 1000 * core::kMillisecond;
  const core::Time span = until - simulated_;
  return host_ + nanoseconds(std::min(span, kDay) / core::kNanosecond) - now_();
}

core::Time Pacer::reached() const {
  const auto passed = std::chrono::duration_cast<nanoseconds>(now_() - host_).count();
  return std::max(begun_,
                  simulated_ + static_cast<core::Time>(std::max<int64_t>(passed, 0)) * core::kNanosecond);
}

}  // namespace rdu::platform
