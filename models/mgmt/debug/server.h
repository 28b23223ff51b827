#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "mgmt/debug/link.h"
#include "mgmt/debug/session.h"
#include "mgmt/debug/target.h"

namespace rdu::mgmt::debug {

/// Lets gdb command a machine over TCP: brings link, session and target together. It needs no thread; whoever
/// drives the simulation asks it between slices:
///
///     server.serve(server.halted() ? 100ms : 0ms);
///     if (!server.halted()) simulate_a_slice();
///
/// A debugger that vanishes leaves the machine as it is, halted or running, but without its breakpoints; one
/// that detaches lets it go.
class Server {
 public:
  /// `address` as for Link; `halted`: before the simulation starts, the machine stands until a debugger lets
  /// it go. `log` gets a line when a debugger comes or goes. Throws bad_input.
  Server(const std::string& address, bool halted, Target& target, Stub::Monitor monitor,
         std::function<void(const std::string&)> log);
  ~Server();

  /// "127.0.0.1:1234".
  std::string address() const { return link_.address(); }

  /// All harts stand: simulated time must not go on.
  bool halted() const { return halted_; }
  /// Does what the debugger has asked for; if nothing has come, waits for at most `most`. Only between slices
  /// of simulation.
  void serve(std::chrono::milliseconds most);
  /// The debugger wants the simulation to end.
  bool killed() const { return session_.killed(); }

 private:
  void look();
  void take_bytes();
  void open();
  void lose(const char* why);

  Target& target_;
  std::function<void(const std::string&)> log_;
  Link link_;
  Session session_;
  bool halted_ = false;
  bool opening_ = false;  ///< a debugger has connected and waits for the halt
};

}  // namespace rdu::mgmt::debug
