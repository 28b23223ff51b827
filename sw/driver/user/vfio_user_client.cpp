#include "user/vfio_user_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "user/socket_clients.h"
#include "user/vfio_user_wire.h"

namespace rdu::user {

namespace {

using Clock = std::chrono::steady_clock;
using wire::Reader;
using wire::Writer;

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kOurMaxTransfer = 1u << 20;  // bytes a message may carry to us; the protocol's default
constexpr int kOurMaxFds = 8;                   // descriptors a message may carry to us; ours
constexpr size_t kLargestMessage = kOurMaxTransfer + 4096;
constexpr auto kConnectAgain = Milliseconds(10);
// So many posted writes may be under way before one is waited for: the server must never have to stop
// reading. Ours.
constexpr unsigned kMostPosted = 256;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

std::string seconds(Clock::duration time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f s", std::chrono::duration<double>(time).count());
  return text;
}

std::string hex(uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::string reason(int error) {
  return std::generic_category().message(error);
}

std::string who_has_it(const std::string& path) {
  const std::vector<std::string> clients = socket_clients(path);
  if (clients.empty()) return "another process may have it";
  std::string text;
  for (const std::string& client : clients) text += (text.empty() ? "" : ", ") + client;
  return text + (clients.size() == 1 ? " has it" : " have it, or wait for it");
}

// Waits for `events` on the descriptor; what came, 0 when the time has passed.
short poll_one(int fd, short events, Clock::time_point until) {
  while (true) {
    const auto now = Clock::now();
    const auto left = until > now ? std::chrono::ceil<Milliseconds>(until - now).count() : 0;
    pollfd set = {fd, events, 0};
    const int ready = ::poll(&set, 1, static_cast<int>(std::min<long long>(left, 1'000'000)));
    if (ready > 0) return set.revents;
    if (ready == 0 && Clock::now() >= until) return 0;
    if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  }
}

struct Message {
  uint16_t id = 0;
  uint16_t command = 0;
  uint32_t flags = 0;
  uint32_t error = 0;
  std::vector<uint8_t> payload;
  std::vector<Fd> fds;

  bool is_reply() const { return (flags & wire::kFlagTypeMask) == wire::kFlagReply; }
};

}  // namespace

// --- RegionWindow
// ----------------------------------------------------------------------------------------------------

RegionWindow::RegionWindow(RegionWindow&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      offset_(std::exchange(other.offset_, 0)) {}

RegionWindow& RegionWindow::operator=(RegionWindow&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(offset_, other.offset_);
  return *this;
}

RegionWindow::~RegionWindow() {
  if (data_) ::munmap(data_, size_);
}

// --- Impl
// ------------------------------------------------------------------------------------------------------------

class VfioUserClient::Impl {
 public:
  Impl(Fd socket, ClientOptions options) : options_(std::move(options)), socket_(std::move(socket)) {}

  static Fd connect(const std::string& path, const ClientOptions& options, Clock::time_point until);
  void negotiate(const std::string& where, Clock::time_point begun, Clock::time_point until);

  // Sends a request and waits for its reply's payload. `what` names it in errors; `fds` go along with it;
  // descriptors that come along with the reply go to `reply_fds`.
  std::vector<uint8_t> request(uint16_t command, const std::string& what, const Writer& payload,
                               const std::vector<int>& fds = {}, std::vector<Fd>* reply_fds = nullptr);
  void post(uint16_t command, const Writer& payload);

  RegionInfo region_info(uint32_t region, std::vector<Fd>* fds, uint64_t* file_offset);
  void set_irqs(uint32_t index, uint32_t start, uint32_t count, uint32_t flags, const std::vector<int>& fds,
                const std::string& what);

  // Deals with messages that have arrived, without waiting for any.
  void serve_arrived();
  // The same, unless another thread is in a call, which serves them itself: false then.
  bool try_serve_arrived();

  struct Window {
    uint64_t iova;
    uint64_t size;
    uint8_t* data;
    bool writable;
  };

  void map(const Window& window, int fd);

  std::recursive_mutex lock_;  // a public function may use another
  const ClientOptions options_;
  uint64_t max_transfer_ = kOurMaxTransfer;  // what the server takes
  uint64_t max_fds_ = 1;
  std::vector<Window> windows_;
  std::map<std::pair<uint32_t, uint32_t>, std::shared_ptr<Fd>> irqs_;
  unsigned posted_ = 0;

  int socket() const { return socket_.get(); }
  std::shared_ptr<Fd> irq(uint32_t index, uint32_t vector);

 private:
  using Progress = std::function<void()>;

  [[noreturn]] void lose(const std::string& why);
  [[noreturn]] void misbehaved(const std::string& how);
  void ensure_usable() const;
  uint16_t begin(uint16_t command, uint32_t flags, const Writer& payload, const std::vector<int>& fds,
                 Clock::time_point until);
  void send(const Writer& message, const std::vector<int>& fds, Clock::time_point until);
  // False if the time has passed before the message began.
  bool receive(Message& message, Clock::time_point until, const Progress& progress = {});
  bool receive_bytes(uint8_t* to, size_t size, std::vector<Fd>& fds, Clock::time_point until,
                     const Progress& progress);
  void serve(const Message& request, Clock::time_point until);
  Window* covering(uint64_t iova, uint64_t size);

  Message await_reply(uint16_t id, uint16_t command, const std::string& what, Clock::time_point until,
                      const Progress& progress);

  Fd socket_;
  std::string lost_;  // why the client is unusable; empty while it is not
  uint16_t next_id_ = 1;
};

void VfioUserClient::Impl::lose(const std::string& why) {
  if (lost_.empty()) lost_ = why;
  ::shutdown(socket_.get(), SHUT_RDWR);
  throw DeviceLost("the connection to the device is lost: " + lost_);
}

void VfioUserClient::Impl::misbehaved(const std::string& how) {
  lost_ = "the server broke the protocol: " + how;
  ::shutdown(socket_.get(), SHUT_RDWR);
  throw ProtocolError(lost_, EPROTO);
}

void VfioUserClient::Impl::ensure_usable() const {
  if (!lost_.empty()) throw DeviceLost("the connection to the device is lost: " + lost_);
}

Fd VfioUserClient::Impl::connect(const std::string& path, const ClientOptions& options,
                                 Clock::time_point until) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    throw VfioUserError("the path of the device's socket must have 1 to " +
                        std::to_string(sizeof address.sun_path - 1) + " bytes: \"" + path + "\"");
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto begun = Clock::now();
  auto report = begun + options.report_every;
  while (true) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) throw std::system_error(errno, std::generic_category(), "making a UNIX socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      return socket;
    const int error = errno;
    const char* state = error == ENOENT         ? "it does not exist yet"
                        : error == ECONNREFUSED ? "nobody serves it"
                        : error == EAGAIN       ? "its queue of clients is full"
                        : error == EINTR        ? "interrupted"
                                                : nullptr;
    if (!state) throw VfioUserError("cannot connect to the device's socket " + path + ": " + reason(error));
    const auto now = Clock::now();
    if (now >= until)
      throw Timeout("no device at the socket " + path + " within " + seconds(options.connect_timeout) + ": " +
                    state + ". Is the simulator running, with this socket?");
    if (now >= report) {
      if (options.log)
        options.log("waiting for the device's socket " + path + ": " + state + " (" + seconds(now - begun) +
                    " of " + seconds(options.connect_timeout) + ")");
      report = now + options.report_every;
    }
    std::this_thread::sleep_for(kConnectAgain);
  }
}

void VfioUserClient::Impl::negotiate(const std::string& where, Clock::time_point begun,
                                     Clock::time_point until) {
  nlohmann::json offer;
  offer["capabilities"] = {{"max_msg_fds", kOurMaxFds},
                           {"max_data_xfer_size", kOurMaxTransfer},
                           {"pgsizes", kPageSize},
                           {"max_dma_maps", 65535}};
  const std::string text = offer.dump();
  Writer payload;
  payload.u16(0).u16(0).raw(text.c_str(), text.size() + 1);

  const std::lock_guard<std::recursive_mutex> lock(lock_);
  auto report = begun + options_.report_every;
  const auto progress = [&] {
    const auto now = Clock::now();
    if (now < report) return;
    report = now + options_.report_every;
    if (options_.log)
      options_.log("waiting for the device at " + where + ": connected, but not served; " +
                   who_has_it(where) + " (" + seconds(now - begun) + " of " +
                   seconds(options_.connect_timeout) + ")");
  };
  const uint16_t id = begin(wire::kVersion, 0, payload, {}, until);
  Message reply;
  try {
    reply = await_reply(id, wire::kVersion, "version negotiation", until, progress);
  } catch (const Timeout&) {
    throw Timeout(
        "the device at " + where + " did not answer within " + seconds(options_.connect_timeout) + ": " +
        who_has_it(where) +
        ". A simulator's socket has room for one process at a time: end that one, wait longer, or run "
        "both over the kernel driver");
  }
  Reader fields(reply.payload.data(), reply.payload.size());
  const uint16_t major = fields.u16(0);
  const uint16_t minor = fields.u16(2);
  if (!fields.ok()) misbehaved("a VERSION reply without a version");
  if (major != 0 || minor != 0)
    misbehaved("it answered version 0.0 with " + std::to_string(major) + "." + std::to_string(minor));
  if (reply.payload.size() == 4) return;
  if (reply.payload.back() != 0) misbehaved("the capabilities do not end with a NUL byte");
  const auto json = nlohmann::json::parse(reply.payload.begin() + 4, reply.payload.end() - 1, nullptr, false);
  if (!json.is_object()) misbehaved("the capabilities are not a JSON object");
  if (!json.contains("capabilities")) return;
  const auto& capabilities = json["capabilities"];
  const auto number = [&](const char* name, uint64_t otherwise) {
    if (!capabilities.contains(name)) return otherwise;
    if (!capabilities[name].is_number_unsigned())
      misbehaved(std::string("capability ") + name + " is no number");
    return capabilities[name].get<uint64_t>();
  };
  if (!capabilities.is_object()) misbehaved("\"capabilities\" is not a JSON object");
  max_fds_ = std::min<uint64_t>(number("max_msg_fds", 1), 64);
  max_transfer_ = std::min(number("max_data_xfer_size", kOurMaxTransfer), kOurMaxTransfer);
  if (max_transfer_ < 8) misbehaved("max_data_xfer_size is below the size of a register");
}

void VfioUserClient::Impl::send(const Writer& message, const std::vector<int>& fds, Clock::time_point until) {
  const std::vector<uint8_t>& bytes = message.bytes();
  std::vector<char> control;
  size_t sent = 0;
  while (sent < bytes.size()) {
    iovec part = {const_cast<uint8_t*>(bytes.data()) + sent, bytes.size() - sent};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (sent == 0 && !fds.empty()) {
      control.assign(CMSG_SPACE(fds.size() * sizeof(int)), 0);
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
    }
    const ssize_t count = ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent += static_cast<size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
      lose(errno == EPIPE ? "the simulator has closed it" : reason(errno));
    if (poll_one(socket_.get(), POLLOUT, until) == 0) {
      lost_ = "a request could not be sent in time";
      throw Timeout("the device did not take a request within its time");
    }
  }
}

uint16_t VfioUserClient::Impl::begin(uint16_t command, uint32_t flags, const Writer& payload,
                                     const std::vector<int>& fds, Clock::time_point until) {
  ensure_usable();
  const uint16_t id = next_id_++;
  Writer message;
  message.u16(id).u16(command).u32(static_cast<uint32_t>(wire::kHeaderSize + payload.bytes().size()));
  message.u32(flags).u32(0).raw(payload.bytes().data(), payload.bytes().size());
  send(message, fds, until);
  return id;
}

bool VfioUserClient::Impl::receive_bytes(uint8_t* to, size_t size, std::vector<Fd>& fds,
                                         Clock::time_point until, const Progress& progress) {
  size_t have = 0;
  while (have < size) {
    iovec part = {to + have, size - have};
    alignas(cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))];
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got > 0) {
      for (cmsghdr* rights = CMSG_FIRSTHDR(&header); rights; rights = CMSG_NXTHDR(&header, rights)) {
        if (rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
          int fd;
          std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
          fds.emplace_back(fd);
        }
      }
      have += static_cast<size_t>(got);
      continue;
    }
    if (got == 0) lose("the simulator has closed it (ended, or was killed)");
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
      lose(errno == ECONNRESET ? "the simulator has closed it (ended, or was killed)" : reason(errno));
    auto next = until;
    if (progress) {
      progress();
      next = std::min(until, Clock::now() + Milliseconds(100));
    }
    if (poll_one(socket_.get(), POLLIN, next) == 0 && Clock::now() >= until) {
      if (have == 0) return false;
      lost_ = "a message stayed incomplete";
      throw Timeout("a message of the device stayed incomplete");
    }
  }
  return true;
}

