#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "fabric/config.h"
#include "fabric/params.h"

namespace rdu::fabric {

/// Ports of a switch as the routing words number them (regs/switch.yaml).
namespace port {
inline constexpr unsigned kChannels = 4;  ///< encoded a direction; a chip may have fewer
inline constexpr unsigned kMeshPorts = 16;
inline constexpr unsigned kFromPcu = 16;  ///< input ports
inline constexpr unsigned kFromPmu = 17;
inline constexpr unsigned kFromAgcu = 18;
inline constexpr unsigned kToPcu = 16;  ///< output ports: 16..19
inline constexpr unsigned kToPmu = 20;  ///< 20..21
inline constexpr unsigned kToAgcu = 22;
inline constexpr unsigned kOutputs = 23;
inline constexpr unsigned kControlFromAgcu = 16;  ///< control wires: input
inline constexpr unsigned kControlToAgcu = 16;    ///< outputs: 16..23
inline constexpr unsigned kControlOutputs = 24;
}  // namespace port

/// Routes that the switches cannot carry out.
class BadRoute : public std::runtime_error {
 public:
  BadRoute(uint32_t unit, const std::string& text) : std::runtime_error(text), unit_(unit) {}
  uint32_t unit() const { return unit_; }  ///< that is to blame

 private:
  uint32_t unit_;
};

/// One end of a traced route.
struct RouteEnd {
  unsigned row;
  unsigned column;
  unsigned port;      ///< output port (or control wire) of the last switch, at least 16
  unsigned switches;  ///< passed on the way
};

/// A switch that a stream passes.
struct RouteStep {
  uint32_t unit;     ///< the switch's id
  uint32_t outputs;  ///< ports by which the stream leaves it
};

/// Follows the routing tables of all switches of a tile, once for each stream, and refuses what they cannot
/// carry: a physical channel carries one flow, a token wire one token.
class Router {
 public:
  /// `switches` holds the configured ones by unit id.
  Router(const FabricParams& params, const std::map<uint32_t, ConfigWords>& switches);

  struct Stream {
    std::vector<RouteEnd> ends;
    std::vector<RouteStep> steps;
  };
  /// Of the stream that unit `source` sends into input port `in` of the switch at (row, column) with flow id
  /// `flow`. Throws BadRoute.
  Stream trace(uint32_t source, unsigned row, unsigned column, unsigned in, unsigned flow);
  /// Of the done wire of AGCU `source` at the switch (row, column). Throws BadRoute.
  std::vector<RouteEnd> trace_token(uint32_t source, unsigned row, unsigned column);

 private:
  struct Place {
    unsigned row;
    unsigned column;
    unsigned in;
    unsigned flow;
    unsigned switches;
  };
  const ConfigWords* words(unsigned row, unsigned column) const;
  /// Through a mesh output to the neighbour; false if there is none.
  bool cross(Place& place, unsigned out) const;
  /// Marks an output as taken by the stream from `source`.
  void claim(const Place& place, unsigned out, uint32_t source);

  const FabricParams& params_;
  const std::map<uint32_t, ConfigWords>& switches_;
  std::vector<uint32_t> vector_owners_;   ///< by switch and output port: the stream's source unit, 0 if free
  std::vector<uint32_t> control_owners_;  ///< by switch and wire
};

}  // namespace rdu::fabric
