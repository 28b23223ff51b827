#pragma once

#include <functional>

#include "core/register_port.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "regs/watchdog.hpp"

namespace rdu::mgmt {

/// The management core's watchdog (watchdog.regs.yaml). It counts the time that hart 0 spends executing, or
/// waiting where software says that it waits, so it has an event in the kernel only then: an idle chip
/// schedules nothing.
class Watchdog : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(Watchdog);

  explicit Watchdog(const sc_core::sc_module_name& name);

  core::RegisterPort registers;
  core::InterruptLine interrupt;

  /// Called at the expiry, which has switched the watchdog off: restarts the core.
  void on_expiry(std::function<void()> hook) { expiry_ = std::move(hook); }
  /// Hart 0 begins or ceases to execute, at the kernel's time. It executes at first.
  void set_core_awake(bool awake);

  core::RegisterFile& register_file() { return regs_; }
  void reset();

 private:
  bool counts() const;
  core::Time counted() const;
  void settle();
  void schedule();
  void restart_count(bool waits);
  void control_written(uint64_t before);
  void kicked();
  void due();
  void expire(const char* why);

  regs::watchdog::Registers regs_;
  std::function<void()> expiry_;
  sc_core::sc_event count_end_{"count_end"};
  bool awake_ = true;
  bool waits_ = false;      ///< the last kick was with WAIT
  core::Time timeout_ = 0;  ///< of the count that runs
  core::Time counted_ = 0;  ///< since the last kick, up to since_
  core::Time since_ = 0;
  bool warned_ = false;  ///< the pre-time-out of this count is past
};

}  // namespace rdu::mgmt
