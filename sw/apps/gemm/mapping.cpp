#include "mapping.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <tuple>

#include "compiler/compile.h"

namespace rdu::gemm {
namespace {

constexpr uint64_t kRows = 6, kLanes = 32;  // of a PCU in matrix mode
constexpr uint64_t kPmuBytes = 512 * 1024;  // of the chip that programs are compiled for
constexpr uint64_t kStores = 8;             // of a kernel
constexpr uint64_t kBf16 = 2, kFp32 = 4;
constexpr uint64_t kMost = uint64_t{1} << 24;  // of m, n and k
// A PCU that has made a tile may send it while it makes the next one, if that takes as long.
constexpr uint64_t kPacketsOfTile = 2 * kRows;

uint64_t divide_up(uint64_t a, uint64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

std::vector<Mapping> mappings(const rdu_info& device, const Size& size) {
  const auto number = [](const char* name, uint64_t value) {
    if (value == 0 || value > kMost)
      throw std::runtime_error(fmt::format("{} is {}, it must be 1 to {}", name, value, kMost));
  };
  number("M", size.m), number("N", size.n), number("K", size.k);
  if (size.k % kLanes != 0)
    throw std::runtime_error(fmt::format("K = {} is not a multiple of {}", size.k, kLanes));
  const uint64_t units = uint64_t{device.rows} * device.columns;  // of each kind
  const uint64_t loads = 2 * uint64_t{device.rows};
  const uint64_t tiles_of_rows = divide_up(size.m, kRows), panels = divide_up(size.n, kLanes);
  uint64_t a_row = 1;
  while (a_row < size.k * kBf16) a_row *= 2;

  std::vector<Mapping> found;
  for (uint64_t rows = 2; rows <= 2 * kStores; rows += 2) {
    for (uint64_t cols = 1; rows * cols <= units && rows + cols <= loads; ++cols) {
      if (rows + cols + rows / 2 > units) break;
      // As many panels a column group as one launch can keep, and as all tiles together need.
      const uint64_t fit = std::min({kPmuBytes / (size.k * kLanes * kBf16),
                                     kPmuBytes / (4 * kRows * kLanes * cols * kFp32), uint64_t{1} << 16});
      if (fit == 0 || 2 * kRows * a_row > kPmuBytes) continue;
      const uint64_t launches = divide_up(divide_up(panels, cols * device.tiles), fit);  // of a tile
      const uint64_t each = divide_up(panels, cols * device.tiles * launches);  // panels a column group
      Mapping m;
      const uint64_t of_group = divide_up(tiles_of_rows, rows);
      m.grid.m = static_cast<uint32_t>(of_group * rows * kRows);
      m.grid.n = static_cast<uint32_t>(each * cols * kLanes);
      m.grid.k = static_cast<uint32_t>(size.k);
      m.grid.row_groups = static_cast<unsigned>(rows);
      m.grid.column_groups = static_cast<unsigned>(cols);
      m.grid.rows = device.rows;
      m.grid.cols = device.columns;
      m.parts = divide_up(panels, each * cols);
      m.columns = m.parts * m.grid.n;
      m.grid.pitch = static_cast<uint32_t>(m.columns);
      m.steps = divide_up(m.parts, device.tiles) * of_group * each * std::max(size.k, kPacketsOfTile);
      // One store takes what two row groups make.
      const uint64_t stored = 2 * kPacketsOfTile * cols * of_group * each * divide_up(m.parts, device.tiles);
      m.steps = std::max(m.steps, stored);
      found.push_back(m);
    }
  }
  if (found.empty()) {
    throw std::runtime_error(fmt::format("K = {} is too large: a PMU has to keep 32 columns of B", size.k));
  }
  std::stable_sort(found.begin(), found.end(), [](const Mapping& a, const Mapping& b) {
    const auto key = [](const Mapping& m) {
      return std::make_tuple(m.steps, !compiler::programs::has_floor_plan(m.grid), m.units(),
                             m.grid.column_groups);
    };
    return key(a) < key(b);
  });
  return found;
}

compiler::Program compile(const rdu_info& device, const std::vector<Mapping>& mappings, Mapping* chosen) {
  constexpr size_t kTries = 12;
  compiler::Target target;
  target.shape.rows = static_cast<uint16_t>(device.rows);
  target.shape.cols = static_cast<uint16_t>(device.columns);
  target.pmu_bytes = kPmuBytes;
  compiler::CompileOptions options;
  options.attempts = 2;
  options.build = "rdu-gemm";
  std::string why;
  for (size_t i = 0; i < std::min(kTries, mappings.size()); ++i) {
    try {
      compiler::Program program =
          compiler::compile(compiler::programs::gemm_grid(mappings[i].grid), target, options);
      *chosen = mappings[i];
      return program;
    } catch (const compiler::Error& error) {
      why = error.what();
    }
  }
  throw std::runtime_error("no mapping can be compiled for this device: " + why);
}

}  // namespace rdu::gemm
