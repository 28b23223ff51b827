#include "platform/control/line_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <utility>

namespace rdu::platform::control {

LineServer::LineServer(const std::string& path, std::function<void()> arrived)
    : arrived_(std::move(arrived)), end_(eventfd(0, EFD_CLOEXEC)) {
  listener_.open(path);
  thread_ = std::thread([this] { serve(); });
}

LineServer::~LineServer() {
  eventfd_write(end_.get(), 1);
  thread_.join();
}

std::vector<LineServer::Line> LineServer::take() {
  if (!has_lines_.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(mutex_);
  has_lines_ = false;
  return std::exchange(lines_, {});
}

void LineServer::wait(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  came_.wait_for(lock, most, [this] { return has_lines_.load(); });
}

void LineServer::send(uint64_t number, const std::string& text) {
  const std::lock_guard lock(mutex_);
  const auto client = clients_.find(number);
  if (client == clients_.end()) return;
  const std::string line = text + "\n";
  for (size_t sent = 0; sent < line.size();) {
    const ssize_t n = ::send(client->second.fd.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      shutdown(client->second.fd.get(), SHUT_RDWR);  // the thread sees it and forgets the client
      return;
    }
    sent += static_cast<size_t>(n);
  }
}

void LineServer::serve() {
  for (;;) {
    std::vector<pollfd> waits = {{end_.get(), POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
    std::vector<uint64_t> numbers;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [number, client] : clients_) {
        waits.push_back({client.fd.get(), POLLIN, 0});
        numbers.push_back(number);
      }
    }
    if (poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[0].revents) return;
    bool is_news = false;
    {
      const std::lock_guard lock(mutex_);
      if (waits[1].revents) let_in();
      for (size_t i = 0; i < numbers.size(); ++i) {
        if (!waits[i + 2].revents) continue;
        if (!receive(numbers[i], clients_.at(numbers[i]))) clients_.erase(numbers[i]);
      }
      is_news = !lines_.empty();
      if (is_news) has_lines_.store(true, std::memory_order_release);
    }
    if (!is_news) continue;
    came_.notify_all();
    arrived_();
  }
}

void LineServer::let_in() {
  pcie::vfio_user::UniqueFd fd(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd.valid()) return;
  const timeval patience{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  clients_[++clients_so_far_].fd = std::move(fd);
}

/// What has come; false if nothing more will.
bool LineServer::receive(uint64_t number, Client& client) {
  char data[4096];
  const ssize_t got = recv(client.fd.get(), data, sizeof data, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  client.input.append(data, static_cast<size_t>(got));
  size_t begin = 0;
  for (size_t end = 0; (end = client.input.find('\n', begin)) != std::string::npos; begin = end + 1)
    lines_.push_back({number, client.input.substr(begin, end - begin)});
  client.input.erase(0, begin);
  return client.input.size() <= kLongestLine;
}

}  // namespace rdu::platform::control
