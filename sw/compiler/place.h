#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compiler/configuration.h"
#include "compiler/container.h"
#include "compiler/graph.h"

namespace rdu::compiler {

/// What the placer and the router need to know of a graph: units by role, and who is connected with whom.
struct Netlist {
  struct Unit {
    std::string name;
    Role role = Role::pcu;
    std::optional<Cell> cell = {};  ///< where it has to be
  };
  struct Net {
    size_t source = 0;          ///< unit
    std::vector<size_t> sinks;  ///< units; one may appear more than once
  };
  std::vector<Unit> units;
  std::vector<Net> nets;
};

/// A unit's place: its id, and the switch that it is attached to.
struct Site {
  uint32_t id = 0;
  uint16_t row = 0, col = 0;
};

/// All sites of a role, in order of row, then column (AGCUs: west before east).
std::vector<Site> sites_of(Role role, const Shape& shape);

/// Gives every unit a site: greedily, each next to what it is connected with, then by simulated annealing on
/// the length of the wires (half the perimeter of a net's box; done tokens count a little). Equal arguments
/// give equal places, on any machine. Units with a cell are put there and stay. Throws Error, saying what ran
/// out, when there are more units of a role than sites, and for a cell that two units want or no such unit
/// has.
std::vector<Site> place(const Netlist& netlist, const Shape& shape, uint64_t seed);

/// The wire length that place() minimises, in hops times 16.
int64_t wire_length(const Netlist& netlist, const std::vector<Site>& sites);

}  // namespace rdu::compiler
