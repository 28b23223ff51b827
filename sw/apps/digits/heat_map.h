// A picture of a tile in text: how busy each unit was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rdu.h"

namespace rdu::digits {

struct HeatMapStyle {
  bool colour = false;   // escape sequences of a terminal with 256 colours
  unsigned width = 100;  // characters of a line, at least 40
};

// Cells show busy cycles in percent of `cycles`; a dot stands for a unit that did nothing. Grids of PCUs and
// PMUs lie side by side where the width allows it, AGCUs beside their rows.
std::string heat_map(const std::vector<rdu_activity>& units, uint64_t cycles, const HeatMapStyle& style);

}  // namespace rdu::digits
