#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "fabric/config.h"
#include "fabric/stream/block.h"
#include "fabric/stream/unit.h"

/// The pins of a unit: what a cycle model in C++ and a verilated module have in common. stream/README.md
/// ("Pins") has the ports' names and rules.
namespace rdu::fabric {

/// Capacities of the structures below: the switch has most of everything.
inline constexpr unsigned kMostPacketIn = 21;
inline constexpr unsigned kMostPacketOut = 26;
inline constexpr unsigned kMostScalarIn = 11;
inline constexpr unsigned kMostScalarOut = 14;
inline constexpr unsigned kMostFlows = 8;
inline constexpr unsigned kMostActors = 4;

/// What travels beside a packet's data: 40 bits.
struct PacketHead {
  /// Sequence id [15:0], destination [36:16] (COLUMN 8, ROW 8, PORT 5 bits), flow id [39:37].
  static constexpr uint64_t make(uint32_t sequence, uint32_t destination, unsigned flow) {
    return (sequence & 0xffffu) | uint64_t{destination & 0x1fffffu} << 16 | uint64_t{flow & 7u} << 37;
  }
  static constexpr uint32_t sequence(uint64_t head) { return head & 0xffff; }
  static constexpr uint32_t destination(uint64_t head) { return head >> 16 & 0x1fffff; }
  static constexpr unsigned flow(uint64_t head) { return head >> 37 & 7; }
  static constexpr uint64_t with_flow(uint64_t head, unsigned flow) {
    return (head & ((uint64_t{1} << 37) - 1)) | uint64_t{flow & 7u} << 37;
  }
};

/// How many of which pins a unit has.
struct PinCounts {
  unsigned packet_in = 0;
  unsigned packet_out = 0;
  unsigned flows = 1;  ///< of packets, with credits of their own
  unsigned scalar_in = 0;
  unsigned scalar_out = 0;
  unsigned scalar_flows = 1;
  unsigned token_in = 0;
  unsigned token_out = 0;
  unsigned idle_step = 1;          ///< an idle unit's clock stops for a multiple of so many cycles
  uint32_t merged_out = 0;         ///< bit n: packet output n has one queue behind it, with credits of flow 0
  uint32_t merged_scalar_out = 0;  ///< so has scalar output n
  unsigned actors = 0;             ///< programs or pipelines that tell what they do; 0: nobody tells
  bool stalls_add_up = false;      ///< stalls are those of all actors; else of the busiest alone
};

/// What an actor inside a unit (a program of a PCU, a pipeline of a PMU) did in the cycle before: what PERF_*
/// count is made of. It is no part of the protocol.
struct Activity {
  uint16_t cost = 0;     ///< slots, one a cycle, that it is occupied from then on; told at once or one by one
  bool begins = false;   ///< it did something that it may have waited for
  bool fired = false;    ///< that is a firing
  bool late_in = false;  ///< it could not have begun a slot before: packets, words or tokens were missing
  bool late_out = false;  ///< ... or places
  bool is_slow = false;   ///< has a slot every other cycle: of two, the one with the even number first
  uint8_t vectors = 0;    ///< that this makes
  uint16_t bytes = 0;     ///< that it moved to or from the scratchpad
};

/// Input pins in one cycle. Masks say what is valid; everything else in the arrays is garbage.
struct PinInputs {
  uint64_t cycle = 0;   ///< no pin: which cycle of the tile this is
  uint32_t valid = 0;   ///< bit n: in_valid[n]
  uint32_t credit = 0;  ///< bit n: credits of output n in out_credit[n], bit f for flow f
  uint32_t scalar_valid = 0;
  uint32_t scalar_credit = 0;
  uint32_t tokens = 0;  ///< bit n: a pulse on tok_in[n]
  std::array<const uint8_t*, kMostPacketIn> data;
  std::array<uint64_t, kMostPacketIn> head;
  std::array<uint8_t, kMostPacketOut> out_credit;
  std::array<uint32_t, kMostScalarIn> scalar;
  std::array<uint8_t, kMostScalarIn> scalar_flow;
  std::array<uint8_t, kMostScalarOut> sout_credit;

