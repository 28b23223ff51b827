// The tail's functions against the C library's in double, which are right to 2^-28 of a unit in the last
// place here.
#include <cmath>
#include <limits>
#include <random>

#include "fabric/math/tail.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using scalar::bits_of;
using scalar::from_bits;

namespace {

constexpr uint32_t kInf = 0x7f800000u;
constexpr uint32_t kMinusInf = 0xff800000u;
constexpr uint32_t kNan = 0x7fc00000u;
constexpr uint32_t kMinusZero = 0x80000000u;
constexpr uint32_t kOne = 0x3f800000u;

struct Function {
  const char* name;
  float (*chip)(float);
  double (*exact)(double);
  double bound;  ///< of the error, in units in the last place: README.md
};

const Function kFunctions[] = {
    {"EXP", scalar::exp, [](double x) { return std::exp(x); }, 0.54},
    {"RECIP", scalar::recip, [](double x) { return 1 / x; }, 0.54},
    {"LOG", scalar::log, [](double x) { return std::log(x); }, 0.57},
    {"SQRT", scalar::sqrt, [](double x) { return std::sqrt(x); }, 0.53},
    {"RSQRT", scalar::rsqrt, [](double x) { return 1 / std::sqrt(x); }, 0.56},
    {"SIGMOID", scalar::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 0.61},
    {"TANH", scalar::tanh, [](double x) { return std::tanh(x); }, 0.57},
    {"ERF", scalar::erf, [](double x) { return std::erf(x); }, 0.57},
};

/// Of a result whose exact value is `exact`, in units in the last place of a binade that has no end below.
double error(float result, double exact) {
  if (std::isnan(exact)) return bits_of(result) == kNan ? 0 : INFINITY;
  if (std::fabs(exact) < 0x1p-126) {  // flushed, or rounded up to the least number
    return result == 0 || std::fabs(result) == 0x1p-126f ? 0 : INFINITY;
  }
  const double largest = std::numeric_limits<float>::max();
  if (std::isinf(result)) return exact / std::copysign(largest, double(result)) > 1 ? 0 : INFINITY;
  if (std::fabs(exact) > largest) return std::fabs(result) == largest ? 0.5 : INFINITY;
  return std::fabs(result - exact) / std::ldexp(1.0, std::ilogb(exact) - 23);
}

}  // namespace

TEST_CASE("tail functions keep their bounds of error") {
  std::mt19937_64 engine(test_seed());
  for (const Function& f : kFunctions) {
    for (int i = 0; i < 60'000; ++i) {
      auto bits = static_cast<uint32_t>(engine());
      if (i % 4 != 0) bits = (bits & 0x807fffff) | (100 + bits / 512 % 34) << 23;  // 2^-27 .. 2^6
      if (i % 8 == 1)
        bits = (bits & 0xfffe0000) + static_cast<uint32_t>(engine() % 3) - 1;  // edges of segments
      const float x = scalar::flush(from_bits(bits));
      const double e = error(f.chip(x), f.exact(x));
      if (e > f.bound) {
        CAPTURE(f.name, bits, e);
        REQUIRE(e <= f.bound);
      }
    }
  }
}

