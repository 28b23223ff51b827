#pragma once

#include <cstdint>

#include "core/parameter.h"
#include "core/time.h"

namespace rdu::mgmt {

/// What the sensors compute with. Nothing of it is public: every number is ours, of the order that parts of
/// such a process and size have. README.md has the formulas.
struct SensorParams {
  uint64_t ambient = 35'000;
  core::Time thermal_time = 2000 * core::kMillisecond;
  core::Time power_time = core::kMillisecond;
  core::Time interval = 100 * core::kMicrosecond;
  uint64_t package_resistance = 60;
  uint64_t part_resistance = 100;
  uint64_t socket_static = 30'000;
  uint64_t cell_static = 60;
  uint64_t hbm_static = 10'000;
  uint64_t ddr_static = 8'000;
  uint64_t core_static = 500;
  uint64_t pcu_energy = 150;
  uint64_t pmu_energy = 100;
  uint64_t switch_energy = 20;
  uint64_t agcu_energy = 50;
  uint64_t hbm_energy = 32;
  uint64_t ddr_energy = 120;
  uint64_t core_energy = 200;
  uint64_t tile_voltage = 750;
  uint64_t memory_voltage = 1100;
  uint64_t core_voltage = 900;
  uint64_t socket_voltage = 12'000;
  uint64_t load_line = 100;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(ambient, {"ambient", Unit::count, "thousandths of a degree Celsius of the air at the socket", "ours", 0,
                100'000});
    v(thermal_time, {"thermal_time", Unit::time, "time constant of all temperatures", "ours",
                     core::kMicrosecond, 1'000'000 * core::kMillisecond});
    v(power_time, {"power_time", Unit::time, "time constant over which POWER is averaged", "ours",
                   core::kMicrosecond, 1000 * core::kMillisecond});
    v(interval, {"interval", Unit::time, "least time between two looks at thresholds while the core works",
                 "ours", core::kMicrosecond, 1000 * core::kMillisecond});
    v(package_resistance,
      {"package_resistance", Unit::count, "mK that the package is above ambient for each W of the socket",
       "ours", 0, 100'000});
    v(part_resistance, {"part_resistance", Unit::count,
                        "mK that a part is above the package for each W of its own", "ours", 0, 100'000});
    v(socket_static,
      {"socket_static", Unit::count, "mW of what is no part below: networks, links, conversion losses",
       "ours", 0, 1'000'000});
    v(cell_static, {"cell_static", Unit::count, "mW of leakage and clocks of a PCU, its PMU and switch",
                    "ours", 0, 1'000'000});
    v(hbm_static, {"hbm_static", Unit::count, "mW of idle HBM", "ours", 0, 1'000'000});
    v(ddr_static, {"ddr_static", Unit::count, "mW of idle DDR", "ours", 0, 1'000'000});
    v(core_static, {"core_static", Unit::count, "mW of the sleeping management core", "ours", 0, 1'000'000});
    v(pcu_energy,
      {"pcu_energy", Unit::count, "pJ of a busy cycle of a PCU", "ours: 0.4 pJ a flop", 0, 1'000'000});
    v(pmu_energy, {"pmu_energy", Unit::count, "pJ of a busy cycle of a PMU", "ours", 0, 1'000'000});
    v(switch_energy, {"switch_energy", Unit::count, "pJ of a busy cycle of a switch", "ours", 0, 1'000'000});
    v(agcu_energy, {"agcu_energy", Unit::count, "pJ of a busy cycle of an AGCU", "ours", 0, 1'000'000});
    v(hbm_energy,
      {"hbm_energy", Unit::count, "pJ of a byte at the HBM controller", "ours: 4 pJ a bit", 0, 1'000'000});
    v(ddr_energy,
      {"ddr_energy", Unit::count, "pJ of a byte at the DDR controller", "ours: 15 pJ a bit", 0, 1'000'000});
    v(core_energy, {"core_energy", Unit::count, "pJ of a cycle of the management core, sleep excluded",
                    "ours", 0, 1'000'000});
    v(tile_voltage, {"tile_voltage", Unit::count, "mV of a tile's supply without load", "ours", 1, 100'000});
    v(memory_voltage,
      {"memory_voltage", Unit::count, "mV of HBM's and DDR's supply without load", "ours", 1, 100'000});
    v(core_voltage,
      {"core_voltage", Unit::count, "mV of the management core's supply without load", "ours", 1, 100'000});
    v(socket_voltage, {"socket_voltage", Unit::count, "mV at the socket without load", "ours", 1, 100'000});
    v(load_line,
      {"load_line", Unit::count, "uOhm of each supply: it sinks by this for each A", "ours", 0, 100'000});
  }
};

}  // namespace rdu::mgmt
