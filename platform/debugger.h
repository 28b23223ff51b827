#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "mgmt/management.h"

namespace rdu::platform {

/// gdb's side of a run: the loop that drives the simulation asks it between slices.
class Debugger {
 public:
  /// `where`: what --gdb says, "" for none; `halted`: -S. Nothing if neither is asked for.
  static std::unique_ptr<Debugger> create(const std::string& where, bool halted,
                                          mgmt::Management& management);
  virtual ~Debugger() = default;

  /// True while the harts are halted: simulated time stands still.
  virtual bool halted() const = 0;
  /// Does what gdb has asked for. If nothing has come, sleeps for at most `most`.
  virtual void serve(std::chrono::milliseconds most) = 0;
};

}  // namespace rdu::platform