bool VfioUserClient::Impl::receive(Message& message, Clock::time_point until, const Progress& progress) {
  uint8_t header[wire::kHeaderSize];
  message.fds.clear();
  if (!receive_bytes(header, sizeof header, message.fds, until, progress)) return false;
  Reader fields(header, sizeof header);
  message.id = fields.u16(0);
  message.command = fields.u16(2);
  const uint32_t size = fields.u32(4);
  message.flags = fields.u32(8);
  message.error = fields.u32(12);
  if (size < wire::kHeaderSize || size > kLargestMessage)
    misbehaved("a message of " + std::to_string(size) + " bytes");
  message.payload.resize(size - wire::kHeaderSize);
  // Its rest is under way already; a server that stalls here is broken.
  const auto rest = std::max(until, Clock::now() + Milliseconds(5000));
  if (!receive_bytes(message.payload.data(), message.payload.size(), message.fds, rest, {})) {
    lost_ = "a message stayed incomplete";
    throw Timeout("a message of the device stayed incomplete");
  }
  return true;
}

VfioUserClient::Impl::Window* VfioUserClient::Impl::covering(uint64_t iova, uint64_t size) {
  for (Window& window : windows_)
    if (iova >= window.iova && iova - window.iova < window.size && size <= window.size - (iova - window.iova))
      return &window;
  return nullptr;
}

