#include "runtime/context.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/queue.h"

namespace rdu::runtime {

namespace {

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
  tier_name(tier);  // throws if it is none
  Lock lock(context_->device()->mutex());
  allocation_ = context_->transport().allocate(tier, bytes);
  address_ = allocation_->address();
  if (tier == RDU_TIER_HOST) pointer_ = allocation_->map();
  context_->memories.insert(this);
}

Memory::~Memory() {
  Lock lock(context_->device()->mutex());
  if (context_->memories.erase(this) != 0) drop();
}

void Memory::drop() {
  pointer_ = nullptr;
  allocation_.reset();
}

uint8_t* Memory::pointer() const {
  Lock lock(context_->device()->mutex());
  return pointer_;
}

uint8_t* Memory::map() {
  Lock lock(context_->device()->mutex());
  context_->transport();
  if (pointer_ == nullptr) pointer_ = allocation_->map();
  return pointer_;
}

void Memory::unmap() {
  Lock lock(context_->device()->mutex());
  if (tier_ == RDU_TIER_HOST || !allocation_) return;
  pointer_ = nullptr;
  allocation_->unmap();
}

// --- Context
// -------------------------------------------------------------------------------------------------

Context::Context(std::shared_ptr<Device> device, uint64_t hbm_bytes, uint64_t ddr_bytes)
    : device_(std::move(device)) {
  Lock lock(device_->mutex());
  transport_ = device_->transport().create_context(hbm_bytes, ddr_bytes);
  id_ = transport_->id();
  device_->add(this);
}

Context::~Context() {
  Lock lock(device_->mutex());
  device_->remove(this);
}

void Context::destroy() {
  Lock lock(device_->mutex());
  if (!transport_) return;  // the device was closed before
  if (!queues.empty())
    throw Error(RDU_ERROR_IN_USE, fmt::format("the context still has {} queues", queues.size()));
  if (programs != 0)
    throw Error(RDU_ERROR_IN_USE, fmt::format("the context still has {} programs", programs));
  for (const Memory* memory : memories) {
    device_->log(fmt::format("leak: {} bytes of {} at {:#x} were not freed before their context",
                             memory->size(), tier_name(memory->tier()), memory->address()));
  }
  for (Memory* memory : memories) memory->unmap();  // it is another context's soon
  try {
    transport_->destroy();
  } catch (const Error& error) {
    // Of a device that is lost, or whose firmware no longer answers, nothing is left to be deleted.
    if (error.result() != RDU_ERROR_DEVICE_LOST && error.result() != RDU_ERROR_FIRMWARE) throw;
  }
  device_->remove(this);
  drop();
}

void Context::drop() {
  if (!transport_) return;
  for (Queue* queue : queues) queue->drop();
  queues.clear();
  for (Memory* memory : memories) memory->drop();
  memories.clear();
  transport_.reset();
}

TransportContext& Context::transport() {
  Lock lock(device_->mutex());
  if (transport_) return *transport_;
  device_->transport();  // says so, if the device has gone
  throw Error(RDU_ERROR_INVALID_ARGUMENT, "the context was destroyed");
}

Room Context::room(rdu_tier tier) {
  if (tier == RDU_TIER_HOST)
    throw Error(RDU_ERROR_INVALID_ARGUMENT, "host memory has no fixed size that a context could tell");
  tier_name(tier);  // throws for anything else
  Lock lock(device_->mutex());
  return transport().room(tier);
}

}  // namespace rdu::runtime
