#pragma once

#include <array>
#include <cstdint>

#include "fabric/config.h"
#include "fabric/params.h"
#include "fabric/pcu/operations.h"
#include "fabric/switch/port_use.h"

namespace rdu::fabric {

/// What a PCU's configuration words say, checked. pcu/README.md defines every part.
struct PcuConfig {
  static constexpr unsigned kInputs = 4;
  static constexpr unsigned kScalarInputs = 2;
  static constexpr unsigned kTokenInputs = 2;
  static constexpr unsigned kPrograms = 2;
  static constexpr unsigned kLevels = 6;
  static constexpr unsigned kRegisters = 4;
  static constexpr unsigned kConstants = 4;

  enum class Mode : uint8_t { off, simd, matrix };
  enum class Tail : uint8_t { none, exp, recip, log, sqrt, rsqrt, sigmoid, tanh, erf };
  enum class Format : uint8_t { fp32, bf16, int32, int8, bf16_sr };

  /// Where an operand comes from: `index` of that kind.
  struct Operand {
    enum class Kind : uint8_t {
      previous,
      input,
      scalar,
      lane,
      constant,
      saved,
      counter
    } kind = Kind::previous;
    uint8_t index = 0;
  };
  struct Predicate {
    enum class Kind : uint8_t { always, first, last, equal, less, scalar } kind = Kind::always;
    uint8_t level = 0;
    bool negate = false;
    uint32_t value = 0;
  };
  struct Stage {
    const Operation* operation = nullptr;
    Operand a, b, c;
    uint8_t predicate = 0;
    uint8_t alternative = 0;   ///< predicate under which B is taken from C; 0: never
    bool zero_addend = false;  ///< then it is C that reads as +0 instead
    bool save = false;
    uint8_t saved_as = 0;
    bool accumulates = false;  ///< reads the register that it saves
  };
  struct Input {
    bool used = false;
    uint8_t program = 0;
    Format format = Format::fp32;
    uint8_t predicate = 0;
  };
  struct ScalarInput {
    bool enabled = false;
    uint8_t level = 0;
  };

  struct Program {
    Mode mode = Mode::off;
    unsigned lanes = 0;
    Tail tail = Tail::none;
    uint64_t firings = 0;
    std::array<uint64_t, kLevels> counts{};  ///< at least 1

    // Output.
    Format format = Format::fp32;
    uint8_t out_predicate = 0;
    bool scalar_out = false;
    unsigned flow = 0;
    bool is_dynamic = false;
    bool has_sequence = false;
    uint32_t destination = 0;
    uint16_t sequence_first = 0;
    uint16_t sequence_step = 0;
    uint32_t seed = 0;

    // Tokens.
    bool waits = false;
    uint8_t wait_input = 0;
    uint8_t wait_level = 0;
    bool signals = false;
    uint8_t signal_level = 0;

    // Matrix.
    uint64_t k = 0;
    unsigned rows = 0;
    bool int8 = false;

    // SIMD.
    std::array<Stage, 8> stages{};  ///< without the NOPs
    unsigned stage_count = 0;
    std::array<Predicate, 4> predicates{};  ///< [0] holds always
    std::array<ScalarInput, kScalarInputs> scalars{};
    bool plain = true;             ///< all firings do the same, and no operand is a counter
    bool rounds_in_stage = false;  ///< the generator belongs to a stage, not to the output

    // Timing, in cycles.
    uint64_t latency = 0;  ///< SIMD: from firing to the first packet; matrix: from the last step to the drain
    uint64_t tail_latency = 0;

    unsigned packets_out() const { return scalar_out ? 1 : packets_of(format); }
  };

  std::array<Program, kPrograms> programs;
  std::array<Input, kInputs> inputs{};
  std::array<uint32_t, kConstants> constants{};

  /// Packets of a vector.
  static unsigned packets_of(Format format) {
    return format == Format::fp32 || format == Format::int32 ? 2 : 1;
  }
  unsigned packets_in(unsigned input) const { return packets_of(inputs[input].format); }
  bool enabled() const { return programs[0].mode != Mode::off || programs[1].mode != Mode::off; }
  bool uses_input(unsigned input) const { return inputs[input].used; }
  bool uses_scalar(unsigned input) const {
    return programs[0].scalars[input].enabled || programs[1].scalars[input].enabled;
  }
  bool uses_token(unsigned input) const;
  bool sends_vectors(unsigned program) const {
    return programs[program].mode != Mode::off && !programs[program].scalar_out;
  }
  /// The program that sends on the scalar output, or kPrograms.
  unsigned scalar_program() const;
  /// Programs are its parts.
  PortUse ports() const;

  /// Throws BadConfig.
  static PcuConfig decode(const ConfigWords& words, const FabricParams& params);
};

}  // namespace rdu::fabric
