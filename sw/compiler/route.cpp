#include "compiler/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <tuple>

namespace rdu::compiler {
namespace {

constexpr unsigned kSides = 4;
constexpr unsigned kIterations = 60;
constexpr double kFirstPressure = 0.5;
constexpr double kPressureGrowth = 1.3;
constexpr double kMostPressure = 1000.0;
constexpr double kHistory = 0.4;  // what a side that is overfull grows dearer by, each time
const char* const kSideNames[kSides] = {"north", "east", "south", "west"};

class Router {
 public:
  Router(const std::vector<RouteRequest>& requests, const Shape& shape, unsigned channels)
      : requests_(requests),
        shape_(shape),
        channels_(channels),
        used_(links()),
        history_(links()),
        trees_(requests.size()) {}

  std::string run() {
    double pressure = kFirstPressure;
    for (unsigned i = 0; i < kIterations; ++i) {
      for (size_t n = 0; n < requests_.size(); ++n) reroute(n, pressure);
      bool legal = true;
      for (size_t l = 0; l < used_.size(); ++l) {
        if (used_[l] <= channels_) continue;
        legal = false;
        history_[l] += kHistory * (used_[l] - channels_);
      }
      if (legal) return "";
      pressure = std::min(pressure * kPressureGrowth, kMostPressure);
    }
    std::string text;
    for (size_t l = 0; l < used_.size(); ++l) {
      if (used_[l] <= channels_) continue;
      const size_t node = l / kSides;
      text +=
          fmt::format("{}{} streams leave SW {}.{} to the {} ({} channels)", text.empty() ? "" : ", ",
                      used_[l], node / shape_.cols, node % shape_.cols, kSideNames[l % kSides], channels_);
    }
    return text;
  }

  /// Hands out channels, lowest first, in order of the requests.
  std::vector<std::vector<RouteStep>> steps() const {
    std::vector<uint8_t> next(links());
    std::vector<std::vector<RouteStep>> result;
    for (const auto& tree : trees_) {
      auto& out = result.emplace_back();
      for (size_t link : tree) {
        const size_t node = link / kSides;
        out.push_back({static_cast<uint16_t>(node / shape_.cols), static_cast<uint16_t>(node % shape_.cols),
                       static_cast<uint8_t>(link % kSides), next[link]++});
      }
    }
    return result;
  }

 private:
  size_t nodes() const { return static_cast<size_t>(shape_.rows) * shape_.cols; }
  size_t links() const { return nodes() * kSides; }
  size_t node(std::pair<uint16_t, uint16_t> at) const {
    return static_cast<size_t>(at.first) * shape_.cols + at.second;
  }

  /// The neighbour, or nodes() at the border.
  size_t neighbour(size_t at, unsigned side) const {
    const size_t r = at / shape_.cols;
    const size_t c = at % shape_.cols;
    switch (side) {
      case 0:
        return r == 0 ? nodes() : at - shape_.cols;
      case 1:
        return c + 1 == shape_.cols ? nodes() : at + 1;
      case 2:
        return r + 1 == shape_.rows ? nodes() : at + shape_.cols;
      default:
        return c == 0 ? nodes() : at - 1;
    }
  }

  double cost(size_t link, double pressure) const {
    const unsigned over = used_[link] + 1 > channels_ ? used_[link] + 1 - channels_ : 0;
    return (1.0 + history_[link]) * (1.0 + pressure * over);
  }

  /// Rips the request's tree up and grows a new one: from all of the tree so far to the nearest sink that it
  /// lacks.
  void reroute(size_t n, double pressure) {
    auto& tree = trees_[n];
    for (size_t link : tree) --used_[link];
    tree.clear();
    std::vector<bool> in_tree(nodes());
    in_tree[node(requests_[n].source)] = true;
    std::vector<bool> wanted(nodes());
    for (const auto& sink : requests_[n].sinks) wanted[node(sink)] = true;
    while (true) {
      bool missing = false;
      for (size_t i = 0; i < nodes(); ++i) missing = missing || (wanted[i] && !in_tree[i]);
      if (!missing) break;
      grow(wanted, pressure, &in_tree, &tree);
    }
    for (size_t link : tree) ++used_[link];
  }

  void grow(const std::vector<bool>& wanted, double pressure, std::vector<bool>* in_tree,
            std::vector<size_t>* tree) {
    constexpr double kFar = 1e300;
    std::vector<double> distance(nodes(), kFar);
    std::vector<size_t> by(nodes(), links());  // the link that leads there
    using Entry = std::pair<double, size_t>;   // ties: the lower node first
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> todo;
    for (size_t i = 0; i < nodes(); ++i) {
      if ((*in_tree)[i]) distance[i] = 0, todo.emplace(0.0, i);
    }
    while (!todo.empty()) {
      const auto [d, at] = todo.top();
      todo.pop();
      if (d > distance[at]) continue;
      if (wanted[at] && !(*in_tree)[at]) {
        std::vector<size_t> path;
        for (size_t i = at; !(*in_tree)[i]; i = by[i] / kSides) path.push_back(by[i]);
        for (size_t i = at; !(*in_tree)[i]; i = by[i] / kSides) (*in_tree)[i] = true;
        tree->insert(tree->end(), path.rbegin(), path.rend());
        return;
      }
      for (unsigned side = 0; side < kSides; ++side) {
        const size_t to = neighbour(at, side);
        if (to == nodes() || (*in_tree)[to]) continue;
        const size_t link = at * kSides + side;
        const double there = d + cost(link, pressure);
        if (there < distance[to]) {
          distance[to] = there;
          by[to] = link;
          todo.emplace(there, to);
        }
      }
    }
  }

  const std::vector<RouteRequest>& requests_;
  const Shape shape_;
  const unsigned channels_;
  std::vector<unsigned> used_;
  std::vector<double> history_;
  std::vector<std::vector<size_t>> trees_;  ///< links of each request
};

}  // namespace

std::string route(const std::vector<RouteRequest>& requests, const Shape& shape, unsigned channels,
                  std::vector<std::vector<RouteStep>>* steps) {
  Router router(requests, shape, channels);
  std::string overfull = router.run();
  if (overfull.empty()) *steps = router.steps();
  return overfull;
}

}  // namespace rdu::compiler
