#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "mgmt/management.h"

namespace rdu::platform {

/// gdb's side of a run: the loop that drives the simulation asks it between slices.
class Debugger {
 public:
  /// `where`: what --gdb says, "" for none; `halted`: -S. Nothing if neither is asked for. Prints on standard
  /// error where it waits. Throws bad_input.
  static std::unique_ptr<Debugger> create(const std::string& where, bool halted,
                                          mgmt::Management& management);
  ~Debugger();

  /// How `monitor reset` restores the machine; by default Management::reset().
  void on_reset(std::function<void()> reset);

  /// True while the harts are halted: simulated time stands still.
  bool halted() const;
  /// Does what gdb has asked for. If nothing has come, sleeps for at most `most`.
  void serve(std::chrono::milliseconds most);
  /// gdb wants the run to end ("kill").
  bool killed() const;

 private:
  Debugger(const std::string& where, bool halted, mgmt::Management& management);

  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rdu::platform
