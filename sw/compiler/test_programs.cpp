#include <algorithm>
#include <cmath>
#include <cstring>

#include "compiler/compile.h"
#include "compiler/programs/digits.h"
#include "compiler/programs/matmul.h"
#include "compiler/programs/softmax.h"
#include "compiler/test/digits_network.h"
#include "compiler/test/examples.h"
#include "compiler/test/functional_tile.h"
#include "test/catch.h"

using namespace rdu::compiler;
using namespace rdu::compiler::test;

namespace {

constexpr uint64_t kBase = 0x100000000000;
constexpr size_t kPixels = DigitsNetwork::kPixels, kHidden = DigitsNetwork::kHidden;
constexpr size_t kClasses = DigitsNetwork::kClasses;

/// Arrays in one device memory, with gaps between them that show what runs over.
class Memory {
 public:
  template <class T>
  uint64_t put(const std::vector<T>& values) {
    const uint64_t at = reserve(values.size() * sizeof(T));
    std::memcpy(bytes_.data() + (at - kBase), values.data(), values.size() * sizeof(T));
    return at;
  }
  uint64_t reserve(size_t bytes) {
    const uint64_t at = kBase + bytes_.size();
    bytes_.resize(bytes_.size() + (bytes + 63) / 64 * 64 + 64, kGap);
    return at;
  }
  /// `count` values, and a check that nobody wrote behind them.
  template <class T>
  std::vector<T> get(uint64_t at, size_t count) const {
    std::vector<T> values(count);
    std::memcpy(values.data(), bytes_.data() + (at - kBase), count * sizeof(T));
    CHECK(bytes_[at - kBase + count * sizeof(T)] == kGap);
    return values;
  }
  void run(const Program& program, const std::map<std::string, uint64_t>& arguments) {
    FunctionalTile(program, program.make_tuples(arguments), kBase, &bytes_).run();
  }

 private:
  static constexpr uint8_t kGap = 0xaa;
  std::vector<uint8_t> bytes_;
};

}  // namespace

TEST_CASE("the digits network, fused and one kernel an operator, is the network") {
  const DigitsNetwork d(72);
  const auto expected = d.probabilities();
  Memory m;
  const uint64_t x = m.put(d.x), w1 = m.put(d.w1), b1 = m.put(d.b1), w2 = m.put(d.w2), b2 = m.put(d.b2);
  const uint64_t fused = m.reserve(d.rows * kClasses * 4);
  m.run(
      compile(programs::digits_fused()),
      {{"x", x}, {"w1", w1}, {"b1", b1}, {"w2", w2}, {"b2", b2}, {"probabilities", fused}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(fused, expected.size()), expected));

  const uint64_t acc = m.reserve(d.rows * kHidden * 4), h = m.reserve(d.rows * kHidden * 2);
  const uint64_t logits = m.reserve(d.rows * kClasses * 4), out = m.reserve(d.rows * kClasses * 4);
  m.run(compile(programs::digits_matmul1()), {{"x", x}, {"w1", w1}, {"acc", acc}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(acc, d.rows * kHidden), matrix_product(d.x, d.w1, d.rows, kHidden, kPixels)));
  m.run(compile(programs::digits_bias_relu()), {{"acc", acc}, {"b1", b1}, {"h", h}, {"rows", d.rows}});
  m.run(compile(programs::digits_matmul2()), {{"h", h}, {"w2", w2}, {"logits", logits}, {"rows", d.rows}});
  m.run(compile(programs::digits_softmax()),
        {{"logits", logits}, {"b2", b2}, {"probabilities", out}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(out, expected.size()), expected));
}

TEST_CASE("row counts that do not divide evenly among pipelines") {
  const DigitsNetwork d(6 * 11);
  Memory m;
  const uint64_t x = m.put(d.x), w1 = m.put(d.w1), w2 = m.put(d.w2);
  const uint64_t acc = m.reserve(d.rows * kHidden * 4), logits = m.reserve(d.rows * kClasses * 4);
  m.run(compile(programs::digits_matmul1()), {{"x", x}, {"w1", w1}, {"acc", acc}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(acc, d.rows * kHidden), matrix_product(d.x, d.w1, d.rows, kHidden, kPixels)));
  const auto h = random_bf16(d.rows * kHidden, 9, 1);
  m.run(compile(programs::digits_matmul2()),
        {{"h", m.put(h)}, {"w2", w2}, {"logits", logits}, {"rows", d.rows}});
  CHECK(
      same_bits(m.get<float>(logits, d.rows * kClasses), matrix_product(h, d.w2, d.rows, kClasses, kHidden)));
}

