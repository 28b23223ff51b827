#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "core/systemc.h"
#include "mgmt/data_port.h"
#include "mgmt/decode_cache.h"

namespace rdu::mgmt {

/// What a debugger has asked of one hart: to stand, to step, to stop at addresses. The hart looks here
/// between instructions; while nothing is asked for, that costs nothing inside a straight run of them. A
/// debugger calls only while the hart's thread waits.
class DebugUnit : public AccessWatcher {
 public:
  enum class Why : uint8_t { step, breakpoint, watchpoint };
  /// What a watchpoint waits for.
  enum class Watch : uint8_t { write, read, access };
  struct Halt {
    Why why;
    Watch watch;       ///< of a watchpoint
    uint64_t address;  ///< the instruction's, or the first watched byte of the access
  };

  /// `wake`: ends each wait of the hart but those for a time.
  DebugUnit(DataPort& data, DecodeCache& code, sc_core::sc_event& wake)
      : data_(data), code_(code), wake_(wake) {}

  // ---- the debugger's side

  /// Called in the hart's thread when it has halted by itself.
  void on_halt(std::function<void()> hook) { hook_ = std::move(hook); }
  /// The hart shall stand before its next instruction.
  void stand() { mode_ = Mode::stand; }
  void run() { resume(Mode::run); }
  /// One instruction, without taking interrupts; WFI does nothing, an exception enters its handler, and from
  /// LR all goes on up to the SC that belongs to it, which could not succeed otherwise.
  void step() { resume(Mode::step); }
  /// A sleeping or stopped hart shall look at its pc again.
  void rouse() { roused_ = true; }
  /// Why it halted by itself, once.
  std::optional<Halt> take_halt();

  /// Virtual addresses, whatever they are mapped to and whenever.
  void set_breakpoint(uint64_t address, bool on);
  void set_watchpoint(Watch watch, uint64_t address, uint64_t length, bool on);
  void clear();

  // ---- the hart's side

  bool stands() const { return mode_ == Mode::stand; }
  bool steps() const { return mode_ == Mode::step; }
  bool has_breakpoint(uint64_t pc) const { return breakpoints_.count(pc) != 0; }
  /// An access has met a watchpoint: the instruction has not executed yet.
  bool met_watchpoint() const { return met_.has_value(); }
  void forget_watchpoint() { met_.reset(); }
  void halt(Why why, uint64_t pc);
  bool is_roused() const { return roused_; }
  void forget_rousing() { roused_ = false; }

  bool stops(Access access, uint64_t address, unsigned size) override;

 private:
  enum class Mode : uint8_t { run, step, stand };
  struct Watchpoint {
    Watch watch;
    uint64_t address;
    uint64_t length;
  };
  void resume(Mode mode);
  void watch_pages();

  DataPort& data_;
  DecodeCache& code_;
  sc_core::sc_event& wake_;
  Mode mode_ = Mode::run;
  bool roused_ = false;
  std::function<void()> hook_;
  std::set<uint64_t> breakpoints_;
  std::vector<Watchpoint> watchpoints_;
  std::optional<Halt> met_;
  std::optional<Halt> halt_;
};

}  // namespace rdu::mgmt
