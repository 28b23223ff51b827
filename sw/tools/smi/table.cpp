#include "smi/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace rdu::smi {

namespace {

constexpr size_t kInside = 76;  // columns between "| " and " |"
constexpr size_t kEventsShown = 5;

std::string cut(const std::string& text, size_t columns) {
  return text.size() <= columns ? text : text.substr(0, columns - 1) + "~";
}

std::string rule(char of = '-') {
  return "+" + std::string(kInside + 2, of) + "+\n";
}

std::string row(const std::string& text) {
  return fmt::format("| {:<{}} |\n", cut(text, kInside), kInside);
}

std::string row(const std::string& left, const std::string& right) {
  const size_t room = kInside - std::min(kInside, right.size() + 1);
  return row(fmt::format("{:<{}} {}", cut(left, room), room, right));
}

std::string percent(double share) {
  return fmt::format("{:.0f} %", share * 100);
}

// A bar of `columns` characters.
std::string bar(double share, size_t columns) {
  auto full = static_cast<size_t>(share * static_cast<double>(columns) + 0.5);
  if (share > 0) full = std::max<size_t>(full, 1);
  return "[" + std::string(full, '#') + std::string(columns - full, '.') + "]";
}

std::string head(const Sample& s) {
  const rdu_info& i = s.info;
  return row(s.address, fmt::format("{}, {} tile{} of {} x {} units", i.model, i.tiles,
                                    i.tiles == 1 ? "" : "s", i.rows, i.columns)) +
         row(i.firmware, fmt::format("up {} since {}, restarts {}, panics {}", time_text(s.health.uptime_ns),
                                     s.health.last_start, s.health.restarts, s.health.panics));
}

std::string sensors(const Sample& s) {
  std::string text = row("sensor    deg C    low   high critical       V        W           J");
  for (const rdu_sensor& r : s.sensors) {
    const char* const state = r.temperature > r.critical ? "CRIT"
                              : r.temperature > r.high   ? "high"
                              : r.temperature < r.low    ? "low"
                                                         : "";
    text +=
        row(fmt::format("{:<7} {:>7.2f} {:>6.1f} {:>6.1f} {:>8.1f} {:>7.3f} {:>8.2f} {:>11.6f} {}", name(r),
                        r.temperature / 1e3, r.low / 1e3, r.high / 1e3, r.critical / 1e3, r.millivolts / 1e3,
                        r.milliwatts / 1e3, static_cast<double>(r.microjoules) / 1e6, state));
  }
  return text;
}

std::string tier(const char* name, uint64_t used, uint64_t all, uint64_t read, uint64_t written,
                 uint64_t corrected, uint64_t uncorrected) {
  const double share = all == 0 ? 0 : static_cast<double>(used) / static_cast<double>(all);
  return row(fmt::format("{:<5}{:>10} of {:<10}{}  {:>10} {:>10}  {:>5} {:>6}", name, bytes_text(used),
                         bytes_text(all), bar(share, 8), bytes_text(read), bytes_text(written), corrected,
                         uncorrected));
}

std::string memory(const Sample& s) {
  const rdu_usage& u = s.usage;
  const rdu_memory_counters& m = s.memory;
  const rdu_health& h = s.health;
  std::string text = row(fmt::format("{:<40} {:>10} {:>10} {:>6} {:>6}", "memory  in use by contexts", "read",
                                     "written", "corr.", "uncor."));
  text += tier("HBM", u.hbm_used, u.hbm_bytes, m.hbm_read, m.hbm_written, h.hbm_corrected, h.hbm_uncorrected);
  text += tier("DDR", u.ddr_used, u.ddr_bytes, m.ddr_read, m.ddr_written, h.ddr_corrected, h.ddr_uncorrected);
  text +=
      row(fmt::format("{:<40} {:>10} {:>10}", "host", bytes_text(m.host_read), bytes_text(m.host_written)));
  return text;
}

std::string utilisation(const Sample& now, const Sample* before) {
  const auto l = load(now, before);
  if (!l) return row("utilisation", "no device time has passed");
  std::string text =
      row("utilisation", before == nullptr ? fmt::format("since power-on, {} ago", time_text(l->time_ns))
                                           : fmt::format("over the last {}", time_text(l->time_ns)));
  const auto lines = std::max<size_t>(std::min<size_t>(now.info.tiles, l->tiles.size()), l->copies.size());
  for (size_t i = 0; i < lines; ++i) {
    std::string tile(36, ' ');
    if (i < now.info.tiles && i < l->tiles.size())
      tile = fmt::format("tile {} {} {:>6}", i, bar(l->tiles[i], 18), percent(l->tiles[i]));
    std::string copy;
    if (i < l->copies.size())
      copy = fmt::format("copy channel {} {} {:>6}", i, bar(l->copies[i], 12), percent(l->copies[i]));
    text += row(fmt::format("{:<38} {}", tile, copy));
  }
  return text;
}

std::string units(const Sample& s) {
  const bool any = std::any_of(s.units.begin(), s.units.end(), [](const Units& u) { return u.used != 0; });
  if (!any) return {};
  std::string text = rule() + row("tile 0's last execution: units that worked, the busiest one's cycles");
  std::string line;
  for (const Units& u : s.units) line += fmt::format("{} {}/{}: {}   ", u.kind, u.used, u.all, u.most);
  return text + row(line);
}

std::string processes(const Sample& s) {
  if (s.processes.empty()) return row("no contexts: nobody uses the device");
  std::string text = row("ctx     pid name                HBM       DDR   commands    tiles   copies");
  for (const Process& p : s.processes) {
    const rdu_context_usage& u = p.usage;
    text += row(fmt::format("{:>3} {:>7} {:<13} {:>9} {:>9} {:>10} {:>8} {:>8}", u.id,
                            u.owner == 0 ? "-" : std::to_string(u.owner),
                            cut(p.name.empty() ? (u.owner == 0 ? "this process" : "?") : p.name, 13),
                            bytes_text(u.hbm_bytes), bytes_text(u.ddr_bytes), u.commands,
                            time_text(u.tile_ns), time_text(u.copy_ns)));
  }
  return text;
}

std::string events(const Sample& s) {
  std::string text = row(
      "events", fmt::format("{} since the firmware started, {} lost", s.health.events, s.health.events_lost));
  const size_t skip = s.events.size() - std::min(kEventsShown, s.events.size());
  if (skip != 0) text += row(fmt::format("({} earlier ones: --json)", skip));
  for (size_t i = skip; i < s.events.size(); ++i)
    text += row(fmt::format("{:>9} {}", time_text(s.events[i].time_ns), smi::text(s.events[i])));
  return text;
}

}  // namespace

std::string bytes_text(uint64_t bytes) {
  static const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(units)) value /= 1024, ++unit;
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : value < 100 ? 1 : 0, units[unit]);
}

std::string time_text(uint64_t ns) {
  if (ns >= 60'000'000'000) {
    const uint64_t s = ns / 1'000'000'000;
    return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  }
  static const char* const units[] = {"ns", "us", "ms", "s"};
  auto value = static_cast<double>(ns);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(units)) value /= 1000, ++unit;
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0, units[unit]);
}

std::string table(const Sample& now, const Sample* before) {
  return rule('=') + head(now) + rule() + sensors(now) + rule() + memory(now) + rule() +
         utilisation(now, before) + units(now) + rule() + processes(now) + rule() + events(now) + rule('=');
}

}  // namespace rdu::smi
