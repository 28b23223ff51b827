#include <algorithm>
#include <cmath>
#include <cstring>

#include "compiler/compile.h"
#include "compiler/programs/digits.h"
#include "compiler/programs/layers.h"
#include "compiler/programs/matmul.h"
#include "compiler/programs/softmax.h"
#include "compiler/test/digits_network.h"
#include "compiler/test/examples.h"
#include "compiler/test/functional_tile.h"
#include "fabric/math/scalar.h"
#include "fabric/test/bench.h"
#include "test/catch.h"

using namespace rdu;
using namespace rdu::compiler;
using compiler::test::DigitsNetwork;
using compiler::test::matrix_product;
using compiler::test::random_bf16;
using compiler::test::same_bits;
using compiler::test::sums_by_bin;
using compiler::test::SumsByBin;
using compiler::test::TwoWays;
using fabric::test::Bench;

namespace {

fabric::FabricParams mini(uint64_t channels = 2) {
  fabric::FabricParams p;
  p.vector_channels = channels;
  p.rows = 6;
  p.columns = 6;
  return p;
}

/// All that the tests need are made before anything is simulated.
struct Benches {
  Bench usual{"bench", mini()};
  Bench thin{"thin", mini(1)};
};
Benches& benches() {
  static Benches instance;
  return instance;
}
Bench& bench() {
  return benches().usual;
}

/// Arrays in the bench's memory, by virtual address.
class Memory {
 public:
  explicit Memory(Bench* bench) : bench_(bench) {}
  template <class T>
  uint64_t put(const std::vector<T>& values) {
    const uint64_t at = reserve(values.size() * sizeof(T));
    std::memcpy(&bench_->memory.data[at - Bench::virtual_address(0)], values.data(),
                values.size() * sizeof(T));
    return at;
  }
  uint64_t reserve(size_t bytes) {
    const uint64_t at = next_;
    next_ += (bytes + 63) / 64 * 64 + 64;
    REQUIRE(next_ <= Bench::kMemory);
    std::memset(&bench_->memory.data[at], kGap, next_ - at);
    return Bench::virtual_address(at);
  }
  template <class T>
  std::vector<T> get(uint64_t address, size_t count) const {
    const uint8_t* const at = &bench_->memory.data[address - Bench::virtual_address(0)];
    std::vector<T> values(count);
    std::memcpy(values.data(), at, count * sizeof(T));
    CHECK(at[count * sizeof(T)] == kGap);
    return values;
  }
  /// Returns the cycles of the execution.
  uint64_t run(const Program& program, const std::map<std::string, uint64_t>& arguments) {
    REQUIRE(bench_->load(program.config()) == 0);
    REQUIRE(bench_->arguments(program.make_tuples(arguments)) == 0);
    REQUIRE(bench_->execute() == 0);
    const uint64_t cycles = bench_->read(regs::sequencer::kEXEC_CYCLES_OFFSET, 8);
    UNSCOPED_INFO(program.info().kernel << ": " << cycles << " cycles");
    return cycles;
  }

 private:
  static constexpr uint8_t kGap = 0xaa;
  Bench* bench_;
  uint64_t next_ = 0x200000;  // the bench keeps programs and arguments below
};

constexpr size_t kPixels = DigitsNetwork::kPixels, kHidden = DigitsNetwork::kHidden;
constexpr size_t kClasses = DigitsNetwork::kClasses;

}  // namespace

