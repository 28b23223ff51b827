#include "fabric/switch/wait_graph.h"

#include <algorithm>
#include <deque>

namespace rdu::fabric {
namespace {

constexpr size_t kProgram = ~size_t{0};

/// Arrows between nodes; a node is a stream's end, full or empty. An arrow is the program's own, or of a
/// group of streams that share queues.
class Arrows {
 public:
  explicit Arrows(size_t nodes) : to_(nodes) {}
  void add(size_t from, size_t to, size_t group = kProgram) { to_[from].push_back({to, group}); }

  /// The shortest way, both ends included, without arrows of a group; empty if there is none.
  std::vector<size_t> way(size_t from, size_t to, size_t without) const {
    std::vector<size_t> before(to_.size(), to_.size());
    std::deque<size_t> todo{from};
    before[from] = from;
    while (!todo.empty()) {
      const size_t at = todo.front();
      todo.pop_front();
      if (at == to) {
        std::vector<size_t> way{to};
        while (way.back() != from) way.push_back(before[way.back()]);
        std::reverse(way.begin(), way.end());
        return way;
      }
      for (const Arrow& arrow : to_[at]) {
        if (arrow.group == without || before[arrow.to] != to_.size()) continue;
        before[arrow.to] = at;
        todo.push_back(arrow.to);
      }
    }
    return {};
  }

 private:
  struct Arrow {
    size_t to;
    size_t group;
  };
  std::vector<std::vector<Arrow>> to_;
};

}  // namespace

std::vector<std::string> WaitGraph::circle(size_t* pair) const {
  struct Place {
    size_t stream, end;
  };
  std::vector<Place> places;  // of node 2 n (full) and 2 n + 1 (empty)
  std::vector<size_t> first(streams_.size());
  for (size_t s = 0; s < streams_.size(); ++s) {
    first[s] = places.size();
    for (size_t e = 0; e < streams_[s].ends.size(); ++e) places.push_back({s, e});
  }
  const auto full = [](size_t n) { return 2 * n; };
  const auto empty = [](size_t n) { return 2 * n + 1; };
  Arrows arrows(2 * places.size());
  for (size_t n = 0; n < places.size(); ++n) {
    const Stream& stream = streams_[places[n].stream];
    const End& end = stream.ends[places[n].end];
    for (size_t m = 0; m < places.size(); ++m) {
      if (m == n) continue;
      const Stream& other = streams_[places[m].stream];
      const End& other_end = other.ends[places[m].end];
      if (!stream.is_token) {
        if (other.sender == end.taker && !other.is_token) arrows.add(full(n), full(m));
        const bool same_input = other_end.port == end.port && other.is_token == stream.is_token;
        if (other_end.taker == end.taker && (!same_input || end.join)) arrows.add(full(n), empty(m));
      }
      if (other_end.taker == stream.sender) arrows.add(empty(n), empty(m));
      if (other.sender == stream.sender && !other.is_token) arrows.add(empty(n), full(m));
    }
  }
  const std::vector<size_t> group = groups();
  for (const auto& [a, b] : shared_) {
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      arrows.add(full(first[from]), full(first[to]), group[a]);
      arrows.add(empty(first[from]), full(first[to]), group[a]);
    }
  }
  // Streams of a group stand behind each other, at different times; queues alone have no circle. One is
  // closed by a way from the stream in front back to the one behind that goes through units.
  for (size_t behind = 0; behind < streams_.size(); ++behind) {
    for (size_t front = 0; front < streams_.size(); ++front) {
      if (front == behind || group[front] == kProgram || group[front] != group[behind]) continue;
      for (const size_t node : {full(first[behind]), empty(first[behind])}) {
        const std::vector<size_t> way = arrows.way(full(first[front]), node, group[front]);
        if (way.empty()) continue;
        std::vector<std::string> names;
        for (const size_t n : way) {
          const std::string& name = streams_[places[n / 2].stream].name;
          if (names.empty() || names.back() != name) names.push_back(name);
        }
        for (*pair = 0; group[shared_[*pair].first] != group[front];) ++*pair;
        return names;
      }
    }
  }
  return {};
}

/// Of each stream: the smallest of those that it shares queues with, directly or through others.
std::vector<size_t> WaitGraph::groups() const {
  std::vector<size_t> group(streams_.size(), kProgram);
  for (const auto& [a, b] : shared_) {
    const size_t least = std::min({a, b, group[a], group[b]});
    const size_t old[] = {group[a], group[b]};
    group[a] = group[b] = least;
    for (size_t& g : group) {
      if (g != kProgram && (g == old[0] || g == old[1])) g = least;
    }
  }
  return group;
}

}  // namespace rdu::fabric
