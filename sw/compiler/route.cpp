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
constexpr double kSharing = 3.0;  // what a stream more than there is time for costs: so many hops around
const char* const kSideNames[kSides] = {"north", "east", "south", "west"};

class Router {
 public:
  Router(const std::vector<RouteRequest>& requests, const Shape& shape, unsigned channels,
         const Sharing& sharing)
      : requests_(requests),
        shape_(shape),
        channels_(channels),
        flows_(sharing.flows),
        lightest_(sharing.flows == 1 ? -1 : sharing.lightest),
        used_(links()),
        history_(links()),
        trees_(requests.size()) {}

  std::string run() {
    double pressure = kFirstPressure;
    for (unsigned i = 0; i < kIterations; ++i) {
      for (size_t n = 0; n < requests_.size(); ++n) reroute(n, pressure);
      bool legal = true;
      for (size_t l = 0; l < used_.size(); ++l) {
        const unsigned wanted = channels_for(used_[l]);
        if (wanted <= channels_) continue;
        legal = false;
        history_[l] += kHistory * (wanted - channels_);
      }
      if (legal) return "";
      pressure = std::min(pressure * kPressureGrowth, kMostPressure);
    }
    std::string text;
    for (size_t l = 0; l < used_.size(); ++l) {
      if (channels_for(used_[l]) > channels_) text += (text.empty() ? "" : ", ") + overfull(l);
    }
    return text;
  }

  /// Hands out channels and flow ids, in order of the requests, those first that share with nobody: the
  /// channel of a side that has most time left, and the lowest flow id that is free on all channels by which
  /// a tree leaves a switch (a switch gives all branches the same). Returns what does not work out, or
  /// nothing.
  std::string steps(std::vector<std::vector<RouteStep>>* steps) const {
    steps->assign(requests_.size(), {});
    std::vector<std::vector<Channel>> taken(links(), std::vector<Channel>(channels_));
    for (const bool shares : {false, true}) {
      for (size_t n = 0; n < requests_.size(); ++n) {
        if (may_share(n) != shares) continue;
        const size_t stuck = hand_out(n, &taken, &(*steps)[n]);
        if (stuck != links()) return overfull(stuck);
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

  /// Streams on a link.
  struct Users {
    unsigned alone = 0, sharing = 0;
    double load = 0;
  };
  struct Channel {
    std::vector<bool> flows = std::vector<bool>(RDU_FLOWS);
    double load = 0;
    bool closed = false;  ///< a stream has it for itself
  };

  bool may_share(size_t n) const { return requests_[n].load <= lightest_; }
  unsigned channels_for(const Users& users) const {
    return users.alone + (users.sharing + flows_ - 1) / flows_;
  }
  void use(size_t link, size_t n, int times) {
    Users& users = used_[link];
    (may_share(n) ? users.sharing : users.alone) += static_cast<unsigned>(times);
    users.load += times * requests_[n].load;
  }

  /// One tree. Returns a link for which there is no common flow id, or links().
  size_t hand_out(size_t n, std::vector<std::vector<Channel>>* taken, std::vector<RouteStep>* steps) const {
    std::map<size_t, std::vector<size_t>> branches;  // by node: links
    for (size_t link : trees_[n]) branches[link / kSides].push_back(link);
    std::map<size_t, std::pair<unsigned, unsigned>> given;  // by link: channel, flow
    for (const auto& [node, leaving] : branches) {
      const size_t stuck = hand_out(n, leaving, taken, &given);
      if (stuck != links()) return stuck;
    }
    for (size_t link : trees_[n]) {
      const size_t node = link / kSides;
      const auto [channel, flow] = given.at(link);
      steps->push_back({static_cast<uint16_t>(node / shape_.cols), static_cast<uint16_t>(node % shape_.cols),
                        static_cast<uint8_t>(link % kSides), static_cast<uint8_t>(channel),
                        static_cast<uint8_t>(flow)});
    }
    return links();
  }
  /// Of one switch.
  size_t hand_out(size_t n, const std::vector<size_t>& leaving, std::vector<std::vector<Channel>>* taken,
                  std::map<size_t, std::pair<unsigned, unsigned>>* given) const {
    const bool shares = may_share(n);
    size_t stuck = links();
    for (unsigned flow = 0; flow < flows_; ++flow) {
      std::map<size_t, std::pair<unsigned, unsigned>> found;
      for (size_t link : leaving) {
        unsigned best = channels_;
        for (unsigned channel = 0; channel < channels_; ++channel) {
          const Channel& c = (*taken)[link][channel];
          if (c.closed || c.flows[flow] || (!shares && c.load > 0)) continue;
          if (best == channels_ || c.load < (*taken)[link][best].load) best = channel;
        }
        if (best == channels_) {
          stuck = link;
          break;
        }
        found[link] = {best, flow};
      }
      if (found.size() != leaving.size()) continue;
      for (const auto& [link, place] : found) {
        Channel& c = (*taken)[link][place.first];
        c.flows[place.second] = true;
        c.load += requests_[n].load;
        c.closed = !shares;
      }
      given->insert(found.begin(), found.end());
      return links();
    }
    return stuck;
  }

  /// Of one more stream.
  double cost(size_t link, size_t n, double pressure) const {
    Users users = used_[link];
    ++(may_share(n) ? users.sharing : users.alone);
    const unsigned wanted = channels_for(users);
    const unsigned over = wanted > channels_ ? wanted - channels_ : 0;
    const double most = channels_ * flows_;
    const double late = std::max(0.0, std::min(users.load + requests_[n].load, most) - channels_);
    return (1.0 + history_[link]) * (1.0 + pressure * over) * (1.0 + kSharing * late);
  }

  std::string overfull(size_t link) const {
    const size_t node = link / kSides;
    const Users& users = used_[link];
    return fmt::format("{} streams leave SW {}.{} to the {} ({} channels{})", users.alone + users.sharing,
                       node / shape_.cols, node % shape_.cols, kSideNames[link % kSides], channels_,
                       flows_ > 1 ? fmt::format(" of {} flows", flows_) : "");
  }

  /// Rips the request's tree up and grows a new one: from all of the tree so far to the nearest sink that it
  /// lacks.
  void reroute(size_t n, double pressure) {
    auto& tree = trees_[n];
    for (size_t link : tree) use(link, n, -1);
    tree.clear();
    std::vector<bool> in_tree(nodes());
    in_tree[node(requests_[n].source)] = true;
    std::vector<bool> wanted(nodes());
    for (const auto& sink : requests_[n].sinks) wanted[node(sink)] = true;
    while (true) {
      bool missing = false;
      for (size_t i = 0; i < nodes(); ++i) missing = missing || (wanted[i] && !in_tree[i]);
      if (!missing) break;
      grow(n, wanted, pressure, &in_tree, &tree);
    }
    for (size_t link : tree) use(link, n, 1);
  }

  void grow(size_t n, const std::vector<bool>& wanted, double pressure, std::vector<bool>* in_tree,
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
        const double there = d + cost(link, n, pressure);
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
  const unsigned flows_;   ///< of a shared channel
  const double lightest_;  ///< streams up to this load may share
  std::vector<Users> used_;
  std::vector<double> history_;
  std::vector<std::vector<size_t>> trees_;  ///< links of each request
};

}  // namespace

std::string route(const std::vector<RouteRequest>& requests, const Shape& shape, unsigned channels,
                  const Sharing& sharing, std::vector<std::vector<RouteStep>>* steps) {
  Router router(requests, shape, channels, sharing);
  std::string overfull = router.run();
  return overfull.empty() ? router.steps(steps) : overfull;
}

}  // namespace rdu::compiler
