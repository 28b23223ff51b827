#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "fabric/config.h"
#include "fabric/params.h"
#include "fabric/switch/port_use.h"
#include "fabric/switch/ports.h"

namespace rdu::fabric {

/// Routes that the switches cannot carry out.
class BadRoute : public std::runtime_error {
 public:
  BadRoute(uint32_t unit, const std::string& text) : std::runtime_error(text), unit_(unit) {}
  uint32_t unit() const { return unit_; }  ///< that is to blame

 private:
  uint32_t unit_;
};

/// One end of a leg: an input of a unit, or a queue of a clocked switch.
struct LegEnd {
  uint32_t unit = 0;
  unsigned port = 0;  ///< the unit's, or the switch's input port
  unsigned flow = 0;  ///< of the switch's queue
  uint64_t hops = 0;  ///< wires on the way
  bool is_unit = false;
  int fork = -1;  ///< in Leg::forks, the last one on the way; -1: none
};

/// A stream, or what lies between two clocked switches of one or more: packets leave one output and go over
/// switches that nobody meets anybody in.
struct Leg {
  uint32_t unit = 0;
  unsigned port = 0;           ///< the unit's, or the clocked switch's output port
  unsigned flow = 0;           ///< of the switch's output
  unsigned interval = 1;       ///< throttle: cycles from one packet to the next
  bool single_credit = false;  ///< a clocked switch does the throttling, by its credits
  std::vector<LegEnd> ends;    ///< in order of unit and port
  /// A switch, not clocked, from which it goes several ways.
  struct Fork {
    int parent;     ///< the one before; -1: none
    uint64_t hops;  ///< wires that lead there
  };
  std::vector<Fork> forks;  ///< parents first
  /// A switch that it passes, not clocked.
  struct Step {
    uint32_t unit;     ///< the switch
    unsigned outputs;  ///< number of ports by which it leaves
  };
  std::vector<Step> steps;
};

/// What connects the units of a program.
struct Routes {
  std::vector<Leg> packets;
  std::vector<Leg> scalars;
  std::vector<Leg> tokens;
  std::set<uint32_t> clocked;  ///< switches that legs begin or end at
  /// A part of a unit that sends packets, words or tokens to a part of another: the same however switches are
  /// modelled.
  struct Link {
    uint32_t from;
    unsigned from_part;
    uint32_t to;
    unsigned to_part;
  };
  std::vector<Link> links;
};

/// Follows the routing tables of all switches of a tile, for every output that a program uses, and finds the
/// switches in which streams meet. Throws BadRoute for what the networks cannot carry: switch/README.md
/// ("Refused"). `words` holds the configured units, `uses` those that take part; what is in `on_pins` (units
/// or switches) is clocked in any case: nothing bypasses such a switch.
Routes find_routes(const FabricParams& params, const std::map<uint32_t, ConfigWords>& words,
                   const std::map<uint32_t, PortUse>& uses, const std::set<uint32_t>& on_pins = {});

}  // namespace rdu::fabric
