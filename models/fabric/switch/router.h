#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "fabric/config.h"
#include "fabric/params.h"
#include "fabric/program.h"

namespace rdu::fabric {

/// Ports of a switch, as program.h numbers them.
namespace port {
inline constexpr unsigned kChannels = RDU_PORT_CHANNELS;  ///< encoded a direction; a chip may have fewer
inline constexpr unsigned kMeshPorts = RDU_PORT_MESH;
inline constexpr unsigned kFromPcu = RDU_PORT_FROM_PCU;  ///< input ports: one an output of the unit
inline constexpr unsigned kFromPmu = RDU_PORT_FROM_PMU;
inline constexpr unsigned kFromAgcu = RDU_PORT_FROM_AGCU;
inline constexpr unsigned kInputs = RDU_PORT_INPUTS;
inline constexpr unsigned kToPcu = RDU_PORT_TO_PCU;  ///< output ports: one an input of the unit
inline constexpr unsigned kToPmu = RDU_PORT_TO_PMU;
inline constexpr unsigned kToAgcu = RDU_PORT_TO_AGCU;
inline constexpr unsigned kOutputs = RDU_PORT_OUTPUTS;
inline constexpr unsigned kControlFromPcu = RDU_WIRE_FROM_PCU;  ///< control wires
inline constexpr unsigned kControlFromPmu = RDU_WIRE_FROM_PMU;
inline constexpr unsigned kControlFromAgcu = RDU_WIRE_FROM_AGCU;  ///< load, store
inline constexpr unsigned kControlToPcu = RDU_WIRE_TO_PCU;
inline constexpr unsigned kControlToPmu = RDU_WIRE_TO_PMU;
inline constexpr unsigned kControlToAgcu = RDU_WIRE_TO_AGCU;
inline constexpr unsigned kControlOutputs = RDU_WIRE_OUTPUTS;
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
  /// Of the token that unit `source` sends on control input `wire` of the switch (row, column). Throws
  /// BadRoute.
  std::vector<RouteEnd> trace_token(uint32_t source, unsigned row, unsigned column, unsigned wire);

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
