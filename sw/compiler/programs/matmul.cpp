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
  const uint32_t columns = shape.n / cols;            // of B and C in one group
  const uint32_t panels = columns / kTileCols;        // tiles beside each other
  const uint32_t a_row = shape.k * kBf16;             // bytes
  const uint32_t a_pitch = power_of_two_from(a_row);  // so that one skew spreads a column over the banks
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
    Load load;
    load.base = a + uint64_t{r} * kTileRows * a_row;
    load.row_bytes = a_row;
    load.rows = {{kTileRows, a_row}, {tiles, step * a_row}};
    const Node a_load = graph->add(fmt::format("a{}.load", r), load, "rows of A");
    Scratchpad pad;
    pad.fills = tiles;
    pad.buffers = 2;
    pad.buffer_size = kTileRows * a_pitch;
    pad.write = {{a_row / kPacket, kPacket}, {kTileRows, a_pitch}};
    pad.lanes = kTileRows;
    pad.lane_stride = a_pitch;
    pad.read = {{shape.k, kBf16}, {panels, 0}};
    pad.bank_skew = log2_of(a_pitch);
    const Node a_pad = graph->add(fmt::format("a{}", r), pad, "6 rows of A, read by column");
    graph->connect(a_load, a_pad);

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

}  // namespace rdu::compiler::programs
