#pragma once

#include <cstddef>
#include <cstdint>

#include "fabric/math/kernels.h"

namespace rdu::fabric {

/// An operation of a SIMD stage, result = OP(A, B, C): the kernel that does it on whole vectors.
struct Operation {
  uint8_t reads = 0;  ///< A (1), A and B (2), all three (3)
  bool crosses_lanes = false;
  bool rounds = false;  ///< SRBF16: needs the program's generator

  // One of these; none for MOV and SRBF16.
  Kernels::Unary Kernels::*unary = nullptr;
  Kernels::Binary Kernels::*binary = nullptr;
  Kernels::Ternary Kernels::*ternary = nullptr;
  Kernels::Across Kernels::*across = nullptr;
  Kernels::Move Kernels::*move = nullptr;

  /// On vectors of 32 lanes of 32 bits, one behind the other, of which `active` take part in cross-lane
  /// operations. `out` may be an operand, but may not overlap one otherwise; operands that are not read may
  /// be null. In the scope of a FloatMode.
  void apply(void* out, const void* a, const void* b, const void* c, size_t vectors, unsigned active,
             uint32_t* generator) const;
};

/// The operation of a code of STAGE.OP; null for NOP and codes that have none.
const Operation* operation(uint32_t code);

}  // namespace rdu::fabric
