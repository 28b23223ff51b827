#pragma once

#include <cstdint>

#include "mgmt/hart_state.h"
#include "mgmt/local_time.h"
#include "mgmt/timer.h"

namespace rdu::mgmt {

/// Control and status registers of a hart with machine mode only, with trap entry, return and interrupts.
class CsrFile {
 public:
  /// Bits of mip and mie.
  static constexpr unsigned kSoftware = 3;
  static constexpr unsigned kTimer = 7;
  static constexpr unsigned kExternal = 11;

  CsrFile(unsigned hart_id, const HartState& state, const LocalTime& time, const TimeBase& time_base);

  /// False for a register that does not exist: an illegal instruction.
  bool read(unsigned number, uint64_t* value) const;
  /// The same, also for one that is read-only.
  bool write(unsigned number, uint64_t value);

  /// Takes a trap at `pc`; the handler's address.
  uint64_t enter(const Trap& trap, uint64_t pc);
  uint64_t enter_interrupt(unsigned number, uint64_t pc);
  /// MRET: the address to continue at.
  uint64_t leave();

  /// The most urgent interrupt that is pending and enabled, both by itself and by mstatus.MIE: external, then
  /// software, then timer. False if there is none.
  bool pending_interrupt(unsigned* number) const;
  /// What ends a WFI: any interrupt pending and enabled by mie, whatever mstatus says.
  bool wakes() const { return (mip() & mie_) != 0; }
  /// When the timer will interrupt if nothing changes; kNever if it cannot or if it already does.
  core::Time timer_deadline() const;

  void set_line(unsigned number, bool level);
  void set_deadline(core::Time at) { deadline_ = at; }

  /// How often leave() was called.
  uint64_t returns() const { return returns_; }
  uint64_t trap_vector() const { return mtvec_; }
  void reset();

 private:
  uint64_t mip() const;
  uint64_t mstatus() const;
  uint64_t cycle() const { return time_.now() / time_.period() + cycle_offset_; }
  uint64_t instret() const { return state_.retired + instret_offset_; }
  void push(uint64_t cause, uint64_t value, uint64_t pc);

  unsigned hart_id_;
  const HartState& state_;
  const LocalTime& time_;
  const TimeBase& time_base_;

  bool mie_global_ = false;  ///< mstatus.MIE
  bool mpie_ = false;        ///< mstatus.MPIE
  uint64_t mie_ = 0;
  uint64_t lines_ = 0;  ///< mip's bits that wires drive
  core::Time deadline_ = core::kNever;
  uint64_t mtvec_ = 0;
  uint64_t mscratch_ = 0;
  uint64_t mepc_ = 0;
  uint64_t mcause_ = 0;
  uint64_t mtval_ = 0;
  uint64_t cycle_offset_ = 0;
  uint64_t instret_offset_ = 0;
  uint64_t returns_ = 0;
};

}  // namespace rdu::mgmt