// The device reads or writes our memory by message.
void VfioUserClient::Impl::serve(const Message& request, Clock::time_point until) {
  int error = 0;
  Writer payload;
  Reader fields(request.payload.data(), request.payload.size());
  const bool is_read = request.command == wire::kDmaRead;
  if (!is_read && request.command != wire::kDmaWrite) {
    error = ENOSYS;
  } else {
    const uint64_t iova = fields.u64(0);
    const uint64_t count = fields.u64(8);
    const Window* window = nullptr;
    if (!fields.ok() || request.payload.size() - wire::kDmaAccessSize != (is_read ? 0 : count)) {
      error = EINVAL;
    } else if (count > kOurMaxTransfer) {
      error = E2BIG;
    } else if (!(window = covering(iova, count)) || (!is_read && !window->writable)) {
      error = EFAULT;
    } else {
      uint8_t* place = window->data + (iova - window->iova);
      payload.u64(iova).u64(count);
      if (is_read)
        payload.raw(place, count);
      else
        std::memcpy(place, request.payload.data() + wire::kDmaAccessSize, count);
    }
  }
  if (request.flags & wire::kFlagNoReply) return;
  Writer reply;
  const size_t size = error ? 0 : payload.bytes().size();
  reply.u16(request.id).u16(request.command).u32(static_cast<uint32_t>(wire::kHeaderSize + size));
  reply.u32(wire::kFlagReply | (error ? wire::kFlagError : 0)).u32(static_cast<uint32_t>(error));
  reply.raw(payload.bytes().data(), size);
  send(reply, {}, until);
}

