#pragma once

#include <algorithm>
#include <cstdint>

#include "mgmt/float_unit.h"
#include "mgmt/hart_state.h"
#include "mgmt/local_time.h"
#include "mgmt/pmp.h"
#include "mgmt/timer.h"

namespace rdu::mgmt {

/// Control and status registers of a hart with machine, supervisor and user mode, with trap entry, return,
/// delegation and interrupts.
class CsrFile {
 public:
  /// Bits of mip and mie.
  static constexpr unsigned kSupervisorSoftware = 1;
  static constexpr unsigned kSoftware = 3;
  static constexpr unsigned kSupervisorTimer = 5;
  static constexpr unsigned kTimer = 7;
  static constexpr unsigned kSupervisorExternal = 9;
  static constexpr unsigned kExternal = 11;

  /// `update_ad`: what menvcfg.ADUE is after a reset.
  CsrFile(unsigned hart_id, HartState& state, FloatUnit& float_unit, Pmp& pmp, const LocalTime& time,
          const TimeBase& time_base, bool update_ad);

  /// False for a register that does not exist or that the present mode may not read: an illegal instruction.
  bool read(unsigned number, uint64_t* value) const;
  /// What a write asks of the hart.
  enum class Effect : uint8_t {
    illegal,      ///< there is no such register, the mode may not write it, or nobody may
    none,         ///< it concerns the register alone
    interrupts,   ///< an interrupt may have come within reach, or the mode of loads and stores has changed
    translation,  ///< pages may translate in another way
    protection,   ///< PMP has changed
  };
  Effect write(unsigned number, uint64_t value);
  /// What CSRRS and CSRRC combine with their operand: the value, without what only wires drive.
  uint64_t modifiable(unsigned number, uint64_t value) const;

  /// Takes a trap at `pc`, in the mode that it is delegated to; the handler's address.
  uint64_t enter(const Trap& trap, uint64_t pc);
  uint64_t enter_interrupt(unsigned number, uint64_t pc);
  /// The handler that enter() would go to.
  uint64_t handler_of(const Trap& trap) const;
  /// MRET, SRET: true and the address to continue at, or false where they are illegal.
  bool leave_machine(uint64_t* pc);
  bool leave_supervisor(uint64_t* pc);
  /// Whether the present mode may execute WFI and SFENCE.VMA.
  bool may_wait() const;
  bool may_fence() const;

  /// The most urgent interrupt that is pending, enabled by mie and not held back by mode and mstatus: machine
  /// mode's before supervisor mode's, external, then software, then timer. False if there is none.
  bool pending_interrupt(unsigned* number) const {
    const uint64_t pending = mip() & mie_;
    return pending != 0 && choose_interrupt(pending, number);
  }
  /// What ends a WFI: any interrupt pending and enabled by mie, whatever mstatus says.
  bool wakes() const { return (mip() & mie_) != 0; }
  /// When after `now`, the hart's time, a timer will interrupt if nothing changes; kNever if none can or if
  /// it already does.
  core::Time timer_deadline(core::Time now) const {
    const auto of = [now, this](unsigned timer, core::Time deadline) {
      return (mie_ & uint64_t{1} << timer) != 0 && deadline > now ? deadline : core::kNever;
    };
    return std::min(of(kTimer, deadline_), of(kSupervisorTimer, supervisor_deadline_));
  }
  /// How often software has read the time or the cycles so far.
  uint64_t clock_reads() const { return clock_reads_; }

  /// The wire that drives bit `number` of mip.
  void set_line(unsigned number, bool level);
  /// When the CLINT's timer interrupts; its time base may have changed too.
  void set_deadline(core::Time at);

  /// How many returns from traps there were.
  uint64_t returns() const { return returns_; }
  void reset();

 private:
  /// A counter that counts something else plus an offset, unless mcountinhibit stops it.
  struct Counter {
    uint64_t offset = 0;
    uint64_t value(uint64_t raw, bool inhibited) const { return inhibited ? offset : raw + offset; }
    void set(uint64_t value, uint64_t raw, bool inhibited) { offset = inhibited ? value : value - raw; }
  };

  bool accessible(unsigned number) const;
  bool counter_enabled(unsigned number) const;
  uint64_t mip() const {
    const core::Time now = time_.now();
    return lines_ | software_ | (now >= deadline_ ? uint64_t{1} << kTimer : 0) |
           (now >= supervisor_deadline_ ? uint64_t{1} << kSupervisorTimer : 0);
  }
  bool choose_interrupt(uint64_t pending, unsigned* number) const;
  uint64_t raw_cycle() const { return time_.now() / time_.period(); }
  bool inhibits(unsigned counter) const { return (mcountinhibit_ >> counter & 1) != 0; }
  uint64_t cycle() const;
  uint64_t instret() const;
  void set_inhibit(uint64_t value);
  uint64_t read_float(unsigned number) const;
  void write_float(unsigned number, uint64_t value);
  Effect set_status(uint64_t value, uint64_t writable);
  Effect set_satp(uint64_t value);
  void set_menvcfg(uint64_t value);
  void set_stimecmp(uint64_t value);
  bool delegated(const Trap& trap) const;
  uint64_t push(bool to_supervisor, uint64_t cause, uint64_t value, uint64_t pc);

  unsigned hart_id_;
  HartState& state_;
  FloatUnit& float_;
  Pmp& pmp_;
  const LocalTime& time_;
  const TimeBase& time_base_;
  bool update_ad_;

  uint64_t mie_ = 0;
  uint64_t lines_ = 0;     ///< mip's bits that wires drive
  uint64_t software_ = 0;  ///< mip's bits that software drives
  core::Time deadline_ = core::kNever;
  core::Time supervisor_deadline_ = core::kNever;  ///< when stimecmp is reached; kNever without menvcfg.STCE
  uint64_t medeleg_ = 0;
  uint64_t mideleg_ = 0;
  /// What there is once for each mode that takes traps.
  struct TrapRegisters {
    uint64_t tvec = 0;
    uint64_t scratch = 0;
    uint64_t epc = 0;
    uint64_t cause = 0;
    uint64_t tval = 0;
  } machine_, supervisor_;
  uint64_t mcounteren_ = 0;
  uint64_t scounteren_ = 0;
  uint64_t mcountinhibit_ = 0;
  uint64_t menvcfg_ = 0;  ///< without ADUE, which is in HartState
  uint64_t senvcfg_ = 0;
  uint64_t stimecmp_ = 0;
  mutable uint64_t clock_reads_ = 0;
  Counter cycle_;
  Counter instret_;
  uint64_t returns_ = 0;
};

}  // namespace rdu::mgmt
