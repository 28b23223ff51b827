#include "compiler/programs/digits.h"

#include <fmt/format.h>

#include "compiler/programs/matmul.h"

namespace rdu::compiler::programs {
namespace {

constexpr uint32_t kPixels = 64, kHidden = 128, kClasses = 10;
constexpr uint32_t kTile = 6;  // rows of a PCU in matrix mode, and so of everything here
constexpr uint32_t kLanes = 32;
constexpr uint32_t kPanels = kHidden / kLanes;
constexpr uint32_t kBf16 = 2, kFp32 = 4;
constexpr uint32_t kPacket = RDU_VECTOR_BYTES;
constexpr uint32_t kWords = kPacket / kFp32;  // FP32 lanes in a packet
constexpr uint32_t kTileX = kTile * kPixels * kBf16;
constexpr uint32_t kTileH = kTile * kHidden * kBf16;
constexpr uint32_t kTileAcc = kTile * kHidden * kFp32;
constexpr uint32_t kTileOut = kTile * kClasses * kFp32;
constexpr uint64_t kMostRows = 6'000'000;

Value rows_argument(Graph* graph, unsigned pipelines, uint64_t multiple) {
  if (pipelines == 0) throw Error("a program needs at least one pipeline");
  graph->property("pipelines", fmt::format("{}", pipelines));
  return graph->number("rows", "images; rows of every array", uint64_t{kTile} * pipelines, kMostRows,
                       multiple);
}

Load one_row(const Value& base, uint32_t bytes) {
  Load load;
  load.base = base;
  load.row_bytes = bytes;
  return load;
}

/// Tiles of `bytes`, every `pipelines`-th from the `first`.
template <class Agcu>
Agcu every(const Value& base, uint32_t bytes, const Value& tiles, unsigned first, unsigned pipelines) {
  Agcu agcu;
  agcu.base = base + uint64_t{first} * bytes;
  agcu.row_bytes = bytes;
  agcu.rows = {{tiles, int64_t{bytes} * pipelines}};
  return agcu;
}

/// Two buffers of a tile of BF16 rows of `row` bytes (a power of two), read by column `times` times.
Scratchpad columns_of_tile(const Value& tiles, uint32_t row, const std::vector<Counter>& write,
                           uint32_t times) {
  Scratchpad pad;
  pad.fills = tiles;
  pad.buffers = 2;
  pad.buffer_size = kTile * row;
  pad.write = write;
  pad.lanes = kTile;
  pad.lane_stride = row;
  pad.read = {{row / kBf16, kBf16}, {times, 0}};
  pad.bank_skew = static_cast<unsigned>(__builtin_ctz(row));  // a column's six elements lie in six banks
  return pad;
}

Scratchpad w1_pad(const Value& tiles) {
  Scratchpad pad;
  pad.buffer_size = kPixels * kHidden * kBf16;
  pad.write = {{pad.buffer_size / kPacket, kPacket}};
  pad.read = {{kPixels, kHidden * kBf16}, {kPanels, kPacket}, {tiles, 0}};
  return pad;
}

Scratchpad w2_pad(const Value& tiles) {
  Scratchpad pad;
  pad.buffer_size = kHidden * kClasses * kBf16;
  pad.write = {{pad.buffer_size / kPacket, kPacket}};
  pad.lanes = kClasses;
  pad.read = {{kHidden, kClasses * kBf16}, {tiles, 0}};
  return pad;
}

/// b1 in FP32, as often as `read` says (counter 0 takes both halves of a vector).
Scratchpad b1_pad(std::vector<Counter> read) {
  Scratchpad pad;
  pad.buffer_size = kHidden * kFp32;
  pad.write = {{pad.buffer_size / kPacket, kPacket}};
  pad.lanes = kWords;
  pad.element = Element::word;
  pad.lane_stride = kFp32;
  pad.read = std::move(read);
  return pad;
}

/// b2 fills ten lanes; both packets of a vector carry it, the second in lanes that nobody uses.
Scratchpad b2_pad(const Value& tiles) {
  Scratchpad pad;
  pad.buffer_size = kClasses * kFp32;
  pad.write_bytes = kClasses * kFp32;
  pad.lanes = kClasses;
  pad.element = Element::word;
  pad.lane_stride = kFp32;
  pad.read = {{2 * kTile, 0}, {tiles, 0}};
  return pad;
}

/// Takes FP32 vectors of ten lanes, two packets each, and hands out the ten lanes of six rows without gaps.
/// The second packets (lanes 16 to 31) are written behind them.
Scratchpad pack_rows(const Value& tiles) {
  constexpr uint32_t kRow = kClasses * kFp32;
  Scratchpad pad;
  pad.fills = tiles;
  pad.buffers = 2;
  pad.buffer_size = 2 * kTileOut;
  pad.write_bytes = kRow;
  pad.write = {{2, kTileOut}, {kTile, kRow}};
  pad.lanes = kWords;
  pad.element = Element::word;
  pad.lane_stride = kFp32;
  pad.read = {{(kTileOut + kPacket - 1) / kPacket, kPacket}};
  return pad;
}

Simd bias_relu(const Value& vectors) {
  Simd simd;
  simd.vectors = vectors;
  simd.stages = {{Op::fadd, Operand::in0, Operand::in1}, {Op::fmax, Operand::prev, Operand::const0}};
  simd.out = Format::bf16;
  return simd;
}

Matrix l2_matrix(const Value& tiles) {
  Matrix matrix;
  matrix.tiles = tiles;
  matrix.k = kHidden;
  matrix.rows = kTile;
  matrix.lanes = kClasses;
  return matrix;
}

/// Logits of `source`, plus b2, to probabilities. Returns the unit that sends them.
Node add_softmax(Graph* graph, const std::string& suffix, Node source, Node b2, const Value& tiles) {
  Simd shift;
  shift.vectors = tiles * kTile;
  shift.lanes = kClasses;
  shift.stages = {{Op::fadd, Operand::in0, Operand::in1, 0},
                  {Op::fred_max, Operand::prev},
                  {Op::fsub, Operand::reg0, Operand::prev}};
  shift.tail = Tail::exp;
  const Node e = graph->add("exp" + suffix, shift, "e = exp(x + b2 - max)");
  graph->connect(source, e, 0);
  graph->connect(b2, e, 1);

  Simd sum;
  sum.vectors = tiles * kTile;
  sum.lanes = kClasses;
  sum.stages = {{Op::fred_sum, Operand::in0}};
  sum.tail = Tail::recip;
  const Node reciprocal = graph->add("recip" + suffix, sum, "1 / sum(e)");
  graph->connect(e, reciprocal);

  Simd scale;
  scale.vectors = tiles * kTile;
  scale.lanes = kClasses;
  scale.stages = {{Op::fmul, Operand::in0, Operand::in1}};
  const Node p = graph->add("scale" + suffix, scale, "e / sum(e)");
  graph->connect(e, p, 0);
  graph->connect(reciprocal, p, 1);
  return p;
}

/// Packs the vectors of `source` and stores them.
void add_packed_store(Graph* graph, const std::string& suffix, Node source, const Value& base,
                      const Value& tiles, unsigned p, unsigned pipelines) {
  const Node pack = graph->add("pack" + suffix, pack_rows(tiles), "6 rows of 10 results");
  graph->connect(source, pack);
  graph->connect(pack,
                 graph->add("store" + suffix, every<Store>(base, kTileOut, tiles, p, pipelines), "results"));
}

}  // namespace

Graph digits_fused(unsigned pipelines) {
  Graph g("digits_fused", "The digits network 64-128-10 with softmax in one program");
  const Value x = g.address("x", "images [rows][64] BF16", kBf16);
  const Value w1 = g.address("w1", "weights [64][128] BF16", kBf16);
  const Value b1 = g.address("b1", "bias [128] FP32", kFp32);
  const Value w2 = g.address("w2", "weights [128][10] BF16", kBf16);
  const Value b2 = g.address("b2", "bias [10] FP32", kFp32);
  const Value out = g.address("probabilities", "result [rows][10] FP32", kFp32);
  const Value rows = rows_argument(&g, pipelines, uint64_t{kTile} * pipelines);
  const Value tiles = rows / kTile / pipelines;

  const auto constant = [&](const char* name, const Value& base, const Scratchpad& pad, const char* note) {
    const Node load = g.add(std::string(name) + ".load", one_row(base, pad.buffer_size), note);
    const Node unit = g.add(name, pad, note);
    g.connect(load, unit);
    return unit;
  };
  const Node w1_unit = constant("w1", w1, w1_pad(tiles), "weights of layer 1, for all pipelines");
  const Node b1_unit =
      constant("b1", b1, b1_pad({{2, kPacket}, {kTile, 0}, {kPanels, kLanes * kFp32}, {tiles, 0}}),
               "bias of layer 1, for all pipelines");
  const Node w2_unit = constant("w2", w2, w2_pad(tiles), "weights of layer 2, for all pipelines");
  const Node b2_unit = constant("b2", b2, b2_pad(tiles), "bias of layer 2, for all pipelines");

  for (unsigned p = 0; p < pipelines; ++p) {
    const std::string n = fmt::format("{}", p);
    const Node load = g.add("load" + n, every<Load>(x, kTileX, tiles, p, pipelines), "images");
    const Node x_unit =
        g.add("x" + n, columns_of_tile(tiles, kPixels * kBf16, {{kTileX / kPacket, kPacket}}, kPanels),
              "6 images, by column");
    g.connect(load, x_unit);

    Matrix first;
    first.tiles = tiles * kPanels;
    first.k = kPixels;
    first.rows = kTile;
    const Node l1 = g.add("l1_" + n, first, "x w1");
    g.connect(w1_unit, l1, 0);
    g.connect(x_unit, l1, 1);

    const Node relu = g.add("relu" + n, bias_relu(tiles * (kPanels * kTile)), "max(acc + b1, 0)");
    g.connect(l1, relu, 0);
    g.connect(b1_unit, relu, 1);

    const std::vector<Counter> by_panel = {{kTile, kHidden * kBf16}, {kPanels, kPacket}};
    const Node h =
        g.add("h" + n, columns_of_tile(tiles, kHidden * kBf16, by_panel, 1), "6 rows of h, by column");
    g.connect(relu, h);

    const Node l2 = g.add("l2_" + n, l2_matrix(tiles), "h w2");
    g.connect(w2_unit, l2, 0);
    g.connect(h, l2, 1);

    add_packed_store(&g, n, add_softmax(&g, n, l2, b2_unit, tiles), out, tiles, p, pipelines);
  }
  return g;
}

Graph digits_matmul1(unsigned row_groups, unsigned column_groups) {
  Graph g("digits_matmul1", "acc = x w1, FP32");
  const Value x = g.address("x", "images [rows][64] BF16", kBf16);
  const Value w1 = g.address("w1", "weights [64][128] BF16", kBf16);
  const Value acc = g.address("acc", "result [rows][128] FP32", kFp32);
  const Value rows = rows_argument(&g, row_groups, kTile);
  add_matmul(&g, x, w1, acc, {rows / kTile, kPixels, kHidden, row_groups, column_groups});
  return g;
}

Graph digits_bias_relu(unsigned pipelines) {
  Graph g("digits_bias_relu", "h = max(acc + b1, 0), rounded to BF16");
  const Value acc = g.address("acc", "sums [rows][128] FP32", kFp32);
  const Value b1 = g.address("b1", "bias [128] FP32", kFp32);
  const Value h = g.address("h", "result [rows][128] BF16", kBf16);
  const Value rows = rows_argument(&g, pipelines, kTile);
  const Node b1_load = g.add("b1.load", one_row(b1, kHidden * kFp32), "bias, for all pipelines");
  for (unsigned p = 0; p < pipelines; ++p) {
    const std::string n = fmt::format("{}", p);
    const Value tiles = (rows / kTile + (pipelines - 1 - p)) / pipelines;
    const Node b1_unit =
        g.add("b1_" + n, b1_pad({{kHidden / kWords, kPacket}, {kTile, 0}, {tiles, 0}}), "bias");
    g.connect(b1_load, b1_unit);
    const Node relu = g.add("relu" + n, bias_relu(tiles * (kPanels * kTile)), "max(acc + b1, 0)");
    g.connect(g.add("load" + n, every<Load>(acc, kTileAcc, tiles, p, pipelines), "sums"), relu, 0);
    g.connect(b1_unit, relu, 1);
    g.connect(relu, g.add("store" + n, every<Store>(h, kTileH, tiles, p, pipelines), "results"));
  }
  return g;
}

Graph digits_matmul2(unsigned pipelines) {
  Graph g("digits_matmul2", "logits = h w2, FP32");
  const Value h = g.address("h", "activations [rows][128] BF16", kBf16);
  const Value w2 = g.address("w2", "weights [128][10] BF16", kBf16);
  const Value logits = g.address("logits", "result [rows][10] FP32", kFp32);
  const Value rows = rows_argument(&g, pipelines, kTile);
  const Node w2_load =
      g.add("w2.load", one_row(w2, kHidden * kClasses * kBf16), "weights, for all pipelines");
  for (unsigned p = 0; p < pipelines; ++p) {
    const std::string n = fmt::format("{}", p);
    const Value tiles = (rows / kTile + (pipelines - 1 - p)) / pipelines;
    const Node h_unit =
        g.add("h" + n, columns_of_tile(tiles, kHidden * kBf16, {{kTileH / kPacket, kPacket}}, 1),
              "6 rows, by column");
    g.connect(g.add("load" + n, every<Load>(h, kTileH, tiles, p, pipelines), "activations"), h_unit);
    const Node w2_unit = g.add("w2_" + n, w2_pad(tiles), "weights");
    g.connect(w2_load, w2_unit);
    const Node l2 = g.add("l2_" + n, l2_matrix(tiles), "h w2");
    g.connect(w2_unit, l2, 0);
    g.connect(h_unit, l2, 1);
    add_packed_store(&g, n, l2, logits, tiles, p, pipelines);
  }
  return g;
}

Graph digits_softmax(unsigned pipelines) {
  Graph g("digits_softmax", "probabilities = softmax(logits + b2)");
  const Value logits = g.address("logits", "sums [rows][10] FP32", kFp32);
  const Value b2 = g.address("b2", "bias [10] FP32", kFp32);
  const Value out = g.address("probabilities", "result [rows][10] FP32", kFp32);
  const Value rows = rows_argument(&g, pipelines, kTile);
  const Node b2_load = g.add("b2.load", one_row(b2, kClasses * kFp32), "bias, for all pipelines");
  for (unsigned p = 0; p < pipelines; ++p) {
    const std::string n = fmt::format("{}", p);
    const Value tiles = (rows / kTile + (pipelines - 1 - p)) / pipelines;
    Scratchpad unpack;
    unpack.fills = tiles;
    unpack.buffers = 2;
    unpack.write = {{(kTileOut + kPacket - 1) / kPacket, kPacket}};
    unpack.buffer_size = static_cast<uint32_t>(unpack.write[0].count.at(0)) * kPacket;
    unpack.lanes = kClasses;
    unpack.element = Element::word;
    unpack.lane_stride = kFp32;
    unpack.read = {{2, 0},
                   {kTile, kClasses * kFp32}};  // as for b2, the second packet is in lanes that nobody uses
    const Node unpack_unit = g.add("unpack" + n, unpack, "6 rows of 10 sums, a vector each");
    g.connect(g.add("load" + n, every<Load>(logits, kTileOut, tiles, p, pipelines), "sums"), unpack_unit);
    const Node b2_unit = g.add("b2_" + n, b2_pad(tiles), "bias");
    g.connect(b2_load, b2_unit);
    add_packed_store(&g, n, add_softmax(&g, n, unpack_unit, b2_unit, tiles), out, tiles, p, pipelines);
  }
  return g;
}

}  // namespace rdu::compiler::programs