TEST_CASE("other numbers of pipelines") {
  const DigitsNetwork d(24);
  const auto expected = d.probabilities();
  for (unsigned pipelines : {1u, 2u, 4u}) {
    Memory m;
    const uint64_t out = m.reserve(d.rows * kClasses * 4);
    const std::map<std::string, uint64_t> arguments = {
        {"x", m.put(d.x)},   {"w1", m.put(d.w1)}, {"b1", m.put(d.b1)},   {"w2", m.put(d.w2)},
        {"b2", m.put(d.b2)}, {"rows", d.rows},    {"probabilities", out}};
    m.run(compile(programs::digits_fused(pipelines)), arguments);
    CHECK(same_bits(m.get<float>(out, expected.size()), expected));
  }
}

TEST_CASE("a matrix product on several PCUs") {
  constexpr size_t kM = 30, kN = 128, kK = 96;
  const auto a = random_bf16(kM * kK, 1, 1), b = random_bf16(kK * kN, 2, 1);
  Memory m;
  const uint64_t at_a = m.put(a), at_b = m.put(b), at_c = m.reserve(kM * kN * 4);
  m.run(compile(programs::gemm(kM, kN, kK, 2, 2)), {{"a", at_a}, {"b", at_b}, {"c", at_c}});
  CHECK(same_bits(m.get<float>(at_c, kM * kN), matrix_product(a, b, kM, kN, kK)));
}

TEST_CASE("a matrix product on a grid of PCUs, columns of which two programs share the matrices") {
  constexpr size_t kM = 48, kN = 256, kK = 96;
  const auto a = random_bf16(kM * kK, 1, 1), b = random_bf16(kK * kN, 2, 1);
  Memory m;
  const uint64_t at_a = m.put(a), at_b = m.put(b), at_c = m.reserve(kM * kN * 4);
  programs::GemmGrid grid;
  grid.m = kM, grid.n = kN / 2, grid.k = kK, grid.pitch = kN;
  grid.row_groups = 4, grid.column_groups = 2;
  const Program program = compile(programs::gemm_grid(grid));
  for (const size_t first : {size_t{0}, kN / 2})
    m.run(program, {{"a", at_a}, {"b", at_b + 2 * first}, {"c", at_c + 4 * first}});
  CHECK(same_bits(m.get<float>(at_c, kM * kN), matrix_product(a, b, kM, kN, kK)));

  // All columns at once, joined in two steps and laid out as a grid.
  grid.n = kN, grid.row_groups = 2, grid.column_groups = 8;
  CHECK_FALSE(programs::has_floor_plan(grid));
  grid.rows = grid.cols = 6;
  CHECK(programs::has_floor_plan(grid));
  const uint64_t at_d = m.reserve(kM * kN * 4);
  m.run(compile(programs::gemm_grid(grid)), {{"a", at_a}, {"b", at_b}, {"c", at_d}});
  CHECK(same_bits(m.get<float>(at_d, kM * kN), matrix_product(a, b, kM, kN, kK)));
}

TEST_CASE("softmax of rows that are longer than a vector") {
  constexpr size_t kRows = 5;
  for (const uint32_t vectors : {1u, 3u, 8u}) {
    const size_t columns = 32 * vectors;
    const auto x = random_bf16(kRows * columns, 5, 8);
    Memory m;
    const uint64_t at_x = m.put(x), at_y = m.reserve(kRows * columns * 2);
    m.run(compile(programs::softmax(vectors)), {{"x", at_x}, {"y", at_y}, {"rows", kRows}});
    const auto y = m.get<uint16_t>(at_y, kRows * columns);
    for (size_t row = 0; row < kRows; ++row) {
      double sum = 0;
      double most = -1e30;
      for (size_t i = 0; i < columns; ++i) most = std::max<double>(most, from_bf16(x[row * columns + i]));
      for (size_t i = 0; i < columns; ++i) sum += std::exp(from_bf16(x[row * columns + i]) - most);
      for (size_t i = 0; i < columns; ++i) {
        const double exact = std::exp(from_bf16(x[row * columns + i]) - most) / sum;
        CHECK(std::fabs(from_bf16(y[row * columns + i]) - exact) <= exact * 0x1.01p-8);  // a BF16 rounding
      }
    }
  }
  CHECK_THROWS_WITH(programs::softmax(9), Catch::Matchers::Contains("a row of 9 vectors; it must be 1 to 8"));
}