Message VfioUserClient::Impl::await_reply(uint16_t id, uint16_t command, const std::string& what,
                                          Clock::time_point until, const Progress& progress) {
  Message message;
  while (true) {
    if (!receive(message, until, progress)) {
      lost_ = what + " was not answered in time";
      throw Timeout("the device did not answer " + what + " within its time");
    }
    if (!message.is_reply()) {
      serve(message, until);
      continue;
    }
    if (message.id != id || message.command != command)
      misbehaved("a reply to command " + std::to_string(message.command) + " while waiting for " + what);
    posted_ = 0;
    if (message.flags & wire::kFlagError) {
      const int error = message.error != 0 && message.error < 4096 ? static_cast<int>(message.error) : EIO;
      throw ProtocolError("the device refused " + what + ": " + reason(error), error);
    }
    return message;
  }
}

std::vector<uint8_t> VfioUserClient::Impl::request(uint16_t command, const std::string& what,
                                                   const Writer& payload, const std::vector<int>& fds,
                                                   std::vector<Fd>* reply_fds) {
  const std::lock_guard<std::recursive_mutex> lock(lock_);
  const auto until = Clock::now() + options_.request_timeout;
  const uint16_t id = begin(command, 0, payload, fds, until);
  Message reply = await_reply(id, command, what, until, {});
  if (reply_fds) *reply_fds = std::move(reply.fds);
  return std::move(reply.payload);
}

