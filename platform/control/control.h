#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "platform/control/event_log.h"
#include "platform/control/line_server.h"
#include "platform/control/registers.h"

namespace rdu::platform {

class Report;
class Simulation;
class Socket;

namespace control {

class Arguments;

/// What `rduvp --control` offers to test benches and people: commands as JSON objects, one a line, each with
/// one line of answer. platform/README.md has them. It is served by the loop that drives the simulation,
/// between its slices.
class Control {
 public:
  /// `wake`: ends a wait of that loop; called from another thread. Throws pcie::vfio_user::SocketError.
  Control(const std::string& path, Socket& socket, Simulation& simulation, const Report& report,
          EventLog& events, std::function<void()> wake);

  /// Does what was asked for meanwhile. Costs next to nothing if nothing was.
  void serve();
  /// Sleeps until something has come, at most so long.
  void wait(std::chrono::milliseconds most) { server_.wait(most); }

 private:
  using Json = nlohmann::ordered_json;
  using Clock = std::chrono::steady_clock;
  struct Command {
    const char* usage;
    std::function<Json(Arguments&)> execute;
  };
  /// A client that waits for an event.
  struct Wait {
    uint64_t client;
    Json id;
    uint64_t after;
    std::function<bool(const EventLog::Event&)> fits;
    std::string text;  ///< what for, or ""
    Clock::time_point until;
  };

  void add_commands();
  void add_register_commands();
  void add_event_commands();
  void add_injections();
  void answer(const LineServer::Line& line);
  void begin_wait(uint64_t client, const Json& id, Arguments& arguments);
  void serve_waits();
  void reply(uint64_t client, const Json& id, Json content);
  Json help() const;
  Json describe(const Place& place, uint64_t value) const;
  std::function<bool(const EventLog::Event&)> filter(Arguments& arguments);

  Socket& socket_;
  Simulation& simulation_;
  const Report& report_;
  EventLog& events_;
  Registers registers_;
  std::map<std::string, Command> commands_;
  std::map<std::string, Command> injections_;
  std::map<std::string, unsigned> watched_;  ///< blocks and the number of their observer
  std::map<std::string, bool> watched_registers_;
  std::vector<Wait> waits_;
  bool is_paused_ = false;
  LineServer server_;  ///< last: its thread uses the rest
};

}  // namespace control
}  // namespace rdu::platform
