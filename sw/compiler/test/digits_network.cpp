#include "compiler/test/digits_network.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>

#include "compiler/test/functional_tile.h"

namespace rdu::compiler::test {

DigitsNetwork::DigitsNetwork(size_t n)
    : rows(n),
      x(random_bf16(n * kPixels, 1, 1)),
      w1(random_bf16(kPixels * kHidden, 2, 0.3f)),
      w2(random_bf16(kHidden * kClasses, 3, 0.3f)),
      b1(random_fp32(kHidden, 4)),
      b2(random_fp32(kClasses, 5)) {}

std::vector<float> DigitsNetwork::probabilities() const {
  const std::vector<float> acc = matrix_product(x, w1, rows, kHidden, kPixels);
  std::vector<uint16_t> h(acc.size());
  for (size_t i = 0; i < acc.size(); ++i) h[i] = to_bf16(std::max(acc[i] + b1[i % kHidden], 0.0f));
  std::vector<float> result = matrix_product(h, w2, rows, kClasses, kHidden);
  for (size_t r = 0; r < rows; ++r) {
    float* const row = &result[r * kClasses];
    for (size_t c = 0; c < kClasses; ++c) row[c] += b2[c];
    const float most = *std::max_element(row, row + kClasses);
    std::array<float, 32> tree{};
    for (size_t c = 0; c < kClasses; ++c) tree[c] = row[c] = exp_of(row[c] - most);
    for (size_t half = 16; half >= 1; half /= 2) {
      for (size_t i = 0; i < half; ++i) tree[i] += tree[i + half];
    }
    for (size_t c = 0; c < kClasses; ++c) row[c] *= recip_of(tree[0]);
  }
  return result;
}

std::vector<uint16_t> random_bf16(size_t n, uint32_t seed, float scale) {
  std::vector<uint16_t> values;
  for (float v : random_fp32(n, seed)) values.push_back(to_bf16(scale * v));
  return values;
}

std::vector<float> random_fp32(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  for (auto& v : values) v = (static_cast<float>(random() % 2001) - 1000.0f) / 1000.0f;
  return values;
}

std::vector<float> matrix_product(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b, size_t m,
                                  size_t n, size_t k) {
  std::vector<float> c(m * n);
  for (size_t row = 0; row < m; ++row) {
    for (size_t i = 0; i < k; ++i) {
      for (size_t col = 0; col < n; ++col) {
        float& sum = c[row * n + col];
        sum = std::fma(from_bf16(a[row * k + i]), from_bf16(b[i * n + col]), sum);
      }
    }
  }
  return c;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace rdu::compiler::test
