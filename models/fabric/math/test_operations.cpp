// The operations of the PCU's stages and of its cross-lane network, against other ways to say the same.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "fabric/math/cross_lane.h"
#include "fabric/math/scalar.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using scalar::bits_of;
using scalar::from_bits;

namespace {

constexpr uint32_t kTrue = 0xffffffffu;
constexpr uint32_t kInf = 0x7f800000u;
constexpr uint32_t kNan = 0x7fc00000u;
constexpr uint32_t kSubnormal = 0x807fffffu;

constexpr uint32_t kSpecial[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff, kSubnormal,
                                 0x00800000, 0x80800000, 0x3f800000, 0xbf800000, 0x4effffff, 0x4f000000,
                                 0xcf000000, 0xcf000001, 0x7f7fffff, 0xff7fffff, kInf,       0xff800000,
                                 kNan,       0xffc00001, 0x7f800001, 0xff812345, 0x7fffffff, 0xffffffff};

struct Random {
  std::mt19937_64 engine{test_seed()};
  uint32_t bits() { return static_cast<uint32_t>(engine()); }
  /// Any bits, special values, and numbers of moderate size (of FP32 and INT32).
  uint32_t lane() {
    switch (engine() % 4) {
      case 0:
        return kSpecial[engine() % std::size(kSpecial)];
      case 1:
        return (bits() & 0x807fffffu) | (119 + bits() % 40) << 23;
      case 2:
        return bits() % 7 - 3;
      default:
        return bits();
    }
  }
  std::array<uint32_t, 32> vector() {
    std::array<uint32_t, 32> v;
    for (uint32_t& x : v) x = lane();
    return v;
  }
};

bool nan(uint32_t a) {
  return std::isnan(from_bits(a));
}
/// The value that an FP32 operation reads.
double read(uint32_t a) {
  return std::fabs(from_bits(a)) < 0x1p-126 ? std::copysign(0.0, double(from_bits(a))) : double(from_bits(a));
}

}  // namespace

TEST_CASE("comparisons give all ones or zeros; with a NaN only FNE holds") {
  Random random;
  for (int i = 0; i < 100'000; ++i) {
    const uint32_t a = random.lane();
    const uint32_t b = i % 8 == 0 ? a : random.lane();
    const bool ordered = !nan(a) && !nan(b);
    REQUIRE(scalar::feq(a, b) == (ordered && read(a) == read(b) ? kTrue : 0));
    REQUIRE(scalar::fne(a, b) == (ordered && read(a) == read(b) ? 0 : kTrue));
    REQUIRE(scalar::flt(a, b) == (ordered && read(a) < read(b) ? kTrue : 0));
    REQUIRE(scalar::fle(a, b) == (ordered && read(a) <= read(b) ? kTrue : 0));
    const int64_t x = static_cast<int32_t>(a);
    const int64_t y = static_cast<int32_t>(b);
    REQUIRE(scalar::ieq(a, b) == (x == y ? kTrue : 0));
    REQUIRE(scalar::ine(a, b) == (x != y ? kTrue : 0));
    REQUIRE(scalar::ilt(a, b) == (x < y ? kTrue : 0));
    REQUIRE(scalar::ile(a, b) == (x <= y ? kTrue : 0));
    REQUIRE(scalar::ult(a, b) == (uint64_t{a} < uint64_t{b} ? kTrue : 0));
    REQUIRE(scalar::ule(a, b) == (uint64_t{a} <= uint64_t{b} ? kTrue : 0));
  }
  REQUIRE(scalar::feq(0, 0x80000000) == kTrue);
  REQUIRE(scalar::feq(1, kSubnormal) == kTrue);
  REQUIRE(scalar::flt(kSubnormal, 1) == 0);
  REQUIRE(scalar::fne(kNan, kNan) == kTrue);
}

