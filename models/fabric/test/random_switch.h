#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "fabric/config.h"

/// Random legal routes for one switch, and what comes to it.
namespace rdu::fabric::test {

/// One of a switch's two packet-switched networks. Queue p * flows + f is of input p and flow f.
struct NetworkSize {
  unsigned in, out, sides, flows, depth;
  bool dynamic;  ///< the last flow finds its way by its destination, and outputs to units can join

  static constexpr NetworkSize vectors(unsigned depth) { return {21, 26, 16, 8, depth, true}; }
  static constexpr NetworkSize scalars(unsigned depth) { return {11, 14, 8, 4, depth, false}; }
};

/// A packet or a word: what it carries is told by `tag`.
struct SwitchItem {
  uint64_t tag = 0;
  uint32_t sequence = 0;
  unsigned column = 0, row = 0, port = 0;
  unsigned flow = 0;

  uint64_t head() const {
    return sequence | uint64_t{column} << 16 | uint64_t{row} << 24 | uint64_t{port} << 32 |
           uint64_t{flow} << 37;
  }
  /// Word w of a packet.
  uint32_t word(unsigned w) const {
    const uint64_t x = (tag + w) * 0x9e3779b97f4a7c15u;
    return static_cast<uint32_t>(x ^ x >> 29);
  }
};

struct NetworkRoutes {
  std::vector<uint32_t> out;                ///< by queue
  std::vector<unsigned> next;               ///< flow id on leaving
  std::vector<bool> join;                   ///< by output to a unit
  std::vector<unsigned> interval;           ///< by input from a unit
  std::vector<std::vector<unsigned>> init;  ///< credits by output and flow
  unsigned column = 0, row = 0;             ///< the switch's own place
};

/// Routes of a network, and packets for its queues: multicasts, joins, dynamic packets, throttled units. All
/// that comes can leave.
class RandomNetwork {
 public:
  RandomNetwork(const NetworkSize& size, std::mt19937_64& random);

  NetworkRoutes routes;
  std::vector<std::deque<SwitchItem>> to_send;  ///< by queue
  unsigned expected = 0;                        ///< packets that leave
  unsigned multicast = 0, dynamic = 0, throttled = 0;

 private:
  unsigned dice(unsigned n) { return static_cast<unsigned>(random_() % n); }
  void draw();
  void add(unsigned q, uint32_t sequence, unsigned ends);

  NetworkSize s_;
  std::mt19937_64& random_;
};

/// `wires`: the control wires that each control input drives.
ConfigWords switch_words(const NetworkRoutes& vectors, const NetworkRoutes& scalars,
                         const std::array<uint32_t, 22>& wires);

}  // namespace rdu::fabric::test
