#include "runtime/poll_set.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace rdu::runtime {

PollSet::PollSet(std::shared_ptr<Stream> stream)
    : stream_(std::move(stream)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  const auto add = [&](int fd, uint32_t what) {
    epoll_event event{};
    event.events = what;
    return fd < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
  };
  const auto descriptors = stream_->descriptors().value_or(Stream::Descriptors{});
  // Of the connection to the device only its end matters, which is told in any case.
  if (epoll_ < 0 || !add(found_by_others_.fd(), EPOLLIN) || !add(descriptors.interrupt, EPOLLIN) ||
      !add(descriptors.loss, 0)) {
    const int error = errno;
    if (epoll_ >= 0) ::close(epoll_);
    throw std::system_error(error, std::generic_category(), "epoll");
  }
  stream_->listen(found_by_others_.fd());
}

PollSet::~PollSet() {
  stream_->unlisten(found_by_others_.fd());
  ::close(epoll_);
}

void PollSet::acknowledge() {
  stream_->look();  // tells its listeners, us among them
  found_by_others_.clear();
}

}  // namespace rdu::runtime
