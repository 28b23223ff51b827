#pragma once

#include <array>
#include <cstdint>

#include "fabric/config.h"
#include "fabric/params.h"
#include "fabric/switch/port_use.h"

namespace rdu::fabric {

/// What a PCU's configuration words say, checked.
struct PcuConfig {
  enum class Mode : uint8_t { off, simd, matrix };
  enum class Tail : uint8_t { none, exp, recip };
  enum class Op : uint8_t { mov, add, sub, mul, max, min, red_sum, red_max };
  /// Where an operand comes from: `index` of that kind.
  struct Operand {
    enum class Kind : uint8_t { previous, input, constant, saved } kind = Kind::previous;
    uint8_t index = 0;
  };
  struct Stage {
    Op op = Op::mov;
    Operand a, b;
    bool save = false;
    uint8_t saved_as = 0;
  };
  static constexpr unsigned kInputs = 4;

  Mode mode = Mode::off;
  bool out_bf16 = false;
  unsigned lanes = 0;
  Tail tail = Tail::none;
  unsigned out_flow = 0;
  uint64_t iterations = 0;

  // Matrix.
  uint64_t k = 0;
  unsigned rows = 0;

  // SIMD.
  std::array<Stage, 8> stages{};  ///< without the NOPs
  unsigned stage_count = 0;
  std::array<bool, kInputs> uses_input{};  ///< in matrix mode: 0 and 1
  std::array<bool, kInputs> input_bf16{};
  std::array<uint32_t, 4> constants{};

  // Timing, in cycles (formulas in pcu/README.md).
  uint64_t ii = 1;       ///< SIMD: from one vector's firing to the next
  uint64_t latency = 0;  ///< SIMD: from firing to the first packet; matrix: from the last step to the drain
  uint64_t tail_latency = 0;

  unsigned packets_in(unsigned input) const { return input_bf16[input] ? 1 : 2; }
  unsigned packets_out() const { return out_bf16 ? 1 : 2; }

  /// What it uses of its ports.
  PortUse ports() const;

  /// Throws BadConfig.
  static PcuConfig decode(const ConfigWords& words, const FabricParams& params);
};

}  // namespace rdu::fabric
