// Threads, the socket, and the queue. What the messages mean is in commands.cpp.
#include "pcie/vfio_user/engine.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace rdu::pcie::vfio_user::detail {

namespace {

// How long the simulation keeps the socket after it has left wait(): long against a register access, short
// against what a driver's time-out notices. Ours.
constexpr long kKeepNanoseconds = 1'000'000;
// How long a simulation that waits looks for the next message without going to sleep, if messages come about
// that fast: what a client needs between two accesses, and about what a sleep and its end cost. Ours.
constexpr auto kSnatch = std::chrono::microseconds(20);
// After the system had no descriptor for a new client. Ours.
constexpr auto kAcceptAgain = std::chrono::milliseconds(200);
// Messages dealt with before the doorbells are looked at again. Ours.
constexpr int kMessagesInARow = 64;
// Data of writes that wait for the simulation, beyond which the socket is not read. Ours.
constexpr size_t kMostQueuedBytes = 64u << 20;
// How much more is taken while the simulation waits for an answer of the client, which comes by the same
// socket. Ours.
constexpr size_t kSlackInCalls = 4;
// Before negotiation, and for the commands that do not carry region data. Ours.
constexpr uint32_t kSmallMessage = 64u << 10;
// Lines about one client's errors before the log falls silent. Ours.
constexpr unsigned kMostComplaints = 20;

void poll_until(pollfd* set, nfds_t count, Clock::time_point until) {
  timespec left = {};
  const timespec* limit = nullptr;
  if (until != Clock::time_point::max()) {
    const auto now = Clock::now();
    const auto span = until > now ? std::chrono::nanoseconds(until - now) : std::chrono::nanoseconds(0);
    left.tv_sec = static_cast<time_t>(span.count() / 1'000'000'000);
    left.tv_nsec = static_cast<long>(span.count() % 1'000'000'000);
    limit = &left;
  }
  for (nfds_t i = 0; i < count; ++i) set[i].revents = 0;
  if (::ppoll(set, count, limit, nullptr) < 0)  // a signal: nothing has happened, the caller looks again
    for (nfds_t i = 0; i < count; ++i) set[i].revents = 0;
}

Clock::time_point after(std::chrono::milliseconds time) {
  return Clock::now() + time;
}

}  // namespace

Engine::Engine(std::string path, Device& device, Options options)
    : path_(std::move(path)), device_(device), options_(std::move(options)) {}

Engine::~Engine() {
  stop();
}

void Engine::start(UniqueFd connection) {
  if (started_) throw std::logic_error("a vfio-user server is started once");
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer_.valid()) throw std::system_error(errno, std::generic_category(), "timerfd_create");
  ask_device();
  if (connection.valid())
    adopt(std::move(connection));
  else
    listener_.open(path_);
  started_ = true;
  thread_ = std::thread([this] { run(); });
}

void Engine::hang_up() {
  auto turn = take_over();
  listener_.close();
  if (connection_) {
    hung_up_ = true;
    ::shutdown(connection_->fd(), SHUT_RD);
  }
  hand_back(std::move(turn));
}

void Engine::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  control_.ring();
  sim_bell_.ring();
  thread_.join();
  const std::lock_guard<std::mutex> turn(serving_);
  if (connection_) connection_->close();
  connection_.reset();
  connected_.store(false);
  listener_.close();
  const std::lock_guard<std::mutex> lock(queue_lock_);
  queue_.clear();
  queued_.store(0);
}

// --- turns
// -----------------------------------------------------------------------------------------------------------

