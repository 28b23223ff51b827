#include "compiler/place.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace rdu::compiler {
namespace {

constexpr int64_t kHop = 16;      // cost of one hop of a vector stream
constexpr int64_t kTokenHop = 1;  // of a done token: there are four wires, and they are in nobody's way
constexpr int64_t kRouteBox = 4;  // extra cost a further sink: more sinks need more than half the perimeter
constexpr int64_t kNowhere = -1;

/// splitmix64: the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return static_cast<size_t>(next() % n); }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

/// About exp(-x) for x >= 0, from operations that IEEE 754 fixes: libm's exp may differ from machine to
/// machine.
double decay(double x) {
  return 1.0 / (1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0)))));
}

/// Length of one net's wire.
template <class SiteOf>
int64_t net_length(const Netlist::Net& net, SiteOf site_of) {
  const Site& first = site_of(net.source);
  int top = first.row, bottom = first.row, left = first.col, right = first.col;
  for (size_t sink : net.sinks) {
    const Site& s = site_of(sink);
    top = std::min<int>(top, s.row), bottom = std::max<int>(bottom, s.row);
    left = std::min<int>(left, s.col), right = std::max<int>(right, s.col);
  }
  const int64_t half = bottom - top + right - left;
  const auto more = static_cast<int64_t>(net.sinks.size()) - 1;
  return half * (kHop + (half > 1 ? kRouteBox * std::min<int64_t>(more, 4) : 0));
}

int64_t token_length(const Netlist::Unit& unit, const Site& site) {
  return unit.role == Role::store ? kTokenHop * (site.row + site.col) : 0;
}

constexpr std::array kRoles = {Role::pcu, Role::pmu, Role::load, Role::store};

const char* plural(Role role) {
  switch (role) {
    case Role::pcu:
      return "PCUs";
    case Role::pmu:
      return "PMUs";
    case Role::load:
      return "load generators (one in each AGCU)";
    case Role::store:
      return "store generators (one in each AGCU)";
  }
  return "?";
}

class Placer {
 public:
  Placer(const Netlist& netlist, const Shape& shape, uint64_t seed)
      : netlist_(netlist),
        random_(seed),
        unit_site_(netlist.units.size(), kNowhere),
        unit_nets_(netlist.units.size()) {
    for (Role role : kRoles) {
      Class& c = classes_[static_cast<size_t>(role)];
      c.sites = sites_of(role, shape);
      c.occupant.assign(c.sites.size(), kNowhere);
      size_t wanted = 0;
      for (const auto& unit : netlist.units) wanted += unit.role == role;
      if (wanted > c.sites.size()) {
        throw Error(fmt::format("the program needs {} {}, a tile of {} x {} cells has {}", wanted,
                                plural(role), shape.rows, shape.cols, c.sites.size()));
      }
    }
    for (size_t n = 0; n < netlist.nets.size(); ++n) {
      note(netlist.nets[n].source, n);
      for (size_t sink : netlist.nets[n].sinks) note(sink, n);
    }
  }

  std::vector<Site> run() {
    start();
    anneal();
    std::vector<Site> result;
    for (size_t u = 0; u < netlist_.units.size(); ++u) result.push_back(site(u));
    return result;
  }

 private:
  struct Class {
    std::vector<Site> sites;
    std::vector<int64_t> occupant;  ///< unit on each site
  };

  void note(size_t unit, size_t net) {
    auto& nets = unit_nets_[unit];
    if (nets.empty() || nets.back() != net) nets.push_back(net);
  }
  Class& class_of(size_t unit) { return classes_[static_cast<size_t>(netlist_.units[unit].role)]; }
  const Site& site(size_t unit) { return class_of(unit).sites[static_cast<size_t>(unit_site_[unit])]; }

  /// Greedy: units in breadth-first order over the nets, each on the free site that is nearest to its placed
  /// neighbours.
  void start() {
    std::vector<size_t> order;
    std::vector<bool> seen(netlist_.units.size());
    for (size_t first = 0; first < netlist_.units.size(); ++first) {
      if (seen[first]) continue;
      seen[first] = true;
      order.push_back(first);
      for (size_t i = order.size() - 1; i < order.size(); ++i) {
        for (size_t n : unit_nets_[order[i]]) {
          const auto visit = [&](size_t u) {
            if (!seen[u]) seen[u] = true, order.push_back(u);
          };
          visit(netlist_.nets[n].source);
          for (size_t sink : netlist_.nets[n].sinks) visit(sink);
        }
      }
    }
    pin();
    for (size_t u : order) {
      if (fixed(u)) continue;
      Class& c = class_of(u);
      int64_t best = kNowhere;
      int64_t best_cost = 0;
      for (size_t s = 0; s < c.sites.size(); ++s) {
        if (c.occupant[s] != kNowhere) continue;
        const int64_t cost = distance_to_neighbours(u, c.sites[s]);
        if (best == kNowhere || cost < best_cost) best = static_cast<int64_t>(s), best_cost = cost;
      }
      unit_site_[u] = best;
      c.occupant[static_cast<size_t>(best)] = static_cast<int64_t>(u);
    }
  }

  bool fixed(size_t unit) const { return netlist_.units[unit].cell.has_value(); }

