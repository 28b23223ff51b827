#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "compiler/configuration.h"

namespace rdu::compiler {

/// A stream to route: from one switch to others (its own may be among them).
struct RouteRequest {
  std::string name;
  std::pair<uint16_t, uint16_t> source;  ///< row, column
  std::vector<std::pair<uint16_t, uint16_t>> sinks;
  double load = 1;  ///< share of a channel's time that it takes, at most 1
};

/// One step of a tree: from a switch to a neighbour on one channel of that side.
struct RouteStep {
  uint16_t row = 0, col = 0;
  uint8_t side = 0;  ///< 0 north, 1 east, 2 south, 3 west
  uint8_t channel = 0;
  uint8_t flow = 0;  ///< flow id on that channel; the same on all sides by which the tree leaves the switch
};

/// What may share a channel of the mesh, each stream under a flow id of its own.
struct Sharing {
  unsigned flows = 1;   ///< streams that a shared channel carries at most
  double lightest = 0;  ///< streams with more load than this have their channels for themselves
};

/// Finds a tree for every request: every stream takes its cheapest way, channels that are wanted too often
/// grow dearer, and this is repeated until nobody is in another's way (negotiated congestion, as PathFinder
/// does). Where the loads of streams that may share are more than the channels of a side, ways around may be
/// much longer before they do. `channels`: per side of each switch. `steps` gets a tree a request, each step
/// after the one that leads to it. Returns the overfull sides in words; empty means success. The same
/// arguments give the same trees.
std::string route(const std::vector<RouteRequest>& requests, const Shape& shape, unsigned channels,
                  const Sharing& sharing, std::vector<std::vector<RouteStep>>* steps);

}  // namespace rdu::compiler
