#include "runtime/stream.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <system_error>
#include <utility>

#include "runtime/translate.h"

namespace rdu::runtime {

// --- Eventfd
// -------------------------------------------------------------------------------------------------

Eventfd::Eventfd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Eventfd::~Eventfd() {
  ::close(fd_);
}

void Eventfd::raise() {
  const uint64_t one = 1;
  if (::write(fd_, &one, sizeof one) < 0) return;  // it is readable as it is
}

void Eventfd::clear() {
  uint64_t count;
  if (::read(fd_, &count, sizeof count) < 0) return;  // it was clear
}

// --- Stream
// --------------------------------------------------------------------------------------------------

Stream::Stream(std::unique_ptr<user::CommandStream> commands)
    : commands_(std::move(commands)), id_(commands_->id()) {}

Stream::~Stream() {
  close(Error(RDU_ERROR_ABORTED, "its queue was destroyed"));
}

namespace {

constexpr Milliseconds kForEver = std::chrono::hours{24 * 365};

std::chrono::steady_clock::time_point in(Milliseconds timeout) {
  return std::chrono::steady_clock::now() + std::min(timeout, kForEver);
}

Milliseconds until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<Milliseconds>(deadline - std::chrono::steady_clock::now());
  return std::max(left, Milliseconds{0});
}

}  // namespace

std::shared_ptr<Ticket> Stream::submit(const rdu_sqe& sqe, Milliseconds timeout,
                                       std::unique_ptr<UserBuffer> buffer) {
  std::lock_guard submit_lock(submit_mutex_);
  const bool deferring = is_deferring();
  auto ticket = std::make_shared<Ticket>(submitted_, sqe.opcode);
  // First of all, for the command may complete before this function does.
  if (buffer) {
    std::lock_guard lock(buffers_mutex_);
    buffers_.push_back({submitted_, std::move(buffer)});
  }
  if (deferring) {
    std::lock_guard lock(mutex_);
    defer({Item::Kind::kSubmit, nullptr, ticket, sqe});
  } else {
    try {
      give(sqe, *ticket, timeout);
    } catch (...) {
      std::lock_guard lock(buffers_mutex_);
      if (!buffers_.empty() && buffers_.back().number == submitted_) buffers_.pop_back();
      throw;
    }
  }
  std::lock_guard lock(mutex_);
  ++submitted_;
  return ticket;
}

// The caller holds submit_mutex_: nobody else defers meanwhile.
bool Stream::is_deferring() {
  std::lock_guard lock(mutex_);
  if (closed_) throw_closed();
  return !deferred_.empty();
}

void Stream::give(const rdu_sqe& sqe, Ticket& ticket, Milliseconds timeout) {
  auto command = translate(RDU_ERROR_TIMEOUT, [&] { return commands_->submit(sqe, timeout); });
  std::lock_guard lock(mutex_);
  if (ticket.urged_) translate(RDU_ERROR_TIMEOUT, [&] { commands_->urge(*command); });
  ticket.command_ = std::move(command);
}

void Stream::urge(Ticket& ticket) {
  std::lock_guard lock(mutex_);
  ticket.urged_ = true;
  if (ticket.command_) translate(RDU_ERROR_TIMEOUT, [&] { commands_->urge(*ticket.command_); });
}

void Stream::wait_for(std::shared_ptr<Stream> other, std::shared_ptr<Ticket> ticket) {
  if (other.get() == this) return;  // order within a queue is kept anyway
  std::lock_guard submit_lock(submit_mutex_);
  is_deferring();
  std::lock_guard lock(mutex_);
  defer({Item::Kind::kWait, std::move(other), std::move(ticket), {}});
}

void Stream::hold() {
  std::lock_guard submit_lock(submit_mutex_);
  if (!is_deferring()) return commands_->hold();
  std::lock_guard lock(mutex_);
  defer({Item::Kind::kHold, nullptr, nullptr, {}});
}