void VfioUserClient::Impl::post(uint16_t command, const Writer& payload) {
  begin(command, wire::kFlagNoReply, payload, {}, Clock::now() + options_.request_timeout);
  ++posted_;
}

void VfioUserClient::Impl::serve_arrived() {
  const std::lock_guard<std::recursive_mutex> lock(lock_);
  ensure_usable();
  Message message;
  while (poll_one(socket_.get(), POLLIN, Clock::now()) != 0) {
    const auto until = Clock::now() + options_.request_timeout;
    if (!receive(message, until)) return;
    if (message.is_reply()) misbehaved("a reply that nobody waits for");
    serve(message, until);
  }
}

bool VfioUserClient::Impl::try_serve_arrived() {
  const std::unique_lock<std::recursive_mutex> lock(lock_, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  serve_arrived();
  return true;
}

RegionInfo VfioUserClient::Impl::region_info(uint32_t region, std::vector<Fd>* fds, uint64_t* file_offset) {
  const std::string what = "DEVICE_GET_REGION_INFO of region " + std::to_string(region);
  uint32_t room = 4096;
  std::vector<uint8_t> reply;
  for (int attempt = 0;; ++attempt) {
    Writer payload;
    payload.u32(room).u32(0).u32(region).u32(0).u64(0).u64(0);
    std::vector<Fd> came;
    reply = request(wire::kDeviceGetRegionInfo, what, payload, {}, &came);
    if (fds) *fds = std::move(came);
    Reader fields(reply.data(), reply.size());
    const uint32_t needed = fields.u32(0);
    if (!fields.ok() || reply.size() < wire::kRegionInfoSize) misbehaved("a short reply to " + what);
    if (needed <= room) break;
    if (attempt > 0 || needed > kLargestMessage) misbehaved("a reply to " + what + " that never fits");
    room = needed;
  }
  Reader fields(reply.data(), reply.size());
  const uint32_t flags = fields.u32(4);
  RegionInfo info;
  info.index = fields.u32(8);
  info.size = fields.u64(16);
  if (file_offset) *file_offset = fields.u64(24);
  info.readable = flags & wire::kRegionReadable;
  info.writable = flags & wire::kRegionWriteable;
  info.mappable = flags & wire::kRegionMappable;
  if (info.index != region) misbehaved("a reply about another region to " + what);
  if (flags & wire::kRegionHasCaps) {
    uint32_t at = fields.u32(12);
    uint32_t before = wire::kRegionInfoSize - 1;
    while (at != 0) {
      if (at <= before) misbehaved("capabilities that do not follow each other in the reply to " + what);
      before = at;
      const uint16_t id = fields.u16(at);
      const uint32_t next = fields.u32(at + 4);
      if (id == wire::kCapSparseMmap) {
        const uint32_t count = fields.u32(at + 8);
        for (uint32_t i = 0; i < count && fields.ok(); ++i) {
          const size_t area = size_t{at} + 16 + size_t{i} * 16;
          info.areas.push_back({fields.u64(area), fields.u64(area + 8)});
        }
      }
      if (!fields.ok()) misbehaved("capabilities that are cut off in the reply to " + what);
      at = next;
    }
  }
  if (info.mappable && info.areas.empty() && info.size > 0) info.areas.push_back({0, info.size});
  for (const RegionInfo::Area& area : info.areas)
    if (area.size == 0 || area.offset > info.size || area.size > info.size - area.offset)
      misbehaved("an area outside its region in the reply to " + what);
  return info;
}

void VfioUserClient::Impl::set_irqs(uint32_t index, uint32_t start, uint32_t count, uint32_t flags,
                                    const std::vector<int>& fds, const std::string& what) {
  Writer payload;
  payload.u32(20).u32(flags).u32(index).u32(start).u32(count);
  request(wire::kDeviceSetIrqs, what + " of index " + std::to_string(index), payload, fds);
}

void VfioUserClient::Impl::map(const Window& window, int fd) {
  if (window.iova % kPageSize || window.size % kPageSize || window.size == 0)
    throw std::invalid_argument("a DMA window starts and ends at a multiple of 4096: " + hex(window.iova) +
                                ", " + hex(window.size) + " bytes");
  const std::lock_guard<std::recursive_mutex> lock(lock_);
  Writer payload;
  payload.u32(32).u32(wire::kDmaReadable | (window.writable ? wire::kDmaWriteable : 0)).u64(0);
  payload.u64(window.iova).u64(window.size);
  windows_.push_back(window);
  try {
    request(wire::kDmaMap, "DMA_MAP at " + hex(window.iova) + ", " + hex(window.size) + " bytes", payload,
            fd >= 0 ? std::vector<int>{fd} : std::vector<int>{});
  } catch (...) {
    windows_.pop_back();
    throw;
  }
}

std::shared_ptr<Fd> VfioUserClient::Impl::irq(uint32_t index, uint32_t vector) {
  const std::lock_guard<std::recursive_mutex> lock(lock_);
  const auto found = irqs_.find({index, vector});
  if (found == irqs_.end())
    throw std::invalid_argument("interrupt " + std::to_string(index) + ", vector " + std::to_string(vector) +
                                " has not been enabled");
  return found->second;
}

// --- VfioUserClient
// --------------------------------------------------------------------------------------------------

VfioUserClient::VfioUserClient(const std::string& path, ClientOptions options) {
  const auto begun = Clock::now();
  const auto until = begun + options.connect_timeout;
  Fd socket = Impl::connect(path, options, until);
  impl_ = std::make_unique<Impl>(std::move(socket), std::move(options));
  impl_->negotiate(path, begun, until);
}

VfioUserClient::VfioUserClient(int connected_fd, ClientOptions options) {
  const auto begun = Clock::now();
  const auto until = begun + options.connect_timeout;
  impl_ = std::make_unique<Impl>(Fd(connected_fd), std::move(options));
  impl_->negotiate("the given socket", begun, until);
}

VfioUserClient::VfioUserClient(VfioUserClient&&) noexcept = default;
VfioUserClient& VfioUserClient::operator=(VfioUserClient&&) noexcept = default;
VfioUserClient::~VfioUserClient() = default;

DeviceInfo VfioUserClient::device_info() {
  Writer payload;
  payload.u32(wire::kDeviceInfoSize).u32(0).u32(0).u32(0);
  const auto reply = impl_->request(wire::kDeviceGetInfo, "DEVICE_GET_INFO", payload);
  Reader fields(reply.data(), reply.size());
  const uint32_t flags = fields.u32(4);
  DeviceInfo info;
  info.is_pci = flags & wire::kDeviceIsPci;
  info.resettable = flags & wire::kDeviceCanReset;
  info.num_regions = fields.u32(8);
  info.num_irqs = fields.u32(12);
  if (!fields.ok()) throw ProtocolError("the device's reply to DEVICE_GET_INFO is too short", EPROTO);
  return info;
}

RegionInfo VfioUserClient::region_info(uint32_t region) {
  return impl_->region_info(region, nullptr, nullptr);
}

IrqInfo VfioUserClient::irq_info(uint32_t index) {
  Writer payload;
  payload.u32(wire::kIrqInfoSize).u32(0).u32(index).u32(0);
  const auto reply = impl_->request(wire::kDeviceGetIrqInfo,
                                    "DEVICE_GET_IRQ_INFO of index " + std::to_string(index), payload);
  Reader fields(reply.data(), reply.size());
  const uint32_t flags = fields.u32(4);
  IrqInfo info;
  info.index = fields.u32(8);
  info.count = fields.u32(12);
  info.eventfd = flags & wire::kIrqEventfd;
  info.maskable = flags & wire::kIrqMaskable;
  info.automasked = flags & wire::kIrqAutomasked;
  info.no_resize = flags & wire::kIrqNoResize;
  if (!fields.ok() || info.index != index)
    throw ProtocolError("the device's reply to DEVICE_GET_IRQ_INFO does not fit the question", EPROTO);
  return info;
}

void VfioUserClient::region_read(uint32_t region, uint64_t offset, void* data, size_t size) {
  auto* to = static_cast<uint8_t*>(data);
  while (size > 0) {
    const auto part = static_cast<uint32_t>(std::min<uint64_t>(size, impl_->max_transfer_));
    Writer payload;
    payload.u64(offset).u32(region).u32(part);
    std::vector<uint8_t> reply;
    try {
      reply = impl_->request(wire::kRegionRead, "REGION_READ", payload);
    } catch (const ProtocolError& error) {
      throw ProtocolError(std::string(error.what()) + " (region " + std::to_string(region) + ", offset " +
                              hex(offset) + ", " + std::to_string(part) + " bytes)",
                          error.error_number());
    }
    Reader fields(reply.data(), reply.size());
    const uint32_t count = fields.u32(12);
    if (!fields.ok() || count != part || reply.size() != wire::kRegionAccessSize + part)
      throw ProtocolError("the device's reply to REGION_READ has not the bytes that were asked for", EPROTO);
    std::memcpy(to, reply.data() + wire::kRegionAccessSize, part);
    to += part;
    offset += part;
    size -= part;
  }
}

void VfioUserClient::region_write(uint32_t region, uint64_t offset, const void* data, size_t size,
                                  bool posted) {
  const auto* from = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const auto part = static_cast<uint32_t>(std::min<uint64_t>(size, impl_->max_transfer_));
    Writer payload;
    payload.u64(offset).u32(region).u32(part).raw(from, part);
    const std::lock_guard<std::recursive_mutex> lock(impl_->lock_);
    if (posted && impl_->posted_ < kMostPosted) {
      impl_->post(wire::kRegionWrite, payload);
    } else {
      try {
        impl_->request(wire::kRegionWrite, "REGION_WRITE", payload);
      } catch (const ProtocolError& error) {
        if (!posted || error.error_number() == EPROTO)
          throw ProtocolError(std::string(error.what()) + " (region " + std::to_string(region) + ", offset " +
                                  hex(offset) + ", " + std::to_string(part) + " bytes)",
                              error.error_number());
      }
    }
    from += part;
    offset += part;
    size -= part;
  }
}

