#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "fabric/config.h"
#include "fabric/counters.h"
#include "fabric/params.h"
#include "fabric/switch/port_use.h"

namespace rdu::fabric {

/// What one of the four pipelines of a PMU is configured to do. pmu/README.md explains the fields by what
/// they do; names are those of pmu.regs.yaml.
struct PmuPipelineConfig {
  enum class Kind : uint8_t { write, read };
  enum class Address : uint8_t { counters, sequence, scalar, index };
  enum class Range : uint8_t { off, drop, zero };
  enum class Pred : uint8_t { always, equal, less };

  /// "write pipeline 0"
  std::string name() const;

  Kind kind = Kind::write;
  unsigned number = 0;
  bool enabled = false;
  unsigned period = 1;  ///< cycles from one of its slots to the next

  Address address = Address::counters;
  unsigned data = 0;   ///< input that the data comes from (write)
  unsigned index = 0;  ///< input that indices come from (Address::index)
  Range range = Range::off;
  int64_t range_low = 0;
  int64_t range_high = 0;
  Pred pred = Pred::always;
  bool negate = false;
  unsigned pred_level = 0;
  uint32_t pred_value = 0;

  unsigned lanes = 32;
  unsigned element = 2;  ///< bytes
  int64_t lane_stride = 2;
  int64_t base = 0;
  uint64_t fills = 0;
  uint64_t buffers = 1;
  uint64_t buffer_size = 0;
  int64_t index_stride = 0;  ///< 0 if not used
  /// Levels that iterate once may be missing and levels may be joined, unless PRED looks at one.
  Counters<6> counters;
  uint64_t accesses = 1;  ///< of a fill

  uint8_t wait = 0;  ///< tokens, a bit each
  uint8_t give = 0;
  uint8_t out = 0;  ///< control outputs, a bit each

  bool has_sequence = false;  ///< read: vectors carry sequence ids
  uint16_t sequence_first = 0;
  uint16_t sequence_step = 0;
  unsigned out_flow = 0;
  bool is_dynamic = false;
  uint32_t destination = 0;  ///< as in a packet's head

  /// Bytes that it can touch in buffer 0: low .. high - 1; none if they are equal.
  int64_t low = 0;
  int64_t high = 0;

  /// Index packets that an access takes; 0 without indices.
  unsigned index_packets() const { return address == Address::index ? (lanes + 15) / 16 : 0; }
  /// Offsets are multiples of so many bytes; 0: all are 0.
  int64_t grid() const;
  /// Bytes from the lowest byte of an access to behind its highest.
  int64_t width() const;
  /// From the first lane's first byte to the lowest byte of an access, at most 0.
  int64_t lane_low() const;
};

/// What a PMU's configuration words say, checked: every address that can occur lies in the scratchpad, and
/// what the pipelines leave there and read does not depend on time.
struct PmuConfig {
  static constexpr unsigned kPipelines = 2;  ///< of each kind
  static constexpr unsigned kInputs = 4;
  static constexpr unsigned kControls = 2;  ///< control inputs, and outputs
  static constexpr unsigned kTokens = 8;
  static constexpr unsigned kFirstControlToken = 6;  ///< of control input 0

  std::array<PmuPipelineConfig, kPipelines> write;
  std::array<PmuPipelineConfig, kPipelines> read;
  std::array<uint8_t, kTokens> tokens{};
  unsigned bank_shift = 2;
  unsigned bank_skew = 0;

  bool enabled() const;
  /// What it uses of its ports.
  PortUse ports() const;
  /// All pipelines: W0, W1, R0, R1.
  std::array<const PmuPipelineConfig*, 2 * kPipelines> all() const {
    return {&write[0], &write[1], &read[0], &read[1]};
  }

  /// Throws BadConfig.
  static PmuConfig decode(const ConfigWords& words, const FabricParams& params);
};

/// Throws BadConfig if two pipelines could touch the same byte in an order that tokens do not fix, and for
/// tokens that are given or taken by more than one or that can become too many: pmu/README.md, "Bits do not
/// depend on time".
void check_order(const PmuConfig& config);

}  // namespace rdu::fabric
