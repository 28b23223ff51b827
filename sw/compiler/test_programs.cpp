#include <cmath>
#include <cstring>
#include <random>

#include "compiler/compile.h"
#include "compiler/programs/digits.h"
#include "compiler/programs/matmul.h"
#include "compiler/test/functional_tile.h"
#include "test/catch.h"

using namespace rdu::compiler;
using namespace rdu::compiler::test;

namespace {

constexpr uint64_t kBase = 0x100000000000;
constexpr size_t kPixels = 64, kHidden = 128, kClasses = 10;

/// Arrays in one device memory.
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
    bytes_.resize(bytes_.size() + (bytes + 63) / 64 * 64 + 64, 0xaa);  // and a gap, to see what runs over
    return at;
  }
  template <class T>
  std::vector<T> get(uint64_t at, size_t count) const {
    std::vector<T> values(count);
    std::memcpy(values.data(), bytes_.data() + (at - kBase), count * sizeof(T));
    return values;
  }
  void run(const Program& program, const std::map<std::string, uint64_t>& arguments) {
    FunctionalTile(program, program.make_tuples(arguments), kBase, &bytes_).run();
  }

 private:
  std::vector<uint8_t> bytes_;
};

std::vector<uint16_t> random_bf16(size_t n, std::mt19937* random, float scale) {
  std::vector<uint16_t> values(n);
  for (auto& v : values) v = to_bf16(scale * (static_cast<float>((*random)() % 2001) - 1000.0f) / 1000.0f);
  return values;
}

std::vector<float> random_fp32(size_t n, std::mt19937* random) {
  std::vector<float> values(n);
  for (auto& v : values) v = (static_cast<float>((*random)() % 2001) - 1000.0f) / 1000.0f;
  return values;
}

struct Digits {
  size_t rows;
  std::vector<uint16_t> x, w1, w2;
  std::vector<float> b1, b2;

  explicit Digits(size_t n) : rows(n) {
    std::mt19937 random(7);
    x = random_bf16(n * kPixels, &random, 1);
    w1 = random_bf16(kPixels * kHidden, &random, 0.3f);
    w2 = random_bf16(kHidden * kClasses, &random, 0.3f);
    b1 = random_fp32(kHidden, &random);
    b2 = random_fp32(kClasses, &random);
  }