std::vector<RegionWindow> VfioUserClient::map_region(uint32_t region) {
  std::vector<Fd> fds;
  uint64_t file_offset = 0;
  const RegionInfo info = impl_->region_info(region, &fds, &file_offset);
  std::vector<RegionWindow> windows;
  if (!info.mappable) return windows;
  if (fds.size() != 1)
    throw ProtocolError(
        "region " + std::to_string(region) + " can be mapped, but its file did not come along", EPROTO);
  const int protection = (info.readable ? PROT_READ : 0) | (info.writable ? PROT_WRITE : 0);
  for (const RegionInfo::Area& area : info.areas) {
    void* data = ::mmap(nullptr, area.size, protection, MAP_SHARED, fds[0].get(),
                        static_cast<off_t>(file_offset + area.offset));
    if (data == MAP_FAILED)
      throw std::system_error(errno, std::generic_category(), "mapping region " + std::to_string(region));
    windows.emplace_back(data, area.size, area.offset);
  }
  return windows;
}

void VfioUserClient::dma_map(const HostMemory& memory, uint64_t iova, bool device_writes) {
  impl_->map({iova, memory.size(), memory.data(), device_writes}, memory.fd());
}

void VfioUserClient::dma_map_by_message(void* memory, size_t size, uint64_t iova, bool device_writes) {
  impl_->map({iova, size, static_cast<uint8_t*>(memory), device_writes}, -1);
}

