#pragma once

#include <string>

#include "compiler/container.h"

namespace rdu::tools {

/// The tile as a grid: in each cell the PCU above the PMU, AGCUs at the ends of the rows, the number of
/// streams that cross each border. `colour` adds ANSI colours by kind of unit.
std::string floorplan(const compiler::Program& program, bool colour);

}  // namespace rdu::tools
