#include "platform/serial/tcp_backend.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>

#include "core/error.h"

namespace rdu::platform::serial {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  core::bad_input(fmt::format("--serial tcp:{}: {}", what, why));
}

/// The first of a name's addresses with which `make` succeeds; its descriptor.
int first_address(const TcpAddress& a, bool passive, const std::function<bool(int, const addrinfo&)>& make) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const std::string where = a.host + ":" + a.port;
  const int error = getaddrinfo(a.host.empty() ? nullptr : a.host.c_str(), a.port.c_str(), &hints, &found);
  if (error != 0) fail(where, gai_strerror(error));
  int result = -1;
  int why = 0;
  for (const addrinfo* i = found; i && result < 0; i = i->ai_next) {
    Descriptor fd(::socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol));
    if (fd && make(fd.get(), *i)) {
      result = fd.release();
    } else {
      why = errno;
    }
  }
  freeaddrinfo(found);
  if (result < 0) fail(where, std::strerror(why));
  return result;
}

std::string local_name(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
  getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof host, port, sizeof port,
              NI_NUMERICHOST | NI_NUMERICSERV);
  return fmt::format("tcp:{}:{}", host, port);
}

}  // namespace

TcpAddress TcpAddress::parse(const std::string& text) {
  TcpAddress a;
  size_t comma = text.find(',');
  const std::string where = text.substr(0, comma);
  const size_t colon = where.rfind(':');
  if (colon == std::string::npos) fail(text, "should be HOST:PORT[,server][,nowait]");
  a.host = where.substr(0, colon);
  a.port = where.substr(colon + 1);
  if (a.host.size() > 1 && a.host.front() == '[' && a.host.back() == ']')
    a.host = a.host.substr(1, a.host.size() - 2);
  const bool number = !a.port.empty() && a.port.find_first_not_of("0123456789") == std::string::npos;
  if (!number || a.port.size() > 5 || std::stoul(a.port) > 65535)
    fail(text, fmt::format("'{}' is no port (0 to 65535)", a.port));
  while (comma != std::string::npos) {
    const size_t next = text.find(',', comma + 1);
    const std::string word = text.substr(comma + 1, next == std::string::npos ? next : next - comma - 1);
    if (word == "server" || word == "server=on") {
      a.server = true;
    } else if (word == "nowait" || word == "wait=off") {
      a.wait = false;
    } else if (word == "server=off") {
      a.server = false;
    } else if (word != "wait=on") {
      fail(text, fmt::format("unknown '{}': server and nowait may follow the port", word));
    }
    comma = next;
  }
  if (!a.wait && !a.server) fail(text, "nowait is for a server; a client connects at once");
  return a;
}

TcpBackend::TcpBackend(const TcpAddress& address) {
  if (address.server) {
    listen(address);
  } else {
    connect(address);
  }
}

void TcpBackend::listen(const TcpAddress& address) {
  listener_.reset(first_address(address, true, [](int fd, const addrinfo& i) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, i.ai_addr, i.ai_addrlen) == 0 && ::listen(fd, 1) == 0;
  }));
  description_ = local_name(listener_.get());
  if (!address.wait) return;
  fmt::print(stderr, "rduvp: serial: waiting for a client on {}\n", description_);
  while (!connection_) {
    pollfd p{listener_.get(), POLLIN, 0};
    if (poll(&p, 1, -1) < 0 && errno != EINTR) fail(description_, std::strerror(errno));
    accept();
  }
}

void TcpBackend::connect(const TcpAddress& address) {
  connection_.reset(first_address(
      address, false, [](int fd, const addrinfo& i) { return ::connect(fd, i.ai_addr, i.ai_addrlen) == 0; }));
}

void TcpBackend::accept() {
  if (!(events(listener_.get(), POLLIN) & POLLIN)) return;
  connection_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const int on = 1;
  if (connection_) setsockopt(connection_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

size_t TcpBackend::read(char* data, size_t size) {
  if (!connection_) accept();
  const long got = read_now(connection_.get(), data, size);
  if (got < 0) connection_.reset();
  return got > 0 ? static_cast<size_t>(got) : 0;
}

size_t TcpBackend::write(const char* data, size_t size) {
  if (!connection_) accept();
  if (!connection_) return size;
  const ssize_t put = send(connection_.get(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (put >= 0) return static_cast<size_t>(put);
  if (errno == EAGAIN || errno == EINTR) return 0;
  connection_.reset();
  return size;
}

}  // namespace rdu::platform::serial
