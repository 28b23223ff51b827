#pragma once

#include <functional>
#include <string>

#include "core/register_port.h"
#include "regs/finisher.hpp"

namespace rdu::mgmt {

/// The test finisher of the common `virt` machine: software's way to power off with a status, or to reset.
class Finisher {
 public:
  /// Construct inside a module's constructor (it has a TLM socket).
  explicit Finisher(const std::string& name);

  /// Called for a power-off with the status: 0 for "pass", the code for "fail".
  void on_power_off(std::function<void(unsigned status)> hook) { power_off_ = std::move(hook); }
  void on_reset(std::function<void()> hook) { reset_ = std::move(hook); }

  tlm_utils::simple_target_socket<core::RegisterPort>& socket() { return port_.socket; }
  core::RegisterFile& registers() { return regs_; }

 private:
  std::string name_;
  regs::finisher::Registers regs_;
  core::RegisterPort port_;
  std::function<void(unsigned)> power_off_;
  std::function<void()> reset_;
};

}  // namespace rdu::mgmt
