#include "memory/slb.h"

#include <algorithm>

namespace rdu::memory {
namespace {

constexpr unsigned kOffsetBits = 44;
constexpr unsigned kSegmentBits = 2;
constexpr uint64_t kSegmentSpan = uint64_t{1} << kOffsetBits;

}  // namespace

bool Slb::translate(unsigned context, uint64_t address, uint64_t length, bool write, uint64_t* physical) {
  namespace flags = regs::slb::SEGMENT_FLAGS;
  if (context >= kContexts || address >> (kOffsetBits + kSegmentBits) != 0) return false;
  const auto& segment = regs_.SEGMENT[context * kSegments + static_cast<unsigned>(address >> kOffsetBits)];
  if (!segment.FLAGS.get(flags::VALID) || !segment.FLAGS.get(write ? flags::WRITE : flags::READ))
    return false;
  // A limit beyond the segment's span would let an access run on into the next segment's addresses.
  const uint64_t limit = std::min(segment.LIMIT.value(), kSegmentSpan);
  const uint64_t offset = address & (kSegmentSpan - 1);
  if (offset > limit || length > limit - offset) return false;
  const uint64_t base = segment.BASE.value();
  const uint64_t last = offset + (length == 0 ? 0 : length - 1);
  if (last > ~uint64_t{0} - base) return false;  // physical addresses do not wrap
  *physical = base + offset;
  return true;
}

}  // namespace rdu::memory
