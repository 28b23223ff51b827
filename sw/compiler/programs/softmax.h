#pragma once

#include "compiler/graph.h"

namespace rdu::compiler::programs {

/// Softmax of the rows of a matrix of 32 * `vectors` columns, at most 8 vectors: exp(x - max) / sum.
/// Arguments: x and y [rows][32 * vectors] BF16, row major; rows. Throws Error for a row that cannot be.
Graph softmax(uint32_t vectors);

}  // namespace rdu::compiler::programs
