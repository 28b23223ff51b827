#include "platform/serial/pty_backend.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace rdu::platform::serial {

PtyBackend::PtyBackend() : master_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  char name[128] = "";
  const bool made = master_ && grantpt(master_.get()) == 0 && unlockpt(master_.get()) == 0 &&
                    ptsname_r(master_.get(), name, sizeof name) == 0;
  // Once opened and closed, the kernel tells whether somebody is there; settings stay.
  const Descriptor slave(made ? ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1);
  if (!slave) core::bad_input(fmt::format("--serial pty: {}", std::strerror(errno)));
  termios raw{};
  tcgetattr(slave.get(), &raw);
  cfmakeraw(&raw);
  tcsetattr(slave.get(), TCSANOW, &raw);
  name_ = name;
}

bool PtyBackend::connected() const {
  return !(events(master_.get(), 0) & POLLHUP);
}

size_t PtyBackend::read(char* data, size_t size) {
  if (!(events(master_.get(), POLLIN) & POLLIN)) return 0;
  const long got = read_now(master_.get(), data, size);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

size_t PtyBackend::write(const char* data, size_t size) {
  if (!connected()) return size;
  const long put = write_now(master_.get(), data, size);
  return put < 0 ? size : static_cast<size_t>(put);
}

}  // namespace rdu::platform::serial
