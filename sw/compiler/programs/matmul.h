#pragma once

#include <string>

#include "compiler/graph.h"

namespace rdu::compiler::programs {

/// C = A B with A [M][K] BF16, B [K][N] BF16 and C [M][N] FP32, row major.
struct MatmulShape {
  Value tiles_of_rows;         ///< M / 6
  uint32_t k = 0;              ///< multiple of 32
  uint32_t n = 0;              ///< multiple of 32 * column_groups
  unsigned row_groups = 1;     ///< PCUs that share a part of B; group g takes tiles g, g + row_groups, ...
  unsigned column_groups = 1;  ///< PCUs that share a tile of A
};

/// Adds the product to a graph: row_groups * column_groups PCUs in matrix mode, each with a PMU that keeps
/// its columns of B and one that collects its rows of C; a PMU a row group that holds two tiles of A and
/// hands out their columns. Throws Error for a shape that cannot be divided so; compile() throws when the
/// parts of B do not fit their PMUs.
void add_matmul(Graph* graph, const Value& a, const Value& b, const Value& c, const MatmulShape& shape);

/// The benchmark: M, K and N fixed; M a multiple of 6. Arguments: a, b, c.
Graph gemm(uint32_t m, uint32_t n, uint32_t k, unsigned row_groups, unsigned column_groups);

/// A product for a whole tile: a grid of row_groups x column_groups PCUs in matrix mode. A PMU keeps the
/// columns of B of a column group, all K rows, and hands them to the PCUs of all row groups; a PMU a row
/// group holds two tiles of six rows of A and hands them to the PCUs of all column groups; what two row
/// groups make is collected in a PMU and stored. So a tile of the chip has one copy of B and reads A once.
struct GemmGrid {
  uint32_t m = 0;      ///< rows of A and C; a multiple of 6 * row_groups
  uint32_t n = 0;      ///< columns of B and C that the program makes; a multiple of 32 * column_groups
  uint32_t k = 0;      ///< a multiple of 32
  uint32_t pitch = 0;  ///< columns of B and C from one row to the next, at least n: tiles may share matrices
  unsigned row_groups = 16;  ///< an even number; twice the stores
  unsigned column_groups = 16;
  /// Cells of the tile. If the grid can be laid out on them as a grid (has_floor_plan()), it is: a column
  /// group along each row of cells, a row group along each column or the other way round, so that what meets
  /// in a PCU has come equally far. 0: the placer alone decides.
  unsigned rows = 0, cols = 0;
};
bool has_floor_plan(const GemmGrid& grid);
/// Arguments: a, b, c (b and c: where the program's first column is).
Graph gemm_grid(const GemmGrid& grid);

}  // namespace rdu::compiler::programs
