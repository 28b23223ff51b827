#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "fabric/math/kernels.h"
#include "fabric/math/scalar.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using scalar::bits_of;
using scalar::from_bits;

namespace {

/// The definition once more, by other means: 113 bits hold every sum and product here well enough to be
/// rounded again.
float round_wide(__float128 x) {
  const __float128 tiny = __float128(0x1p-126) - __float128(0x1p-151);
  const __float128 magnitude = x < 0 ? -x : x;
  if (magnitude < tiny) return x < 0 ? -0.0f : 0.0f;
  return static_cast<float>(x);
}

bool is_plain(float x) {
  return std::isfinite(x) && (x == 0 || std::fabs(x) >= 0x1p-126f);
}

struct Random {
  explicit Random(uint64_t seed) : engine(seed) {}
  std::mt19937_64 engine;
  uint32_t bits() { return static_cast<uint32_t>(engine()); }
  /// A float whose exponent field is in [low, high].
  float in(unsigned low, unsigned high) {
    return from_bits((bits() & 0x807fffffu) | (low + bits() % (high - low + 1)) << 23);
  }
  uint16_t bf16_in(unsigned low, unsigned high) {
    return static_cast<uint16_t>(bits_of(in(low, high)) >> 16);
  }
};

}  // namespace

TEST_CASE("scalar operations round once and flush") {
  Random random(test_seed());
  unsigned tiny = 0;
  for (int i = 0; i < 200'000; ++i) {
    const bool small = i % 2 == 0;
    const float x = small ? random.in(58, 68) : random.in(1, 254);
    const float y = small ? random.in(58, 68) : random.in(1, 254);
    const float product = round_wide(__float128(x) * __float128(y));
    REQUIRE(bits_of(scalar::mul(x, y)) ==
            bits_of(product == 0 ? std::copysign(0.0f, std::copysign(1.0f, x) * std::copysign(1.0f, y))
                                 : product));
    tiny += product == 0;
    const float sum = round_wide(__float128(x) + __float128(y));
    if (sum != 0) REQUIRE(bits_of(scalar::add(x, y)) == bits_of(sum));
    const float difference = round_wide(__float128(x) - __float128(y));
    if (difference != 0) REQUIRE(bits_of(scalar::sub(x, y)) == bits_of(difference));
  }
  REQUIRE(tiny > 1000);
}

TEST_CASE("fused multiply-add rounds once, also around 2^-126") {
  Random random(test_seed());
  unsigned flushed = 0;
  unsigned least = 0;
  for (int i = 0; i < 400'000; ++i) {
    float x, y, z;
    if (i % 8 == 0) {
      x = scalar::from_bf16(random.bf16_in(0, 254));
      y = scalar::from_bf16(random.bf16_in(0, 254));
      z = from_bits(random.bits());
    } else if (i % 8 == 4) {
      // Any two significands; the addend reaches from far below the product to far above.
      x = random.in(90, 164);
      y = random.in(90, 164);
      const int exponent = std::ilogb(x) + std::ilogb(y);
      z = std::ldexp(random.in(127, 127), exponent + static_cast<int>(random.bits() % 61) - 30);
    } else if (i % 4 == 1) {
      // Within a few units of 2^-150 of 2^-126.
      x = scalar::from_bf16(random.bf16_in(50, 54));
      y = scalar::from_bf16(random.bf16_in(50, 54));
      z = std::signbit(x) == std::signbit(y) ? -0x1p-126f : 0x1p-126f;
    } else {
      // Products that cancel most of an addend near 2^-120.
      x = scalar::from_bf16(random.bf16_in(60, 68));
      y = scalar::from_bf16(random.bf16_in(60, 68));
      z = -scalar::mul(x, y) + random.in(0, 3);
    }
    x = scalar::flush(x);
    y = scalar::flush(y);
    z = scalar::flush(z);
    if (!is_plain(x) || !is_plain(y) || !is_plain(z)) continue;
    const float expect = round_wide(__float128(x) * __float128(y) + __float128(z));
    const float result = scalar::fma(x, y, z);
    if (expect == 0) {
      REQUIRE(result == 0);
      ++flushed;
    } else {
      REQUIRE(bits_of(result) == bits_of(expect));
      least += std::fabs(expect) == 0x1p-126f;
    }
  }
  REQUIRE(flushed > 1000);
  REQUIRE(least > 10);
  // 2^-126 - 2^-150 has 24 bits and lies below 2^-126; rounding to multiples of 2^-149 would give 2^-126.
  REQUIRE(scalar::fma(0x1p-75f, -0x1p-75f, 0x1p-126f) == 0.0f);
  REQUIRE(scalar::fma(0x1p-76f, -0x1p-76f, 0x1p-126f) == 0x1p-126f);
}

