#include "compiler/test/examples.h"

namespace rdu::compiler::test {
namespace {

constexpr uint32_t kRow = RDU_VECTOR_BYTES;
constexpr uint32_t kBlock = TwoWays::kRows * kRow;

Value blocks_of(Graph* g) {
  return g->number("blocks", "how many", 1, 100);
}
Load load_blocks(const Value& base, const Value& blocks) {
  Load load;
  load.base = base;
  load.rows = {{blocks * TwoWays::kRows, kRow}};
  return load;
}
Store store_blocks(const Value& base, const Value& blocks) {
  Store store;
  store.base = base;
  store.rows = {{blocks * TwoWays::kRows, kRow}};
  return store;
}

}  // namespace

/// Sums rows of a table by bins: out[bin[i]] += table[choice[i]], 16 INT32 a row.
Graph sums_by_bin() {
  Graph g("sums_by_bin", "out[bin[i]] += table[choice[i]]");
  const Value table = g.address("table", "rows of 64 bytes", 64);
  const Value choice = g.address("choice", "which row, INT32", 64);
  const Value bin = g.address("bin", "where to, INT32", 64);
  const Value out = g.address("out", "the sums", 64);
  const Value rows = g.number("rows", "how many", 16, 16000, 16);
  const auto list = [&](const Value& base) {
    Load load;
    load.base = base;
    load.rows = {{rows / 16, 64}};
    return load;
  };
  Load gather;
  gather.base = table;
  gather.rows = {{rows, 0}};
  gather.indexed = true;
  gather.index_stride = 64;
  Store scatter;
  scatter.base = out;
  scatter.rows = {{rows, 0}};
  scatter.indexed = true;
  scatter.index_stride = 64;
  scatter.op = MemoryOp::iadd;
  const Node choices = g.add("choices", list(choice)), bins = g.add("bins", list(bin));
  const Node from = g.add("gather", gather), to = g.add("scatter", scatter);
  g.connect(choices, from, 1);
  g.connect(bins, to, 1);
  g.connect(from, to, 0);
  return g;
}

Graph two_ways() {
  Graph g("two_ways", "y = x, t = x transposed in blocks");
  const Value x = g.address("x", "blocks", 64), y = g.address("y", "blocks", 64),
              t = g.address("t", "blocks", 64);
  const Value blocks = blocks_of(&g);
  PatternMemory pad;
  Writer write;
  write.fills = blocks;
  write.buffers = 2;
  write.buffer_size = kBlock;
  write.counters = {{TwoWays::kRows, kRow}};
  write.wait = 0b0101;
  write.give = 0b1010;
  pad.writers = {write};
  Reader rows, columns;
  static_cast<Access&>(rows) = write;
  rows.wait = 0b0010, rows.give = 0b0001;
  static_cast<Access&>(columns) = rows;
  columns.wait = 0b1000, columns.give = 0b0100;
  columns.lane_stride = kRow;
  columns.counters = {{TwoWays::kColumns, 2}, {2, kBlock / 2}};
  pad.readers = {rows, columns};
  pad.tokens = {2, 0, 2, 0};
  pad.bank_skew = 6;
  const Node in = g.add("x", load_blocks(x, blocks)), memory = g.add("blocks", pad);
  g.connect(in, memory);
  g.connect({memory, 0}, g.add("y", store_blocks(y, blocks)));
  g.connect({memory, 1}, g.add("t", store_blocks(t, blocks)));
  return g;
}

Graph in_turns() {
  Graph g("in_turns", "y = x, by two scratchpads");
  const Value x = g.address("x", "blocks", 64), y = g.address("y", "blocks", 64);
  const Value blocks = blocks_of(&g);
  const Node in = g.add("x", load_blocks(x, blocks)), out = g.add("y", store_blocks(y, blocks));
  for (const unsigned turn : {0u, 1u}) {
    PatternMemory pad;
    Writer write;
    write.fills = blocks;
    write.buffer_size = kBlock / 2;
    write.counters = {{2, 0}, {TwoWays::kRows / 2, kRow}};
    write.when = Predicate::equal(0, turn);
    write.wait = 0b01, write.give = 0b10;
    Reader read;
    static_cast<Access&>(read) = write;
    read.when = {};
    read.counters = {{TwoWays::kRows / 2, kRow}};
    read.wait = 0b10, read.give = 0b01;
    read.sequence = Sequence{static_cast<uint16_t>(turn), 2};
    pad.writers = {write};
    pad.readers = {read};
    pad.tokens[0] = 1;
    const Node memory = g.add(turn == 0 ? "even" : "odd", pad);
    g.connect(in, memory);
    g.connect(memory, out);
  }
  return g;
}

TwoWays::TwoWays() : x(kBlocks * kRows * kColumns), transposed(x.size()) {
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(i * 40503 >> 3);
  for (size_t b = 0; b < 2 * kBlocks; ++b) {
    for (size_t r = 0; r < kColumns; ++r) {
      for (size_t c = 0; c < kColumns; ++c) {
        transposed[(b * kColumns + c) * kColumns + r] = x[(b * kColumns + r) * kColumns + c];
      }
    }
  }
}

}  // namespace rdu::compiler::test
