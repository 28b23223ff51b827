#include "platform/serial/descriptor.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace rdu::platform::serial {

void Descriptor::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

short events(int fd, short wanted) {
  pollfd p{fd, wanted, 0};
  return fd >= 0 && poll(&p, 1, 0) > 0 ? p.revents : short{0};
}

long read_now(int fd, char* data, size_t size) {
  // A hang-up may leave bytes to read before the end.
  if (!(events(fd, POLLIN) & (POLLIN | POLLHUP | POLLERR))) return 0;
  const ssize_t got = read(fd, data, size);
  if (got > 0) return got;
  const bool nothing_now = got < 0 && (errno == EAGAIN || errno == EINTR);
  return nothing_now ? 0 : -1;
}

long write_now(int fd, const char* data, size_t size) {
  if (!(events(fd, POLLOUT) & (POLLOUT | POLLHUP | POLLERR))) return 0;
  // A pipe or terminal that poll calls writable takes this many without waiting.
  const ssize_t put = write(fd, data, std::min<size_t>(size, _POSIX_PIPE_BUF));
  if (put >= 0) return put;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

}  // namespace rdu::platform::serial
