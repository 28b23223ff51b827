#include "core/access_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace rdu::core {

AccessLog& AccessLog::get() {
  static AccessLog instance;
  return instance;
}

AccessLog::Place AccessLog::place(const std::string& name) {
  const auto known = std::find(places_.begin(), places_.end(), name);
  if (known != places_.end()) return static_cast<Place>(known - places_.begin());
  places_.push_back(name);
  return static_cast<Place>(places_.size() - 1);
}

std::vector<std::string> AccessLog::lines(uint64_t since) const {
  std::vector<const Entry*> chosen;
  for (const Ring& ring : rings_) {
    for (const Entry& entry : ring.accesses) {
      if (entry.sequence > since) chosen.push_back(&entry);
    }
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const Entry* a, const Entry* b) { return a->sequence < b->sequence; });
  std::vector<std::string> lines;
  for (const Entry* entry : chosen) lines.push_back(line(entry->access));
  return lines;
}

std::string AccessLog::line(const Access& a) const {
  const std::string where =
      a.name ? fmt::format("{} ({:#x})", a.name, a.address) : fmt::format("{:#x}", a.address);
  const std::string what =
      fmt::format("{} {}, {} byte{}", places_.at(a.place), where, a.length, a.length == 1 ? "" : "s");
  if (a.sort == Sort::transfers) {
    return fmt::format("{}  initiator {:#x} {} {}", format_time(a.when), a.value,
                       a.write ? "writes" : "reads", what);
  }
  return fmt::format("{}  {} {} {}: {:#x}", format_time(a.when), a.sort == Sort::host ? "host" : "core",
                     a.write ? "writes" : "reads", what, a.value);
}

}  // namespace rdu::core
