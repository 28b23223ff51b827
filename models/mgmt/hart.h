#pragma once

#include <cstdint>
#include <string>

#include "core/systemc.h"
#include "core/transfer.h"
#include "mgmt/bus_master.h"
#include "mgmt/csr.h"
#include "mgmt/data_port.h"
#include "mgmt/decode_cache.h"
#include "mgmt/elf_image.h"
#include "mgmt/firmware_trace.h"
#include "mgmt/float_unit.h"
#include "mgmt/hart_state.h"
#include "mgmt/interpreter.h"
#include "mgmt/local_time.h"
#include "mgmt/mmu.h"
#include "mgmt/params.h"
#include "mgmt/pmp.h"
#include "mgmt/timer.h"

namespace rdu::mgmt {

struct HartStatistics {
  uint64_t instructions = 0;  ///< retired since the start of simulation
  uint64_t cycles = 0;        ///< of the hart's clock, without those spent in WFI or parked
  uint64_t exceptions = 0;    ///< taken
  uint64_t interrupts = 0;    ///< taken
};

/// An RV64IMAC hart with machine, supervisor and user mode, one SystemC thread. It executes ahead of the
/// kernel for up to a quantum and waits for it before each access to the bus. README.md describes what it
/// does and when.
class Hart : public sc_core::sc_module, public core::InterruptSink, public TimerListener {
 public:
  SC_HAS_PROCESS(Hart);

  Hart(const sc_core::sc_module_name& name, unsigned id, uint64_t reset_address, const HartParams& params,
       const TimeBase& time_base, const std::string& trace_track);

  tlm_utils::simple_initiator_socket<Hart> socket;  ///< to the bus

  /// `number` is a bit of mip: CsrFile::kSoftware, kExternal or kSupervisorExternal.
  void set_interrupt(unsigned number, bool level) override;
  void set_timer_deadline(core::Time at) override;

  /// Restarts at the reset address, at the kernel's time or, if the hart is ahead, as soon as that is caught
  /// up.
  void reset();
  /// Names of addresses for messages. The caller keeps the table.
  void set_symbols(const SymbolTable* symbols) { symbols_ = symbols; }
  /// The firmware works for this command from now on (SYSCTL.TRACE_TAG); only the trace shows it.
  void set_trace_tag(core::CommandTag tag);

  HartStatistics statistics() const;
  /// True while it waits in WFI.
  bool asleep() const { return asleep_; }
  /// True after it was stopped because its trap handler cannot run; only a reset ends that.
  bool parked() const { return parked_; }
  /// For tests and tools; up to date while the hart's thread waits.
  const HartState& state() const { return state_; }

 private:
  void run();
  void restart();
  int64_t cycles_to_stop() const;
  void sleep();
  void take_exception();
  void park(const std::string& why);
  bool is_trap_loop(const Trap& trap);
  void report(const Trap& trap);
  std::string place(uint64_t address) const;
  void end_of_simulation() override;
  void invalidate_direct_mem_ptr(sc_dt::uint64 begin, sc_dt::uint64 end);

  const uint64_t reset_address_;
  const HartParams params_;
  HartState state_;
  FloatUnit float_;
  LocalTime time_;
  Pmp pmp_;
  CsrFile csr_;
  BusMaster bus_;
  Mmu mmu_;
  DataPort data_;
  DecodeCache code_;
  Interpreter interpreter_;
  FirmwareTrace trace_;
  const SymbolTable* symbols_ = nullptr;

  sc_core::sc_event wake_;
  bool reset_requested_ = false;
  bool asleep_ = false;
  bool parked_ = false;
  core::Time idle_since_ = 0;
  core::Time idle_ = 0;  ///< in WFI or parked, so far
  uint64_t exceptions_ = 0;
  uint64_t interrupts_ = 0;

  /// The exception before, to notice when nothing gets on.
  struct Last {
    bool valid = false;
    Trap trap{Cause::illegal, 0};
    uint64_t pc = 0;
    uint64_t retired = 0;
    uint64_t returns = 0;  ///< MRETs and SRETs until then
    uint64_t repeats = 0;
    /// What began the chain of exceptions in which no instruction retired.
    Trap first{Cause::illegal, 0};
    uint64_t first_pc = 0;
  } last_;
  struct {
    Trap trap{Cause::illegal, 0};
    uint64_t pc = 0;
    uint64_t times = 0;
  } reported_;
};

}  // namespace rdu::mgmt
