#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "mgmt/debug/packet.h"
#include "mgmt/debug/stub.h"

namespace rdu::mgmt::debug {

/// One debugger's connection, without the socket: bytes in, bytes out. Acknowledges and repeats packets until
/// gdb waives that, and hands their content to the stub.
class Session {
 public:
  using Write = std::function<void(const std::string& bytes)>;

  Session(Target& target, Stub::Monitor monitor, Write write);

  /// A debugger has connected.
  void open();
  /// What it has sent. Nothing happens before work().
  void receive(const char* data, size_t size) { reader_.feed(data, size); }
  /// It has sent more than anybody does who waits for answers: leave the rest in the socket.
  bool is_full() const { return reader_.waiting() > 4 * kPacketSize; }
  /// Only when all harts stand or have been let go by the debugger. Deals with what was received. While the
  /// machine runs, anything but an acknowledgement asks it to stop, and waits until it has.
  void work();
  void stopped(const Stop& stop) { stub_.stopped(stop); }
  void ended() { stub_.ended(); }

  bool running() const { return stub_.running(); }
  /// The debugger has said goodbye, in either way.
  bool detached() const { return stub_.detached(); }
  bool killed() const { return stub_.killed(); }

 private:
  void send(const std::string& payload);

  Target& target_;
  Write write_;
  PacketReader reader_;
  Stub stub_;
  std::string last_;      ///< sent, for when it must be repeated
  bool pending_ = false;  ///< a packet came while the machine ran
};

}  // namespace rdu::mgmt::debug
