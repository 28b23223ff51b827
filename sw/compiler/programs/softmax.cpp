#include "compiler/programs/softmax.h"

#include <fmt/format.h>

namespace rdu::compiler::programs {

Graph softmax(uint32_t vectors) {
  // A row waits in an input FIFO of 16 packets until its maximum, then its sum, is known: two packets a
  // vector of FP32.
  constexpr uint32_t kMostVectors = 8;
  if (vectors == 0 || vectors > kMostVectors) {
    throw Error(fmt::format("softmax: a row of {} vectors; it must be 1 to {}", vectors, kMostVectors));
  }
  Graph graph("softmax", "y = exp(x - max x) / sum exp(x - max x), row by row");
  const Value x = graph.address("x", fmt::format("input [rows][{}] BF16", 32 * vectors), 2);
  const Value y = graph.address("y", fmt::format("result [rows][{}] BF16", 32 * vectors), 2);
  const Value rows = graph.number("rows", "rows", 1, 1'000'000);
  const uint32_t row_bytes = 64 * vectors;
  // Every unit has two counters: vectors of a row, then rows. Counter 0 is at its first and last value here:
  const Predicate row_begins = Predicate::first(0);
  const Predicate row_ends = Predicate::last(0);

  Load load;
  load.base = x;
  load.row_bytes = row_bytes;
  load.rows = {{rows, row_bytes}};

  Simd most;  // the largest of a row: lane by lane over its vectors, then over the lanes
  most.vectors = rows;
  most.inner = {vectors};
  most.in[0] = Format::bf16;
  most.stages.resize(2);
  most.stages[0] = {Op::fmax, Operand::in0, Operand::reg0, 0, Operand::in0};
  most.stages[0].replace_b = row_begins;  // the accumulator begins anew: max(x, x)
  most.stages[1] = {Op::fred_max};
  most.send = row_ends;

  Simd exp;  // exp(x - max); the maximum is taken once a row
  exp.vectors = rows;
  exp.inner = {vectors};
  exp.in[0] = Format::bf16;
  exp.take[1] = row_begins;
  exp.stages = {{Op::fsub, Operand::in0, Operand::in1}};
  exp.tail = Tail::exp;

  Simd sum;  // 1 / sum
  sum.vectors = rows;
  sum.inner = {vectors};
  sum.stages.resize(2);
  sum.stages[0] = {Op::fadd, Operand::in0, Operand::reg0, 0, Operand::const0};
  sum.stages[0].replace_b = row_begins;  // by 0
  sum.stages[1] = {Op::fred_sum};
  sum.tail = Tail::recip;
  sum.send = row_ends;

  Simd scale;
  scale.vectors = rows;
  scale.inner = {vectors};
  scale.take[1] = row_begins;
  scale.stages = {{Op::fmul, Operand::in0, Operand::in1}};
  scale.out = Format::bf16;

  Store store;
  store.base = y;
  store.row_bytes = row_bytes;
  store.rows = {{rows, row_bytes}};

  const Node in = graph.add("x", load, "rows");
  const Node n_most = graph.add("max", most), n_exp = graph.add("exp", exp), n_sum = graph.add("sum", sum);
  const Node n_scale = graph.add("scale", scale), out = graph.add("y", store);
  graph.connect(in, n_most);
  graph.connect(in, n_exp, 0);
  graph.connect(n_most, n_exp, 1);
  graph.connect(n_exp, n_sum);
  graph.connect(n_exp, n_scale, 0);
  graph.connect(n_sum, n_scale, 1);
  graph.connect(n_scale, out);
  return graph;
}

}  // namespace rdu::compiler::programs
