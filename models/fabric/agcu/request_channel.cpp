#include "fabric/agcu/request_channel.h"

#include <algorithm>

namespace rdu::fabric {

void RequestChannel::start() {
  pending_.clear();
  first_pending_ = 0;
  unanswered_ = 0;
  all_made_ = false;
  arrivals_.clear();
  faults_.clear();
  answered_ = 0;
  last_answer_ = 0;
  bytes_ = 0;
}

bool RequestChannel::allows(uint64_t cycle) const {
  return faults_.allows(memory_.clock().time(cycle + context_.params.request_cycles));
}

void RequestChannel::post(const AgcuMemoryPins::Request& request, uint64_t cycle, core::Modify modify) {
  Request& r = memory_.make();
  r.piece = request.piece;
  r.block = is_write_ ? request.block : BlockRef(context_.blocks.take());
  r.requester = this;
  r.unit = owner_.id();
  r.sequence = first_pending_ + pending_.size();
  pending_.push_back({});
  ++unanswered_;
  all_made_ = request.is_last;
  if (is_write_) bytes_ += r.piece.bytes;
  memory_.post(r, cycle + context_.params.request_cycles, is_write_, r.block.packet(0), initiator_, modify);
}

void RequestChannel::bring(uint64_t cycle, std::vector<AgcuMemoryPins::Answer>* answers) {
  answers->clear();
  while (next_arrival() <= cycle) {
    answers->push_back(arrivals_.begin()->second);
    arrivals_.erase(arrivals_.begin());
  }
}

void RequestChannel::answered(Request& r, uint64_t done_cycle) {
  tracks_.slice(r);
  --unanswered_;
  if (!is_write_) bytes_ += r.piece.bytes;
  arrivals_.emplace(done_cycle, AgcuMemoryPins::Answer{r.sequence, is_write_ ? BlockRef() : r.block});
  last_answer_ = std::max(last_answer_, done_cycle);
  pending_[r.sequence - first_pending_] = {true, r.transfer.done};
  while (!pending_.empty() && pending_.front().answered) {
    answered_ = std::max(answered_, pending_.front().done);
    pending_.pop_front();
    ++first_pending_;
  }
  report();
  owner_.wake();
}

void RequestChannel::failed(Request& r, const Fault& fault) {
  --unanswered_;
  faults_.add(r.sequence, fault);
  if (is_write_) memory_.withdraw(*this, faults_.stop());
  report();
}

void RequestChannel::report() {
  if (const std::optional<Fault> fault = faults_.due(first_pending_, answered_)) memory_.report(*fault);
}

}  // namespace rdu::fabric
