#include "compiler/programs/layers.h"

#include <fmt/format.h>

namespace rdu::compiler::programs {
namespace {

constexpr uint32_t kTile = 6;  // rows of a PCU in matrix mode
constexpr uint32_t kLanes = 32;
constexpr uint32_t kBf16 = 2, kFp32 = 4;
constexpr uint32_t kPacket = RDU_VECTOR_BYTES;

Load rows_of(const Value& base, uint32_t bytes, std::vector<Counter> rows) {
  Load load;
  load.base = base;
  load.row_bytes = bytes;
  load.rows = std::move(rows);
  return load;
}

/// Two buffers of six BF16 rows of `values` each, written as `write` says and read by column `times` times.
Scratchpad columns_of_tile(uint32_t tiles, uint32_t values, std::vector<Counter> write, uint32_t times) {
  const uint32_t row = values * kBf16;
  Scratchpad pad;
  pad.fills = tiles;
  pad.buffers = 2;
  pad.buffer_size = kTile * row;
  pad.write = std::move(write);
  pad.lanes = kTile;
  pad.lane_stride = row;
  pad.read = {{values, kBf16}, {times, 0}};
  pad.bank_skew = static_cast<unsigned>(__builtin_ctz(row));  // a column's six elements lie in six banks
  return pad;
}

/// A weight matrix, read panel by panel of 32 columns, for each tile.
Scratchpad weights(uint32_t k, uint32_t n, uint32_t tiles) {
  Scratchpad pad;
  pad.buffer_size = k * n * kBf16;
  pad.write = {{pad.buffer_size / kPacket, kPacket}};
  pad.read = {{k, n * kBf16}, {n / kLanes, kPacket}, {tiles, 0}};
  return pad;
}

Matrix product(uint32_t tiles, uint32_t k) {
  Matrix matrix;
  matrix.tiles = tiles;
  matrix.k = k;
  matrix.rows = kTile;
  return matrix;
}

bool is_power_of_two_from_32(uint32_t n) {
  return n >= kLanes && (n & (n - 1)) == 0;
}

}  // namespace

Graph mlp(const MlpShape& s) {
  if (s.pipelines == 0 || s.rows == 0 || s.rows % (kTile * s.pipelines) != 0)
    throw Error(fmt::format("MLP: {} rows are not tiles of 6 for {} pipelines", s.rows, s.pipelines));
  if (!is_power_of_two_from_32(s.inputs) || !is_power_of_two_from_32(s.hidden))
    throw Error("MLP: inputs and hidden values are powers of two from 32 on");
  if (s.outputs == 0 || s.outputs % kLanes != 0) throw Error("MLP: outputs are a multiple of 32");
  Graph g(fmt::format("mlp_{}x{}x{}x{}", s.rows, s.inputs, s.hidden, s.outputs),
          "y = max(x w1 + b1, 0) w2 in one program");
  const Value x = g.address("x", "[rows][inputs] BF16", kBf16);
  const Value w1 = g.address("w1", "[inputs][hidden] BF16", kBf16);
  const Value b1 = g.address("b1", "[hidden] FP32", kFp32);
  const Value w2 = g.address("w2", "[hidden][outputs] BF16", kBf16);
  const Value y = g.address("y", "[rows][outputs] FP32", kFp32);
  const uint32_t tiles = s.rows / kTile / s.pipelines;
  const uint32_t hidden_panels = s.hidden / kLanes, output_panels = s.outputs / kLanes;
  const uint32_t x_row = s.inputs * kBf16, y_row = s.outputs * kFp32;

  const auto constant = [&](const char* name, Load load, const Scratchpad& pad, const char* note) {
    const Node unit = g.add(name, pad, note);
    g.connect(g.add(std::string(name) + ".load", std::move(load), note), unit);
    return unit;
  };
  const Node w1_pad = constant("w1", rows_of(w1, s.hidden * kBf16, {{s.inputs, s.hidden * kBf16}}),
                               weights(s.inputs, s.hidden, tiles), "weights of layer 1, for all pipelines");
  const Node w2_pad = constant("w2", rows_of(w2, s.outputs * kBf16, {{s.hidden, s.outputs * kBf16}}),
                               weights(s.hidden, s.outputs, tiles), "weights of layer 2, for all pipelines");
  Scratchpad bias;
  bias.buffer_size = s.hidden * kFp32;
  bias.write = {{bias.buffer_size / kPacket, kPacket}};
  bias.lanes = kPacket / kFp32;
  bias.element = Element::word;
  bias.lane_stride = kFp32;
  bias.read = {{2, kPacket}, {kTile, 0}, {hidden_panels, kLanes * kFp32}, {tiles, 0}};
  const Node b1_pad = constant("b1", rows_of(b1, s.hidden * kFp32, {}), bias, "bias, for all pipelines");

  for (unsigned p = 0; p < s.pipelines; ++p) {
    const std::string n = fmt::format("{}", p);
    const int64_t step = int64_t{s.pipelines} * kTile;  // rows from one of its tiles to the next
    const Node x_load = g.add(
        "load" + n, rows_of(x + uint64_t{p} * kTile * x_row, x_row, {{kTile, x_row}, {tiles, step * x_row}}),
        "rows of x");
    const Node x_pad =
        g.add("x" + n, columns_of_tile(tiles, s.inputs, {{kTile * x_row / kPacket, kPacket}}, hidden_panels),
              "6 rows of x, by column");
    g.connect(x_load, x_pad);
    const Node l1 = g.add("l1_" + n, product(tiles * hidden_panels, s.inputs), "x w1");
    g.connect(w1_pad, l1, 0);
    g.connect(x_pad, l1, 1);

    Simd bias_relu;
    bias_relu.vectors = tiles * hidden_panels * kTile;
    bias_relu.stages = {{Op::fadd, Operand::in0, Operand::in1}, {Op::fmax, Operand::prev, Operand::const0}};
    bias_relu.out = Format::bf16;
    const Node relu = g.add("relu" + n, bias_relu, "max(acc + b1, 0)");
    g.connect(l1, relu, 0);
    g.connect(b1_pad, relu, 1);

    const std::vector<Counter> by_panel = {{kTile, s.hidden * kBf16}, {hidden_panels, kPacket}};
    const Node h =
        g.add("h" + n, columns_of_tile(tiles, s.hidden, by_panel, output_panels), "6 rows of h, by column");
    g.connect(relu, h);
    const Node l2 = g.add("l2_" + n, product(tiles * output_panels, s.hidden), "h w2");
    g.connect(w2_pad, l2, 0);
    g.connect(h, l2, 1);

    Scratchpad collect;
    collect.fills = tiles;
    collect.buffers = 2;
    collect.buffer_size = kTile * y_row;
    collect.write = {{2, kPacket}, {kTile, y_row}, {output_panels, kLanes * kFp32}};
    collect.lanes = kPacket / kFp32;
    collect.element = Element::word;
    collect.lane_stride = kFp32;
    collect.read = {{collect.buffer_size / kPacket, kPacket}};
    const Node y_pad = g.add("y" + n, collect, "6 rows of y, put together from tiles");
    g.connect(l2, y_pad);
    Store store;
    store.base = y + uint64_t{p} * kTile * y_row;
    store.row_bytes = y_row;
    store.rows = {{kTile, y_row}, {tiles, step * y_row}};
    g.connect(y_pad, g.add("store" + n, store, "rows of y"));
  }
  return g;
}

Graph matrix_vector(uint32_t rows, uint32_t columns, unsigned units) {
  if (units == 0 || rows == 0 || rows % (kLanes * units) != 0)
    throw Error(
        fmt::format("matrix-vector product: {} rows are no multiple of 32 for {} units", rows, units));
  if (columns == 0 || columns % kLanes != 0)
    throw Error("matrix-vector product: columns are a multiple of 32");
  Graph g(fmt::format("matrix_vector_{}x{}", rows, columns), "y = a x");
  const Value a = g.address("a", "[rows][columns] BF16", kBf16);
  const Value x = g.address("x", "[columns] BF16", kBf16);
  const Value y = g.address("y", "[rows] BF16", kBf16);
  const uint32_t row = columns * kBf16;
  const uint32_t own = rows / units;
  const Node x_load = g.add("x.load", rows_of(x, row, {}), "x, for all units");
  for (unsigned u = 0; u < units; ++u) {
    const std::string n = fmt::format("{}", u);
    Scratchpad vector;
    vector.buffer_size = row;
    vector.write = {{row / kPacket, kPacket}};
    vector.read = {{row / kPacket, kPacket}, {own, 0}};
    const Node x_pad = g.add("x" + n, vector, "x, for each row");
    g.connect(x_load, x_pad);

    Simd sum;
    sum.vectors = own;
    sum.inner = {columns / kLanes};
    sum.in[0] = sum.in[1] = Format::bf16;
    Stage multiply_add{Op::fmadd, Operand::in0, Operand::in1, 0, Operand::reg0};
    multiply_add.replace_b = Predicate::first(0);
    Stage across{Op::fred_sum};
    across.when = Predicate::last(0);
    sum.stages = {multiply_add, across};
    sum.send = Predicate::last(0);
    sum.out = Format::bf16;
    const Node dot = g.add("dot" + n, sum, "a row times x");
    g.connect(g.add("a" + n, rows_of(a + uint64_t{u} * own * row, row, {{own, row}}), "rows of a"), dot, 0);
    g.connect(x_pad, dot, 1);

    Scratchpad collect;
    collect.fills = own / kLanes;
    collect.buffers = 2;
    collect.buffer_size = kPacket;
    collect.write_bytes = kBf16;
    collect.write = {{kLanes, kBf16}};
    collect.read = {{1, 0}};
    const Node y_pad = g.add("y" + n, collect, "32 results");
    g.connect(dot, y_pad);
    Store store;
    store.base = y + uint64_t{u} * own * kBf16;
    store.row_bytes = own * kBf16;
    g.connect(y_pad, g.add("store" + n, store, "results"));
  }
  return g;
}

}  // namespace rdu::compiler::programs
