#include "pcie/vfio_user/connection.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace rdu::pcie::vfio_user::detail {

namespace {

constexpr size_t kHeader = sizeof(wire::Header);

// What is asked of the socket when a message begins. All commands but RESET are at least this long, so that a
// register read arrives by a single call. What is read beyond a shorter message belongs to the next one, and
// so do descriptors that came along, for a RESET has none.
constexpr size_t kFirstRead = 32;

constexpr size_t kMostFds = 253;  // the kernel's limit for one message (SCM_MAX_FD)

}  // namespace

Doorbell::Doorbell() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!fd_.valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void Doorbell::ring() const {
  const uint64_t one = 1;
  // A counter that is full has been rung already.
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
}

void Doorbell::silence() const {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = ::read(fd_.get(), &count, sizeof count);
}

Connection::Connection(UniqueFd socket, std::shared_ptr<Doorbell> doorbell,
                       std::chrono::milliseconds message_timeout)
    : socket_(std::move(socket)),
      doorbell_(std::move(doorbell)),
      message_timeout_(message_timeout),
      buffer_(4096) {}

ssize_t Connection::receive(size_t want) {
  if (buffer_.size() < want) buffer_.resize(want);
  iovec bytes = {buffer_.data() + filled_, want - filled_};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))];
  msghdr header = {};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return got;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds_.emplace_back(fd);
    }
  }
  if (header.msg_flags & MSG_CTRUNC) fds_lost_ = true;
  if (got > 0) filled_ += static_cast<size_t>(got);
  return got;
}

Connection::Read Connection::read(Message& message) {
  if (consumed_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + consumed_, filled_ - consumed_);
    filled_ -= consumed_;
    consumed_ = 0;
  }
  while (true) {
    size_t want = kFirstRead;
    if (filled_ >= kHeader) {
      message.header = wire::load<wire::Header>(buffer_.data());
      want = message.header.size;
      if (want < kHeader || want > max_message_) {
        read_deadline_ = Clock::time_point::max();
        return Read::kUnframed;
      }
      if (filled_ >= want) break;
    }
    const ssize_t got = receive(want);
    if (got == 0) return Read::kClosed;
    if (got < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) return Read::kClosed;
      if (filled_ == 0)
        read_deadline_ = Clock::time_point::max();
      else if (read_deadline_ == Clock::time_point::max())
        read_deadline_ = Clock::now() + message_timeout_;
      return Read::kNothing;
    }
  }
  read_deadline_ = Clock::time_point::max();
  consumed_ = message.header.size;
  message.payload = buffer_.data() + kHeader;
  message.size = message.header.size - kHeader;
  message.fds.clear();
  message.fds_lost = false;
  const bool descriptors_are_of_the_next = filled_ > consumed_;
  if (!descriptors_are_of_the_next) {
    message.fds = std::move(fds_);
    fds_.clear();
    message.fds_lost = fds_lost_;
    fds_lost_ = false;
  }
  return Read::kMessage;
}

std::shared_ptr<Slot> Connection::open(const wire::Header& command) {
  auto slot = std::make_shared<Slot>();
  slot->connection = shared_from_this();
  slot->command = command;
  const std::lock_guard<std::mutex> lock(out_);
  slots_.push_back(slot);
  open_.store(slots_.size());
  return slot;
}

void Connection::finish(Slot& slot, const void* payload, size_t size, const void* data, size_t data_size,
                        int fd) {
  const std::lock_guard<std::mutex> lock(out_);
  if (--slot.remaining > 0) return;
  if (!(slot.command.flags & wire::kNoReply)) {
    wire::Header header = {slot.command.id, slot.command.command, 0, wire::kTypeReply, 0};
    if (slot.error != 0) {
      header.flags |= wire::kError;
      header.error = static_cast<uint32_t>(slot.error);
      size = data_size = 0;  // an error is a header and nothing else
      fd = -1;
    }
    header.size = static_cast<uint32_t>(kHeader + size + data_size);
    slot.message.resize(header.size);
    wire::store(slot.message.data(), header);
    if (size) std::memcpy(slot.message.data() + kHeader, payload, size);
    if (data_size) std::memcpy(slot.message.data() + kHeader + size, data, data_size);
    slot.fd = fd;
  }
  complete(slot);
}

void Connection::fail(Slot& slot, int error) {
  {
    const std::lock_guard<std::mutex> lock(out_);
    if (slot.error == 0) slot.error = error;
  }
  finish(slot, nullptr, 0);
}

void Connection::complete(Slot& slot) {
  slot.done = true;
  if (dead_) return;
  while (!slots_.empty() && slots_.front()->done) {
    const std::shared_ptr<Slot> first = std::move(slots_.front());
    slots_.pop_front();
    open_.store(slots_.size());
    if (!first->message.empty()) transmit({std::move(first->message), 0, first->fd});
  }
  if (watched_) doorbell_->ring();
}

void Connection::transmit(Outgoing message) {
  if (dead_) return;
  if (backlog_.empty() && push(message)) return;
  if (dead_) return;
  backlog_.push_back(std::move(message));
  waiting_.store(backlog_.size());
  if (backlog_.size() == 1) write_deadline_ = Clock::now() + message_timeout_;
  doorbell_->ring();  // somebody has to wait for room in the socket
}

bool Connection::push(Outgoing& message) {
  while (message.sent < message.bytes.size()) {
    iovec bytes = {message.bytes.data() + message.sent, message.bytes.size() - message.sent};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header = {};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    if (message.fd >= 0) {
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      cmsghdr* part = CMSG_FIRSTHDR(&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(part), &message.fd, sizeof(int));
    }
    const ssize_t sent = ::sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      dead_ = true;
      doorbell_->ring();
      return false;
    }
    message.sent += static_cast<size_t>(sent);
    message.fd = -1;
  }
  return true;
}

bool Connection::send(const wire::Header& header, const void* payload, size_t size, const void* data,
                      size_t data_size) {
  Outgoing message;
  message.bytes.resize(kHeader + size + data_size);
  wire::store(message.bytes.data(), header);
  std::memcpy(message.bytes.data() + kHeader, payload, size);
  if (data_size) std::memcpy(message.bytes.data() + kHeader + size, data, data_size);
  const std::lock_guard<std::mutex> lock(out_);
  transmit(std::move(message));
  return !dead_;
}

bool Connection::flush() {
  const std::lock_guard<std::mutex> lock(out_);
  while (!backlog_.empty()) {
    const size_t before = backlog_.front().sent;
    if (!push(backlog_.front())) {
      if (backlog_.front().sent != before) write_deadline_ = Clock::now() + message_timeout_;
      return !dead_;
    }
    backlog_.pop_front();
    waiting_.store(backlog_.size());
    write_deadline_ = Clock::now() + message_timeout_;
  }
  write_deadline_ = Clock::time_point::max();
  return !dead_;
}

Clock::time_point Connection::write_deadline() const {
  const std::lock_guard<std::mutex> lock(out_);
  return write_deadline_;
}

bool Connection::failed() const {
  const std::lock_guard<std::mutex> lock(out_);
  return dead_;
}

void Connection::watch(bool on) {
  const std::lock_guard<std::mutex> lock(out_);
  watched_ = on;
}

void Connection::close() {
  const std::lock_guard<std::mutex> lock(out_);
  dead_ = true;
  slots_.clear();
  open_.store(0);
  backlog_.clear();
  waiting_.store(0);
  write_deadline_ = Clock::time_point::max();
  fds_.clear();
  socket_.reset();
}

}  // namespace rdu::pcie::vfio_user::detail
