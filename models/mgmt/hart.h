#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/systemc.h"
#include "core/transfer.h"
#include "mgmt/params.h"
#include "mgmt/timer.h"

namespace rdu::mgmt {

class SymbolTable;

struct HartStatistics {
  uint64_t instructions = 0;  ///< retired since the start of simulation
  uint64_t cycles = 0;        ///< clock cycles in which the hart worked (not waiting in WFI or parked)
  core::Time busy = 0;        ///< ps, simulated time of those, including waits for the bus
  uint64_t traps = 0;         ///< exceptions taken
  uint64_t interrupts = 0;    ///< interrupts taken
};

/// An RV64IMAC hart with machine mode. README.md describes it.
class Hart : public sc_core::sc_module, public core::InterruptSink, public TimerListener {
 public:
  /// Numbers of set_interrupt(): bits of `mip`.
  static constexpr unsigned kSoftwareInterrupt = 3;
  static constexpr unsigned kExternalInterrupt = 11;

  Hart(const sc_core::sc_module_name& name, unsigned id, uint64_t reset_address, const HartParams& params,
       const TimeBase& time_base);
  ~Hart() override;

  tlm_utils::simple_initiator_socket<Hart> socket;  ///< to the bus

  void set_interrupt(unsigned number, bool level) override;
  void set_timer_deadline(core::Time at) override;

  /// Restarts at the reset address.
  void reset();
  /// Names of addresses for messages; kept by the caller.
  void set_symbols(const SymbolTable* symbols);
  /// The firmware works for this command from now on (SYSCTL.TRACE_TAG); only the trace shows it.
  void set_trace_tag(uint32_t tag);

  HartStatistics statistics() const;
  /// True while the hart sleeps in WFI.
  bool asleep() const;
  /// True after it was stopped because its trap handler itself faults; only a reset ends that.
  bool parked() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rdu::mgmt
