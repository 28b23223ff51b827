#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "core/time.h"
#include "mgmt/management.h"
#include "platform/debugger.h"
#include "platform/pacer.h"
#include "platform/serial/port.h"
#include "platform/virt/htif.h"

namespace rdu::platform::virt {

/// Whether idle time (all harts in WFI, the next event later) passes on the host, too.
enum class Pace {
  realtime,  ///< it does not run ahead of the host's clock
  free,      ///< it is skipped, as long as something is left to happen by itself
};

/// Drives the simulation of the bare management subsystem, slice by slice, and serves its console in between.
///
/// Nothing that the host does changes results, except input: it arrives when it arrives. While all harts wait
/// and nothing but input can wake them, the process sleeps and simulated time stands still (realtime: follows
/// the host's clock). Free pace turns into realtime while the console may get input and nothing has gone over
/// it for kMostSkipped of skipped time: somebody is thinking, and timers that tick meanwhile would keep the
/// host busy for nothing. Likewise a program that does nothing but look for input at the UART, reads no clock
/// and has no timer runs only now and then until input comes (never with --run-for).
class Run {
 public:
  static constexpr core::Time kMostSkipped = 10'000 * core::kMillisecond;  ///< ours
  static constexpr uint64_t kVainLooks = 10'000;                  ///< ours: so many in a row are waiting
  static constexpr core::Time kSlice = 100 * core::kMicrosecond;  ///< ours: between looks at the host

  enum class End {
    stopped,      ///< stop() was called, or the console's user wants to
    powered_off,  ///< by software; see status()
    time_over,    ///< `until` is reached
    settled,      ///< nothing is left to happen
    stuck,        ///< nothing is, and a hart is stopped for a fault from which it cannot get on
  };

  Run(mgmt::Management& management, serial::Port& port, Pace pace);

  /// Optional parts; the caller keeps them.
  void set_htif(Htif* htif) { htif_ = htif; }
  void set_debugger(Debugger* debugger) { debugger_ = debugger; }
  /// Called when software asked for a reset: restores memory and resets the machine.
  void on_reset(std::function<void()> hook) { reset_ = std::move(hook); }

  /// Runs to an end. Elaborates at the first call. Throws what models throw.
  End run(core::Time until);

  /// From a signal handler.
  void stop() { stop_ = true; }
  /// From a model, during a slice.
  void power_off(uint64_t status);
  void request_reset();

  uint64_t status() const { return status_.value_or(0); }

 private:
  bool all_asleep() const;
  unsigned parked() const;  ///< harts
  /// True if, since the last call, the harts did nothing but look for input in vain, and cannot tell how time
  /// passes meanwhile.
  bool only_polled();
  /// Sleeps if it is not yet time for what comes next, at `next`. True if it is.
  bool rest(core::Time next);

  mgmt::Management& management_;
  serial::Port& port_;
  Pace pace_;
  Pacer pacer_;
  Htif* htif_ = nullptr;
  Debugger* debugger_ = nullptr;
  std::function<void()> reset_;
  std::optional<uint64_t> status_;
  bool reset_requested_ = false;
  std::atomic<bool> stop_{false};
  bool resting_ = false;
  uint64_t clock_reads_ = 0;
  core::Time skipped_ = 0;  ///< idle time since the console's last byte
  uint64_t traffic_ = 0;    ///< at that byte
};

}  // namespace rdu::platform::virt
