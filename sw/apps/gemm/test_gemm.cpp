#include <cmath>

#include "mapping.h"
#include "reference.h"
#include "test/catch.h"

using namespace rdu::gemm;
using Catch::Matchers::Contains;

namespace {

rdu_info device(uint32_t tiles, uint32_t rows, uint32_t columns) {
  rdu_info info{};
  info.tiles = tiles, info.rows = rows, info.columns = columns;
  return info;
}

}  // namespace

TEST_CASE(
    "the full chip multiplies 4096 x 4096 matrices on 256 of the 260 PCUs of each tile, in one launch") {
  const Mapping best = mappings(device(4, 20, 13), {4096, 4096, 4096}).front();
  CHECK(best.units() == 256);
  CHECK(best.parts == 4);
  CHECK(best.columns == 4096);
  CHECK(best.grid.m == 4128);      // 43 tiles of six rows in each of 16 groups
  CHECK(best.steps == 86 * 4096);  // two panels of columns each
}

TEST_CASE("every mapping covers the product and fits the device") {
  for (const Size size :
       {Size{1, 1, 32}, {7, 100, 64}, {512, 512, 512}, {1000, 5000, 2048}, {6, 20000, 8192}}) {
    for (const rdu_info& info : {device(1, 6, 6), device(4, 20, 13)}) {
      for (const Mapping& m : mappings(info, size)) {
        CHECK(m.grid.m >= size.m);
        CHECK(m.columns >= size.n);
        CHECK(m.columns == m.grid.n * m.parts);
        CHECK((m.parts - 1) * m.grid.n < size.n);  // no launch for nothing
        CHECK(m.units() <= info.rows * info.columns);
        CHECK(m.grid.n / m.grid.column_groups * 2 * size.k <= 512 * 1024);
      }
    }
  }
  CHECK_THROWS_WITH(mappings(device(1, 6, 6), {6, 32, 33}), Contains("K = 33 is not a multiple of 32"));
  CHECK_THROWS_WITH(mappings(device(1, 6, 6), {0, 32, 32}), Contains("M is 0"));
  CHECK_THROWS_WITH(mappings(device(1, 6, 6), {6, 32, 1 << 20}), Contains("K = 1048576 is too large"));
}

TEST_CASE("the reference is the chain of fused multiply-adds in increasing k") {
  const Size size{5, 35, 64};
  const auto a = random_bf16(size.m * size.k, 1), b = random_bf16(size.k * size.n, 2);
  const auto value = [](uint16_t half) {
    return std::ldexp((half & 0x8000 ? -1.0f : 1.0f) * (128 + (half & 127)), (half >> 7 & 255) - 134);
  };
  std::vector<float> c;
  for (uint64_t r = 0; r < size.m; ++r) {
    for (uint64_t j = 0; j < size.n; ++j) {
      float sum = 0;
      for (uint64_t k = 0; k < size.k; ++k)
        sum = std::fma(value(a[r * size.k + k]), value(b[k * size.n + j]), sum);
      c.push_back(sum);
    }
  }
  CHECK(reference(size, a, b, 0, size.n) == c);
  CHECK(difference(size, a, b, c, size.n).empty());
  c[size.n * 3 + 33] = std::nextafter(c[size.n * 3 + 33], 100.0f);
  CHECK_THAT(difference(size, a, b, c, size.n), Contains("row 3, column 33: "));
}
