#pragma once

#include <cstdint>

#include "fabric/config.h"
#include "fabric/counters.h"
#include "fabric/switch/port_use.h"

namespace rdu::fabric {

/// What an AGCU's configuration words say, checked.
struct AgcuConfig {
  /// Rows of memory that a generator walks through.
  struct Rows {
    uint64_t base = 0;
    uint64_t bytes = 0;  ///< of a row
    Counters<6> counters;
    uint64_t count = 0;  ///< rows
    /// Rows of a fill, of which `count` is a multiple; 0: no fills, nobody waits for tokens or is told.
    uint64_t fill = 0;
    bool indexed = false;
    int64_t index_stride = 0;  ///< bytes

    uint64_t packets() const { return (bytes + 63) / 64; }  ///< of a row
  };

  static constexpr unsigned kTokenInputs = 8;
  /// Its parts (PortUse). Nothing waits for the master's tokens but the end of the kernel.
  static constexpr unsigned kLoadPart = 0, kStorePart = 1, kEndPart = 2;

  /// What a write does to memory.
  enum class Op : uint8_t { write, fadd, iadd, imax, imin, bits_and, bits_or, bits_xor };

  /// What fills wait for, and whom they tell.
  struct Tokens {
    bool wait = false;
    unsigned wait_input = 0;
    bool signal = false;
  };

  bool load = false;
  unsigned out_flow = 0;      ///< of packets, or of words
  bool to_scalar = false;     ///< words leave by the scalar output instead of packets
  bool has_sequence = false;  ///< packets carry sequence ids
  uint16_t first_sequence = 0;
  uint16_t sequence_step = 0;
  bool is_dynamic = false;   ///< packets find their way by `destination`
  uint32_t destination = 0;  ///< as a packet's head has it
  Tokens load_tokens;
  uint64_t load_outstanding = 0;  ///< requests in flight, at most; 0: what the chip has
  Rows load_rows;
  bool store = false;
  bool done_token = false;
  uint64_t store_outstanding = 0;
  Op op = Op::write;
  Tokens store_tokens;
  Rows store_rows;
  uint8_t tokens = 0;  ///< token inputs that must each receive one; on the master only

  bool used() const { return load || store || tokens != 0; }
  bool uses_index() const { return load_rows.indexed || store_rows.indexed; }

  /// "ours": of generators with at most so many rows each the rows themselves are compared, not only the
  /// range.
  static constexpr uint64_t kMostRowsCompared = 65536;

  /// What it uses of its ports.
  PortUse ports() const;

  /// Throws BadConfig.
  static AgcuConfig decode(const ConfigWords& words, bool is_master);
};

/// Whether two generators of a program touch the same byte.
enum class Overlap : uint8_t {
  none,
  some,
  unknown,  ///< cannot be told before it runs: an index list leads anywhere; or there are too many rows
};
Overlap overlap_of(const AgcuConfig::Rows& a, const AgcuConfig::Rows& b);

}  // namespace rdu::fabric