// The server's thread.
void Engine::run() {
  uint64_t seen = 0;
  while (!stopping_.load()) {
    if (holder_.load() == Holder::kServer && !simulation_wants_.load()) {
      const std::lock_guard<std::mutex> turn(serving_);
      while (holder_.load() == Holder::kServer && !simulation_wants_.load() && !stopping_.load())
        serve(&control_, Clock::time_point::max(), false);
      continue;
    }
    pollfd set[2] = {{control_.fd(), POLLIN, 0}, {timer_.get(), POLLIN, 0}};
    poll_until(set, 2, Clock::time_point::max());
    if (set[0].revents) control_.silence();
    if (!set[1].revents) continue;
    uint64_t expirations;
    [[maybe_unused]] const ssize_t got = ::read(timer_.get(), &expirations, sizeof expirations);
    timer_armed_.exchange(false);
    const std::unique_lock<std::mutex> turn(serving_, std::try_to_lock);
    if (!turn.owns_lock()) continue;  // the simulation is in wait(), and arms the timer when it leaves
    const uint64_t turns = turns_.load();
    if (turns != seen)
      start_timer();  // it has waited since the last time, so it will soon again
    else
      holder_.store(Holder::kServer);
    seen = turns;
  }
}

std::unique_lock<std::mutex> Engine::take_over() {
  std::unique_lock<std::mutex> turn(serving_, std::try_to_lock);
  if (!turn.owns_lock()) {
    simulation_wants_.store(true);
    control_.ring();
    turn.lock();
    simulation_wants_.store(false);
  }
  holder_.store(Holder::kSimulation);
  turns_.fetch_add(1);
  return turn;
}

void Engine::hand_back(std::unique_lock<std::mutex> turn) {
  turn.unlock();
  start_timer();
}

void Engine::start_timer() {
  if (timer_armed_.exchange(true)) return;
  itimerspec once = {};
  once.it_value.tv_nsec = kKeepNanoseconds;
  ::timerfd_settime(timer_.get(), 0, &once, nullptr);
}

bool Engine::wait(std::chrono::milliseconds timeout) {
  if (queued_.load(std::memory_order_acquire) > 0) return true;
  const auto begin = Clock::now();
  const auto until = timeout.count() < 0 ? Clock::time_point::max() : begin + timeout;
  auto turn = take_over();
  if (eager_ && timeout > kSnatch) snatch(begin + kSnatch);
  while (queued_.load(std::memory_order_acquire) == 0 && !stopping_.load()) {
    if (serve(&sim_bell_, until, true)) break;
    if (until != Clock::time_point::max() && Clock::now() >= until) break;
  }
  hand_back(std::move(turn));
  const bool has_come = queued_.load(std::memory_order_acquire) > 0;
  eager_ = has_come && may_be_eager_ && Clock::now() - begin < kSnatch;
  return has_come;
}

// Looks for a message again and again: one that comes soon costs neither poll() nor a sleep. For the length
// of one access only, and only while accesses follow each other closely, so that an idle host costs nothing.
void Engine::snatch(Clock::time_point until) {
  if (!connection_ || connection_->unsent()) return;
  do {
    read_messages(false, true);
  } while (connection_ && !closing_ && queued_.load(std::memory_order_relaxed) == 0 && Clock::now() < until);
}

std::optional<Request> Engine::next() {
  if (queued_.load(std::memory_order_acquire) == 0) return std::nullopt;
  const std::lock_guard<std::mutex> lock(queue_lock_);
  if (queue_.empty()) return std::nullopt;
  std::optional<Request> request(std::move(queue_.front()));
  queue_.pop_front();
  queued_.store(queue_.size(), std::memory_order_release);
  queued_bytes_.fetch_sub(request->data().size());
  return request;
}

Request Engine::make(Request::Kind kind, std::shared_ptr<Slot> slot) {
  Request::Content content;
  content.kind = kind;
  content.number = next_number_++;
  Request request(std::move(content));
  request.slot_ = std::move(slot);
  return request;
}

void Engine::queue(Request request) {
  queued_bytes_.fetch_add(request.data().size());
  const std::lock_guard<std::mutex> lock(queue_lock_);
  queue_.push_back(std::move(request));
  queued_.store(queue_.size(), std::memory_order_release);
}

// --- the socket
// ------------------------------------------------------------------------------------------------------

bool Engine::throttled() const {
  if (!connection_) return false;
  const size_t slack = call_.active ? kSlackInCalls : 1;
  const size_t limit = slack * options_.max_queued_requests;
  if (connection_->open_slots() >= limit || queued_.load() >= limit) return true;
  if (queued_bytes_.load() >= slack * kMostQueuedBytes) return true;
  return !call_.active && connection_->unsent();
}

