// An open file of a device's node, as the kernel driver sees it (sw/driver/linux/rdu_ioctl.h). Tests have a
// fake one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace rdu::runtime {

class KernelFile {
 public:
  virtual ~KernelFile() = default;  // closes it
  // ioctl(2): 0, or an errno value; never EINTR.
  virtual int control(unsigned long request, void* argument) = 0;
  // mmap(2), shared, to read and write. 0 or an errno value.
  virtual int map(uint64_t offset, uint64_t bytes, uint8_t** data) = 0;
  virtual void unmap(uint8_t* data, uint64_t bytes) noexcept = 0;
};

// Opens the node once more. Throws Error.
using OpenKernelFile = std::function<std::unique_ptr<KernelFile>()>;

// Throws NO_DEVICE, PERMISSION.
std::unique_ptr<KernelFile> open_node(const std::string& path);

}  // namespace rdu::runtime
