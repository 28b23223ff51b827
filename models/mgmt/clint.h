#pragma once

#include <string>
#include <vector>

#include "core/register_port.h"
#include "core/transfer.h"
#include "mgmt/timer.h"
#include "regs/clint.hpp"

namespace rdu::mgmt {

/// Software interrupts and the machine timer of up to eight harts. MTIME is computed from simulated time when
/// somebody looks; nothing ticks. A write to MTIMECMP or MTIME tells the hart at which time its timer
/// interrupt becomes pending, so the hart meets it exactly and an idle one just sleeps until then.
class Clint : public TimeBase {
 public:
  static constexpr core::Time kTick = 100 * core::kNanosecond;  ///< 10 MHz, as on the `virt` machine

  /// Construct inside a module's constructor (it has a TLM socket). `harts` exist; the registers of others
  /// keep their reset values.
  Clint(const std::string& name, unsigned harts);

  /// Where hart n's software interrupt and timer go.
  void connect(unsigned hart, core::InterruptSink& software, unsigned number, TimerListener& timer);

  tlm_utils::simple_target_socket<core::RegisterPort>& socket() { return port_.socket; }
  core::RegisterFile& registers() { return regs_; }

  /// MTIME at a simulated time.
  uint64_t ticks(core::Time at) const override;
  core::Time when(uint64_t ticks) const override;

  void reset();
  /// The harts restart: no software interrupt, no timer; MTIME goes on.
  void restart();

 private:
  void set_mtime(uint64_t value);
  void announce(unsigned hart);

  regs::clint::Registers regs_;
  core::RegisterPort port_;
  unsigned harts_;
  uint64_t offset_ = 0;  ///< MTIME minus the ticks since the simulation started
  std::vector<core::InterruptLine> software_;
  std::vector<TimerListener*> timers_;
};

}  // namespace rdu::mgmt
