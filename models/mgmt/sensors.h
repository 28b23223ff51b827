#pragma once

#include <array>
#include <functional>
#include <vector>

#include "core/register_port.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "mgmt/sensors_params.h"
#include "regs/sensors.hpp"

namespace rdu::mgmt {

/// How much of a difference is left after `elapsed` when it decays with time constant `tau`: exp(-elapsed /
/// tau), with 32 bits of fraction (2^32 is one). Integer arithmetic: the same on every machine.
uint64_t decay(core::Time elapsed, core::Time tau);

/// Temperature, voltage and power of the socket's parts, computed from what they did (README.md). Readings
/// are brought up to date when somebody looks: at a read, and, for the thresholds, when the management core
/// wakes or falls asleep. A chip without activity schedules nothing, except one event if it will pass an
/// enabled threshold just by resting.
class Sensors : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(Sensors);

  enum class Kind : uint8_t { socket = 1, core = 2, hbm = 3, ddr = 4, tile = 5 };

  /// A part of the socket. `active_pj` gives the energy, in pJ, that its activity took so far; a smaller
  /// value than before means that its counters began anew.
  struct Part {
    Kind kind = Kind::core;
    unsigned index = 0;
    uint64_t static_mw = 0;
    uint64_t supply_mv = 1;
    std::function<uint64_t()> active_pj;
  };

  /// Sensor 0 is the socket as a whole, parts follow in order; at most seven.
  Sensors(const sc_core::sc_module_name& name, const SensorParams& params, std::vector<Part> parts);

  core::RegisterPort registers;
  core::InterruptLine interrupt;

  /// The core begins or ceases to work: a moment to look at the thresholds.
  void notice();

  core::RegisterFile& register_file() { return regs_; }
  /// Registers go to their reset values; temperatures stay.
  void reset();

 private:
  struct Channel {
    Part part;
    uint64_t seen_pj = 0;             ///< of active_pj()
    unsigned __int128 energy_fj = 0;  ///< since the start
    int64_t power_uw = 0;             ///< filtered
    int64_t temperature_uk = 0;       ///< millionths of a degree Celsius
    int64_t resting_uk = 0;           ///< where the temperature goes when nothing is active
    uint8_t above = 0;                ///< bits as STATUS: the threshold is passed now
  };

  void bind(unsigned n);
  void advance();
  void look();
  void thresholds(unsigned n);
  void predict();
  void publish();
  void update_interrupt();
  int64_t reading(unsigned n) const;
  core::Time time_to(const Channel& c, int64_t threshold_uk, bool falling) const;
  int64_t target_uk(unsigned n, const std::vector<int64_t>& power_uw) const;

  SensorParams params_;
  regs::sensors::Registers regs_;
  std::vector<Channel> channels_;  ///< 0: the socket
  core::Time advanced_ = 0;
  bool watching_ = false;  ///< an interrupt is enabled
  sc_core::sc_event crossing_{"crossing"};
};

}  // namespace rdu::mgmt
