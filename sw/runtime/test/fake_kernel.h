// For tests of librdu: the kernel driver without a kernel. It keeps the rules of rdu_ioctl.h, by way of the
// user-space driver on a FakeDevice, and fails on demand.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "runtime/kernel_file.h"
#include "user/device.h"
#include "user/fake_device.h"
#include "user/range_allocator.h"

namespace rdu::runtime {

class FakeKernel {
 public:
  explicit FakeKernel(user::FakeDevice& device);
  ~FakeKernel();

  std::unique_ptr<KernelFile> open();

  // Asked before each ioctl: not 0 makes it fail with that.
  std::function<int(unsigned long request)> on_control;
  uint32_t windows = 2;  // that can be mapped at once

  // The device is reset: every context that exists is lost.
  void reset();

  int open_files() const { return files_; }
  int objects() const { return objects_; }  // of memory
  int mapped() const { return mapped_; }

 private:
  class File;
  class Queue;

  user::FakeDevice& fake_;
  std::unique_ptr<user::Device> device_;
  std::mutex mutex_;  // of host_addresses_
  user::RangeAllocator host_addresses_;
  std::atomic<int> files_{0}, objects_{0}, mapped_{0};
  std::atomic<uint64_t> resets_{0};
};

}  // namespace rdu::runtime
