#pragma once

#include <cstdint>

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
inline constexpr unsigned kScalarInputs = RDU_SCALAR_INPUTS;
inline constexpr unsigned kScalarOutputs = RDU_SCALAR_OUTPUTS;
inline constexpr unsigned kScalarMeshPorts = RDU_SCALAR_MESH;
inline constexpr unsigned kControlInputs = RDU_WIRE_INPUTS;
inline constexpr unsigned kControlFromPcu = RDU_WIRE_FROM_PCU;  ///< control wires
inline constexpr unsigned kControlFromPmu = RDU_WIRE_FROM_PMU;
inline constexpr unsigned kControlFromAgcu = RDU_WIRE_FROM_AGCU;  ///< load, store
inline constexpr unsigned kControlToPcu = RDU_WIRE_TO_PCU;
inline constexpr unsigned kControlToPmu = RDU_WIRE_TO_PMU;
inline constexpr unsigned kControlToAgcu = RDU_WIRE_TO_AGCU;
inline constexpr unsigned kControlOutputs = RDU_WIRE_OUTPUTS;
}  // namespace port

/// A destination as a packet's head and the units' words have it.
struct Destination {
  unsigned column = 0;
  unsigned row = 0;
  unsigned port = 0;  ///< output port of the switch there

  static Destination of(uint32_t word) { return {word & 0xff, word >> 8 & 0xff, word >> 16 & 0x1f}; }
};

/// By which port a dynamically routed packet leaves the switch at (row, column): columns first, then rows, on
/// channel 0.
inline unsigned dynamic_output(uint32_t destination, unsigned row, unsigned column) {
  const Destination d = Destination::of(destination);
  if (d.column > column) return 1 * port::kChannels;
  if (d.column < column) return 3 * port::kChannels;
  if (d.row < row) return 0 * port::kChannels;
  if (d.row > row) return 2 * port::kChannels;
  return d.port;
}

}  // namespace rdu::fabric