Clock::time_point Engine::next_deadline() const {
  if (connection_)
    return std::min({session_deadline_, connection_->write_deadline(),
                     closing_ ? Clock::time_point::max() : connection_->read_deadline()});
  return accept_again_;
}

bool Engine::serve(const Doorbell* bell, Clock::time_point until, bool one_request) {
  if (closing_ && connection_->open_slots() == 0 && !connection_->unsent()) {
    drop(closing_why_);
    return false;
  }
  pollfd set[3] = {{bell ? bell->fd() : -1, POLLIN, 0}, {work_->fd(), POLLIN, 0}, {-1, 0, 0}};
  if (connection_) {
    set[2].fd = connection_->fd();
    const bool held = throttled();
    connection_->watch(held || closing_);
    // The simulation may have caught up just before the bell was asked for.
    const bool readable = !closing_ && (!held || !throttled());
    if (readable) set[2].events |= POLLIN;
    if (connection_->unsent()) set[2].events |= POLLOUT;
  } else if (listener_.valid() && !leaving_.load() && Clock::now() >= accept_again_) {
    set[2] = {listener_.fd(), POLLIN, 0};
  }
  Clock::time_point deadline = next_deadline();
  if (!connection_ && deadline <= Clock::now()) deadline = Clock::time_point::max();  // nothing is put off
  poll_until(set, 3, std::min(until, deadline));

  const bool rung = set[0].revents != 0;
  if (rung) bell->silence();
  if (set[1].revents) work_->silence();
  if (!connection_) {
    if (set[2].revents & POLLIN) admit();
    return rung;
  }
  if (connection_->failed() || ((set[2].revents & POLLOUT) && !connection_->flush())) {
    drop("its socket failed");
    return rung;
  }
  const bool hung_up = (set[2].revents & (POLLHUP | POLLERR)) != 0;
  if (closing_) {
    if (hung_up) {
      drop(closing_why_);
      return rung;
    }
  } else if (hung_up || (set[2].revents & POLLIN)) {
    read_messages(hung_up, one_request);
  }
  if (connection_) check_deadlines();
  return rung;
}

void Engine::check_deadlines() {
  const auto now = Clock::now();
  if (now >= session_deadline_)
    drop(closing_ ? closing_why_ : "it did not negotiate a version in time");
  else if (!closing_ && now >= connection_->read_deadline())
    drop("a message of it stayed incomplete for too long");
  else if (now >= connection_->write_deadline())
    drop("it did not read our replies for too long");
}

void Engine::admit() {
  UniqueFd socket = listener_.accept();
  if (socket.valid()) {
    adopt(std::move(socket));
    return;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR) return;
  log(std::string("vfio-user: cannot accept a client: ") + std::strerror(errno));
  accept_again_ = after(kAcceptAgain);
}

void Engine::adopt(UniqueFd socket) {
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  peer_ = "client";
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
    peer_ += " (process " + std::to_string(credentials.pid) + ")";
  connection_ = std::make_shared<Connection>(std::move(socket), work_, options_.message_timeout);
  connection_->set_max_message(kSmallMessage);
  session_deadline_ = after(options_.negotiation_timeout);
  negotiated_ = false;
  closing_ = false;
  complaints_ = 0;
  client_ = Capabilities();
}

void Engine::accept_session(const Capabilities& client) {
  client_ = client;
  negotiated_ = true;
  session_deadline_ = Clock::time_point::max();
  const uint32_t data = static_cast<uint32_t>(sizeof(wire::Header) + sizeof(wire::RegionAccess));
  connection_->set_max_message(std::max(kSmallMessage, options_.max_data_transfer + data));
  connected_.store(true, std::memory_order_release);
  queue(make(Request::Kind::kConnect, nullptr));
  log("vfio-user: " + peer_ + " has the device");
}