void VfioUserClient::dma_unmap(uint64_t iova, uint64_t size) {
  Writer payload;
  payload.u32(24).u32(0).u64(iova).u64(size);
  const std::lock_guard<std::recursive_mutex> lock(impl_->lock_);
  impl_->request(wire::kDmaUnmap, "DMA_UNMAP at " + hex(iova) + ", " + hex(size) + " bytes", payload);
  auto& windows = impl_->windows_;
  windows.erase(std::remove_if(windows.begin(), windows.end(),
                               [&](const Impl::Window& window) { return window.iova == iova; }),
                windows.end());
}

void VfioUserClient::dma_unmap_all() {
  Writer payload;
  payload.u32(24).u32(wire::kUnmapAll).u64(0).u64(0);
  const std::lock_guard<std::recursive_mutex> lock(impl_->lock_);
  impl_->request(wire::kDmaUnmap, "DMA_UNMAP of all windows", payload);
  impl_->windows_.clear();
}

void VfioUserClient::enable_irqs(uint32_t index, uint32_t start, uint32_t count) {
  const std::lock_guard<std::recursive_mutex> lock(impl_->lock_);
  if (impl_->max_fds_ == 0) throw ProtocolError("the device takes no eventfds", ENOTSUP);
  for (uint32_t done = 0; done < count;) {
    const auto part = static_cast<uint32_t>(std::min<uint64_t>(count - done, impl_->max_fds_));
    std::vector<std::shared_ptr<Fd>> made;
    std::vector<int> fds;
    for (uint32_t i = 0; i < part; ++i) {
      made.push_back(std::make_shared<Fd>(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)));
      if (!made.back()->valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
      fds.push_back(made.back()->get());
    }
    impl_->set_irqs(index, start + done, part, wire::kIrqDataEventfd | wire::kIrqActionTrigger, fds,
                    "enabling interrupts");
    for (uint32_t i = 0; i < part; ++i) impl_->irqs_[{index, start + done + i}] = made[i];
    done += part;
  }
}

