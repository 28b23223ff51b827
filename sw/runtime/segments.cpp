#include "runtime/segments.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/context.h"
#include "runtime/error.h"

namespace rdu::runtime {

class Segments::Part : public Allocation {
 public:
  Part(Segments& segments, rdu_tier tier, uint64_t offset, uint64_t bytes)
      : segments_(segments), tier_(tier), offset_(offset), bytes_(bytes) {}
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part() override {
    unmap();
    std::lock_guard lock(segments_.mutex_);
    segments_.range(tier_).free(offset_);
  }

  uint64_t address() const override {
    return RDU_VA(tier_ == RDU_TIER_HBM ? RDU_SEGMENT_HBM : RDU_SEGMENT_DDR, offset_);
  }
  uint8_t* map() override {
    std::lock_guard lock(segments_.mutex_);
    if (data_ == nullptr) data_ = segments_.view_.map(tier_, offset_, bytes_);
    return data_;
  }
  void unmap() noexcept override {
    std::lock_guard lock(segments_.mutex_);
    if (data_ != nullptr) segments_.view_.unmap(tier_, offset_, bytes_, std::exchange(data_, nullptr));
  }

 private:
  Segments& segments_;
  rdu_tier tier_;
  uint64_t offset_, bytes_;
  uint8_t* data_ = nullptr;
};

Segments::Segments(SegmentView& view, uint64_t hbm_bytes, uint64_t ddr_bytes)
    : view_(view), hbm_(0, hbm_bytes, RDU_MEMORY_ALIGNMENT), ddr_(0, ddr_bytes, RDU_MEMORY_ALIGNMENT) {}

Room Segments::room(rdu_tier tier) {
  std::lock_guard lock(mutex_);
  return {range(tier).available(), range(tier).largest()};
}

std::unique_ptr<Allocation> Segments::allocate(rdu_tier tier, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  user::RangeAllocator& range = this->range(tier);
  const auto offset = range.allocate(bytes);
  if (!offset)
    throw Error(RDU_ERROR_NO_MEMORY,
                fmt::format("the context's {} has no room for {} bytes: {} are free, {} in one piece",
                            tier_name(tier), bytes, range.available(), range.largest()));
  return std::make_unique<Part>(*this, tier, *offset, bytes);
}

}  // namespace rdu::runtime