void Engine::close_after_replies(const std::string& why) {
  closing_ = true;
  closing_why_ = why;
  session_deadline_ = after(options_.message_timeout);
}

void Engine::drop(const std::string& why) {
  // Who connects and leaves without a word (a probe, see Listener) is not worth a line.
  if (negotiated_ || complaints_ > 0 || why != kClosed) log("vfio-user: " + peer_ + " is gone: " + why);
  connection_->close();
  connection_.reset();
  session_deadline_ = Clock::time_point::max();
  closing_ = false;
  if (call_.active && !call_.done) {
    call_.done = true;
    call_.error = ECONNRESET;
  }
  if (!negotiated_) return;
  negotiated_ = false;
  leaving_.store(true);
  connected_.store(false, std::memory_order_release);
  queue(make(Request::Kind::kDisconnect, nullptr));
}

void Engine::read_messages(bool to_the_end, bool one_request) {
  Message message;
  for (int i = 0; i < kMessagesInARow || to_the_end; ++i) {
    if (!to_the_end && throttled()) return;
    switch (connection_->read(message)) {
      case Connection::Read::kMessage:
        handle(message);
        break;
      case Connection::Read::kNothing:
        if (to_the_end) drop(hung_up_ ? kHungUp : kClosed);
        return;
      case Connection::Read::kClosed:
        drop(hung_up_ ? kHungUp : kClosed);
        return;
      case Connection::Read::kUnframed: {
        const auto slot = connection_->open(message.header);
        const bool small = message.header.size < sizeof(wire::Header);
        log_client(std::string("a message of ") + std::to_string(message.header.size) + " bytes");
        connection_->fail(*slot, small ? EINVAL : EMSGSIZE);
        close_after_replies("it sent a message of impossible size");
        break;
      }
    }
    if (!connection_ || closing_) return;
    if (one_request && queued_.load(std::memory_order_relaxed) > 0) return;
  }
}

// --- DMA by message
// --------------------------------------------------------------------------------------------------

int Engine::call(wire::Command command, uint64_t iova, uint8_t* in, const uint8_t* out, size_t size) {
  while (size > 0) {
    const size_t part = static_cast<size_t>(
        std::min<uint64_t>({size, client_.max_data_transfer, uint64_t{options_.max_data_transfer}}));
    if (const int error = call_once(command, iova, in, out, part)) return error;
    iova += part;
    if (in) in += part;
    if (out) out += part;
    size -= part;
  }
  return 0;
}

int Engine::call_once(wire::Command command, uint64_t iova, uint8_t* in, const uint8_t* out, size_t size) {
  auto turn = take_over();
  int error = ECONNRESET;
  if (connection_ && negotiated_ && !closing_) {
    const wire::DmaAccess access = {iova, size};
    const size_t data = out ? size : 0;
    wire::Header header = {next_id_++, static_cast<uint16_t>(command), 0, wire::kTypeCommand, 0};
    header.size = static_cast<uint32_t>(sizeof header + sizeof access + data);
    call_ = Call();
    call_.active = true;
    call_.id = header.id;
    call_.command = command;
    call_.iova = iova;
    call_.in = in;
    call_.size = size;
    const auto until = after(options_.dma_timeout);
    if (!connection_->send(header, &access, sizeof access, out, data)) drop("its socket failed");
    while (!call_.done && Clock::now() < until && !stopping_.load()) serve(nullptr, until, false);
    error = call_.done ? call_.error : ETIMEDOUT;
    call_.active = false;
    if (error == ETIMEDOUT) log_client("no answer to a DMA request");
  }
  hand_back(std::move(turn));
  return error;
}

// --- log
// -------------------------------------------------------------------------------------------------------------

void Engine::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

void Engine::log_client(const std::string& line) {
  ++complaints_;
  if (complaints_ > kMostComplaints) return;
  log("vfio-user: " + peer_ + ": " + line);
  if (complaints_ == kMostComplaints) log("vfio-user: " + peer_ + ": further errors of it are not shown");
}

}  // namespace rdu::pcie::vfio_user::detail
