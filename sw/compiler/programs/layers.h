#pragma once

#include <cstdint>

#include "compiler/graph.h"

namespace rdu::compiler::programs {

/// y = max(x w1 + b1, 0) w2 in one program: x [rows][inputs], w1 [inputs][hidden], w2 [hidden][outputs] BF16,
/// b1 [hidden] and y [rows][outputs] FP32, row major; the hidden values are rounded to BF16. The weights stay
/// in a PMU each, which all pipelines share; a pipeline takes every pipelines-th tile of six rows.
struct MlpShape {
  uint32_t rows;     ///< multiple of 6 * pipelines
  uint32_t inputs;   ///< power of two from 32 on
  uint32_t hidden;   ///< the same
  uint32_t outputs;  ///< multiple of 32
  unsigned pipelines;
};
/// Arguments: x, w1, b1, w2, y. Throws Error for a shape that cannot be divided so.
Graph mlp(const MlpShape& shape);

/// y = a x with a [rows][columns] and x [columns] BF16, rounded to BF16: every element of a is used once, so
/// that memory decides. A lane sums every 32nd product in increasing order, then lanes are added across.
/// `units` AGCUs bring a part of the rows each. Arguments: a, x, y. Throws Error if rows are not a multiple
/// of 32 * units, columns of 32.
Graph matrix_vector(uint32_t rows, uint32_t columns, unsigned units);

}  // namespace rdu::compiler::programs