void VfioUserClient::disable_irqs(uint32_t index) {
  const std::lock_guard<std::recursive_mutex> lock(impl_->lock_);
  impl_->set_irqs(index, 0, 0, wire::kIrqDataNone | wire::kIrqActionTrigger, {}, "disabling interrupts");
  auto& irqs = impl_->irqs_;
  for (auto irq = irqs.begin(); irq != irqs.end();)
    irq = irq->first.first == index ? irqs.erase(irq) : std::next(irq);
}

void VfioUserClient::mask_irq(uint32_t index, uint32_t vector) {
  impl_->set_irqs(index, vector, 1, wire::kIrqDataNone | wire::kIrqActionMask, {}, "masking an interrupt");
}

void VfioUserClient::unmask_irq(uint32_t index, uint32_t vector) {
  impl_->set_irqs(index, vector, 1, wire::kIrqDataNone | wire::kIrqActionUnmask, {},
                  "unmasking an interrupt");
}

void VfioUserClient::trigger_irq(uint32_t index, uint32_t vector) {
  impl_->set_irqs(index, vector, 1, wire::kIrqDataNone | wire::kIrqActionTrigger, {},
                  "triggering an interrupt");
}

int VfioUserClient::irq_fd(uint32_t index, uint32_t vector) {
  return impl_->irq(index, vector)->get();
}

int VfioUserClient::socket_fd() {
  return impl_->socket();
}

uint64_t VfioUserClient::wait_irq(uint32_t index, uint32_t vector, Milliseconds timeout) {
  const std::shared_ptr<Fd> eventfd = impl_->irq(index, vector);
  const auto until = Clock::now() + timeout;
  while (true) {
    uint64_t count = 0;
    if (::read(eventfd->get(), &count, sizeof count) == sizeof count) return count;
    const auto now = Clock::now();
    const auto left = until > now ? std::chrono::ceil<Milliseconds>(until - now).count() : 0;
    pollfd set[2] = {{eventfd->get(), POLLIN, 0}, {impl_->socket(), POLLIN, 0}};
    const int ready = ::poll(set, 2, static_cast<int>(std::min<long long>(left, 1'000'000)));
    if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
    if (ready > 0 && set[0].revents) continue;
    // What was raised before the simulator went away still counts, so the eventfd was looked at first.
    if (ready > 0 && set[1].revents && !impl_->try_serve_arrived())
      std::this_thread::sleep_for(Milliseconds(1));
    if (Clock::now() >= until) return 0;
  }
}

void VfioUserClient::reset() {
  impl_->request(wire::kDeviceReset, "DEVICE_RESET", Writer());
}

void VfioUserClient::check() {
  impl_->serve_arrived();
}

}  // namespace rdu::user