  /// The same network, straight from its definition.
  std::vector<float> expected() const {
    std::vector<float> result;
    for (size_t r = 0; r < rows; ++r) {
      std::array<float, kHidden> h;
      for (size_t c = 0; c < kHidden; ++c) {
        float sum = 0;
        for (size_t k = 0; k < kPixels; ++k) {
          sum = std::fma(from_bf16(x[r * kPixels + k]), from_bf16(w1[k * kHidden + c]), sum);
        }
        h[c] = from_bf16(to_bf16(std::max(sum + b1[c], 0.0f)));
      }
      std::array<float, 32> e{};
      float most = -INFINITY;
      for (size_t c = 0; c < kClasses; ++c) {
        float sum = 0;
        for (size_t k = 0; k < kHidden; ++k) sum = std::fma(h[k], from_bf16(w2[k * kClasses + c]), sum);
        e[c] = sum + b2[c];
        most = std::max(most, e[c]);
      }
      for (size_t c = 0; c < kClasses; ++c) e[c] = exp_of(e[c] - most);
      auto tree = e;
      for (size_t half = 16; half >= 1; half /= 2) {
        for (size_t i = 0; i < half; ++i) tree[i] += tree[i + half];
      }
      for (size_t c = 0; c < kClasses; ++c) result.push_back(e[c] * (1.0f / tree[0]));
    }
    return result;
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("the digits network, fused and one kernel an operator, is the network") {
  const Digits d(72);
  const auto expected = d.expected();
  Memory m;
  const uint64_t x = m.put(d.x), w1 = m.put(d.w1), b1 = m.put(d.b1), w2 = m.put(d.w2), b2 = m.put(d.b2);
  const uint64_t fused = m.reserve(d.rows * kClasses * 4);
  m.run(
      compile(programs::digits_fused()),
      {{"x", x}, {"w1", w1}, {"b1", b1}, {"w2", w2}, {"b2", b2}, {"probabilities", fused}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(fused, expected.size()), expected));
  CHECK(m.get<uint8_t>(fused + expected.size() * 4, 1)[0] == 0xaa);

  const uint64_t acc = m.reserve(d.rows * kHidden * 4), h = m.reserve(d.rows * kHidden * 2);
  const uint64_t logits = m.reserve(d.rows * kClasses * 4), out = m.reserve(d.rows * kClasses * 4);
  m.run(compile(programs::digits_matmul1()), {{"x", x}, {"w1", w1}, {"acc", acc}, {"rows", d.rows}});
  m.run(compile(programs::digits_bias_relu()), {{"acc", acc}, {"b1", b1}, {"h", h}, {"rows", d.rows}});
  m.run(compile(programs::digits_matmul2()), {{"h", h}, {"w2", w2}, {"logits", logits}, {"rows", d.rows}});
  m.run(compile(programs::digits_softmax()),
        {{"logits", logits}, {"b2", b2}, {"probabilities", out}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(out, expected.size()), expected));
  CHECK(m.get<uint8_t>(acc + d.rows * kHidden * 4, 1)[0] == 0xaa);
  CHECK(m.get<uint8_t>(out + expected.size() * 4, 1)[0] == 0xaa);
}

TEST_CASE("row counts that do not divide evenly among pipelines") {
  const Digits d(6 * 11);
  Memory m;
  const uint64_t x = m.put(d.x), w1 = m.put(d.w1), w2 = m.put(d.w2);
  const uint64_t acc = m.reserve(d.rows * kHidden * 4), logits = m.reserve(d.rows * kClasses * 4);
  m.run(compile(programs::digits_matmul1()), {{"x", x}, {"w1", w1}, {"acc", acc}, {"rows", d.rows}});
  float sum = 0;
  for (size_t k = 0; k < kPixels; ++k) {
    sum = std::fma(from_bf16(d.x[65 * kPixels + k]), from_bf16(d.w1[k * kHidden + 127]), sum);
  }
  CHECK(m.get<float>(acc, d.rows * kHidden).back() == sum);
  std::vector<uint16_t> h;
  for (float v : m.get<float>(acc, d.rows * kHidden)) h.push_back(to_bf16(v));
  const uint64_t h_at = m.put(h);
  m.run(compile(programs::digits_matmul2()), {{"h", h_at}, {"w2", w2}, {"logits", logits}, {"rows", d.rows}});
  sum = 0;
  for (size_t k = 0; k < kHidden; ++k) {
    sum = std::fma(from_bf16(h[65 * kHidden + k]), from_bf16(d.w2[k * kClasses + 9]), sum);
  }
  CHECK(m.get<float>(logits, d.rows * kClasses).back() == sum);
}

TEST_CASE("a matrix product on several PCUs") {
  constexpr size_t kM = 30, kN = 128, kK = 96;
  std::mt19937 random(3);
  const auto a = random_bf16(kM * kK, &random, 1), b = random_bf16(kK * kN, &random, 1);
  Memory m;
  const uint64_t at_a = m.put(a), at_b = m.put(b), at_c = m.reserve(kM * kN * 4);
  const Program program = compile(programs::gemm(kM, kN, kK, 2, 2));
  m.run(program, {{"a", at_a}, {"b", at_b}, {"c", at_c}});
  std::vector<float> expected;
  for (size_t r = 0; r < kM; ++r) {
    for (size_t c = 0; c < kN; ++c) {
      float sum = 0;
      for (size_t k = 0; k < kK; ++k) sum = std::fma(from_bf16(a[r * kK + k]), from_bf16(b[k * kN + c]), sum);
      expected.push_back(sum);
    }
  }
  CHECK(same_bits(m.get<float>(at_c, kM * kN), expected));
}

TEST_CASE("matrix products that cannot be divided say so") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(programs::gemm(1024, 64, 64, 1, 1), Contains("M = 1024 is not a multiple of 6"));
  CHECK_THROWS_WITH(programs::gemm(6, 64, 65, 1, 1), Contains("K = 65"));
  CHECK_THROWS_WITH(programs::gemm(6, 96, 64, 1, 2), Contains("N = 96"));
  CHECK_THROWS_WITH(programs::gemm(6, 64, 64, 0, 1), Contains("at least one PCU"));
  CHECK_THROWS_WITH(compile(programs::gemm(6, 1024, 1024, 1, 1)),
                    Contains("buffers of 2097152 bytes do not fit a PMU of 524288"));
}
