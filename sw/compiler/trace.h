#pragma once

#include <cstdint>
#include <vector>

#include "compiler/configuration.h"
#include "compiler/container.h"

/// What the ROUTE and CONTROL words of a configuration really do, found by following them from switch to
/// switch. Knows nothing of the router: it is what a program is checked against, when it is made and whenever
/// it is loaded.
namespace rdu::compiler {

struct TracedSink {
  uint32_t unit = 0;
  unsigned input = 0;
  bool operator==(const TracedSink& o) const { return unit == o.unit && input == o.input; }
  bool operator<(const TracedSink& o) const { return unit != o.unit ? unit < o.unit : input < o.input; }
};

struct TracedRoute {
  uint32_t source = 0;                ///< unit (of an AGCU: its load generator)
  unsigned output = 0;                ///< of the unit
  std::vector<TracedSink> sinks;      ///< sorted
  std::vector<RouteEntry::Hop> hops;  ///< breadth first from the source
};

struct TracedToken {
  uint32_t source = 0;  ///< AGCU (its store generator)
  unsigned input = 0;   ///< token input of the master
  std::vector<TokenEntry::Hop> hops;
};

/// Every stream, in order of source and output. Throws Error for what the hardware would refuse or hang on: a
/// configured output without a route, a packet that reaches a port with no route for its flow, leaves the
/// mesh, comes back to a port that it passed, or meets another stream's packets under the same flow id on a
/// channel, or at an input that does not take them in order of sequence ids or into places by sequence ids;
/// an input that is used but not fed, or fed but not used; a route that no packet takes.
std::vector<TracedRoute> trace_routes(const Configuration& configuration);

/// Every done token, in order of source. Throws Error for a wire that ends nowhere or forks, for two tokens
/// on one wire, and when the master does not wait for exactly the tokens that come.
std::vector<TracedToken> trace_tokens(const Configuration& configuration);

}  // namespace rdu::compiler
