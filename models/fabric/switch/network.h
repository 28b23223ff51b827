#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/register.h"
#include "fabric/switch/router.h"

namespace rdu::fabric {

/// What tells the three networks of the switches apart.
struct NetworkShape {
  enum class Kind : uint8_t { packets, scalars, tokens };

  Kind kind;
  unsigned inputs;  ///< ports of a switch
  unsigned outputs;
  unsigned mesh;      ///< from this port on: units
  unsigned encoded;   ///< channels a side that are encoded
  unsigned channels;  ///< that the tile has
  unsigned flows;
  unsigned from[3];  ///< first input port of PCU, PMU, AGCU
  unsigned to[3];    ///< first output port
  uint64_t words;    ///< offset of the routing words
  core::Field out, next_flow, valid;

  static NetworkShape packets(const FabricParams& params);
  static NetworkShape scalars();
  static NetworkShape tokens();
};

/// One network of a tile with a program's streams in it.
class Network {
 public:
  struct End {
    uint32_t unit;
    unsigned port;  ///< the unit's
    unsigned part;
    uint32_t switch_unit;
    unsigned out;  ///< the switch's port
  };
  struct Stream {
    uint32_t source;
    const PortUse::Output* use;
    std::vector<End> ends;
  };
  /// Streams that take turns in one queue.
  struct Shared {
    uint32_t switch_unit;
    std::vector<size_t> streams;
  };

  /// Traces all streams. Throws BadRoute.
  Network(const NetworkShape& shape, const FabricParams& params, const std::map<uint32_t, ConfigWords>& words,
          const std::map<uint32_t, PortUse>& uses, const std::set<uint32_t>& on_pins);

  const std::vector<Stream>& streams() const { return streams_; }
  std::vector<Shared> shared() const;
  /// The output port has JOIN.
  bool joins(uint32_t switch_unit, unsigned out) const;

  /// Cuts the streams where they meet. Adds to `clocked`.
  std::vector<Leg> cut(std::set<uint32_t>& clocked);

 private:
  /// The packets of one flow id at one input port of a switch.
  struct Queue {
    uint32_t switch_unit = 0;
    unsigned row = 0, column = 0;
    unsigned in = 0, flow = 0;
    uint32_t outputs = 0;    ///< of all streams
    unsigned next_flow = 0;  ///< from here on
    std::vector<size_t> streams;
    bool parts = false;  ///< its streams leave by different outputs
    bool is_clocked = false;
  };
  using Key = uint64_t;

  Key key(unsigned row, unsigned column, unsigned in, unsigned flow) const {
    return ((row * params_.columns + column) * shape_.inputs + in) * shape_.flows + flow;
  }
  void trace(size_t stream, unsigned row, unsigned column, unsigned in, unsigned flow);
  Queue& enter(size_t stream, unsigned row, unsigned column, unsigned in, unsigned flow);
  void leave(size_t stream, Key queue, unsigned out);
  void end(size_t stream, const Queue& queue, unsigned out);
  void check_ends();
  void check_ids(const std::vector<std::pair<size_t, const End*>>& ends, const End& first, bool join) const;
  bool cross(unsigned out, unsigned* row, unsigned* column, unsigned* in) const;
  void follow(Key queue, uint64_t hops, int fork, Leg& leg) const;
  void go_on(const Queue& queue, unsigned out, uint64_t hops, int fork, Leg& leg) const;
  unsigned interval(const Queue& queue) const;

  const ConfigWords* words(uint32_t unit) const;
  std::string source_name(size_t stream) const;
  std::string port_name(unsigned out) const;
  std::string input_name(unsigned in) const;

  const NetworkShape shape_;
  const FabricParams& params_;
  const std::map<uint32_t, ConfigWords>& words_;
  const std::map<uint32_t, PortUse>& uses_;
  const std::set<uint32_t>& on_pins_;
  std::vector<Stream> streams_;
  std::map<Key, Queue> queues_;
  std::map<std::pair<uint32_t, unsigned>, std::set<Key>> outputs_;  ///< of a switch: queues that use them
};

}  // namespace rdu::fabric
