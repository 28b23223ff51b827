#include "platform/serial/file_backend.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace rdu::platform::serial {

FileBackend::FileBackend(const std::string& path)
    : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (!file_) core::bad_input(fmt::format("--serial file:{}: {}", path, std::strerror(errno)));
}

size_t FileBackend::write(const char* data, size_t size) {
  const ssize_t put = ::write(file_.get(), data, size);
  if (put >= 0) return static_cast<size_t>(put);
  if (errno == EAGAIN || errno == EINTR) return 0;
  core::bad_input(fmt::format("--serial file:{}: {}", path_, std::strerror(errno)));
}

}  // namespace rdu::platform::serial