TEST_CASE("the digits network on the tile, fused and one kernel an operator") {
  const DigitsNetwork d(360);
  const auto expected = d.probabilities();
  Memory m(&bench());
  const uint64_t x = m.put(d.x), w1 = m.put(d.w1), b1 = m.put(d.b1), w2 = m.put(d.w2), b2 = m.put(d.b2);
  const uint64_t fused = m.reserve(d.rows * kClasses * 4);
  const uint64_t fused_cycles = m.run(
      compile(programs::digits_fused()),
      {{"x", x}, {"w1", w1}, {"b1", b1}, {"w2", w2}, {"b2", b2}, {"probabilities", fused}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(fused, expected.size()), expected));

  const uint64_t acc = m.reserve(d.rows * kHidden * 4), h = m.reserve(d.rows * kHidden * 2);
  const uint64_t logits = m.reserve(d.rows * kClasses * 4), out = m.reserve(d.rows * kClasses * 4);
  uint64_t cycles =
      m.run(compile(programs::digits_matmul1()), {{"x", x}, {"w1", w1}, {"acc", acc}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(acc, d.rows * kHidden), matrix_product(d.x, d.w1, d.rows, kHidden, kPixels)));
  cycles +=
      m.run(compile(programs::digits_bias_relu()), {{"acc", acc}, {"b1", b1}, {"h", h}, {"rows", d.rows}});
  cycles += m.run(compile(programs::digits_matmul2()),
                  {{"h", h}, {"w2", w2}, {"logits", logits}, {"rows", d.rows}});
  cycles += m.run(compile(programs::digits_softmax()),
                  {{"logits", logits}, {"b2", b2}, {"probabilities", out}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(out, expected.size()), expected));
  CHECK(fused_cycles < cycles);  // though every operator alone uses the tile as well as it can
}

TEST_CASE("row counts that do not divide evenly among pipelines") {
  const DigitsNetwork d(6 * 11);
  Memory m(&bench());
  const uint64_t x = m.put(d.x), w1 = m.put(d.w1);
  const uint64_t acc = m.reserve(d.rows * kHidden * 4);
  m.run(compile(programs::digits_matmul1()), {{"x", x}, {"w1", w1}, {"acc", acc}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(acc, d.rows * kHidden), matrix_product(d.x, d.w1, d.rows, kHidden, kPixels)));
}

TEST_CASE("a matrix product on the tile") {
  constexpr size_t kM = 60, kN = 256, kK = 128;
  const auto a = random_bf16(kM * kK, 1, 1), b = random_bf16(kK * kN, 2, 1);
  Memory m(&bench());
  const uint64_t at_a = m.put(a), at_b = m.put(b), at_c = m.reserve(kM * kN * 4);
  const uint64_t cycles =
      m.run(compile(programs::gemm(kM, kN, kK, 2, 4)), {{"a", at_a}, {"b", at_b}, {"c", at_c}});
  CHECK(same_bits(m.get<float>(at_c, kM * kN), matrix_product(a, b, kM, kN, kK)));
  // Eight PCUs, each 5 tiles of rows by 2 panels in 128 cycles, and the way in and out.
  CHECK(cycles >= 5 * 2 * kK);
}

TEST_CASE("two layers in one program") {
  constexpr size_t kRows = 48, kIn = 64, kHidden = 128, kOut = 64;
  const auto x = random_bf16(kRows * kIn, 1, 1), w1 = random_bf16(kIn * kHidden, 2, 1),
             w2 = random_bf16(kHidden * kOut, 3, 1);
  std::vector<float> b1, hidden = matrix_product(x, w1, kRows, kHidden, kIn);
  for (const uint16_t value : random_bf16(kHidden, 4, 1)) b1.push_back(fabric::scalar::from_bf16(value));
  std::vector<uint16_t> h;
  for (size_t i = 0; i < hidden.size(); ++i)
    h.push_back(fabric::scalar::to_bf16(std::max(hidden[i] + b1[i % kHidden], 0.0f)));
  Memory m(&bench());
  const uint64_t at_x = m.put(x), at_w1 = m.put(w1), at_b1 = m.put(b1), at_w2 = m.put(w2);
  const uint64_t at_y = m.reserve(kRows * kOut * 4);
  const Program program = compile(programs::mlp({kRows, kIn, kHidden, kOut, 4}));
  m.run(program, {{"x", at_x}, {"w1", at_w1}, {"b1", at_b1}, {"w2", at_w2}, {"y", at_y}});
  CHECK(same_bits(m.get<float>(at_y, kRows * kOut), matrix_product(h, w2, kRows, kOut, kHidden)));
}

