#include "mgmt/debug/link.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <charconv>

#include "core/error.h"

namespace rdu::mgmt::debug {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

namespace {

/// A debugger that does not take our bytes for that long has hung; ours.
constexpr std::chrono::milliseconds kSendTimeout{5000};

struct Endpoint {
  std::string host;
  uint16_t port;
};

Endpoint parse(const std::string& text) {
  const auto fail = [&](const char* why) {
    core::bad_input(
        fmt::format("--gdb {}: {}; expected tcp::PORT or tcp:HOST:PORT, as tcp::1234", text, why));
  };
  std::string rest = text;
  if (rest.rfind("tcp:", 0) == 0) rest = rest.substr(4);
  const size_t colon = rest.rfind(':');
  if (colon == std::string::npos) fail("there is no port");
  std::string host = rest.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const char* const first = rest.data() + colon + 1;
  const char* const last = rest.data() + rest.size();
  uint16_t port = 0;
  const auto result = std::from_chars(first, last, port);
  if (first == last || result.ec != std::errc() || result.ptr != last)
    fail("the port is no number up to 65535");
  return {host.empty() ? "127.0.0.1" : host, port};
}

}  // namespace

struct Link::Sockets {
  asio::io_context context;
  tcp::acceptor acceptor{context};
  tcp::socket client{context};
};

Link::Link(const std::string& address) : s_(std::make_unique<Sockets>()) {
  const Endpoint wanted = parse(address);
  const auto fail = [&](const ErrorCode& error) {
    core::bad_input(fmt::format("--gdb {}: cannot listen: {}", address, error.message()));
  };
  ErrorCode error;
  tcp::resolver resolver(s_->context);
  const auto found = resolver.resolve(wanted.host, "", error);
  if (error) fail(error);
  const tcp::endpoint endpoint(found.begin()->endpoint().address(), wanted.port);
  s_->acceptor.open(endpoint.protocol(), error);
  if (!error) s_->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) s_->acceptor.bind(endpoint, error);
  if (!error) s_->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) s_->acceptor.non_blocking(true, error);
  if (error) fail(error);
}

Link::~Link() = default;

std::string Link::address() const {
  const tcp::endpoint endpoint = s_->acceptor.local_endpoint();
  const std::string host = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                    : fmt::format("{}:{}", host, endpoint.port());
}

bool Link::accept() {
  ErrorCode error;
  tcp::socket fresh(s_->context);
  s_->acceptor.accept(fresh, error);
  if (error || connected()) return false;  // a second one is closed at once
  fresh.non_blocking(true, error);
  if (!error) fresh.set_option(tcp::no_delay(true), error);
  if (error) return false;
  s_->client = std::move(fresh);
  return true;
}

bool Link::connected() const {
  return s_->client.is_open();
}

std::string Link::receive() {
  std::string out;
  char buffer[4096];
  while (connected()) {
    ErrorCode error;
    const size_t got = s_->client.read_some(asio::buffer(buffer), error);
    if (error == asio::error::would_block) break;
    if (error) {
      disconnect();
      break;
    }
    out.append(buffer, got);
    if (got < sizeof buffer) break;
  }
  return out;
}

void Link::send(const std::string& bytes) {
  size_t done = 0;
  while (connected() && done < bytes.size()) {
    ErrorCode error;
    done += s_->client.write_some(asio::buffer(bytes.data() + done, bytes.size() - done), error);
    if (error == asio::error::would_block) {
      pollfd set = {s_->client.native_handle(), POLLOUT, 0};
      if (::poll(&set, 1, static_cast<int>(kSendTimeout.count())) == 1) continue;
      error = asio::error::timed_out;
    }
    if (error) disconnect();
  }
}

void Link::disconnect() {
  ErrorCode ignored;
  s_->client.shutdown(tcp::socket::shutdown_both, ignored);
  s_->client.close(ignored);
}

void Link::wait(std::chrono::milliseconds timeout) {
  pollfd set[2] = {{s_->acceptor.native_handle(), POLLIN, 0}, {-1, POLLIN, 0}};
  if (connected()) set[1].fd = s_->client.native_handle();
  ::poll(set, 2, static_cast<int>(timeout.count()));
}

}  // namespace rdu::mgmt::debug
