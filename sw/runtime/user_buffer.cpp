#include "runtime/user_buffer.h"

#include <cstring>

namespace rdu::runtime {

UserBuffer::UserBuffer(TransportContext& context, void* memory, uint64_t bytes)
    : allocation_(context.pin(memory, bytes)), memory_(static_cast<uint8_t*>(memory)), bytes_(bytes) {
  if (allocation_) return;
  staged_ = true;
  allocation_ = context.allocate(RDU_TIER_HOST, bytes);
}

std::unique_ptr<UserBuffer> UserBuffer::to_be_read(TransportContext& context, const void* memory,
                                                   uint64_t bytes) {
  std::unique_ptr<UserBuffer> buffer(new UserBuffer(context, const_cast<void*>(memory), bytes));
  if (buffer->staged_) std::memcpy(buffer->allocation_->map(), memory, bytes);
  return buffer;
}

std::unique_ptr<UserBuffer> UserBuffer::to_be_written(TransportContext& context, void* memory,
                                                      uint64_t bytes) {
  std::unique_ptr<UserBuffer> buffer(new UserBuffer(context, memory, bytes));
  buffer->written_ = true;
  return buffer;
}

void UserBuffer::finish() {
  if (staged_ && written_) std::memcpy(memory_, allocation_->map(), bytes_);
}

}  // namespace rdu::runtime
