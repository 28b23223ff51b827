#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/systemc.h"
#include "core/transfer.h"
#include "mgmt/bus_master.h"
#include "mgmt/csr.h"
#include "mgmt/data_port.h"
#include "mgmt/debug_unit.h"
#include "mgmt/decode_cache.h"
#include "mgmt/elf_image.h"
#include "mgmt/firmware_trace.h"
#include "mgmt/float_unit.h"
#include "mgmt/hart_state.h"
#include "mgmt/instruction_observer.h"
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
  /// Called at the kernel's time when the hart falls asleep in WFI (false) and when it executes again (true);
  /// it executes at first. A hart that was stopped because its trap handler cannot run counts as executing.
  void on_activity(std::function<void(bool awake)> hook) { activity_ = std::move(hook); }
  /// The firmware works for this command from now on (SYSCTL.TRACE_TAG); only the trace shows it.
  void set_trace_tag(core::CommandTag tag);

  HartStatistics statistics() const;
  /// True while it waits in WFI.
  bool asleep() const { return asleep_; }
  /// True after it was stopped because its trap handler cannot run; only a reset ends that.
  bool parked() const { return parked_; }
  /// How often software has read the time or the cycles so far; and when the timer will interrupt it, kNever
  /// if not. A program that does neither cannot tell how time passes.
  uint64_t clock_reads() const { return csr_.clock_reads(); }
  core::Time timer_deadline() const { return csr_.timer_deadline(time_.now()); }
  /// For tests and tools; up to date while the hart's thread waits and at_rest() is true.
  const HartState& state() const { return state_; }

  // ---- for debuggers, only while the hart's thread waits

  DebugUnit& debug() { return debug_; }
  /// It stands between two instructions. Not so in the middle of an access to the bus.
  bool at_rest() const { return !bus_.busy(); }
  void set_register(unsigned number, uint64_t value);
  void set_float_register(unsigned number, uint64_t value) { state_.f[number] = value; }
  void set_pc(uint64_t pc);
  void set_privilege(Privilege privilege) { state_.privilege = privilege; }
  /// As machine mode would see it; false if there is no such register (or its extension is off).
  bool read_csr(unsigned number, uint64_t* value);
  bool write_csr(unsigned number, uint64_t value);
  /// The physical address behind a virtual one in the present mode, without effect on page tables.
  bool look_up(uint64_t address, uint64_t* physical) {
    return mmu_.look_up(address, state_.privilege, physical);
  }
  /// Without time and effects. False if any byte cannot be accessed; registers can only be read.
  bool read_physical(uint64_t address, uint8_t* data, uint64_t size) {
    return bus_.debug(false, address, data, size);
  }
  bool write_physical(uint64_t address, const uint8_t* data, uint64_t size);
  /// Memory has changed behind its back: code is compared before it runs again.
  void revalidate_code() { code_.revalidate(); }
  /// `observer` sees each instruction until it has seen enough or is taken away; several may follow.
  void follow(InstructionObserver& observer) { observers_.push_back(&observer); }
  void unfollow(InstructionObserver& observer);
  /// After reset(), at rest: what it will find when it runs is there to be seen and changed.
  void show_reset();

 private:
  void run();
  void stand();
  void step();
  bool finish_watched();
  Interpreter::Exit run_followed(int64_t budget);
  Interpreter::Exit execute_one();
  bool fetch(uint64_t pc, uint32_t* bits);
  void tell_entered(bool is_interrupt, uint64_t cause);
  void restart();
  int64_t cycles_to_stop() const;
  void catch_up();
  void sleep();
  void take_exception();
  void park(const std::string& why);
  void unpark();
  bool is_trap_loop(const Trap& trap);
  void report(const Trap& trap);
  std::string place(uint64_t address) const;
  void end_of_simulation() override;
  void invalidate_direct_mem_ptr(sc_dt::uint64 begin, sc_dt::uint64 end);

  const unsigned id_;
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
  sc_core::sc_event wake_;
  DebugUnit debug_;
  std::vector<InstructionObserver*> observers_;
  FirmwareTrace trace_;
  const SymbolTable* symbols_ = nullptr;

  std::function<void(bool)> activity_;
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
    Cause cause = Cause::illegal;
    uint64_t pc = 0;
    uint64_t times = 0;
  } reported_;
};

}  // namespace rdu::mgmt