TEST_CASE("tail functions at special values") {
  const auto check = [](float (*f)(float), std::initializer_list<std::pair<uint32_t, uint32_t>> cases) {
    for (const auto& [x, y] : cases) {
      CAPTURE(x);
      REQUIRE(bits_of(f(from_bits(x))) == y);
    }
    for (uint32_t nan : {kNan, 0xffc00001u, 0x7f800001u}) REQUIRE(bits_of(f(from_bits(nan))) == kNan);
  };
  check(scalar::recip, {{0, kInf},
                        {kMinusZero, kMinusInf},
                        {1, kInf},
                        {0x807fffff, kMinusInf},
                        {kInf, 0},
                        {kMinusInf, kMinusZero},
                        {kOne, kOne},
                        {0xc0000000, 0xbf000000},
                        {0x7e800000, 0x00800000},    // 2^126
                        {0x7e800001, 0},             // just above: below 2^-126
                        {0x00800000, 0x7e800000}});  // 2^-126
  check(scalar::exp, {{0, kOne},
                      {kMinusZero, kOne},
                      {0x007fffff, kOne},
                      {kInf, kInf},
                      {kMinusInf, 0},
                      {0x42b17218, kInf},
                      {0x42b17217, 0x7f7fff84},
                      {0xc2aeac50, 0},
                      {0xc2aeac4f, 0x00800026},
                      {0x43000000, kInf},
                      {0xc3000000, 0}});
  check(scalar::log, {{0, kMinusInf},
                      {kMinusZero, kMinusInf},
                      {0x807fffff, kMinusInf},
                      {kOne, 0},
                      {kInf, kInf},
                      {kMinusInf, kNan},
                      {0x80800000, kNan}});
  check(scalar::sqrt, {{0, 0},
                       {kMinusZero, kMinusZero},
                       {0x807fffff, kMinusZero},
                       {0x80800000, kNan},
                       {kInf, kInf},
                       {kMinusInf, kNan},
                       {kOne, kOne},
                       {0x40800000, 0x40000000},
                       {0x41100000, 0x40400000},
                       {0x00800000, 0x20000000}});
  check(scalar::rsqrt, {{0, kInf},
                        {kMinusZero, kMinusInf},
                        {0x807fffff, kMinusInf},
                        {0x80800000, kNan},
                        {kInf, 0},
                        {kMinusInf, kNan},
                        {kOne, kOne},
                        {0x40800000, 0x3f000000}});
  check(scalar::sigmoid, {{0, 0x3f000000},
                          {kMinusZero, 0x3f000000},
                          {1, 0x3f000000},
                          {kInf, kOne},
                          {kMinusInf, 0},
                          {0x41c00000, kOne},  // 24
                          {0xc2c80000, 0},     // -100
                          {0x43000000, kOne},
                          {0xc3000000, 0}});
  check(scalar::tanh, {{0, 0},
                       {kMinusZero, kMinusZero},
                       {0x807fffff, kMinusZero},
                       {0x00800000, 0x00800000},
                       {0x80800001, 0x80800001},
                       {0x30000000, 0x30000000},
                       {kInf, kOne},
                       {kMinusInf, 0xbf800000},
                       {0x41200000, kOne}});
  check(scalar::erf, {{0, 0},
                      {kMinusZero, kMinusZero},
                      {kInf, kOne},
                      {kMinusInf, 0xbf800000},
                      {0x00800000, 0x00906ebb},
                      {0x40800000, kOne}});
}

TEST_CASE("squares have exact roots, powers of two exact reciprocals") {
  for (uint32_t n = 1; n < 4096; ++n) {
    const auto x = static_cast<float>(n);
    REQUIRE(scalar::sqrt(x * x) == x);
    REQUIRE(scalar::sqrt(x * x * 0x1p-40f) == x * 0x1p-20f);
  }
  for (int e = -126; e <= 126; ++e) {
    REQUIRE(scalar::recip(std::ldexp(1.0f, e)) == std::ldexp(1.0f, -e));
    if (e % 2 == 0) REQUIRE(scalar::rsqrt(std::ldexp(1.0f, e)) == std::ldexp(1.0f, -e / 2));
  }
}

TEST_CASE("functions of odd symmetry, and monotone ones where segments meet") {
  std::mt19937_64 engine(test_seed());
  for (int i = 0; i < 20'000; ++i) {
    const float x = from_bits(static_cast<uint32_t>(engine()) & 0x7fffffff);
    if (std::isnan(x)) continue;
    REQUIRE(scalar::tanh(-x) == -scalar::tanh(x));
    REQUIRE(scalar::erf(-x) == -scalar::erf(x));
    REQUIRE(scalar::recip(-x) == -scalar::recip(x));
  }
  for (const Function& f : kFunctions) {
    const bool falls = f.chip == scalar::recip || f.chip == scalar::rsqrt;
    for (uint32_t edge = 0x30000000; edge < 0x43000000; edge += 0x10000) {
      for (uint32_t x = edge - 2; x < edge + 2; ++x) {
        const float below = f.chip(from_bits(x));
        const float above = f.chip(from_bits(x + 1));
        if (falls ? above > below : above < below) {
          CAPTURE(f.name, x);
          REQUIRE((falls ? above <= below : above >= below));
        }
      }
    }
  }
}