TEST_CASE("INT8 products, and rounding by chance, on PCUs of their own") {
  // y = saturate(sum over 128 k of a[r][k] b[k][lane]) for one tile: operands come in the order of the steps.
  constexpr uint32_t kSteps = 64;
  std::vector<int8_t> lanes(64 * kSteps), rows(64 * kSteps);
  for (size_t i = 0; i < lanes.size(); ++i) {
    lanes[i] = static_cast<int8_t>(i * 37 % 23) - 11;
    rows[i] = static_cast<int8_t>(i * 53 % 19) - 9;
  }
  Graph g("int8", "a tile of an INT8 product");
  const Value a = g.address("a", "lane side"), b = g.address("b", "row side"), c = g.address("c", "result");
  Load left, right;
  left.base = a;
  right.base = b;
  left.rows = right.rows = {{kSteps, 64}};
  Matrix product;
  product.k = kSteps;
  product.rows = 6;
  product.int8 = true;
  product.out = Format::int32;
  Store store;
  store.base = c;
  store.rows = {{12, 64}};
  const Node n = g.add("product", product), out = g.add("out", store);
  g.connect(g.add("left", left), n, 0);
  g.connect(g.add("right", right), n, 1);
  g.connect(n, out);
  Memory m;
  const uint64_t at_a = m.put(lanes), at_b = m.put(rows), at_c = m.reserve(12 * 64);
  m.run(compile(g), {{"a", at_a}, {"b", at_b}, {"c", at_c}});
  const auto result = m.get<int32_t>(at_c, 6 * 32);
  for (size_t row = 0; row < 6; ++row) {
    for (size_t lane = 0; lane < 32; ++lane) {
      int32_t sum = 0;
      for (size_t k = 0; k < 2 * kSteps; ++k) {
        sum += lanes[k / 2 * 64 + 2 * lane + k % 2] * rows[k / 2 * 64 + 2 * row + k % 2];
      }
      CHECK(result[32 * row + lane] == sum);
    }
  }
}

TEST_CASE("programs that cannot be divided so say it") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(programs::gemm(1024, 64, 64, 1, 1), Contains("M = 1024 is not a multiple of 6"));
  CHECK_THROWS_WITH(programs::gemm(6, 64, 65, 1, 1), Contains("K = 65"));
  CHECK_THROWS_WITH(programs::gemm(6, 96, 64, 1, 2), Contains("N = 96"));
  CHECK_THROWS_WITH(programs::gemm(6, 64, 64, 0, 1), Contains("at least one PCU"));
  CHECK_THROWS_WITH(compile(programs::gemm(6, 1024, 1024, 1, 1)),
                    Contains("buffers of 2097152 bytes do not fit a PMU of 524288"));
  CHECK_THROWS_WITH(programs::digits_fused(0), Contains("at least one pipeline"));
  CHECK_THROWS_WITH(compile(programs::digits_fused(7)),
                    Contains("needs 42 PCUs, a tile of 6 x 6 cells has 36"));
}

TEST_CASE("gather and scatter: rows of a table summed by bins") {
  const SumsByBin d;
  Memory m;
  const uint64_t table = m.put(d.table), choice = m.put(d.choice), bin = m.put(d.bin);
  const uint64_t out = m.put(std::vector<int32_t>(d.expected.size(), 0));
  m.run(compile(sums_by_bin()),
        {{"table", table}, {"choice", choice}, {"bin", bin}, {"out", out}, {"rows", SumsByBin::kRows}});
  CHECK(m.get<int32_t>(out, d.expected.size()) == d.expected);
}

TEST_CASE("a scratchpad with two readers, and two scratchpads whose streams are joined") {
  const TwoWays d;
  Memory m;
  const uint64_t x = m.put(d.x), y = m.reserve(d.x.size() * 2), t = m.reserve(d.x.size() * 2);
  m.run(compile(two_ways()), {{"x", x}, {"y", y}, {"t", t}, {"blocks", TwoWays::kBlocks}});
  CHECK(m.get<uint16_t>(y, d.x.size()) == d.x);
  CHECK(m.get<uint16_t>(t, d.x.size()) == d.transposed);

  const uint64_t z = m.reserve(d.x.size() * 2);
  m.run(compile(in_turns()), {{"x", x}, {"y", z}, {"blocks", TwoWays::kBlocks}});
  CHECK(m.get<uint16_t>(z, d.x.size()) == d.x);
}
