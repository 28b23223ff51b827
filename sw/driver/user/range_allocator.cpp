#include "user/range_allocator.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>

namespace rdu::user {

RangeAllocator::RangeAllocator(uint64_t base, uint64_t size, uint64_t alignment) : alignment_(alignment) {
  if (alignment == 0 || (alignment & (alignment - 1)) != 0 || base % alignment != 0)
    throw std::logic_error("RangeAllocator: alignment is no power of two, or the base not aligned");
  available_ = size - size % alignment;
  if (available_ != 0) holes_[base] = available_;
}

std::optional<uint64_t> RangeAllocator::allocate(uint64_t size) {
  if (size > available_) return std::nullopt;  // also keeps the rounding below from overflowing
  size = std::max<uint64_t>((size + alignment_ - 1) / alignment_, 1) * alignment_;
  auto hole = std::find_if(holes_.begin(), holes_.end(), [&](const auto& h) { return h.second >= size; });
  if (hole == holes_.end()) return std::nullopt;
  const uint64_t start = hole->first;
  const uint64_t rest = hole->second - size;
  holes_.erase(hole);
  if (rest != 0) holes_[start + size] = rest;
  used_[start] = size;
  available_ -= size;
  return start;
}

void RangeAllocator::free(uint64_t start) {
  auto found = used_.find(start);
  if (found == used_.end()) throw std::logic_error("RangeAllocator: freeing what was not allocated");
  uint64_t size = found->second;
  used_.erase(found);
  available_ += size;
  auto next = holes_.lower_bound(start);
  if (next != holes_.end() && next->first == start + size) {
    size += next->second;
    next = holes_.erase(next);
  }
  if (next != holes_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == start) {
      previous->second += size;
      return;
    }
  }
  holes_[start] = size;
}

uint64_t RangeAllocator::largest() const {
  uint64_t largest = 0;
  for (const auto& hole : holes_) largest = std::max(largest, hole.second);
  return largest;
}

uint64_t RangeAllocator::size_of(uint64_t start) const {
  auto found = used_.find(start);
  if (found == used_.end()) throw std::logic_error("RangeAllocator: not allocated");
  return found->second;
}

}  // namespace rdu::user
