#pragma once

#include <cstdint>
#include <vector>

#include "compiler/programs/matmul.h"
#include "rdu.hpp"

// How a product is divided among the tiles of a device and the PCUs of a tile.
namespace rdu::gemm {

// C [m][n] FP32 = A [m][k] BF16 x B [k][n] BF16, row major.
struct Size {
  uint64_t m = 0, n = 0, k = 0;
  double operations() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

// The columns of B and C are dealt out in parts of grid.n, to each tile in turn; every part is one launch of
// the same program. Matrices in device memory have more rows and columns than the product if that makes whole
// parts.
struct Mapping {
  compiler::programs::GemmGrid grid;
  uint64_t parts = 0;    // of the columns
  uint64_t columns = 0;  // of B and C in memory, grid.n * parts
  uint64_t steps = 0;    // cycles of the busiest PCU's products in all its launches
  unsigned units() const {
    return grid.row_groups * grid.column_groups;
  }  // PCUs of a tile that make products
};

// What can be tried, the fastest first. Throws std::runtime_error if k is not a multiple of 32, something is
// zero, or nothing fits the device.
std::vector<Mapping> mappings(const rdu_info& device, const Size& size);

// The program of a tile: of the first mapping whose streams find their ways. `chosen` is which.
compiler::Program compile(const rdu_info& device, const std::vector<Mapping>& mappings, Mapping* chosen);

}  // namespace rdu::gemm
