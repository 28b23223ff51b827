// What rdu-smi reads of a device at one moment.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rdu.hpp"

namespace rdu::smi {

// A context with the name of the process that owns it.
struct Process {
  rdu_context_usage usage{};
  std::string name;  // empty: not known
};

// Units of one kind in tile 0's last execution.
struct Units {
  const char* kind = "";
  unsigned used = 0, all = 0;
  uint64_t busy = 0, most = 0;  // fabric cycles: of all, and of the busiest
};

struct Sample {
  std::string address;
  rdu_info info{};
  rdu_health health{};
  rdu_usage usage{};
  rdu_memory_counters memory{};
  std::vector<rdu_sensor> sensors;  // the whole socket first
  std::vector<Process> processes;
  std::vector<Units> units;
  std::vector<rdu_device_event> events;  // oldest first
};

Sample read(const Device& device, const std::string& address);

// Shares of time, 0 to 1, in which tiles and copy channels were busy between two samples; without an earlier
// one, since power-on. Nothing if no time has passed.
struct Load {
  std::array<double, 4> tiles{};
  std::array<double, 3> copies{};
  uint64_t time_ns = 0;
};
std::optional<Load> load(const Sample& now, const Sample* before);

// "HBM", "tile 2"
std::string name(const rdu_sensor& sensor);
// One line about an event.
std::string text(const rdu_device_event& event);

}  // namespace rdu::smi
