#include "runtime/context.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/queue.h"

namespace rdu::runtime {

namespace {

uint64_t segment_base(rdu_tier tier) {
  return RDU_VA(tier == RDU_TIER_HBM ? RDU_SEGMENT_HBM : RDU_SEGMENT_DDR, 0);
}

using Lock = std::lock_guard<std::recursive_mutex>;

}  // namespace

const char* tier_name(rdu_tier tier) {
  switch (tier) {
    case RDU_TIER_HBM:
      return "HBM";
    case RDU_TIER_DDR:
      return "DDR";
    case RDU_TIER_HOST:
      return "host memory";
    case RDU_TIER_MAX_ENUM:
      break;
  }
  throw Error(RDU_ERROR_INVALID_ARGUMENT, fmt::format("{} is no memory tier", static_cast<int>(tier)));
}

// --- Memory
// --------------------------------------------------------------------------------------------------

Memory::Memory(std::shared_ptr<Context> context, rdu_tier tier, uint64_t bytes)
    : context_(std::move(context)), tier_(tier), size_(bytes) {
  if (bytes == 0) throw Error(RDU_ERROR_INVALID_ARGUMENT, "memory of 0 bytes");
  const char* name = tier_name(tier);
  Lock lock(context_->device()->mutex());
  Transport& transport = context_->transport();
  if (tier == RDU_TIER_HOST) {
    pinned_ = transport.pin(bytes);
    address_ = pinned_->address();
  } else {
    user::RangeAllocator& range = context_->range(tier);
    const auto offset = range.allocate(bytes);
    if (!offset)
      throw Error(RDU_ERROR_NO_MEMORY,
                  fmt::format("the context's {} has no room for {} bytes: {} are free, {} in one piece", name,
                              bytes, range.available(), range.largest()));
    address_ = segment_base(tier) + *offset;
  }
  context_->memories.insert(this);
}

Memory::~Memory() {
  Lock lock(context_->device()->mutex());
  if (context_->memories.erase(this) != 0) drop();
}

void Memory::drop() {
  if (tier_ == RDU_TIER_HOST) {
    pinned_.reset();
  } else {
    context_->range(tier_).free(address_ - segment_base(tier_));
  }
}

// --- Context
// -------------------------------------------------------------------------------------------------

Context::Context(std::shared_ptr<Device> device, uint64_t hbm_bytes, uint64_t ddr_bytes)
    : device_(std::move(device)),
      hbm_(0, hbm_bytes, RDU_MEMORY_ALIGNMENT),
      ddr_(0, ddr_bytes, RDU_MEMORY_ALIGNMENT) {
  Lock lock(device_->mutex());
  id_ = device_->transport().create_context(hbm_bytes, ddr_bytes);
  alive_ = true;
  device_->add(this);
}

Context::~Context() {
  Lock lock(device_->mutex());
  device_->remove(this);
}

void Context::destroy() {
  Lock lock(device_->mutex());
  if (!alive_) return;  // the device was closed before
  if (!queues.empty())
    throw Error(RDU_ERROR_IN_USE, fmt::format("the context still has {} queues", queues.size()));
  if (programs != 0)
    throw Error(RDU_ERROR_IN_USE, fmt::format("the context still has {} programs", programs));
  for (const Memory* memory : memories) {
    device_->log(fmt::format("leak: {} bytes of {} at {:#x} were not freed before their context",
                             memory->size(), tier_name(memory->tier()), memory->address()));
  }
  try {
    device_->transport().delete_context(id_);
  } catch (const Error& error) {
    // Of a device that is lost, or whose firmware no longer answers, nothing is left to be deleted.
    if (error.result() != RDU_ERROR_DEVICE_LOST && error.result() != RDU_ERROR_FIRMWARE) throw;
  }
  device_->remove(this);
  drop();
}

void Context::drop() {
  if (!std::exchange(alive_, false)) return;
  for (Queue* queue : queues) queue->drop();
  queues.clear();
  for (Memory* memory : memories) memory->drop();
  memories.clear();
}

Transport& Context::transport() {
  if (!alive_ && device_->is_open()) throw Error(RDU_ERROR_INVALID_ARGUMENT, "the context was destroyed");
  return device_->transport();
}

user::RangeAllocator& Context::range(rdu_tier tier) {
  if (tier == RDU_TIER_HOST)
    throw Error(RDU_ERROR_INVALID_ARGUMENT, "host memory has no fixed size that a context could tell");
  tier_name(tier);  // throws for anything else
  return tier == RDU_TIER_HBM ? hbm_ : ddr_;
}

}  // namespace rdu::runtime
