#include <cstring>

#include "compiler/compile.h"
#include "compiler/programs/digits.h"
#include "compiler/programs/matmul.h"
#include "compiler/test/digits_network.h"
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
