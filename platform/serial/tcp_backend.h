#pragma once

#include <string>

#include "platform/serial/backend.h"
#include "platform/serial/descriptor.h"

namespace rdu::platform::serial {

/// "HOST:PORT[,server][,nowait]", also in QEMU's longer form "server=on,wait=off". An IPv6 address stands in
/// brackets.
struct TcpAddress {
  std::string host;  ///< "": any
  std::string port;
  bool server = false;
  bool wait = true;  ///< a server waits for its client before the simulation starts

  /// Throws bad_input.
  static TcpAddress parse(const std::string& text);
};

/// One TCP connection. A server lets the next client in when one has left; what the guest sends in between is
/// lost.
class TcpBackend : public Backend {
 public:
  explicit TcpBackend(const TcpAddress& address);

  size_t read(char* data, size_t size) override;
  size_t write(const char* data, size_t size) override;
  int input() const override { return connection_ ? connection_.get() : listener_.get(); }
  int output() const override { return connection_.get(); }
  bool can_receive() const override { return connection_ || listener_; }
  bool interactive() const override { return true; }
  std::string description() const override { return description_; }

 private:
  void listen(const TcpAddress& address);
  void connect(const TcpAddress& address);
  void accept();

  Descriptor listener_;
  Descriptor connection_;
  std::string description_;
};

}  // namespace rdu::platform::serial
