#pragma once

#include <string>

#include "fabric/fidelity.h"

namespace rdu::cosim {

/// A unit's RTL from a shared library (dut_plugin.h). It stays loaded until the process ends.
struct DutLibrary {
  /// Throws bad_input if it is none, or was built from other sources.
  explicit DutLibrary(const std::string& file);

  unsigned kind;                   ///< RDU_UNIT_PCU, ...
  std::string name;                ///< of the module
  fabric::FabricParams params;     ///< numbers of the tile that it was built for
  fabric::RtlUnits::Kind verilog;  ///< makes it
};

/// Loads a library and lets its RTL take the place of what the program was built with, in all that is made
/// later. Before tiles are.
void use_dut(const std::string& file);

}  // namespace rdu::cosim
