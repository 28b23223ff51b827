#pragma once

#include <cstdint>

#include "mgmt/decode.h"
#include "mgmt/decode_cache.h"
#include "mgmt/float/host.h"
#include "mgmt/hart_state.h"

namespace rdu::mgmt {

/// F and D of a hart: fcsr, mstatus.FS, and every instruction but loads and stores. Who writes mstatus from
/// outside leaves the interpreter after it.
///
/// The interpreter has the host compute where that gives RISC-V's result (fp::Host). While it runs, the
/// host's control register holds the hart's rounding mode and collects its flags. HartState::host_rounding
/// says whether that is so: kByFrm while all is ready, that is, FS is dirty and the host knows the mode in
/// frm; kNotReady otherwise. What the host cannot do, execute() does in software.
class FloatUnit {
 public:
  static constexpr uint32_t kByFrm = 7;  ///< an rm field: round as frm says
  static constexpr uint32_t kNotReady = 8;

  explicit FloatUnit(HartState& state) : state_(state) { state_.host_rounding = kNotReady; }

  /// While it exists the host computes for the hart.
  class Running {
   public:
    explicit Running(FloatUnit& unit) : unit_(unit), saved_(fp::HostEnvironment::save()) { unit_.begin(); }
    ~Running() {
      unit_.end();
      fp::HostEnvironment::restore(saved_);
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    FloatUnit& unit_;
    uint32_t saved_;
  };

  /// fcsr with the flags that the host has collected.
  uint32_t fcsr() const;
  void set_fcsr(uint32_t value);
  /// For loads to a floating-point register. False if mstatus.FS is off, which makes them illegal.
  bool begin_write();
  /// An instruction in software, whatever the host can do. False if it is illegal here: mstatus.FS is off or
  /// the rounding mode is a reserved one.
  bool execute(Op op, const Decoded& instruction);

 private:
  void begin();
  void end();
  void update();

  HartState& state_;
  bool running_ = false;
};

}  // namespace rdu::mgmt