TEST_CASE("integers wrap, shifts go by 0 to 31") {
  Random random;
  const auto wrapped = [](__int128 x) { return static_cast<uint32_t>(static_cast<unsigned __int128>(x)); };
  for (int i = 0; i < 100'000; ++i) {
    const uint32_t a = random.lane();
    const uint32_t b = random.lane();
    const __int128 x = static_cast<int32_t>(a);
    const __int128 y = static_cast<int32_t>(b);
    REQUIRE(scalar::iadd(a, b) == wrapped(x + y));
    REQUIRE(scalar::isub(a, b) == wrapped(x - y));
    REQUIRE(scalar::imul(a, b) == wrapped(x * y));
    REQUIRE(scalar::imax(a, b) == wrapped(std::max(x, y)));
    REQUIRE(scalar::imin(a, b) == wrapped(std::min(x, y)));
    REQUIRE(scalar::iabs(a) == wrapped(x < 0 ? -x : x));
    REQUIRE(scalar::ineg(a) == wrapped(-x));
    const unsigned n = b % 32;
    REQUIRE(scalar::shl(a, b) == wrapped(static_cast<unsigned __int128>(a) << n));
    REQUIRE(scalar::shr(a, b) == uint64_t{a} >> n);
    REQUIRE(scalar::sar(a, b) == wrapped(x >> n));
    REQUIRE(scalar::sat8(a) == wrapped(std::clamp<__int128>(x, -128, 127)));
    REQUIRE(scalar::bit_andn(a, b) == (a & (b ^ kTrue)));
    REQUIRE(scalar::sel(a, b, 5) == (a ? b : 5));
  }
  REQUIRE(scalar::iabs(0x80000000) == 0x80000000);
  REQUIRE(scalar::ineg(0x80000000) == 0x80000000);
  REQUIRE(scalar::imul(0x80000000, kTrue) == 0x80000000);
  REQUIRE(scalar::sel(0x80000000, 1, 2) == 1);  // bits decide, not the value: -0 is not 0
}

TEST_CASE("sign operations touch the sign only") {
  REQUIRE(scalar::fabs(kSubnormal) == 0x007fffff);
  REQUIRE(scalar::fneg(kSubnormal) == 0x007fffff);
  REQUIRE(scalar::fneg(0) == 0x80000000);
  REQUIRE(scalar::fabs(0xff800000) == kInf);
  REQUIRE(scalar::fabs(0xffc00001) == kNan);
  REQUIRE(scalar::fneg(0x7f800001) == kNan);
}

TEST_CASE("FNMADD is C - A * B") {
  Random random;
  for (int i = 0; i < 100'000; ++i) {
    const float a = from_bits(random.bits() % 0x800 << 12 | 0x3f800000);  // 12 bits: products are exact
    const float b = from_bits(random.bits() % 0x800 << 12 | 0xbf800000);
    const float c = from_bits((random.bits() & 0x807fffff) | (120 + random.bits() % 16) << 23);
    REQUIRE(scalar::fnmadd(bits_of(a), bits_of(b), bits_of(c)) == bits_of(scalar::sub(c, scalar::mul(a, b))));
    REQUIRE(scalar::fmadd(bits_of(a), bits_of(b), bits_of(c)) == bits_of(scalar::add(c, scalar::mul(a, b))));
  }
  REQUIRE(scalar::fnmadd(0, 0x3f800000, 0) == 0);
  REQUIRE(scalar::fnmadd(0, 0x3f800000, 0x80000000) == 0x80000000);
  REQUIRE(scalar::fnmadd(kInf, 0x3f800000, kInf) == kNan);
  REQUIRE(scalar::fnmadd(kNan, 0, 0) == kNan);
}

TEST_CASE("conversions between FP32 and INT32") {
  Random random;
  const auto expect = [](uint32_t a, double rounded) -> uint32_t {
    if (nan(a)) return 0;
    return static_cast<uint32_t>(static_cast<int32_t>(std::clamp(rounded, -0x1p31, 0x1p31 - 1)));
  };
  for (int i = 0; i < 100'000; ++i) {
    const uint32_t a = random.lane();
    const double x = nan(a) ? 0 : read(a);
    const double floor = std::floor(x);
    const double rest = x - floor;
    const double nearest = rest > 0.5 || (rest == 0.5 && std::fmod(floor, 2) != 0) ? floor + 1 : floor;
    REQUIRE(scalar::f2i(a) == expect(a, std::isinf(x) ? x : nearest));
    REQUIRE(scalar::f2i_floor(a) == expect(a, floor));
    REQUIRE(scalar::f2i_zero(a) == expect(a, x < 0 ? -std::floor(-x) : floor));
    const auto integer = static_cast<int32_t>(a);
    const double error = double(from_bits(scalar::i2f(a))) - integer;
    const double ulp = integer == 0 ? 0 : std::ldexp(1.0, std::ilogb(double(integer)) - 23);
    REQUIRE(std::fabs(error) <= ulp / 2);
  }
  REQUIRE(scalar::i2f(0x01000001) == 0x4b800000);  // ties to even
  REQUIRE(scalar::i2f(0x01000003) == 0x4b800002);
  REQUIRE(scalar::i2f(0x80000000) == 0xcf000000);
  REQUIRE(scalar::i2f(0x7fffffff) == 0x4f000000);
  REQUIRE(scalar::f2i(0x3f000000) == 0);           // 0.5
  REQUIRE(scalar::f2i(0x3fc00000) == 2);           // 1.5
  REQUIRE(scalar::f2i(0xc0200000) == kTrue - 1);   // -2.5
  REQUIRE(scalar::f2i(0x4f000000) == 0x7fffffff);  // 2^31
  REQUIRE(scalar::f2i(0xff800000) == 0x80000000);
  REQUIRE(scalar::f2i_floor(0x80000001) == 0);  // a subnormal reads as zero
  REQUIRE(scalar::f2i_floor(0x80800000) == kTrue);
  REQUIRE(scalar::rbf16(0x3f808001) == 0x3f810000);
  REQUIRE(scalar::rbf16(0xffc12345) == kNan);
  REQUIRE(scalar::rbf16(kSubnormal) == 0x80000000);
}

