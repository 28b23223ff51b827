#include "runtime/argument_ring.h"

namespace rdu::runtime {

ArgumentRing::Place ArgumentRing::reserve(uint64_t bytes) {
  begin_ = end_;
  if (begin_ % size_ + bytes > size_) begin_ += size_ - begin_ % size_;  // a place does not wrap
  end_ = begin_ + bytes;
  Place place;
  place.offset = begin_ % size_;
  // What began a whole turn before our end is overwritten.
  while (!uses_.empty() && uses_.front().begin + size_ < end_) {
    place.after = uses_.front().number;
    uses_.pop_front();
  }
  return place;
}

void ArgumentRing::used_by(uint64_t number) {
  uses_.push_back({begin_, number});
}

}  // namespace rdu::runtime
