#include "fabric/agcu/request_tracks.h"

#include <fmt/format.h>

namespace rdu::fabric {

void RequestTracks::slice(const Request& r) {
  core::Tracer& tracer = core::Tracer::get();
  if (!tracer.enabled()) return;
  size_t lane = 0;
  while (lane < lanes_.size() && lanes_[lane].busy_until > r.transfer.issue) ++lane;
  if (lane == lanes_.size()) lanes_.push_back({tracer.track(fmt::format("{}.{} {}", name_, what_, lane)), 0});
  lanes_[lane].busy_until = r.transfer.done;
  tracer.slice(lanes_[lane].track, r.transfer.issue, r.transfer.done, what_, r.transfer.tag,
               fmt::format("address={:#x} bytes={}", r.piece.address, r.piece.bytes));
}

}  // namespace rdu::fabric
