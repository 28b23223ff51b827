#pragma once

#include <functional>
#include <string>

#include "core/register_port.h"
#include "core/trace.h"
#include "regs/sysctl.hpp"

namespace rdu::mgmt {

enum class ResetReason : uint8_t { power_on = 0, software = 1, host = 2, watchdog = 3 };

/// Identity, boot progress, the hart's reset and the firmware's instrumentation port.
class Sysctl {
 public:
  /// What the read-only registers say.
  struct Values {
    uint32_t socket = 0;
    uint32_t ram_size = 0;    ///< bytes
    uint32_t flash_size = 0;  ///< bytes of the flash
    uint32_t core_clock = 0;  ///< Hz
    uint32_t tiles = 0;
    uint32_t rows = 0;
    uint32_t columns = 0;
  };

  /// Construct inside a module's constructor (it has a TLM socket).
  Sysctl(const std::string& name, const Values& values);

  /// Called for a write of 1 to RESET.HART, with the reason: software or host.
  void on_hart_reset(std::function<void(ResetReason)> hook) { hart_reset_ = std::move(hook); }
  /// Called for each write of TRACE_TAG.
  void on_trace_tag(std::function<void(core::CommandTag)> hook) { trace_tag_ = std::move(hook); }

  /// The last stage that ROM or firmware wrote.
  unsigned boot_stage() const;
  unsigned boot_error() const;

  tlm_utils::simple_target_socket<core::RegisterPort>& socket() { return port_.socket; }
  core::RegisterFile& registers() { return regs_; }
  void reset(ResetReason reason);
  /// Only the hart restarts: everything but RESET_REASON, RESTARTS, BOOT_STAGE and TRACE_TAG stays.
  void hart_restarted(ResetReason reason);

 private:
  void publish();
  void started(ResetReason reason);

  Values values_;
  regs::sysctl::Registers regs_;
  core::RegisterPort port_;
  std::function<void(ResetReason)> hart_reset_;
  std::function<void(core::CommandTag)> trace_tag_;
};

}  // namespace rdu::mgmt
