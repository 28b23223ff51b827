#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pcie/vfio_user/listener.h"
#include "pcie/vfio_user/unique_fd.h"

namespace rdu::platform::control {

/// A UNIX socket on which any number of clients send lines and get lines. A thread of its own collects them;
/// whoever answers them asks take() when it suits.
class LineServer {
 public:
  static constexpr size_t kLongestLine = 1 << 20;  ///< bytes; a client that sends a longer one is cut off

  /// `arrived` is called from the server's thread when take() has something. Throws
  /// pcie::vfio_user::SocketError if the path cannot be had.
  LineServer(const std::string& path, std::function<void()> arrived);
  ~LineServer();
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  struct Line {
    uint64_t client;
    std::string text;  ///< without its end
  };
  /// Costs an atomic load when there is nothing.
  std::vector<Line> take();
  /// Waits until take() has something, at most so long.
  void wait(std::chrono::milliseconds most);
  /// Sends a line; its end is added. Lost if the client has gone or does not read for a second.
  void send(uint64_t client, const std::string& text);

 private:
  struct Client {
    pcie::vfio_user::UniqueFd fd;
    std::string input;
  };
  void serve();
  void let_in();
  bool receive(uint64_t number, Client& client);

  std::function<void()> arrived_;
  pcie::vfio_user::detail::Listener listener_;
  pcie::vfio_user::UniqueFd end_;  ///< an eventfd
  std::atomic<bool> has_lines_{false};
  std::condition_variable came_;
  std::mutex mutex_;  ///< of what follows
  std::vector<Line> lines_;
  std::map<uint64_t, Client> clients_;
  uint64_t clients_so_far_ = 0;
  std::thread thread_;
};

}  // namespace rdu::platform::control
