#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mgmt/debug/hex.h"
#include "mgmt/debug/target.h"

namespace rdu::mgmt::debug {

/// The commands of the GDB remote serial protocol, in all-stop mode: gets the content of packets, answers
/// with the content of packets. It knows neither connections nor harts.
///
/// Whatever a packet holds, nothing happens but what is described there: malformed ones are answered by an
/// error (E16 for form, E0e for memory and registers that are not there), unknown ones by an empty reply, as
/// the protocol demands.
class Stub {
 public:
  using Send = std::function<void(const std::string& payload)>;
  /// The output of `monitor LINE`.
  using Monitor = std::function<std::string(const std::string& line)>;

  Stub(Target& target, Send send, Monitor monitor);

  /// A debugger has come, all harts stand. Forgets what the one before it had chosen.
  void attached();
  /// Takes a command, which is answered before this returns unless it lets time go on.
  void handle(const std::string& payload);
  /// Everything has stopped: tells the debugger.
  void stopped(const Stop& stop);
  /// The simulation ends: the debugger learns that its program has.
  void ended();

  /// Time goes on: the only thing to take from the debugger is an interrupt.
  bool running() const { return running_; }
  /// The debugger does not need acknowledgements any more.
  bool acknowledges() const { return acknowledges_; }
  /// The debugger has let go of the machine ("detach"), or wants its end ("kill").
  bool detached() const { return detached_; }
  bool killed() const { return killed_; }

 private:
  std::string answer(const std::string& packet);
  std::string query(Parser p, const std::string& packet);
  std::string set(Parser p);
  std::string supported(Parser p);
  std::string transfer(Parser p);
  std::string thread_document() const;
  std::string command(Parser p);
  std::string read_registers();
  std::string write_registers(Parser p);
  std::string read_register(Parser p);
  std::string write_register(Parser p);
  std::string read_memory(Parser p);
  std::string write_memory(Parser p);
  std::string write_binary(Parser p);
  std::string point(bool insert, Parser p);
  std::string select_thread(Parser p);
  std::string is_alive(Parser p);
  std::string resume_at(Action action, bool with_signal, Parser p);
  std::string resume_each(Parser p);
  std::string go(const std::vector<Action>& actions);
  std::string stop_reply() const;

  /// "p1.2" and the like are for multiprocess, which is not offered. 0: any; kAllThreads: all.
  bool thread_id(Parser& p, uint64_t* thread) const;
  const RegisterInfo* find_register(uint64_t number) const;
  static std::string value_text(const RegisterInfo& reg, uint64_t value);
  static std::string unavailable(const RegisterInfo& reg);
  static bool value_of(const RegisterInfo& reg, std::string_view text, uint64_t* value);

  Target& target_;
  Send send_;
  Monitor monitor_;
  const std::string description_;
  bool running_ = false;
  bool acknowledges_ = true;
  bool starts_silence_ = false;
  bool detached_ = false;
  bool killed_ = false;
  bool tells_breakpoints_ = false;  ///< gdb knows the stop reasons swbreak and hwbreak
  unsigned thread_ = 1;             ///< of registers and memory
  unsigned step_thread_ = 0;        ///< of c and s; 0: all
  Space space_ = Space::translated;
  Stop last_;
};

}  // namespace rdu::mgmt::debug
