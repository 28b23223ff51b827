#include "smi/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace rdu::smi {

namespace {

std::string process_name(uint64_t pid) {
  if (pid == 0) return {};
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::string name;
  std::getline(file, name);
  return name;
}

std::vector<Units> units_of(const std::vector<rdu_activity>& activity) {
  std::vector<Units> kinds(4);
  const char* const names[] = {"PCU", "PMU", "switch", "AGCU"};
  for (size_t i = 0; i < kinds.size(); ++i) kinds[i].kind = names[i];
  for (const rdu_activity& unit : activity) {
    if (unit.kind < RDU_KIND_PCU || unit.kind > RDU_KIND_AGCU) continue;
    Units& u = kinds[unit.kind - RDU_KIND_PCU];
    ++u.all;
    u.used += unit.busy != 0;
    u.busy += unit.busy;
    u.most = std::max(u.most, unit.busy);
  }
  return kinds;
}

}  // namespace

Sample read(const Device& device, const std::string& address) {
  Sample s;
  s.address = address;
  s.info = device.info();
  s.health = device.health();
  s.usage = device.usage();
  s.memory = device.memory_counters();
  s.sensors = device.sensors();
  for (const rdu_context_usage& context : device.contexts())
    s.processes.push_back({context, process_name(context.owner)});
  s.units = units_of(device.activity());
  s.events = device.events();
  return s;
}

std::optional<Load> load(const Sample& now, const Sample* before) {
  const rdu_usage none{};
  const rdu_usage& then = before == nullptr ? none : before->usage;
  if (now.usage.time_ns <= then.time_ns) return std::nullopt;
  Load load;
  load.time_ns = now.usage.time_ns - then.time_ns;
  const auto share = [&](uint64_t after, uint64_t earlier) {
    return std::min(1.0, static_cast<double>(after - earlier) / static_cast<double>(load.time_ns));
  };
  for (size_t i = 0; i < load.tiles.size(); ++i) load.tiles[i] = share(now.usage.tile_ns[i], then.tile_ns[i]);
  for (size_t i = 0; i < load.copies.size(); ++i)
    load.copies[i] = share(now.usage.copy_ns[i], then.copy_ns[i]);
  return load;
}

std::string name(const rdu_sensor& sensor) {
  static const char* const kinds[] = {"?", "socket", "core", "HBM", "DDR", "tile"};
  const char* const kind = kinds[sensor.kind < 6 ? sensor.kind : 0];
  return sensor.kind == RDU_SENSOR_TILE ? fmt::format("{} {}", kind, sensor.index) : kind;
}

std::string text(const rdu_device_event& event) {
  char line[160];
  check(rdu_describe_device_event(&event, line, sizeof line));
  return line;
}

}  // namespace rdu::smi