  void clear() { valid = credit = scalar_valid = scalar_credit = tokens = 0; }
};

/// Output pins in one cycle.
struct PinOutputs {
  uint32_t valid = 0;   ///< bit n: out_valid[n]
  uint32_t credit = 0;  ///< bit n: credits of input n in in_credit[n], bit f for flow f
  uint32_t scalar_valid = 0;
  uint32_t scalar_credit = 0;
  uint32_t tokens = 0;
  bool idle = true;     ///< nothing inside can change without an input
  bool done = false;    ///< all that was configured has been done
  uint32_t active = 0;  ///< bit n: activity[n] says something
  /// Where the model writes the 64 bytes of a valid packet; never null for a connected output, null for
  /// others (a model does not send there).
  std::array<uint8_t*, kMostPacketOut> data{};
  std::array<uint64_t, kMostPacketOut> head{};
  std::array<uint8_t, kMostPacketIn> in_credit{};
  std::array<uint32_t, kMostScalarOut> scalar{};
  std::array<uint8_t, kMostScalarOut> scalar_flow{};
  std::array<uint8_t, kMostScalarIn> sin_credit{};
  std::array<Activity, kMostActors> activity{};

  void clear() { valid = credit = scalar_valid = scalar_credit = tokens = active = 0; }
};

/// The pins out_init and sout_init: credits at the start, by flow; 0 where nothing is connected. One queue
/// holds less than 65,536.
struct PinCredits {
  uint64_t cycle = 0;  ///< no pin: the first cycle of the execution
  std::array<std::array<uint16_t, kMostFlows>, kMostPacketOut> out{};
  std::array<std::array<uint16_t, kMostFlows>, kMostScalarOut> scalar_out{};
};

/// What is connected to a unit's pins, in words, for messages: "from pmu[1][2]", "to pcu[0][1], pcu[0][2]";
/// "" if that is not known.
class PinNeighbours {
 public:
  enum class Network : uint8_t { packet, scalar, token };
  virtual std::string before(Network network, unsigned input, unsigned flow) const = 0;
  virtual std::string behind(Network network, unsigned output) const = 0;

 protected:
  ~PinNeighbours() = default;
};

/// A unit one clock at a time. Output pins depend on registers alone (Moore): what they show in a cycle does
/// not depend on the input pins of the same cycle.
class PinModel {
 public:
  PinModel() = default;
  PinModel(const PinModel&) = delete;
  PinModel& operator=(const PinModel&) = delete;
  virtual ~PinModel() = default;

  virtual const PinCounts& pins() const = 0;

  /// rst_n low: all registers to their reset values, configuration and content of FIFOs included.
  virtual void reset() = 0;
  /// Configuration words, those at their reset values included; after reset(), before start(). The words are
  /// legal: the unit's `fast` model has decoded them.
  virtual void configure(const ConfigWords& words) = 0;
  /// One cycle with `start` high. `out` shows the pins after it: of cycle 0, the first in which the unit can
  /// fire.
  virtual void start(const PinCredits& credits, PinOutputs& out) = 0;
  /// One clock: takes over what the input pins show in a cycle; `out`, which comes cleared, shows the output
  /// pins of the next cycle.
  virtual void tick(const PinInputs& in, PinOutputs& out) = 0;

  /// Writes waves (FST) of the cycles from now on, up to `last`, to a file. Cycle n lies in steps 2n (output
  /// pins and what is behind them) and 2n + 1 (input pins) of its time. False: it has none to show.
  virtual bool record(const std::string& file, uint64_t last) {
    static_cast<void>(file);
    static_cast<void>(last);
    return false;
  }
  virtual void stop_recording() {}

  /// Whom it may ask about its surroundings; outlives it.
  virtual void set_neighbours(const PinNeighbours& neighbours) { static_cast<void>(neighbours); }
};

}  // namespace rdu::fabric