TEST_CASE("special values") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = from_bits(0xffc12345);
  const float subnormal = from_bits(0x807fffff);
  const auto is_canonical = [](float x) { return bits_of(x) == 0x7fc00000; };
  REQUIRE(is_canonical(scalar::add(inf, -inf)));
  REQUIRE(is_canonical(scalar::mul(0.0f, inf)));
  REQUIRE(is_canonical(scalar::mul(nan, 1.0f)));
  REQUIRE(is_canonical(scalar::max(nan, 1.0f)));
  REQUIRE(is_canonical(scalar::min(1.0f, nan)));
  REQUIRE(is_canonical(scalar::fma(0.0f, inf, 1.0f)));
  REQUIRE(bits_of(scalar::max(-0.0f, 0.0f)) == 0);
  REQUIRE(bits_of(scalar::max(0.0f, -0.0f)) == 0);
  REQUIRE(bits_of(scalar::min(0.0f, -0.0f)) == 0x80000000);
  REQUIRE(bits_of(scalar::max(subnormal, -1.0f)) == 0x80000000);
  REQUIRE(bits_of(scalar::add(subnormal, -0.0f)) == 0x80000000);
}

TEST_CASE("BF16 rounds to nearest even") {
  REQUIRE(scalar::to_bf16(from_bits(0x3f808000)) == 0x3f80);
  REQUIRE(scalar::to_bf16(from_bits(0x3f818000)) == 0x3f82);
  REQUIRE(scalar::to_bf16(from_bits(0x3f808001)) == 0x3f81);
  REQUIRE(scalar::to_bf16(from_bits(0x7f7fffff)) == 0x7f80);
  REQUIRE(scalar::to_bf16(from_bits(0xff800001)) == 0x7fc0);
  REQUIRE(scalar::to_bf16(from_bits(0x807fffff)) == 0x8000);
  REQUIRE(scalar::to_bf16(from_bits(0x007fffff)) == 0x0000);
  Random random(test_seed());
  for (int i = 0; i < 100'000; ++i) {
    const float x = from_bits(random.bits());
    if (!is_plain(x)) continue;
    const float r = scalar::from_bf16(scalar::to_bf16(x));
    if (std::isinf(r)) continue;
    const uint32_t below = bits_of(x) & 0xffff0000;
    const double low = from_bits(below);
    const double high = static_cast<double>(from_bits(below + 0x10000));
    const bool is_nearest = std::fabs(r - double(x)) <= std::fabs(low - double(x)) &&
                            (!std::isfinite(high) || std::fabs(r - double(x)) <= std::fabs(high - double(x)));
    REQUIRE(is_nearest);
  }
}

TEST_CASE("the portable kernels are the scalar definitions in any flush mode") {
  std::mt19937_64 engine(test_seed());
  std::vector<float> x(64 * 32), y(64 * 32), out(64 * 32);
  for (float& v : x) v = from_bits(static_cast<uint32_t>(engine()));
  for (float& v : y) v = from_bits(static_cast<uint32_t>(engine()));
  const FloatMode mode;
  portable_kernels().fmul(out.data(), x.data(), y.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) REQUIRE(bits_of(out[i]) == bits_of(scalar::mul(x[i], y[i])));
}

TEST_CASE("every set of kernels that this CPU has gives the same bits") {
  INFO("kernels: " << kernels().name);
  REQUIRE(difference(portable_kernels(), portable_kernels(), 1) == std::string());
  for (const Kernels* fast : {avx2_kernels(), avx512_kernels(), avx512_bf16_kernels()}) {
    if (!fast) continue;
    INFO(fast->name);
    for (uint64_t i = 0; i < 5; ++i) {
      REQUIRE(difference(*fast, portable_kernels(), test_seed() + i) == std::string());
    }
  }
}

TEST_CASE("every set of kernels, for longer", "[.sweep]") {
  for (const Kernels* fast : {avx2_kernels(), avx512_kernels(), avx512_bf16_kernels()}) {
    if (!fast) continue;
    INFO(fast->name);
    for (uint64_t i = 0; i < 1000; ++i) {
      REQUIRE(difference(*fast, portable_kernels(), test_seed() + i) == std::string());
    }
  }
}

TEST_CASE("difference() sees a kernel that is wrong") {
  Kernels wrong = portable_kernels();
  wrong.fmax = wrong.fmin;
  REQUIRE(difference(wrong, portable_kernels(), 1) == std::string("fmax"));
  wrong = portable_kernels();
  wrong.iargmax = wrong.fargmax;
  REQUIRE(difference(wrong, portable_kernels(), 1) == std::string("iargmax"));
  wrong = portable_kernels();
  // A matrix kernel that rounds the product first.
  wrong.matrix = [](float* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows) {
    for (size_t k = 0; k < steps; ++k) {
      for (unsigned i = 0; i < 32 * rows; ++i) {
        uint16_t a, b;
        std::memcpy(&a, in0 + 64 * k + 2 * (i % 32), 2);
        std::memcpy(&b, in1 + 64 * k + 2 * (i / 32), 2);
        acc[i] = scalar::add(scalar::mul(scalar::from_bf16(a), scalar::from_bf16(b)), acc[i]);
      }
    }
  };
  REQUIRE(difference(wrong, portable_kernels(), 1) == std::string("matrix"));
}

TEST_CASE("the float mode is left as it was") {
  const float least = 0x1p-126f;
  volatile float half = 0.5f;
  {
    const FloatMode mode;
    const volatile float x = least * half;
    (void)x;
  }
  const volatile float x = least * half;
  REQUIRE(x == 0x1p-127f);
}
