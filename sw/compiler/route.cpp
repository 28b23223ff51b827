#include "compiler/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
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
constexpr double kSharing = 3.0;  // what one more stream than channels costs: so many hops around
const char* const kSideNames[kSides] = {"north", "east", "south", "west"};

class Router {
 public:
  Router(const std::vector<RouteRequest>& requests, const Shape& shape, unsigned channels, unsigned flows)
      : requests_(requests),
        shape_(shape),
        channels_(channels),
        flows_(flows),
        most_(channels * flows),
        used_(links()),
        history_(links()),
        trees_(requests.size()) {}

  std::string run() {
    double pressure = kFirstPressure;
    for (unsigned i = 0; i < kIterations; ++i) {
      for (size_t n = 0; n < requests_.size(); ++n) reroute(n, pressure);
      bool legal = true;
      for (size_t l = 0; l < used_.size(); ++l) {
        if (used_[l] <= most_) continue;
        legal = false;
        history_[l] += kHistory * (used_[l] - most_);
      }
      if (legal) return "";
      pressure = std::min(pressure * kPressureGrowth, kMostPressure);
    }
    std::string text;
    for (size_t l = 0; l < used_.size(); ++l) {
      if (used_[l] > most_) text += (text.empty() ? "" : ", ") + overfull(l);
    }
    return text;
  }

  /// Hands out channels and flow ids, in order of the requests: the least used channel of a side, and the
  /// lowest flow id that is free on all channels by which a tree leaves a switch (a switch gives all branches
  /// the same). Returns what does not work out, or nothing.
  std::string steps(std::vector<std::vector<RouteStep>>* steps) const {
    steps->clear();
    std::vector<std::vector<std::vector<bool>>> taken(  // [link][channel][flow]
        links(), std::vector<std::vector<bool>>(channels_, std::vector<bool>(flows_)));
    for (const auto& tree : trees_) {
      auto& out = steps->emplace_back();
      std::map<size_t, std::vector<size_t>> branches;  // by node: links
      for (size_t link : tree) branches[link / kSides].push_back(link);
      std::map<size_t, std::pair<unsigned, unsigned>> given;  // by link: channel, flow
      for (const auto& [node, leaving] : branches) {
        const size_t stuck = hand_out(leaving, &taken, &given);
        if (stuck != links()) return overfull(stuck);
      }
      for (size_t link : tree) {
        const size_t node = link / kSides;
        const auto [channel, flow] = given.at(link);
        out.push_back({static_cast<uint16_t>(node / shape_.cols), static_cast<uint16_t>(node % shape_.cols),
                       static_cast<uint8_t>(link % kSides), static_cast<uint8_t>(channel),
                       static_cast<uint8_t>(flow)});
      }
    }
    return "";
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

  /// Of one switch. Returns a link for which there is no common flow id, or links().
  size_t hand_out(const std::vector<size_t>& leaving, std::vector<std::vector<std::vector<bool>>>* taken,
                  std::map<size_t, std::pair<unsigned, unsigned>>* given) const {
    size_t stuck = links();
    for (unsigned flow = 0; flow < flows_; ++flow) {
      std::map<size_t, std::pair<unsigned, unsigned>> found;
      for (size_t link : leaving) {
        unsigned best = channels_;
        size_t fewest = flows_;
        for (unsigned channel = 0; channel < channels_; ++channel) {
          const std::vector<bool>& flows = (*taken)[link][channel];
          const auto users = static_cast<size_t>(std::count(flows.begin(), flows.end(), true));
          if (!flows[flow] && users < fewest) best = channel, fewest = users;
        }
        if (best == channels_) {
          stuck = link;
          break;
        }
        found[link] = {best, flow};
      }
      if (found.size() != leaving.size()) continue;
      for (const auto& [link, place] : found) (*taken)[link][place.first][place.second] = true;
      given->insert(found.begin(), found.end());
      return links();
    }
    return stuck;
  }

  double cost(size_t link, double pressure) const {
    const unsigned wanted = used_[link] + 1;
    const unsigned over = wanted > most_ ? wanted - most_ : 0;
    const unsigned shared = wanted > channels_ ? std::min(wanted, most_) - channels_ : 0;
    return (1.0 + history_[link]) * (1.0 + pressure * over) * (1.0 + kSharing * shared);
  }

  std::string overfull(size_t link) const {
    const size_t node = link / kSides;
    return fmt::format("{} streams leave SW {}.{} to the {} ({} channels{})", used_[link], node / shape_.cols,
                       node % shape_.cols, kSideNames[link % kSides], channels_,
                       flows_ > 1 ? fmt::format(" of {} flows", flows_) : "");
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
  const unsigned flows_;  ///< of a channel
  const unsigned most_;   ///< streams that a side takes
  std::vector<unsigned> used_;
  std::vector<double> history_;
  std::vector<std::vector<size_t>> trees_;  ///< links of each request
};

}  // namespace

std::string route(const std::vector<RouteRequest>& requests, const Shape& shape, unsigned channels,
                  unsigned flows, std::vector<std::vector<RouteStep>>* steps) {
  Router router(requests, shape, channels, flows);
  std::string overfull = router.run();
  return overfull.empty() ? router.steps(steps) : overfull;
}

}  // namespace rdu::compiler
