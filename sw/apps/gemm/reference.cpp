#include "reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

// Fused multiply-adds of the processor where it has them, of the C library where not: the same bits.
#if defined(__x86_64__)
#define RDU_FMA_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define RDU_FMA_CLONES
#endif

namespace rdu::gemm {
namespace {

constexpr uint64_t kColumns = 32, kRows = 4;  // of C at once: sums that stay in registers

float from_bf16(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// sums[r][j] = the chain over k of a[r][k] * b[k][j].
RDU_FMA_CLONES void chains(uint64_t k, const float* a, const float* b, float* sums) {
  float sum[kRows][kColumns] = {};
  for (uint64_t i = 0; i < k; ++i) {
    for (uint64_t r = 0; r < kRows; ++r) {
      for (uint64_t j = 0; j < kColumns; ++j)
        sum[r][j] = __builtin_fmaf(a[r * k + i], b[i * kColumns + j], sum[r][j]);
    }
  }
  std::memcpy(sums, sum, sizeof sum);
}

}  // namespace

std::vector<uint16_t> random_bf16(uint64_t count, uint64_t seed) {
  std::vector<uint16_t> values(count);
  uint64_t state = seed;
  for (uint16_t& value : values) {  // splitmix64
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    const uint64_t sign = z & 0x8000, fraction = z >> 16 & 0x7f, exponent = 119 + (z >> 32) % 9;
    value = static_cast<uint16_t>(sign | exponent << 7 | fraction);
  }
  return values;
}

std::vector<float> reference(const Size& size, const std::vector<uint16_t>& a, const std::vector<uint16_t>& b,
                             uint64_t first, uint64_t count) {
  std::vector<float> c(size.m * count), panel(size.k * kColumns), rows(kRows * size.k),
      sums(kRows * kColumns);
  for (uint64_t column = 0; column < count; column += kColumns) {
    const uint64_t width = std::min(kColumns, count - column);
    for (uint64_t k = 0; k < size.k; ++k) {
      for (uint64_t j = 0; j < width; ++j)
        panel[k * kColumns + j] = from_bf16(b[k * size.n + first + column + j]);
    }
    for (uint64_t row = 0; row < size.m; row += kRows) {
      const uint64_t height = std::min(kRows, size.m - row);
      std::transform(a.begin() + static_cast<ptrdiff_t>(row * size.k),
                     a.begin() + static_cast<ptrdiff_t>((row + height) * size.k), rows.begin(), from_bf16);
      chains(size.k, rows.data(), panel.data(), sums.data());
      for (uint64_t r = 0; r < height; ++r)
        std::copy_n(&sums[r * kColumns], width, &c[(row + r) * count + column]);
    }
  }
  return c;
}

std::string difference(const Size& size, const std::vector<uint16_t>& a, const std::vector<uint16_t>& b,
                       const std::vector<float>& c, uint64_t pitch) {
  for (uint64_t first = 0; first < size.n; first += kColumns) {
    const uint64_t count = std::min(kColumns, size.n - first);
    const std::vector<float> expected = reference(size, a, b, first, count);
    for (uint64_t row = 0; row < size.m; ++row) {
      for (uint64_t j = 0; j < count; ++j) {
        uint32_t want, got;
        std::memcpy(&want, &expected[row * count + j], sizeof want);
        std::memcpy(&got, &c[row * pitch + first + j], sizeof got);
        if (want != got)
          return fmt::format("row {}, column {}: {:#010x} instead of {:#010x}", row, first + j, got, want);
      }
    }
  }
  return "";
}

}  // namespace rdu::gemm
