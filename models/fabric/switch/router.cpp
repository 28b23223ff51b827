#include "fabric/switch/router.h"

#include <fmt/format.h>

#include "fabric/program.h"
#include "fabric/stream/unit.h"
#include "regs/switch.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::switch_;

enum Direction : unsigned { north, east, south, west };
constexpr const char* kDirections[] = {"north", "east", "south", "west"};

std::string port_name(unsigned out) {
  if (out < port::kMeshPorts)
    return fmt::format("{} {}", kDirections[out / port::kChannels], out % port::kChannels);
  if (out < port::kToPmu) return fmt::format("PCU input {}", out - port::kToPcu);
  if (out < port::kToAgcu) return fmt::format("PMU input {}", out - port::kToPmu);
  return fmt::format("AGCU input {}", out - port::kToAgcu);
}

uint32_t switch_id(unsigned row, unsigned column) {
  return RDU_UNIT(RDU_UNIT_SWITCH, row, column);
}

}  // namespace

Router::Router(const FabricParams& params, const std::map<uint32_t, ConfigWords>& switches)
    : params_(params),
      switches_(switches),
      vector_owners_(params.rows * params.columns * port::kOutputs),
      control_owners_(params.rows * params.columns * port::kControlOutputs) {}

const ConfigWords* Router::words(unsigned row, unsigned column) const {
  const auto found = switches_.find(switch_id(row, column));
  return found == switches_.end() ? nullptr : &found->second;
}

bool Router::cross(Place& place, unsigned out) const {
  const unsigned channel = out % port::kChannels;
  switch (out / port::kChannels) {
    case north:
      if (place.row == 0) return false;
      --place.row;
      place.in = south * port::kChannels + channel;
      return true;
    case east:
      if (place.column + 1 == params_.columns) return false;
      ++place.column;
      place.in = west * port::kChannels + channel;
      return true;
    case south:
      if (place.row + 1 == params_.rows) return false;
      ++place.row;
      place.in = north * port::kChannels + channel;
      return true;
    default:
      if (place.column == 0) return false;
      --place.column;
      place.in = east * port::kChannels + channel;
      return true;
  }
}

void Router::claim(const Place& place, unsigned out, uint32_t source) {
  uint32_t& owner = vector_owners_[(place.row * params_.columns + place.column) * port::kOutputs + out];
  const uint32_t id = switch_id(place.row, place.column);
  if (owner == source) {
    throw BadRoute(id, fmt::format("{}: the stream from {} reaches {} twice: its route has a loop",
                                   unit_name(id), unit_name(source), port_name(out)));
  }
  if (owner != 0) {
    throw BadRoute(id, fmt::format("{}: the streams from {} and from {} share {}", unit_name(id),
                                   unit_name(owner), unit_name(source), port_name(out)));
  }
  owner = source;
}

Router::Stream Router::trace(uint32_t source, unsigned row, unsigned column, unsigned in, unsigned flow) {
  Stream stream;
  std::vector<Place> todo{{row, column, in, flow, 1}};
  while (!todo.empty()) {
    const Place place = todo.back();
    todo.pop_back();
    const uint32_t id = switch_id(place.row, place.column);
    const ConfigWords* config = words(place.row, place.column);
    const uint32_t word =
        config ? config->at(regs::kROUTE_OFFSET + regs::kROUTE_STRIDE * (place.in * RDU_FLOWS + place.flow))
               : 0;
    const auto outputs = static_cast<uint32_t>(regs::ROUTE::OUT.get(word));
    if (regs::ROUTE::VALID.get(word) == 0 || outputs == 0) {
      throw BadRoute(id, fmt::format("{}: no route for flow {} at input {}, which carries the stream from {}",
                                     unit_name(id), place.flow, place.in, unit_name(source)));
    }
    RouteStep step{id, 0};
    for (unsigned out = 0; out < port::kOutputs; ++out) {
      if ((outputs >> out & 1) == 0) continue;
      claim(place, out, source);
      ++step.outputs;
      if (out >= port::kMeshPorts) {
        stream.ends.push_back({place.row, place.column, out, place.switches});
        continue;
      }
      if (out % port::kChannels >= params_.vector_channels) {
        throw BadRoute(
            id, fmt::format("{}: the stream from {} leaves by {}, but the tile has {} channels a direction",
                            unit_name(id), unit_name(source), port_name(out), params_.vector_channels));
      }
      Place next = place;
      if (!cross(next, out)) {
        throw BadRoute(id, fmt::format("{}: the stream from {} leaves the mesh by {}", unit_name(id),
                                       unit_name(source), port_name(out)));
      }
      next.flow = static_cast<unsigned>(regs::ROUTE::NEXT_FLOW.get(word));
      ++next.switches;
      todo.push_back(next);
    }
    stream.steps.push_back(step);
  }
  return stream;
}

std::vector<RouteEnd> Router::trace_token(uint32_t source, unsigned row, unsigned column, unsigned wire) {
  std::vector<RouteEnd> ends;
  std::vector<Place> todo{{row, column, wire, 0, 1}};
  while (!todo.empty()) {
    const Place place = todo.back();
    todo.pop_back();
    const uint32_t id = switch_id(place.row, place.column);
    const ConfigWords* config = words(place.row, place.column);
    const uint32_t word = config ? config->at(regs::kCONTROL_OFFSET + regs::kCONTROL_STRIDE * place.in) : 0;
    const auto outputs = static_cast<uint32_t>(regs::CONTROL::OUT.get(word));
    if (outputs == 0) {
      throw BadRoute(id, fmt::format("{}: control input {} carries the token of {}, but drives no wire",
                                     unit_name(id), place.in, unit_name(source)));
    }
    for (unsigned out = 0; out < port::kControlOutputs; ++out) {
      if ((outputs >> out & 1) == 0) continue;
      uint32_t& owner =
          control_owners_[(place.row * params_.columns + place.column) * port::kControlOutputs + out];
      if (owner != 0) {
        throw BadRoute(id, fmt::format("{}: the tokens of {} and of {} share control wire {}", unit_name(id),
                                       unit_name(owner), unit_name(source), out));
      }
      owner = source;
      if (out >= port::kMeshPorts) {
        ends.push_back({place.row, place.column, out, place.switches});
        continue;
      }
      Place next = place;
      if (!cross(next, out)) {
        throw BadRoute(id, fmt::format("{}: the token of {} leaves the mesh by wire {}", unit_name(id),
                                       unit_name(source), out));
      }
      ++next.switches;
      todo.push_back(next);
    }
  }
  return ends;
}

}  // namespace rdu::fabric