void Stream::release() {
  std::lock_guard submit_lock(submit_mutex_);
  if (!is_deferring()) return translate(RDU_ERROR_TIMEOUT, [&] { commands_->release(); });
  std::lock_guard lock(mutex_);
  defer({Item::Kind::kRelease, nullptr, nullptr, {}});
}

// The caller holds the lock.
void Stream::defer(Item item) {
  deferred_.push_back(std::move(item));
  if (!thread_.joinable()) thread_ = std::thread([this] { run_deferred(); });
  changed_.notify_all();
}

void Stream::run_deferred() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || !deferred_.empty(); });
    if (closed_) return;
    const Item& item = deferred_.front();  // stays where it is while others are added
    lock.unlock();
    execute(item);
    lock.lock();
    if (closed_) return;
    deferred_.pop_front();
    changed_.notify_all();
  }
}

void Stream::execute(const Item& item) {
  try {
    switch (item.kind) {
      case Item::Kind::kWait:
        wait_any({{item.other, item.ticket}}, kForEver, cancel_.fd());
        break;
      case Item::Kind::kSubmit:
        give(item.sqe, *item.ticket, kForEver);
        // It may have completed before its ticket knew of it.
        commands_->tell_listeners();
        break;
      case Item::Kind::kHold:
        commands_->hold();
        break;
      case Item::Kind::kRelease:
        translate(RDU_ERROR_TIMEOUT, [&] { commands_->release(); });
        break;
    }
  } catch (const Error& error) {
    // A wait ends with its queue or its device: its command does not run any more. A command that the device
    // did not take tells whoever waits for it.
    if (item.kind != Item::Kind::kSubmit) return;
    {
      std::lock_guard lock(mutex_);
      item.ticket->failure_ = error;
    }
    commands_->tell_listeners();
  }
}

void Stream::throw_closed() {
  throw Error(*closed_);
}

// Until the device has it, or could not get it.
bool Stream::is_given(std::unique_lock<std::mutex>& lock, const Ticket& ticket, Clock::time_point deadline) {
  const auto known = [&] { return ticket.command_ || ticket.failure_ || closed_; };
  if (!changed_.wait_until(lock, deadline, known)) return false;
  if (!ticket.command_ && !ticket.failure_) throw_closed();
  return true;
}

bool Stream::wait(const Ticket& ticket, Milliseconds timeout) {
  const auto deadline = in(timeout);
  std::shared_ptr<user::Command> command;
  {
    std::unique_lock lock(mutex_);
    if (!is_given(lock, ticket, deadline)) return false;
    if (ticket.failure_) return true;
    command = ticket.command_;
  }
  const bool done = translate(RDU_ERROR_TIMEOUT, [&] {
    try {
      return commands_->wait(*command, until(deadline));
    } catch (const user::QueueClosed&) {
      std::unique_lock lock(mutex_);
      throw_closed();
    }
  });
  settle();
  return done;
}

bool Stream::wait_below(uint64_t number, Milliseconds timeout) {
  const auto deadline = in(timeout);
  {
    std::unique_lock lock(mutex_);
    // Whether deferred commands that precede it are still to be given.
    const auto given = [&] {
      return closed_ || std::none_of(deferred_.begin(), deferred_.end(), [&](const Item& item) {
               return item.kind == Item::Kind::kSubmit && item.ticket->number() < number;
             });
    };
    if (!changed_.wait_until(lock, deadline, given)) return false;
    if (closed_) throw_closed();
    number = std::min(number, commands_->submitted());  // those that could not be given count as completed
  }
  const bool done = translate(RDU_ERROR_TIMEOUT, [&] {
    try {
      return commands_->wait_below(number, until(deadline));
    } catch (const user::QueueClosed&) {
      std::unique_lock lock(mutex_);
      throw_closed();
    }
  });
  settle();
  return done;
}

Completion Stream::completion(const Ticket& ticket) {
  std::unique_lock lock(mutex_);
  if (ticket.failure_) throw Error(*ticket.failure_);
  return commands_->completion(*ticket.command_);
}

uint64_t Stream::submitted() {
  std::unique_lock lock(mutex_);
  return submitted_;
}

