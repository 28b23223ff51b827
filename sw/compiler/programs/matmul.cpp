#include "compiler/programs/matmul.h"

#include <fmt/format.h>

namespace rdu::compiler::programs {
namespace {

constexpr uint32_t kTileRows = 6;   // rows of a PCU in matrix mode
constexpr uint32_t kTileCols = 32;  // its lanes
constexpr uint32_t kBf16 = 2, kFp32 = 4;
constexpr uint32_t kPacket = RDU_VECTOR_BYTES;

unsigned log2_of(uint32_t power) {
  return static_cast<unsigned>(__builtin_ctz(power));
}

uint32_t power_of_two_from(uint32_t n) {
  uint32_t power = 1;
  while (power < n) power *= 2;
  return power;
}

/// What a group of rows takes from A: tiles g, g + groups, ..., each `panels` times.
struct RowsOfA {
  uint32_t k, panels;
  unsigned groups;
  Value tiles;
};

/// A load and a PMU with two tiles of six rows of A, which it hands out column by column. Returns the PMU.
Node add_rows_of_a(Graph* graph, const Value& a, unsigned group, const RowsOfA& rows) {
  const uint32_t row = rows.k * kBf16;            // bytes
  const uint32_t pitch = power_of_two_from(row);  // so that one skew spreads a column over the banks
  Load load;
  load.base = a + uint64_t{group} * kTileRows * row;
  load.row_bytes = row;
  load.rows = {{kTileRows, row}, {rows.tiles, int64_t{rows.groups} * kTileRows * row}};
  const Node from = graph->add(fmt::format("a{}.load", group), load, "rows of A");
  Scratchpad pad;
  pad.fills = rows.tiles;
  pad.buffers = 2;
  pad.buffer_size = kTileRows * pitch;
  pad.write = {{row / kPacket, kPacket}, {kTileRows, pitch}};
  pad.lanes = kTileRows;
  pad.lane_stride = pitch;
  pad.read = {{rows.k, kBf16}, {rows.panels, 0}};
  pad.bank_skew = log2_of(pitch);
  const Node to = graph->add(fmt::format("a{}", group), pad, "6 rows of A, read by column");
  graph->connect(from, to);
  return to;
}

/// A PMU that puts together what two groups of rows make, six rows each: the packets of their PCUs come one
/// of each in turn, joined by sequence ids. Two buffers.
PatternMemory collector(const GemmGrid& grid, const Value& tiles) {
  const uint32_t panels = grid.n / kTileCols / grid.column_groups;
  const uint32_t row = grid.n * kFp32;
  PatternMemory pad;
  Reader read;
  read.fills = tiles;
  read.buffers = 2;
  read.buffer_size = 2 * kTileRows * row;
  read.lanes = kPacket / kFp32;
  read.element = Element::word;
  read.lane_stride = kFp32;
  read.counters = {{read.buffer_size / kPacket, kPacket}};
  for (unsigned half = 0; half < 2; ++half) {
    const unsigned free = 2 * half, full = free + 1;  // tokens
    Writer write;
    write.input = half;
    write.fills = tiles;
    write.buffers = read.buffers;
    write.buffer_size = read.buffer_size;
    write.base = int64_t{half} * kTileRows * row;
    write.lanes = kPacket / kFp32;
    write.element = Element::word;
    write.lane_stride = kFp32;
    write.counters = {{grid.column_groups, int64_t{panels} * kTileCols * kFp32},
                      {2, kPacket},
                      {kTileRows, row},
                      {panels, kTileCols * kFp32}};
    write.wait = static_cast<uint8_t>(1u << free);
    write.give = static_cast<uint8_t>(1u << full);
    read.wait |= write.give;
    read.give |= write.wait;
    pad.tokens[free] = static_cast<uint8_t>(read.buffers);
    pad.writers.push_back(write);
  }
  pad.readers = {read};
  return pad;
}

}  // namespace

void add_matmul(Graph* graph, const Value& a, const Value& b, const Value& c, const MatmulShape& shape) {
  const unsigned rows = shape.row_groups;
  const unsigned cols = shape.column_groups;
  if (rows == 0 || cols == 0) throw Error("a matrix product needs at least one PCU");
  if (shape.k == 0 || shape.k % kTileCols != 0) {
    throw Error(fmt::format("matrix product: K = {} is not a multiple of {}", shape.k, kTileCols));
  }
  if (shape.n == 0 || shape.n % (kTileCols * cols) != 0) {
    throw Error(fmt::format("matrix product: N = {} is not a multiple of {} columns in {} groups", shape.n,
                            kTileCols, cols));
  }
  const uint32_t columns = shape.n / cols;      // of B and C in one group
  const uint32_t panels = columns / kTileCols;  // tiles beside each other
  const uint32_t b_row = columns * kBf16;
  const uint32_t c_row = columns * kFp32;

  std::vector<Node> b_loads;
  for (unsigned s = 0; s < cols; ++s) {
    Load load;
    load.base = b + uint64_t{s} * b_row;
    load.row_bytes = b_row;
    load.rows = {{shape.k, int64_t{shape.n} * kBf16}};
    if (cols == 1 && uint64_t{shape.k} * b_row <= 65536) {  // all of B is one piece
      load.row_bytes = shape.k * b_row;
      load.rows.clear();
    }
    b_loads.push_back(graph->add(fmt::format("b{}.load", s), load, "columns of B"));
  }
  for (unsigned r = 0; r < rows; ++r) {
    const Value tiles = (shape.tiles_of_rows + (rows - 1 - r)) / rows;
    const int64_t step = int64_t{rows} * kTileRows;  // rows from one of the group's tiles to the next
    const Node a_pad = add_rows_of_a(graph, a, r, {shape.k, panels, rows, tiles});

    for (unsigned s = 0; s < cols; ++s) {
      const std::string at = fmt::format("{}.{}", r, s);
      Scratchpad weights;
      weights.buffer_size = shape.k * b_row;
      weights.write = {{weights.buffer_size / kPacket, kPacket}};
      weights.read = {{shape.k, b_row}, {panels, kPacket}, {tiles, 0}};
      const Node b_pad = graph->add("b" + at, weights, "columns of B");
      graph->connect(b_loads[s], b_pad);

      Matrix matrix;
      matrix.tiles = tiles * panels;
      matrix.k = shape.k;
      matrix.rows = kTileRows;
      const Node product = graph->add("matmul" + at, matrix, "C = A B");
      graph->connect(b_pad, product, 0);
      graph->connect(a_pad, product, 1);

      Scratchpad collect;
      collect.fills = tiles;
      collect.buffers = 2;
      collect.buffer_size = kTileRows * c_row;
      collect.write = {{2, kPacket}, {kTileRows, c_row}, {panels, kTileCols * kFp32}};
      collect.lanes = kPacket / kFp32;
      collect.element = Element::word;
      collect.lane_stride = kFp32;
      collect.read = {{collect.buffer_size / kPacket, kPacket}};
      const Node c_pad = graph->add("c" + at, collect, "6 rows of C, put together from tiles");
      graph->connect(product, c_pad);

      Store store;
      store.base = c + (uint64_t{r} * kTileRows * shape.n + uint64_t{s} * columns) * kFp32;
      store.row_bytes = c_row;
      store.rows = {{kTileRows, int64_t{shape.n} * kFp32}, {tiles, step * shape.n * kFp32}};
      graph->connect(c_pad, graph->add("c" + at + ".store", store, "rows of C"));
    }
  }
}

Graph gemm(uint32_t m, uint32_t n, uint32_t k, unsigned row_groups, unsigned column_groups) {
  if (m == 0 || m % kTileRows != 0) {
    throw Error(fmt::format("matrix product: M = {} is not a multiple of {}", m, kTileRows));
  }
  Graph graph(fmt::format("gemm_{}x{}x{}", m, n, k), "C[M][N] FP32 = A[M][K] BF16 x B[K][N] BF16");
  const Value a = graph.address("a", "A [M][K] BF16, row major", 2);
  const Value b = graph.address("b", "B [K][N] BF16, row major", 2);
  const Value c = graph.address("c", "C [M][N] FP32, row major", 4);
  add_matmul(&graph, a, b, c, {m / kTileRows, k, n, row_groups, column_groups});
  graph.property("m", fmt::format("{}", m));
  graph.property("n", fmt::format("{}", n));
  graph.property("k", fmt::format("{}", k));
  graph.property("matrix_units", fmt::format("{}", row_groups * column_groups));
  return graph;
}

Graph gemm_grid(const GemmGrid& grid) {
  const unsigned rows = grid.row_groups, cols = grid.column_groups;
  if (rows == 0 || rows % 2 != 0)
    throw Error(fmt::format("matrix product: {} groups of rows, not pairs", rows));
  if (grid.m == 0 || grid.m % (kTileRows * rows) != 0) {
    throw Error(fmt::format("matrix product: M = {} is not a multiple of {} rows in {} groups", grid.m,
                            kTileRows, rows));
  }
  if (cols == 0 || grid.n == 0 || grid.n % (kTileCols * cols) != 0) {
    throw Error(fmt::format("matrix product: N = {} is not a multiple of {} columns in {} groups", grid.n,
                            kTileCols, cols));
  }
  if (grid.k == 0 || grid.k % kTileCols != 0) {
    throw Error(fmt::format("matrix product: K = {} is not a multiple of {}", grid.k, kTileCols));
  }
  if (grid.pitch < grid.n)
    throw Error(fmt::format("matrix product: rows of {} columns, {} apart", grid.n, grid.pitch));
  const uint32_t columns = grid.n / cols, panels = columns / kTileCols;
  const uint32_t b_row = columns * kBf16;
  const uint32_t tiles = grid.m / kTileRows / rows;  // of a group

  Graph graph(fmt::format("gemm_{}x{}x{}", grid.m, grid.n, grid.k),
              "C[M][N] FP32 = A[M][K] BF16 x B[K][N] BF16, N of more columns");
  const Value a = graph.address("a", "A [M][K] BF16, row major", 2);
  const Value b = graph.address("b", "first column of B [K][pitch] BF16, row major", 2);
  const Value c = graph.address("c", "first column of C [M][pitch] FP32, row major", 4);

  std::vector<Node> b_pads;
  for (unsigned s = 0; s < cols; ++s) {
    Load load;
    load.base = b + uint64_t{s} * b_row;
    load.row_bytes = b_row;
    load.rows = {{grid.k, int64_t{grid.pitch} * kBf16}};
    Scratchpad pad;
    pad.buffer_size = grid.k * b_row;
    pad.write = {{pad.buffer_size / kPacket, kPacket}};
    pad.read = {{grid.k, b_row}, {panels, kPacket}, {tiles, 0}};
    b_pads.push_back(graph.add(fmt::format("b{}", s), pad, "columns of B"));
    graph.connect(graph.add(fmt::format("b{}.load", s), load, "columns of B"), b_pads.back());
  }
  for (unsigned r = 0; r < rows; r += 2) {
    const Node c_pad =
        graph.add(fmt::format("c{}", r / 2), collector(grid, tiles), "12 rows of C, put together");
    Store store;
    store.base = c + uint64_t{r} * kTileRows * grid.pitch * kFp32;
    store.row_bytes = grid.n * kFp32;
    store.rows = {{2 * kTileRows, int64_t{grid.pitch} * kFp32},
                  {tiles, int64_t{rows} * kTileRows * grid.pitch * kFp32}};
    graph.connect(c_pad, graph.add(fmt::format("c{}.store", r / 2), store, "rows of C"));
    for (unsigned half = 0; half < 2; ++half) {
      const Node a_pad = add_rows_of_a(&graph, a, r + half, {grid.k, panels, rows, tiles});
      for (unsigned s = 0; s < cols; ++s) {
        Matrix matrix;
        matrix.tiles = uint64_t{tiles} * panels;
        matrix.k = grid.k;
        matrix.rows = kTileRows;
        matrix.sequence = Sequence{static_cast<uint16_t>(s), static_cast<uint16_t>(cols)};
        const Node product = graph.add(fmt::format("matmul{}.{}", r + half, s), matrix, "C = A B");
        graph.connect(b_pads[s], product, 0);
        graph.connect(a_pad, product, 1);
        graph.connect(product, c_pad, half);
      }
    }
  }
  graph.property("m", fmt::format("{}", grid.m));
  graph.property("n", fmt::format("{}", grid.n));
  graph.property("k", fmt::format("{}", grid.k));
  graph.property("pitch", fmt::format("{}", grid.pitch));
  graph.property("matrix_units", fmt::format("{}", rows * cols));
  return graph;
}

}  // namespace rdu::compiler::programs
