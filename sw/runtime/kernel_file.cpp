#include "runtime/kernel_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/error.h"

namespace rdu::runtime {

namespace {

class Node : public KernelFile {
 public:
  explicit Node(int fd) : fd_(fd) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node() override { ::close(fd_); }

  int control(unsigned long request, void* argument) override {
    for (;;) {
      if (::ioctl(fd_, request, argument) >= 0) return 0;
      if (errno != EINTR) return errno;
    }
  }
  int map(uint64_t offset, uint64_t bytes, uint8_t** data) override {
    void* const place =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(offset));
    if (place == MAP_FAILED) return errno;
    *data = static_cast<uint8_t*>(place);
    return 0;
  }
  void unmap(uint8_t* data, uint64_t bytes) noexcept override { ::munmap(data, bytes); }

 private:
  int fd_;
};

}  // namespace

std::unique_ptr<KernelFile> open_node(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd >= 0) return std::make_unique<Node>(fd);
  const int error = errno;
  switch (error) {
    case ENOENT:
      throw Error(RDU_ERROR_NO_DEVICE,
                  fmt::format("there is no {}: is the kernel driver loaded (modprobe rdu, or insmod rdu.ko), "
                              "and the card in the machine (lspci)?",
                              path));
    case EACCES:
    case EPERM:
      throw Error(RDU_ERROR_PERMISSION, fmt::format("{} may not be opened by this user", path));
    case ENODEV:
    case ENXIO:
      throw Error(RDU_ERROR_NO_DEVICE, fmt::format("the device of {} is gone", path));
    default:
      throw Error(RDU_ERROR_NO_DEVICE, fmt::format("{} cannot be opened: {}", path, std::strerror(error)));
  }
}

}  // namespace rdu::runtime
