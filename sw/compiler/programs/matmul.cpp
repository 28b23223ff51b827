#include "compiler/programs/matmul.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

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

/// PCUs of a row group whose packets are joined near them: so fewer streams have a long way.
unsigned joined_first(const GemmGrid& grid) {
  constexpr unsigned kJoined = 4;
  return grid.column_groups > kJoined && grid.column_groups % kJoined == 0 ? kJoined : 1;
}

/// Passes on, in their order, the packets of so many PCUs that come joined, two buffers of a tile of each.
Scratchpad gatherer(unsigned joined, const Value& tiles, Sequence sequence) {
  Scratchpad pad;
  pad.fills = tiles;
  pad.buffers = 2;
  pad.buffer_size = joined * kTileRows * kTileCols * kFp32;
  pad.write = pad.read = {{pad.buffer_size / kPacket, kPacket}};
  pad.sequence = sequence;
  return pad;
}

/// A PMU that puts together what two groups of rows make, six rows each: the packets of their PCUs come
/// joined by sequence ids, one of each gatherer in turn. Two buffers.
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
    const unsigned first = joined_first(grid);
    write.counters = {{grid.column_groups / first, int64_t{first} * panels * kTileCols * kFp32},
                      {first, int64_t{panels} * kTileCols * kFp32},
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

/// Where the units of a GemmGrid are. B's columns go along rows of cells, from the west; A's rows along
/// columns of cells, from the south; groups of rows for which there are no columns go along rows of cells
/// below, from the east. With both times the same (a packet takes a cycle a hop), PCUs work in a wave from
/// the south-west.
class FloorPlan {
 public:
  explicit FloorPlan(const GemmGrid& grid) {
    for (const bool turned : {false, true}) {
      const unsigned down = turned ? grid.row_groups : grid.column_groups;    // groups along rows of cells
      const unsigned beside = turned ? grid.column_groups : grid.row_groups;  // along columns of cells
      rows_ = grid.rows, cols_ = grid.cols, turned_ = turned, down_ = down;
      const unsigned more = beside > cols_ ? beside - cols_ : 0;
      const unsigned left = more * (down > cols_ ? down - cols_ : 0);  // cells that no row of theirs has
      if (down_ + more + (left + cols_ - 1) / cols_ <= rows_) {
        more_ = more;
        fits_ = true;
        return;
      }
    }
  }
  bool fits() const { return fits_; }

  Cell product(unsigned row_group, unsigned column_group) const {
    const unsigned along = turned_ ? row_group : column_group;
    const unsigned across = turned_ ? column_group : row_group;
    if (across < cols_) return cell(along, across);
    // Below. Streams from the west have come down as far as those from the east have come along if groups are
    // in their own columns; so it is those in the middle that get other cells, where they are late the least.
    const unsigned extra = across - cols_;
    const unsigned others = down_ > cols_ ? down_ - cols_ : 0, first = (down_ - others) / 2;
    if (along < first) return cell(down_ + extra, along);
    if (along >= first + others) return cell(down_ + extra, along - others);
    const unsigned n = (along - first) * more_ + extra, cells = others * more_;
    const unsigned middle = first + others / 2;
    const unsigned start = cells >= cols_ ? 0 : std::min(middle - std::min(middle, cells / 2), cols_ - cells);
    return cell(down_ + more_ + n / cols_, start + n % cols_);
  }
  /// Of the PMUs that feed them: the nearest to where their streams should begin that is free.
  Cell a(unsigned group) { return turned_ ? feeds_along(group) : feeds_across(group); }
  Cell b(unsigned group) { return turned_ ? feeds_across(group) : feeds_along(group); }

 private:
  static Cell cell(unsigned row, unsigned col) {
    return {static_cast<uint16_t>(row), static_cast<uint16_t>(col)};
  }
  Cell feeds_along(unsigned group) { return take(group, 0); }
  Cell feeds_across(unsigned group) {
    return group < cols_ ? take(down_ - 1, group) : take(down_ + group - cols_, cols_ - 1);
  }
  Cell take(unsigned row, unsigned col) {
    const auto away = [&](unsigned r, unsigned c) {
      return (r > row ? r - row : row - r) + (c > col ? c - col : col - c);
    };
    unsigned best_row = rows_, best_col = 0;
    for (unsigned r = 0; r < rows_; ++r) {
      for (unsigned c = 0; c < cols_; ++c) {
        if (taken_.count({r, c}) != 0) continue;
        if (best_row == rows_ || away(r, c) < away(best_row, best_col)) best_row = r, best_col = c;
      }
    }
    taken_.emplace(best_row, best_col);
    return cell(best_row, best_col);
  }

  unsigned rows_ = 0, cols_ = 0, down_ = 0, more_ = 0;
  bool turned_ = false, fits_ = false;
  std::set<std::pair<unsigned, unsigned>> taken_;
};

}  // namespace

bool has_floor_plan(const GemmGrid& grid) {
  return grid.rows != 0 && grid.cols != 0 && FloorPlan(grid).fits();
}

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

  std::optional<FloorPlan> plan;
  if (has_floor_plan(grid)) plan.emplace(grid);
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
    if (plan) graph.pin(b_pads.back(), plan->b(s));
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
      if (plan) graph.pin(a_pad, plan->a(r + half));
      Node join = c_pad;
      for (unsigned s = 0; s < cols; ++s) {
        const std::string at = fmt::format("{}.{}", r + half, s);
        const Value products = uint64_t{tiles} * panels;
        const unsigned first = joined_first(grid);
        if (first > 1 && s % first == 0) {
          const Sequence turn{static_cast<uint16_t>(s / first), static_cast<uint16_t>(cols / first)};
          join =
              graph.add("join" + at, gatherer(first, products, turn), "tiles of C, a packet of each in turn");
          graph.connect(join, c_pad, half);
        }
        Matrix matrix;
        matrix.tiles = products;
        matrix.k = grid.k;
        matrix.rows = kTileRows;
        matrix.sequence = first > 1 ? Sequence{static_cast<uint16_t>(s % first), static_cast<uint16_t>(first)}
                                    : Sequence{static_cast<uint16_t>(s), static_cast<uint16_t>(cols)};
        const Node product = graph.add("matmul" + at, matrix, "C = A B");
        if (plan) graph.pin(product, plan->product(r + half, s));
        graph.connect(b_pads[s], product, 0);
        graph.connect(a_pad, product, 1);
        graph.connect(product, join, first > 1 ? 0 : half);
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
