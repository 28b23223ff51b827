#include "fabric/agcu/fetch.h"

#include <algorithm>
#include <cstring>

namespace rdu::fabric {

void Fetch::start(uint64_t cycle, uint64_t address, uint64_t bytes, unsigned bytes_per_cycle) {
  AgcuConfig::Rows rows;
  rows.base = address;
  rows.bytes = bytes;
  rows.count = 1;
  walker_.start(rows);
  address_ = address;
  bytes_per_cycle_ = bytes_per_cycle;
  data_.assign(bytes, 0);
  left_ = bytes;
  slots_.clear();
  slots_.push({cycle, 0, params_.outstanding}, params_.outstanding);
  requests_.clear();
  first_request_ = 0;
  next_ = cycle;
  consumed_ = cycle;
  issue();
}

std::optional<uint64_t> Fetch::end() const {
  if (left_ != 0 || data_.empty()) return std::nullopt;
  return consumed_;
}

void Fetch::issue() {
  while (!walker_.done() && slots_.count() != 0) {
    const uint64_t cycle = std::max(next_, slots_.pop(1));
    next_ = cycle + 1;
    Request& r = memory_.make();
    r.piece = walker_.next(params_.request_bytes);
    r.block = BlockRef(context_.blocks.take());
    r.requester = this;
    r.unit = 0;
    r.sequence = first_request_ + requests_.size();
    requests_.push_back({r.piece.bytes, false, 0});
    memory_.post(r, cycle + params_.request_cycles, false, r.block.packet(0), initiator_);
  }
}

void Fetch::answered(Request& r, uint64_t done_cycle) {
  std::memcpy(data_.data() + (r.piece.address - address_), r.block.packet(0), r.piece.bytes);
  Pending& pending = requests_[r.sequence - first_request_];
  pending.answered = true;
  pending.done = done_cycle + params_.response_cycles;
  while (!requests_.empty() && requests_.front().answered) {
    const Pending& front = requests_.front();
    consumed_ = std::max(consumed_, front.done) + (front.bytes + bytes_per_cycle_ - 1) / bytes_per_cycle_;
    left_ -= front.bytes;
    slots_.push({consumed_ + 1, 0, 1}, 1);
    requests_.pop_front();
    ++first_request_;
  }
  issue();
}

}  // namespace rdu::fabric
