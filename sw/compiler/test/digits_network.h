#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rdu::compiler::test {

/// The digits network with made-up weights and images, and its result straight from the definition
/// (sw/apps/digits/README.md).
struct DigitsNetwork {
  static constexpr size_t kPixels = 64, kHidden = 128, kClasses = 10;

  explicit DigitsNetwork(size_t rows);
  std::vector<float> probabilities() const;

  size_t rows;
  std::vector<uint16_t> x, w1, w2;  ///< BF16
  std::vector<float> b1, b2;
};

/// Numbers from -scale to scale.
std::vector<uint16_t> random_bf16(size_t n, uint32_t seed, float scale);
std::vector<float> random_fp32(size_t n, uint32_t seed);
/// C = A B by the definition; A [m][k], B [k][n].
std::vector<float> matrix_product(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b, size_t m,
                                  size_t n, size_t k);
bool same_bits(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace rdu::compiler::test