TEST_CASE("INT8 is stored with its sign and saturates") {
  for (int i = -128; i < 128; ++i) {
    const auto bits = static_cast<uint32_t>(i);
    REQUIRE(scalar::from_int8(static_cast<uint8_t>(i)) == bits);
    REQUIRE(scalar::to_int8(bits) == static_cast<uint8_t>(i));
  }
  REQUIRE(scalar::to_int8(128) == 127);
  REQUIRE(scalar::to_int8(static_cast<uint32_t>(-129)) == 0x80);
  const uint8_t row[2] = {0x80, 0x80};
  const uint8_t lane[2] = {0x80, 127};
  REQUIRE(scalar::matrix_int8(5, row, lane) == 5 + 16384 - 16256);
  REQUIRE(scalar::matrix_int8(0x7fffffff, row, row) == 0x80007fff);
}

TEST_CASE("stochastic rounding goes up as often as the distance says") {
  // The generator's first values for seed 0 and 1, lane 0, by the recurrence.
  uint32_t state = scalar::random_start(0, 0);
  REQUIRE(state == 0x9e3779b9);
  REQUIRE(scalar::random_start(0x9e3779b9, 0) == 1);
  REQUIRE(scalar::random_next(1) == 270369);
  REQUIRE(scalar::random_next(270369) == 67634689);
  Random random;
  for (uint32_t fraction : {0u, 1u, 0x4000u, 0x8000u, 0xffffu}) {
    const uint32_t a = 0xbf810000 | fraction;
    unsigned up = 0;
    constexpr unsigned kTrials = 100'000;
    for (unsigned i = 0; i < kTrials; ++i) {
      state = scalar::random_next(state);
      const uint32_t r = scalar::srbf16(a, state);
      REQUIRE((r == 0xbf810000 || r == 0xbf820000));
      up += r == 0xbf820000;
    }
    REQUIRE(std::fabs(up - kTrials * (fraction / 65536.0)) < 5 * std::sqrt(kTrials / 4.0));
  }
  REQUIRE(scalar::srbf16(0x7f7fffff, 1) == kInf);
  REQUIRE(scalar::srbf16(kInf, 0xffff) == kInf);
  REQUIRE(scalar::srbf16(0x7f800001, 0xffff) == kNan);
  REQUIRE(scalar::srbf16(kSubnormal, 0xffff) == 0x80000000);
}

TEST_CASE("reductions take in the active lanes only and give every lane the result") {
  Random random;
  for (int i = 0; i < 2'000; ++i) {
    const auto a = random.vector();
    const unsigned active = 1 + random.bits() % 32;
    std::array<uint32_t, 32> out;
    const auto check = [&](auto operation, auto fold) {
      uint32_t expect = a[0];
      for (unsigned lane = 1; lane < active; ++lane) expect = fold(expect, a[lane]);
      operation(out.data(), a.data(), active);
      for (uint32_t x : out) REQUIRE(x == expect);
    };
    // In any order these are the same; of FP32 a single operand is read and canonical, too.
    check(scalar::ired_sum, [](uint32_t x, uint32_t y) { return x + y; });
    check(scalar::ired_max, [](uint32_t x, uint32_t y) { return scalar::imax(x, y); });
    check(scalar::ired_min, [](uint32_t x, uint32_t y) { return scalar::imin(x, y); });
    check(scalar::red_and, [](uint32_t x, uint32_t y) { return x & y; });
    check(scalar::red_or, [](uint32_t x, uint32_t y) { return x | y; });
    check(scalar::red_xor, [](uint32_t x, uint32_t y) { return x ^ y; });
    const auto fp = [&](auto operation, auto op) {
      uint32_t expect = op(a[0], a[0]);
      for (unsigned lane = 1; lane < active; ++lane) expect = op(expect, a[lane]);
      operation(out.data(), a.data(), active);
      for (uint32_t x : out) REQUIRE(x == expect);
    };
    fp(scalar::fred_max, scalar::fmax);
    fp(scalar::fred_min, scalar::fmin);
    // The tree that halves: lane i with lane i + half.
    std::array<float, 32> x{};
    for (unsigned lane = 0; lane < active; ++lane) x[lane] = from_bits(a[lane]);
    for (unsigned half = 16; half != 0; half /= 2) {
      for (unsigned lane = 0; lane < half; ++lane) x[lane] = scalar::add(x[lane], x[lane + half]);
    }
    scalar::fred_sum(out.data(), a.data(), active);
    for (uint32_t y : out) REQUIRE(y == bits_of(x[0]));
  }
}