TEST_CASE("a matrix times a vector") {
  constexpr size_t kRows = 128, kColumns = 256;
  const auto a = random_bf16(kRows * kColumns, 1, 1), x = random_bf16(kColumns, 2, 1);
  std::vector<uint16_t> expected;
  for (size_t row = 0; row < kRows; ++row) {
    float lanes[32] = {};
    for (size_t k = 0; k < kColumns; ++k)
      lanes[k % 32] = std::fmaf(fabric::scalar::from_bf16(a[row * kColumns + k]),
                                fabric::scalar::from_bf16(x[k]), lanes[k % 32]);
    for (size_t half = 16; half != 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    expected.push_back(fabric::scalar::to_bf16(lanes[0]));
  }
  Memory m(&bench());
  const uint64_t at_a = m.put(a), at_x = m.put(x), at_y = m.reserve(kRows * 2);
  m.run(compile(programs::matrix_vector(kRows, kColumns, 2)), {{"a", at_a}, {"x", at_x}, {"y", at_y}});
  CHECK(m.get<uint16_t>(at_y, kRows) == expected);
}

TEST_CASE("a matrix product on a grid of PCUs, whose results are joined") {
  constexpr size_t kM = 48, kN = 256, kK = 128;
  const auto a = random_bf16(kM * kK, 1, 1), b = random_bf16(kK * kN, 2, 1);
  Memory m(&bench());
  const uint64_t at_a = m.put(a), at_b = m.put(b), at_c = m.reserve(kM * kN * 4);
  programs::GemmGrid grid;
  grid.m = kM, grid.n = kN, grid.k = kK, grid.pitch = kN;
  grid.row_groups = 4, grid.column_groups = 4;
  const uint64_t cycles = m.run(compile(programs::gemm_grid(grid)), {{"a", at_a}, {"b", at_b}, {"c", at_c}});
  CHECK(same_bits(m.get<float>(at_c, kM * kN), matrix_product(a, b, kM, kN, kK)));
  // Sixteen PCUs, each 2 tiles of rows by 2 panels in 128 cycles, and the way in and out.
  CHECK(cycles >= 2 * 2 * kK);
}

TEST_CASE("with half the channels, streams share them and the results stay") {
  Target target;
  target.shape.channels = 1;
  const DigitsNetwork d(360);
  const auto expected = d.probabilities();
  const auto run = [&](Bench* on, const Program& program) {
    Memory m(on);
    const uint64_t x = m.put(d.x), w1 = m.put(d.w1), b1 = m.put(d.b1), w2 = m.put(d.w2), b2 = m.put(d.b2);
    const uint64_t out = m.reserve(d.rows * kClasses * 4);
    const uint64_t cycles = m.run(
        program,
        {{"x", x}, {"w1", w1}, {"b1", b1}, {"w2", w2}, {"b2", b2}, {"probabilities", out}, {"rows", d.rows}});
    CHECK(same_bits(m.get<float>(out, expected.size()), expected));
    return cycles;
  };
  CompileOptions few;
  few.attempts = 2;
  CompileOptions alone = few;
  alone.share_channels = false;
  CHECK_THROWS_WITH(compile(programs::digits_fused(), target, alone),
                    Catch::Matchers::Contains("do not fit the mesh"));
  const uint64_t shared = run(&benches().thin, compile(programs::digits_fused(), target, few));
  CHECK(shared >= run(&bench(), compile(programs::digits_fused())));
}

TEST_CASE("gather and scatter on the tile: rows of a table summed by bins") {
  const SumsByBin d;
  Memory m(&bench());
  const uint64_t table = m.put(d.table), choice = m.put(d.choice), bin = m.put(d.bin);
  const uint64_t out = m.put(std::vector<int32_t>(d.expected.size(), 0));
  m.run(compile(sums_by_bin()),
        {{"table", table}, {"choice", choice}, {"bin", bin}, {"out", out}, {"rows", SumsByBin::kRows}});
  CHECK(m.get<int32_t>(out, d.expected.size()) == d.expected);
}

TEST_CASE("a scratchpad with two readers, and two scratchpads whose streams are joined, on the tile") {
  const TwoWays d;
  Memory m(&bench());
  const uint64_t x = m.put(d.x), y = m.reserve(d.x.size() * 2), t = m.reserve(d.x.size() * 2);
  m.run(compile(compiler::test::two_ways()), {{"x", x}, {"y", y}, {"t", t}, {"blocks", TwoWays::kBlocks}});
  CHECK(m.get<uint16_t>(y, d.x.size()) == d.x);
  CHECK(m.get<uint16_t>(t, d.x.size()) == d.transposed);

  const uint64_t z = m.reserve(d.x.size() * 2);
  m.run(compile(compiler::test::in_turns()), {{"x", x}, {"y", z}, {"blocks", TwoWays::kBlocks}});
  CHECK(m.get<uint16_t>(z, d.x.size()) == d.x);
}

TEST_CASE("softmax of long rows: the tile and the definition agree to the bit") {
  constexpr size_t kRows = 40, kColumns = 256;
  const auto x = random_bf16(kRows * kColumns, 5, 8);
  const Program program = compile(programs::softmax(kColumns / 32));
  Memory m(&bench());
  const uint64_t at_x = m.put(x), at_y = m.reserve(kRows * kColumns * 2);
  const uint64_t cycles = m.run(program, {{"x", at_x}, {"y", at_y}, {"rows", kRows}});
  const auto y = m.get<uint16_t>(at_y, kRows * kColumns);

  constexpr uint64_t kBase = 0x1000;
  std::vector<uint8_t> memory(2 * kRows * kColumns * 2);
  std::memcpy(memory.data(), x.data(), kRows * kColumns * 2);
  compiler::test::FunctionalTile(
      program, program.make_tuples({{"x", kBase}, {"y", kBase + kRows * kColumns * 2}, {"rows", kRows}}),
      kBase, &memory)
      .run();
  CHECK(std::memcmp(y.data(), memory.data() + kRows * kColumns * 2, kRows * kColumns * 2) == 0);
  // `exp` and `scale` take two cycles a vector: 16 a row, and the way in and out.
  CHECK(cycles >= kRows * 16);
  CHECK(cycles < kRows * 16 * 3 + 1500);
}

TEST_CASE("all functions of the tail: the tile and the definition agree to the bit") {
  // Values of all exponents and both signs, and where functions begin, end or change.
  std::vector<uint32_t> x;
  for (uint32_t e = 0; e < 256; ++e) {
    for (const uint32_t fraction : {0u, 1u, 0x3fffffu, 0x400000u, 0x7fffffu, e * 32749u & 0x7fffff}) {
      for (const uint32_t sign : {0u, 0x80000000u}) x.push_back(sign | e << 23 | fraction);
    }
  }
  x.resize((x.size() + 31) / 32 * 32, 0x3f800000);
  const uint64_t bytes = x.size() * 4;
  for (unsigned n = 1; n <= static_cast<unsigned>(Tail::erf); ++n) {
    INFO("tail " << n);
    Graph g("tail", "y = f(x)");
    const Value from = g.address("x", "FP32", 64), to = g.address("y", "FP32", 64);
    Load load;
    load.base = from;
    load.rows = {{x.size() / 16, 64}};
    Simd simd;
    simd.vectors = x.size() / 32;
    simd.in[0] = Format::fp32;
    simd.stages = {{Op::mov, Operand::in0}};
    simd.tail = static_cast<Tail>(n);
    Store store;
    store.base = to;
    store.rows = load.rows;
    const Node pcu = g.add("f", simd);
    g.connect(g.add("in", load), pcu);
    g.connect(pcu, g.add("out", store));
    const Program program = compile(g);
    Memory m(&bench());
    const uint64_t at_x = m.put(x), at_y = m.reserve(bytes);
    m.run(program, {{"x", at_x}, {"y", at_y}});
    const auto y = m.get<uint32_t>(at_y, x.size());

    constexpr uint64_t kBase = 0x1000;
    std::vector<uint8_t> memory(2 * bytes);
    std::memcpy(memory.data(), x.data(), bytes);
    compiler::test::FunctionalTile(program, program.make_tuples({{"x", kBase}, {"y", kBase + bytes}}), kBase,
                                   &memory)
        .run();
    size_t different = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      uint32_t expected;
      std::memcpy(&expected, &memory[bytes + 4 * i], 4);
      if (y[i] == expected) continue;
      if (different++ == 0)
        UNSCOPED_INFO(std::hex << "of " << x[i] << ": " << y[i] << " instead of " << expected);
    }
    CHECK(different == 0);
  }
}
