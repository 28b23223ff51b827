#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "rdu.hpp"

namespace {

std::string name(const rdu_sensor& s) {
  static const char* const kinds[] = {"?", "socket", "core", "HBM", "DDR", "tile"};
  const char* const kind = kinds[s.kind < 6 ? s.kind : 0];
  return s.kind == RDU_SENSOR_TILE ? fmt::format("{} {}", kind, s.index) : kind;
}

std::string text(const rdu_device_event& event) {
  char line[160];
  rdu::check(rdu_describe_device_event(&event, line, sizeof line));
  return line;
}

/// Cycles in which units of a kind worked in tile 0's last execution, against those of the busiest of them.
struct Utilisation {
  const char* kind;
  unsigned used = 0, all = 0;
  uint64_t busy = 0, most = 0;
};

std::vector<Utilisation> utilisation(const rdu::Device& device) {
  std::vector<Utilisation> kinds = {{"PCU"}, {"PMU"}, {"switch"}, {"AGCU"}};
  for (const rdu_activity& unit : device.activity()) {
    if (unit.kind < RDU_KIND_PCU || unit.kind > RDU_KIND_AGCU) continue;
    Utilisation& u = kinds[unit.kind - RDU_KIND_PCU];
    ++u.all;
    u.used += unit.busy != 0;
    u.busy += unit.busy;
    u.most = std::max(u.most, unit.busy);
  }
  return kinds;
}

void print_table(const rdu::Device& device) {
  const rdu_info info = device.info();
  const rdu_health health = device.health();
  const rdu_memory_counters memory = device.memory_counters();
  fmt::print("{}: {} tile{} of {} x {}, HBM {:.1f} GiB, DDR {:.1f} GiB\n", info.model, info.tiles,
             info.tiles == 1 ? "" : "s", info.rows, info.columns,
             static_cast<double>(info.hbm_bytes) / (1u << 30),
             static_cast<double>(info.ddr_bytes) / (1u << 30));
  fmt::print("{}: up {:.3f} ms since {}, {} restarts, {} panics\n\n", info.firmware,
             static_cast<double>(health.uptime_ns) / 1e6, health.last_start, health.restarts, health.panics);

  fmt::print("{:<8} {:>8} {:>8} {:>8} {:>9} {:>8} {:>9} {:>12}\n", "sensor", "deg C", "low", "high",
             "critical", "V", "W", "J");
  for (const rdu_sensor& s : device.sensors()) {
    fmt::print("{:<8} {:>8.2f} {:>8.1f} {:>8.1f} {:>9.1f} {:>8.3f} {:>9.2f} {:>12.6f}{}\n", name(s),
               s.temperature / 1e3, s.low / 1e3, s.high / 1e3, s.critical / 1e3, s.millivolts / 1e3,
               s.milliwatts / 1e3, static_cast<double>(s.microjoules) / 1e6,
               s.temperature > s.critical ? "  CRITICAL"
               : s.temperature > s.high   ? "  high"
               : s.temperature < s.low    ? "  low"
                                          : "");
  }

  fmt::print("\n{:<8} {:>12} {:>12} {:>20}\n", "units", "used", "busy cycles", "busiest");
  for (const Utilisation& u : utilisation(device))
    fmt::print("{:<8} {:>5} of {:>3} {:>12} {:>20}\n", u.kind, u.used, u.all, u.busy, u.most);

  fmt::print("\n{:<8} {:>16} {:>16} {:>12} {:>12}\n", "memory", "bytes read", "written", "corrected",
             "uncorrected");
  fmt::print("{:<8} {:>16} {:>16} {:>12} {:>12}\n", "HBM", memory.hbm_read, memory.hbm_written,
             health.hbm_corrected, health.hbm_uncorrected);
  fmt::print("{:<8} {:>16} {:>16} {:>12} {:>12}\n", "DDR", memory.ddr_read, memory.ddr_written,
             health.ddr_corrected, health.ddr_uncorrected);
  fmt::print("{:<8} {:>16} {:>16}\n", "host", memory.host_read, memory.host_written);

  fmt::print("\nevents   {} since the firmware started, {} lost\n", health.events, health.events_lost);
  for (const rdu_device_event& event : device.events())
    fmt::print("{:>12.3f} ms  {}\n", static_cast<double>(event.time_ns) / 1e6, text(event));
}

nlohmann::ordered_json json(const rdu::Device& device) {
  const rdu_info info = device.info();
  const rdu_health health = device.health();
  nlohmann::ordered_json j = {{"model", info.model},
                              {"firmware", info.firmware},
                              {"uptime_ns", health.uptime_ns},
                              {"last_start", health.last_start},
                              {"restarts", health.restarts},
                              {"panics", health.panics},
                              {"log_lines_lost", health.log_lines_lost}};
  for (const rdu_sensor& s : device.sensors()) {
    j["sensors"].push_back({{"name", name(s)},
                            {"millicelsius", s.temperature},
                            {"low", s.low},
                            {"high", s.high},
                            {"critical", s.critical},
                            {"millivolts", s.millivolts},
                            {"milliwatts", s.milliwatts},
                            {"microjoules", s.microjoules}});
  }
  for (const Utilisation& u : utilisation(device))
    j["units"][u.kind] = {{"all", u.all}, {"used", u.used}, {"busy_cycles", u.busy}};
  j["ecc"] = {{"hbm_corrected", health.hbm_corrected},
              {"hbm_uncorrected", health.hbm_uncorrected},
              {"ddr_corrected", health.ddr_corrected},
              {"ddr_uncorrected", health.ddr_uncorrected}};
  j["events"] = nlohmann::ordered_json::array();
  for (const rdu_device_event& e : device.events()) {
    j["events"].push_back({{"sequence", e.sequence},
                           {"time_ns", e.time_ns},
                           {"text", text(e)},
                           {"type", e.type},
                           {"code", e.code},
                           {"severity", e.severity},
                           {"source", e.source},
                           {"value", e.value}});
  }
  return j;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Shows how an RDU is: firmware, temperatures, power, utilisation, errors, events. It takes the device "
      "as any\n"
      "application does, so none other can use it meanwhile.",
      "rdu-smi");
  app.set_version_flag("--version", std::string("rdu-smi ") + RDU_VERSION);
  std::string device_address;
  bool as_json = false, log = false, panic = false;
  double timeout = 30;
  app.add_option("--device", device_address,
                 "unix:PATH, the socket of a simulator (default: $RDU_DEVICE, else " RDU_DEFAULT_ADDRESS ")");
  app.add_flag("--json", as_json, "The same as JSON, for scripts");
  app.add_flag("--log", log, "The firmware's log instead");
  app.add_flag("--panic", panic,
               "The report of the firmware's last panic instead; nothing if there was none");
  app.add_option("--timeout", timeout,
                 "Seconds of the host's clock to wait for the device, and for each command")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  app.footer("Example: rdu-smi --device unix:/tmp/rdu0.sock");
  CLI11_PARSE(app, argc, argv);

  try {
    const rdu::Device device(device_address, rdu::Timeout{static_cast<uint32_t>(timeout * 1000)});
    if (log) {
      fmt::print("{}", device.log());
    } else if (panic) {
      fmt::print("{}", device.panic());
    } else if (as_json) {
      fmt::print("{}\n", json(device).dump(2));
    } else {
      print_table(device);
    }
    return 0;
  } catch (const rdu::Error& error) {
    std::fflush(stdout);
    fmt::print(stderr, "rdu-smi: {}\n", error.what());
    return 1;
  }
}