TEST_CASE("scans are inclusive") {
  Random random;
  for (int i = 0; i < 2'000; ++i) {
    auto a = random.vector();
    const unsigned active = 1 + random.bits() % 32;
    std::array<uint32_t, 32> out;
    scalar::iscan_sum(out.data(), a.data(), active);
    uint32_t sum = 0;
    for (unsigned lane = 0; lane < active; ++lane) REQUIRE(out[lane] == (sum += a[lane]));
    scalar::fscan_max(out.data(), a.data(), active);
    REQUIRE(out[0] == a[0]);  // lane 0 has nothing before it: its bits as they are
    uint32_t largest = a[0];
    for (unsigned lane = 1; lane < active; ++lane) {
      REQUIRE(out[lane] == (largest = scalar::fmax(largest, a[lane])));
    }
    // Small integers: their sums are exact in any order.
    std::array<float, 32> x;
    for (unsigned lane = 0; lane < 32; ++lane)
      a[lane] = bits_of(x[lane] = static_cast<float>(1 + a[lane] % 9));
    scalar::fscan_sum(out.data(), a.data(), active);
    float total = 0;
    for (unsigned lane = 0; lane < active; ++lane) REQUIRE(from_bits(out[lane]) == (total += x[lane]));
  }
  // The order of FSCAN_SUM: lane 3 is (x0 + x1) + (x2 + x3).
  std::array<uint32_t, 32> a{bits_of(0x1p24f), bits_of(1.0f), bits_of(1.0f), bits_of(1.0f)};
  scalar::fscan_sum(a.data(), a.data(), 32);
  REQUIRE(from_bits(a[3]) == 0x1p24f + 2);
}

TEST_CASE("ARG* names the lowest of the lanes that hold the extreme value") {
  Random random;
  for (int i = 0; i < 2'000; ++i) {
    const auto a = random.vector();
    const unsigned active = 1 + random.bits() % 32;
    std::array<uint32_t, 32> out;
    const auto check = [&](auto operation, auto beats) {
      uint32_t best = 0;
      for (uint32_t lane = 1; lane < active; ++lane) {
        if (beats(a[lane], a[best])) best = lane;
      }
      operation(out.data(), a.data(), active);
      for (uint32_t x : out) REQUIRE(x == best);
    };
    const auto above = [](uint32_t x, uint32_t y) {
      return read(x) > read(y) || (read(x) == read(y) && !std::signbit(read(x)) && std::signbit(read(y)));
    };
    check(scalar::fargmax, [&](uint32_t x, uint32_t y) { return nan(y) ? false : nan(x) || above(x, y); });
    check(scalar::fargmin, [&](uint32_t x, uint32_t y) { return nan(y) ? false : nan(x) || above(y, x); });
    check(scalar::iargmax,
          [](uint32_t x, uint32_t y) { return static_cast<int32_t>(x) > static_cast<int32_t>(y); });
    check(scalar::iargmin,
          [](uint32_t x, uint32_t y) { return static_cast<int32_t>(x) < static_cast<int32_t>(y); });
  }
}

TEST_CASE("BCAST, UP, DOWN") {
  std::array<uint32_t, 32> a;
  for (uint32_t i = 0; i < 32; ++i) a[i] = 100 + i;
  std::array<uint32_t, 32> b;
  std::array<uint32_t, 32> out;
  for (uint32_t n = 0; n < 64; ++n) {
    b.fill(7);
    b[0] = n;
    scalar::bcast(out.data(), a.data(), b.data(), 20);
    for (uint32_t x : out) REQUIRE(x == (n % 32 < 20 ? 100 + n % 32 : 0));
    scalar::up(out.data(), a.data(), b.data(), 20);
    for (uint32_t i = 0; i < 20; ++i) REQUIRE(out[i] == (i >= n % 32 ? 100 + i - n % 32 : 0));
    scalar::down(out.data(), a.data(), b.data(), 20);
    for (uint32_t i = 0; i < 20; ++i) REQUIRE(out[i] == (i + n % 32 < 20 ? 100 + i + n % 32 : 0));
  }
}