std::optional<Stream::Descriptors> Stream::descriptors() {
  std::unique_lock lock(mutex_);
  if (closed_) return std::nullopt;
  return Descriptors{commands_->interrupt_fd(), commands_->loss_fd()};
}

void Stream::look() {
  translate(RDU_ERROR_TIMEOUT, [&] { commands_->look(); });
  settle();
}

// Finishes the buffers of commands that are known to have completed.
void Stream::settle() {
  std::lock_guard lock(buffers_mutex_);
  if (buffers_.empty()) return;
  for (const uint64_t completed = commands_->completed();
       !buffers_.empty() && buffers_.front().number < completed; buffers_.pop_front())
    buffers_.front().memory->finish();
}

void Stream::close(const Error& reason) noexcept {
  {
    std::unique_lock lock(mutex_);
    if (closed_) return;
    closed_ = reason;
    cancel_.raise();
    changed_.notify_all();
  }
  commands_->close();
  if (thread_.joinable()) thread_.join();
  settle();
  std::lock_guard lock(buffers_mutex_);
  buffers_.clear();
}

// --- several
// -------------------------------------------------------------------------------------------------

namespace {

// Has the eventfd told by each stream of the tickets, once.
class Listening {
 public:
  Listening(const std::vector<StreamTicket>& tickets, int eventfd) : eventfd_(eventfd) {
    for (const StreamTicket& t : tickets) {
      if (std::find(streams_.begin(), streams_.end(), t.stream) != streams_.end()) continue;
      streams_.push_back(t.stream);
      t.stream->listen(eventfd);
    }
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() {
    for (const auto& stream : streams_) stream->unlisten(eventfd_);
  }
  const std::vector<std::shared_ptr<Stream>>& streams() const { return streams_; }

 private:
  int eventfd_;
  std::vector<std::shared_ptr<Stream>> streams_;
};

}  // namespace

std::optional<size_t> wait_any(const std::vector<StreamTicket>& tickets, Milliseconds timeout, int cancel) {
  const auto deadline = in(timeout);
  // A command that will never complete has ended, too: a wait for it says why.
  const auto ended = [](const StreamTicket& t) {
    try {
      return t.stream->wait(*t.ticket, Milliseconds{0});
    } catch (const Error&) {
      return true;
    }
  };
  const auto first = [&]() -> std::optional<size_t> {
    const auto found = std::find_if(tickets.begin(), tickets.end(), ended);
    if (found == tickets.end()) return std::nullopt;
    return static_cast<size_t>(found - tickets.begin());
  };
  if (const auto found = first()) return found;
  Eventfd found_by_others;
  const Listening listening(tickets, found_by_others.fd());
  for (const StreamTicket& t : tickets) t.stream->urge(*t.ticket);
  for (;;) {
    found_by_others.clear();
    std::vector<pollfd> set = {{found_by_others.fd(), POLLIN, 0}};
    if (cancel >= 0) set.push_back({cancel, POLLIN, 0});
    std::optional<size_t> lost;
    for (const auto& stream : listening.streams()) {
      try {
        stream->look();
      } catch (const Error&) {
        const auto its = [&](const StreamTicket& t) { return t.stream == stream && !ended(t); };
        const auto found = std::find_if(tickets.begin(), tickets.end(), its);
        if (found != tickets.end()) lost = static_cast<size_t>(found - tickets.begin());
      }
      const auto descriptors = stream->descriptors();
      if (!descriptors) continue;
      set.push_back({descriptors->interrupt, POLLIN, 0});
      if (descriptors->loss >= 0) set.push_back({descriptors->loss, 0, 0});
    }
    if (const auto found = first()) return found;
    if (lost) return lost;
    const Milliseconds left = until(deadline);
    if (left == Milliseconds{0}) return std::nullopt;
    ::poll(set.data(), set.size(), static_cast<int>(std::min<int64_t>(left.count(), INT_MAX)));
    if (cancel >= 0 && set[1].revents != 0) return std::nullopt;
  }
}

}  // namespace rdu::runtime