  void pin() {
    for (size_t u = 0; u < netlist_.units.size(); ++u) {
      if (!fixed(u)) continue;
      const auto& unit = netlist_.units[u];
      Class& c = class_of(u);
      const auto found = std::find_if(c.sites.begin(), c.sites.end(), [&](const Site& s) {
        return s.row == unit.cell->row && s.col == unit.cell->col;
      });
      const std::string who =
          fmt::format("unit '{}' has to be at row {}, column {}", unit.name, unit.cell->row, unit.cell->col);
      if (found == c.sites.end()) throw Error(who + ", but there is no such unit");
      const auto site = found - c.sites.begin();
      int64_t& occupant = c.occupant[static_cast<size_t>(site)];
      if (occupant != kNowhere) {
        throw Error(fmt::format("{}, where '{}' has to be, too", who,
                                netlist_.units[static_cast<size_t>(occupant)].name));
      }
      occupant = static_cast<int64_t>(u);
      unit_site_[u] = site;
    }
  }

  int64_t distance_to_neighbours(size_t unit, const Site& at) {
    int64_t sum = 0;
    const auto add = [&](size_t other) {
      if (other == unit || unit_site_[other] == kNowhere) return;
      const Site& o = site(other);
      sum += std::abs(int{o.row} - int{at.row}) + std::abs(int{o.col} - int{at.col});
    };
    for (size_t n : unit_nets_[unit]) {
      add(netlist_.nets[n].source);
      for (size_t sink : netlist_.nets[n].sinks) add(sink);
    }
    return sum;
  }

  int64_t cost_around(size_t a, int64_t b) {
    int64_t cost = token_length(netlist_.units[a], site(a));
    const auto length = [&](size_t n) {
      return net_length(netlist_.nets[n], [this](size_t u) -> const Site& { return site(u); });
    };
    for (size_t n : unit_nets_[a]) cost += length(n);
    if (b == kNowhere) return cost;
    const auto other = static_cast<size_t>(b);
    cost += token_length(netlist_.units[other], site(other));
    for (size_t n : unit_nets_[other]) {
      const auto& mine = unit_nets_[a];
      if (!std::binary_search(mine.begin(), mine.end(), n)) cost += length(n);
    }
    return cost;
  }

  void move(size_t unit, int64_t to) {
    Class& c = class_of(unit);
    const int64_t from = unit_site_[unit];
    const int64_t other = c.occupant[static_cast<size_t>(to)];
    unit_site_[unit] = to;
    c.occupant[static_cast<size_t>(to)] = static_cast<int64_t>(unit);
    c.occupant[static_cast<size_t>(from)] = other;
    if (other != kNowhere) unit_site_[static_cast<size_t>(other)] = from;
  }

  void anneal() {
    const size_t units = netlist_.units.size();
    if (units == 0) return;
    const size_t moves = 60 * units;
    for (double temperature = 12.0 * kHop; temperature > 0.5; temperature *= 0.94) {
      for (size_t i = 0; i < moves; ++i) {
        const size_t unit = random_.below(units);
        Class& c = class_of(unit);
        const auto to = static_cast<int64_t>(random_.below(c.sites.size()));
        const int64_t from = unit_site_[unit];
        if (to == from) continue;
        const int64_t other = c.occupant[static_cast<size_t>(to)];
        if (fixed(unit) || (other != kNowhere && fixed(static_cast<size_t>(other)))) continue;
        const int64_t before = cost_around(unit, other);
        move(unit, to);
        const int64_t worse = cost_around(unit, other) - before;
        if (worse > 0 && random_.unit() >= decay(static_cast<double>(worse) / temperature)) move(unit, from);
      }
    }
  }

  const Netlist& netlist_;
  Random random_;
  std::array<Class, kRoles.size()> classes_;
  std::vector<int64_t> unit_site_;              ///< index in the class's sites
  std::vector<std::vector<size_t>> unit_nets_;  ///< ascending
};

}  // namespace

std::vector<Site> sites_of(Role role, const Shape& shape) {
  std::vector<Site> sites;
  for (uint16_t r = 0; r < shape.rows; ++r) {
    if (role == Role::load || role == Role::store) {
      sites.push_back({RDU_UNIT(RDU_UNIT_AGCU, r, 0), r, 0});
      sites.push_back({RDU_UNIT(RDU_UNIT_AGCU, r, 1), r, static_cast<uint16_t>(shape.cols - 1)});
      continue;
    }
    const uint32_t kind = role == Role::pcu ? RDU_UNIT_PCU : RDU_UNIT_PMU;
    for (uint16_t c = 0; c < shape.cols; ++c) sites.push_back({RDU_UNIT(kind, r, c), r, c});
  }
  return sites;
}

std::vector<Site> place(const Netlist& netlist, const Shape& shape, uint64_t seed) {
  return Placer(netlist, shape, seed).run();
}

int64_t wire_length(const Netlist& netlist, const std::vector<Site>& sites) {
  int64_t sum = 0;
  for (const auto& net : netlist.nets) {
    sum += net_length(net, [&](size_t u) -> const Site& { return sites[u]; });
  }
  for (size_t u = 0; u < netlist.units.size(); ++u) sum += token_length(netlist.units[u], sites[u]);
  return sum;
}

}  // namespace rdu::compiler
