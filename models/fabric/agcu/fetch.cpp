#include "fabric/agcu/fetch.h"

#include <algorithm>
#include <cstring>

namespace rdu::fabric {

void Fetch::start(uint64_t cycle, uint64_t address, uint64_t bytes, FetchConsumer& consumer) {
  AgcuConfig::Rows rows;
  rows.base = address;
  rows.bytes = bytes;
  rows.count = 1;
  walker_.start(rows);
  consumer_ = &consumer;
  address_ = address;
  data_.assign(bytes, 0);
  left_ = bytes;
  slots_.clear();
  slots_.push({cycle, 0, params_.outstanding}, params_.outstanding);
  requests_.clear();
  first_request_ = 0;
  faults_.clear();
  answered_ = 0;
  next_ = cycle;
  issue();
}

void Fetch::issue() {
  while (!walker_.done() && slots_.count() != 0) {
    const uint64_t cycle = std::max(next_, slots_.pop(1));
    next_ = cycle + 1;
    if (!faults_.allows(memory_.clock().time(cycle + params_.request_cycles))) break;
    Request& r = memory_.make();
    r.piece = walker_.next(params_.request_bytes);
    r.block = BlockRef(context_.blocks.take());
    r.requester = this;
    r.unit = 0;
    r.sequence = first_request_ + requests_.size();
    requests_.push_back({r.piece.address - address_, r.piece.bytes, false, 0, 0});
    memory_.post(r, cycle + params_.request_cycles, false, r.block.packet(0), initiator_);
  }
}

void Fetch::answered(Request& r, uint64_t done_cycle) {
  std::memcpy(data_.data() + (r.piece.address - address_), r.block.packet(0), r.piece.bytes);
  Pending& pending = requests_[r.sequence - first_request_];
  pending.answered = true;
  pending.ready = done_cycle + params_.response_cycles;
  pending.done = r.transfer.done;
  while (!requests_.empty() && requests_.front().answered) {
    take(requests_.front());
    answered_ = std::max(answered_, requests_.front().done);
    requests_.pop_front();
    ++first_request_;
  }
  report();
  issue();
}

void Fetch::failed(Request& r, const Fault& fault) {
  faults_.add(r.sequence, fault);
  report();
}

void Fetch::report() {
  if (const std::optional<Fault> fault = faults_.due(first_request_, answered_)) memory_.report(*fault);
}

void Fetch::take(const Pending& request) {
  uint64_t taken = 0;
  for (uint32_t at = 0; at < request.bytes; at += kPacketBytes) {
    const auto bytes = static_cast<uint32_t>(std::min<uint64_t>(kPacketBytes, request.bytes - at));
    taken = consumer_->take(data_.data() + request.offset + at, bytes, request.ready);
  }
  left_ -= request.bytes;
  slots_.push({taken + 1, 0, 1}, 1);
}

}  // namespace rdu::fabric
