// Ordinary memory of the application for the time of one copy: pinned where it is, if the transport can do
// that; else a stage of host memory, filled before the copy or emptied after it.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/transport.h"

namespace rdu::runtime {

class UserBuffer {
 public:
  // The device will read [memory, memory + bytes).
  static std::unique_ptr<UserBuffer> to_be_read(TransportContext& context, const void* memory,
                                                uint64_t bytes);
  // The device will write it.
  static std::unique_ptr<UserBuffer> to_be_written(TransportContext& context, void* memory, uint64_t bytes);

  uint64_t address() const { return allocation_->address(); }
  // The copy has completed.
  void finish();

 private:
  UserBuffer(TransportContext& context, void* memory, uint64_t bytes);

  std::unique_ptr<Allocation> allocation_;
  uint8_t* memory_;
  uint64_t bytes_;
  bool staged_ = false;
  bool written_ = false;
};

}  // namespace rdu::runtime
