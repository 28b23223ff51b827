#include "fabric/standstill.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "fabric/stream/unit.h"

namespace rdu::fabric {
namespace {

constexpr size_t kMostEnds = 4;  ///< that are told; one is the usual case

}  // namespace

void Standstill::waits(uint32_t unit, uint32_t other, const std::string& what) {
  waits_[unit].push_back({other, what});
}

Standstill::Way Standstill::circle_through(uint32_t unit) const {
  struct Step {
    uint32_t from;
    const Wait* wait;
  };
  std::map<uint32_t, Step> reached;  // by unit: how
  std::deque<uint32_t> todo{unit};
  while (!todo.empty() && reached.count(unit) == 0) {
    const uint32_t here = todo.front();
    todo.pop_front();
    const auto found = waits_.find(here);
    if (found == waits_.end()) continue;
    for (const Wait& wait : found->second) {
      if (reached.emplace(wait.other, Step{here, &wait}).second) todo.push_back(wait.other);
    }
  }
  Way way;
  if (reached.count(unit) == 0) return way;
  uint32_t at = unit;
  do {
    const Step& step = reached.at(at);
    way.emplace_back(step.from, step.wait);
    at = step.from;
  } while (at != unit);
  std::reverse(way.begin(), way.end());
  return way;
}

Standstill::Explanation Standstill::explain() const {
  Way shortest;
  for (const auto& [unit, waits] : waits_) {
    Way circle = circle_through(unit);
    if (!circle.empty() && (shortest.empty() || circle.size() < shortest.size()))
      shortest = std::move(circle);
  }
  return shortest.empty() ? explain_ends() : explain_circle(shortest);
}

Standstill::Explanation Standstill::explain_circle(const Way& circle) const {
  Explanation e{circle.front().first, fmt::format("{} units wait for each other: ", circle.size())};
  for (const auto& [unit, wait] : circle)
    e.text += fmt::format("{} waits for {}, ", unit_name(unit), wait->what);
  e.text += "and so on in a circle";
  return e;
}

Standstill::Explanation Standstill::explain_ends() const {
  Explanation e;
  size_t ends = 0;
  std::map<uint32_t, bool> told;
  for (const auto& [unit, waits] : waits_) {
    for (const Wait& wait : waits) {
      if (waits_.count(wait.other) != 0 || told[wait.other]) continue;
      told[wait.other] = true;
      if (++ends > kMostEnds) continue;
      if (ends == 1) e.unit = unit;
      const auto state = resting_.find(wait.other);
      e.text +=
          fmt::format("{}{} waits for {}, but {} {}", e.text.empty() ? "" : "; ", unit_name(unit), wait.what,
                      unit_name(wait.other), state == resting_.end() ? "does nothing" : state->second);
    }
  }
  if (ends > kMostEnds) e.text += fmt::format("; and {} more", ends - kMostEnds);
  return e;
}

}  // namespace rdu::fabric
