#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace rdu::mgmt::debug {

/// A TCP port on which one debugger at a time may connect. Further ones are sent away. Nothing blocks but
/// wait() and, for at most five seconds, send().
class Link {
 public:
  /// "tcp::1234", "tcp:127.0.0.1:1234", ":1234"; port 0: one that is free. Without a host it listens on the
  /// loopback interface only: who reaches the port commands the simulator. Throws bad_input if the address
  /// makes no sense or cannot be had.
  explicit Link(const std::string& address);
  ~Link();

  /// "127.0.0.1:1234", with the port that was chosen.
  std::string address() const;

  /// True once for each debugger that connects.
  bool accept();
  bool connected() const;
  /// What has come; empty if nothing has. If the debugger has gone, connected() is false afterwards.
  std::string receive();
  void send(const std::string& bytes);
  void disconnect();

  /// Until a debugger connects or sends something, at most that long.
  void wait(std::chrono::milliseconds timeout);

 private:
  struct Sockets;  // Asio's headers are large
  std::unique_ptr<Sockets> s_;
};

}  // namespace rdu::mgmt::debug
