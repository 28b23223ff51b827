// HBM and DDR of a context: who has which part, and what of it this process has mapped.
//
// First fit in units of RDU_MEMORY_ALIGNMENT with coalescing, whatever the transport: the same sequence of
// calls gives the same addresses on every machine.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "runtime/transport.h"
#include "user/range_allocator.h"

namespace rdu::runtime {

// The way to a segment's bytes from this process. Throws Error.
class SegmentView {
 public:
  virtual ~SegmentView() = default;
  // [offset, offset + bytes) of the context's HBM or DDR.
  virtual uint8_t* map(rdu_tier tier, uint64_t offset, uint64_t bytes) = 0;
  virtual void unmap(rdu_tier tier, uint64_t offset, uint64_t bytes, uint8_t* data) noexcept = 0;
};

class Segments {
 public:
  // The view outlives it.
  Segments(SegmentView& view, uint64_t hbm_bytes, uint64_t ddr_bytes);

  Room room(rdu_tier tier);
  // Must not outlive this object. Throws NO_MEMORY.
  std::unique_ptr<Allocation> allocate(rdu_tier tier, uint64_t bytes);

 private:
  class Part;
  user::RangeAllocator& range(rdu_tier tier) { return tier == RDU_TIER_HBM ? hbm_ : ddr_; }

  SegmentView& view_;
  std::mutex mutex_;
  user::RangeAllocator hbm_, ddr_;
};

}  // namespace rdu::runtime
