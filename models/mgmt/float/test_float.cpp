#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "mgmt/float/host.h"
#include "mgmt/float/soft.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::mgmt::fp;

namespace {

constexpr Rounding kModes[] = {Rounding::nearest_even, Rounding::toward_zero, Rounding::down, Rounding::up,
                               Rounding::nearest_magnitude};

/// Random operands an operation and mode; RDU_FLOAT_VECTORS sets another number for long runs.
unsigned vectors() {
  const char* given = std::getenv("RDU_FLOAT_VECTORS");
  return given ? static_cast<unsigned>(std::strtoul(given, nullptr, 0)) : 6000;
}

/// An operation in both implementations. Results are widened to 64 bits.
template <class F>
struct Operation {
  using Bits = typename F::Bits;
  const char* name;
  unsigned operands;
  uint64_t (*soft)(const Bits* v, Environment& e);
  bool (*host)(const Bits* v, uint64_t* result);
};

template <class T>
uint64_t widened(T value) {
  return static_cast<uint64_t>(static_cast<std::make_unsigned_t<T>>(value));
}

#define SOFT(...) [](const Bits* v, Environment& e) -> uint64_t { return widened(S::__VA_ARGS__); }
#define HOST(type, ...)                 \
  [](const Bits* v, uint64_t* result) { \
    type r = 0;                         \
    const bool good = H::__VA_ARGS__;   \
    *result = widened(r);               \
    return good;                        \
  }
#define HOST_COMPARE(function)                 \
  [](const Bits* v, uint64_t* result) {        \
    *result = H::function(v[0], v[1]) ? 1 : 0; \
    return true;                               \
  }
#define SOFT_COMPARE(function) \
  [](const Bits* v, Environment& e) -> uint64_t { return S::function(v[0], v[1], e) ? 1 : 0; }
/// Toward zero whatever the mode: FCVT with RTZ, as compilers use it.
#define SOFT_TRUNCATE(function)                                   \
  [](const Bits* v, Environment& e) -> uint64_t {                 \
    Environment truncate{Rounding::toward_zero, e.flags};         \
    const uint64_t result = widened(S::function(v[0], truncate)); \
    e.flags = truncate.flags;                                     \
    return result;                                                \
  }

template <class F>
const std::vector<Operation<F>>& operations() {
  using S = Soft<F>;
  using H = Host<F>;
  using Bits = typename F::Bits;
  static const std::vector<Operation<F>> all = {
      {"add", 2, SOFT(add(v[0], v[1], e)), HOST(Bits, add(v[0], v[1], &r))},
      {"subtract", 2, SOFT(subtract(v[0], v[1], e)), HOST(Bits, subtract(v[0], v[1], &r))},
      {"multiply", 2, SOFT(multiply(v[0], v[1], e)), HOST(Bits, multiply(v[0], v[1], &r))},
      {"divide", 2, SOFT(divide(v[0], v[1], e)), HOST(Bits, divide(v[0], v[1], &r))},
      {"square root", 1, SOFT(square_root(v[0], e)), HOST(Bits, square_root(v[0], &r))},
      {"multiply-add", 3, SOFT(multiply_add(v[0], v[1], v[2], e)),
       HOST(Bits, multiply_add(v[0], v[1], v[2], &r))},
      {"multiply-subtract", 3, SOFT(multiply_add(v[0], v[1], S::negate(v[2]), e)),
       HOST(Bits, multiply_subtract(v[0], v[1], v[2], &r))},
      {"negated multiply-add", 3, SOFT(multiply_add(S::negate(v[0]), v[1], v[2], e)),
       HOST(Bits, negate_multiply_add(v[0], v[1], v[2], &r))},
      {"negated multiply-subtract", 3, SOFT(multiply_add(S::negate(v[0]), v[1], S::negate(v[2]), e)),
       HOST(Bits, negate_multiply_subtract(v[0], v[1], v[2], &r))},
      {"minimum", 2, SOFT(minimum(v[0], v[1], e)), HOST(Bits, minimum(v[0], v[1], &r))},
      {"maximum", 2, SOFT(maximum(v[0], v[1], e)), HOST(Bits, maximum(v[0], v[1], &r))},
      {"equal", 2, SOFT_COMPARE(equal), HOST_COMPARE(equal)},
      {"less", 2, SOFT_COMPARE(less), HOST_COMPARE(less)},
      {"less or equal", 2, SOFT_COMPARE(less_or_equal), HOST_COMPARE(less_or_equal)},
      {"to int32", 1, SOFT(to_int32(v[0], e)), HOST(int32_t, template to_int32<false>(v[0], &r))},
      {"to uint32", 1, SOFT(to_uint32(v[0], e)), HOST(uint32_t, template to_uint32<false>(v[0], &r))},
      {"to int64", 1, SOFT(to_int64(v[0], e)), HOST(int64_t, template to_int64<false>(v[0], &r))},
      {"to uint64", 1, SOFT(to_uint64(v[0], e)), HOST(uint64_t, template to_uint64<false>(v[0], &r))},
      {"to int32, truncated", 1, SOFT_TRUNCATE(to_int32), HOST(int32_t, template to_int32<true>(v[0], &r))},
      {"to uint32, truncated", 1, SOFT_TRUNCATE(to_uint32),
       HOST(uint32_t, template to_uint32<true>(v[0], &r))},
      {"to int64, truncated", 1, SOFT_TRUNCATE(to_int64), HOST(int64_t, template to_int64<true>(v[0], &r))},
      {"to uint64, truncated", 1, SOFT_TRUNCATE(to_uint64),
       HOST(uint64_t, template to_uint64<true>(v[0], &r))},
  };
  return all;
}

/// To F from integers and from the other format, whose operands are 64-bit words.
template <class F, class Other>
const std::vector<Operation<Binary64>>& conversions() {
  using S = Soft<F>;
  using H = Host<F>;
  using Bits = uint64_t;
  using Result = typename F::Bits;
  using From = typename Other::Bits;
  static const std::vector<Operation<Binary64>> all = {
      {"from signed", 1, SOFT(from_signed(static_cast<int64_t>(v[0]), e)),
       HOST(Result, from_signed(static_cast<int64_t>(v[0]), &r))},
      {"from unsigned", 1, SOFT(from_unsigned(v[0], e)), HOST(Result, from_unsigned(v[0], &r))},
      {"from the other format", 1, SOFT(template convert<Other>(static_cast<From>(v[0]), e)),
       HOST(Result, template convert<Other>(static_cast<From>(v[0]), &r))},
  };
  return all;
}

/// Both signs of every boundary: zero, subnormals, least normal, one and its neighbours, halves, the ends of
/// the integers, the largest, infinity, both kinds of NaN.
template <class F>
std::vector<typename F::Bits> boundaries() {
  using Bits = typename F::Bits;
  std::vector<Bits> all = {0,
                           1,
                           2,
                           3,
                           F::kQuiet,
                           F::kFraction - 1,
                           F::kFraction,
                           F::kInfinity,
                           F::kLargest,
                           F::kLargest - 1,
                           F::kNan,
                           F::kNan | 1,
                           F::kInfinity | 1,
                           F::kInfinity | (F::kQuiet - 1)};
  const auto power = [](int n) { return static_cast<Bits>(n + F::kBias) << F::kFractionBits; };
  const int precision = static_cast<int>(F::kPrecision);
  for (const int n : {F::kLeastExponent,
                      F::kLeastExponent + 1,
                      F::kLeastExponent / 2,
                      -precision - 1,
                      -precision,
                      -precision + 1,
                      -2,
                      -1,
                      0,
                      1,
                      2,
                      precision - 2,
                      precision - 1,
                      precision,
                      31,
                      32,
                      63,
                      64,
                      F::kBias / 2,
                      F::kBias}) {
    for (const Bits near : {power(n) - 1, power(n), power(n) + 1}) all.push_back(near);
    all.push_back(power(n) | F::kQuiet);  // half as much again: 1.5, 2^n and a half ...
  }
  const size_t positive = all.size();
  for (size_t i = 0; i < positive; ++i) all.push_back(all[i] | F::kSign);
  return all;
}

template <class F>
typename F::Bits random_operand(std::mt19937_64& random, const std::vector<typename F::Bits>& special) {
  using Bits = typename F::Bits;
  const uint64_t r = random();
  const auto bits = static_cast<Bits>(random());
  switch (r % 8) {
    case 0:
      return special[(r >> 8) % special.size()];
    case 1:  // few ones: exact results and ties
      return (bits & ~F::kFraction) | (Bits{1} << ((r >> 8) % F::kPrecision));
    case 2:  // subnormal
      return bits & (F::kSign | F::kFraction);
    case 3:
    case 4: {  // near one another, so that sums cancel and integers do not overflow
      const auto exponent = static_cast<Bits>(static_cast<int>((r >> 8) % 70) - 4 + F::kBias);
      return (bits & (F::kSign | F::kFraction)) | exponent << F::kFractionBits;
    }
    case 5: {  // products around the least normal number and the largest
      const auto exponent = static_cast<Bits>((r >> 8) % 4) + F::kBias / 2 + (r & (1 << 20) ? F::kBias : 0);
      return (bits & (F::kSign | F::kFraction)) | static_cast<Bits>(exponent) << F::kFractionBits;
    }
    default:
      return bits;
  }
}

/// Compares the implementations and counts.
template <class F>
class Comparison {
 public:
  using Bits = typename F::Bits;

  explicit Comparison(const Operation<F>& operation) : operation_(operation) {}

  void check(const std::array<Bits, 3>& v) {
    for (const Rounding mode : kModes) {
      if (HostEnvironment::supports(mode)) check(v, mode);
    }
  }
  ~Comparison() {
    INFO(operation_.name << ", " << F::kWidth << " bits, RDU_SEED=" << test_seed());
    CHECK(wrong_ == 0);
    if (HostEnvironment::supports(Rounding::nearest_even)) CHECK(served_ > compared_ / 4);
  }

 private:
  void check(const std::array<Bits, 3>& v, Rounding mode) {
    Environment e{mode, 0};
    const uint64_t want = operation_.soft(v.data(), e);
    uint64_t got = 0;
    HostEnvironment::enter(mode);
    const bool served = operation_.host(v.data(), &got);
    const uint8_t flags = HostEnvironment::flags();
    HostEnvironment::restore(HostEnvironment::kDefault);
    ++compared_;
    served_ += served;
    // Where the host cannot answer it must not have raised anything else.
    const bool same = served ? got == want && flags == e.flags : (flags & ~e.flags) == 0;
    if (!same && ++wrong_ <= 3) {
      UNSCOPED_INFO(operation_.name << std::hex << " of " << v[0] << " " << v[1] << " " << v[2] << " mode "
                                    << static_cast<unsigned>(mode) << ": host " << got << " flags "
                                    << unsigned{flags} << (served ? "" : " (not served)") << ", soft " << want
                                    << " flags " << unsigned{e.flags});
    }
  }

  const Operation<F>& operation_;
  uint64_t compared_ = 0, served_ = 0, wrong_ = 0;
};

template <class F>
void compare_everything() {
  using Bits = typename F::Bits;
  const std::vector<Bits> special = boundaries<F>();
  std::mt19937_64 random(test_seed());
  for (const Operation<F>& operation : operations<F>()) {
    Comparison<F> comparison(operation);
    for (const Bits a : special) {
      if (operation.operands == 1) {
        comparison.check({a, 0, 0});
        continue;
      }
      for (const Bits b : special) {
        if (operation.operands == 2) {
          comparison.check({a, b, 0});
        } else if (random() % 16 == 0) {
          // Of all triples those in which c nearly cancels the product, and some.
          Environment e;
          const Bits p = Soft<F>::multiply(a, b, e);
          for (const Bits c : {p, Soft<F>::negate(p), static_cast<Bits>(p + 1), Soft<F>::negate(p - 1)}) {
            comparison.check({a, b, c});
          }
          comparison.check({a, b, special[random() % special.size()]});
        }
      }
    }
    for (unsigned i = 0; i < vectors(); ++i) {
      std::array<Bits, 3> v;
      for (Bits& operand : v) operand = random_operand<F>(random, special);
      comparison.check(v);
    }
  }
}

template <class F, class Other>
void compare_conversions() {
  const auto special = boundaries<Other>();
  std::mt19937_64 random(test_seed());
  for (const Operation<Binary64>& operation : conversions<F, Other>()) {
    Comparison<Binary64> comparison(operation);
    for (const auto a : special) comparison.check({a, 0, 0});
    for (unsigned n = 0; n < 64; ++n) {
      const uint64_t power = uint64_t{1} << n;
      for (const uint64_t v : {power - 1, power, power + 1, power | power >> 24, power | power >> 53}) {
        comparison.check({v, 0, 0});
        comparison.check({0 - v, 0, 0});
      }
    }
    for (unsigned i = 0; i < vectors(); ++i) {
      comparison.check({random_operand<Other>(random, special), 0, 0});
      comparison.check({random() >> (random() % 64), 0, 0});
    }
  }
}

template <class T>
T from_bits(uint64_t bits) {
  T v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
uint64_t bits_of(double v) {
  uint64_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}

}  // namespace

TEST_CASE("the host computes what the reference does, binary32", "[mgmt][float]") {
  compare_everything<Binary32>();
}

TEST_CASE("the host computes what the reference does, binary64", "[mgmt][float]") {
  compare_everything<Binary64>();
}

TEST_CASE("the host converts as the reference does", "[mgmt][float]") {
  compare_conversions<Binary32, Binary64>();
  compare_conversions<Binary64, Binary32>();
}

// The mode that no host knows. A binary64 in range is exact for what is rounded to binary32, so that ties are
// seen.
TEST_CASE("ties go away from zero in RMM, everything else to the nearest", "[mgmt][float]") {
  std::mt19937_64 random(test_seed());
  unsigned ties = 0, wrong = 0;
  for (unsigned i = 0; i < 200'000; ++i) {
    // 25 or 26 significant bits, so that ties are frequent; exponents down into the subnormals.
    const uint64_t fraction =
        (random() & (Binary64::kFraction & ~((uint64_t{1} << (26 + random() % 3)) - 1)));
    const uint64_t exponent = 1023 - 152 + random() % 278;
    const uint64_t value = (random() & Binary64::kSign) | exponent << 52 | fraction;
    Environment down{Rounding::toward_zero, 0}, nearest{Rounding::nearest_even, 0};
    Environment away{Rounding::nearest_magnitude, 0};
    const uint32_t below = Soft<Binary32>::convert<Binary64>(value, down);
    const uint32_t even = Soft<Binary32>::convert<Binary64>(value, nearest);
    const uint32_t got = Soft<Binary32>::convert<Binary64>(value, away);
    if (below == Binary32::kLargest || below == (Binary32::kLargest | Binary32::kSign)) continue;
    const double middle = (double{from_bits<float>(below)} + double{from_bits<float>(below + 1)}) / 2;
    const bool tie = bits_of(middle) == value;
    ties += tie;
    const uint32_t want = tie ? below + 1 : even;
    wrong += got != want || away.flags != (nearest.flags & ~(tie && away.flags == kInexact ? kUnderflow : 0));
  }
  CHECK(ties > 1000);
  CHECK(wrong == 0);
  for (int n = -1000; n <= 1000; ++n) {
    Environment e{Rounding::nearest_magnitude, 0};
    const int want = n >= 0 ? (n + 2) / 4 : -((-n + 2) / 4);
    CHECK(Soft<Binary64>::to_int32(bits_of(n / 4.0), e) == want);
    CHECK(e.flags == (n % 4 != 0 ? kInexact : 0));
  }
}

TEST_CASE("what RISC-V leaves no choice in", "[mgmt][float]") {
  using S = Soft<Binary32>;
  using D = Soft<Binary64>;
  const uint32_t signalling = 0x7f800001, quiet = 0xffc12345, infinity = 0x7f800000, one = 0x3f800000;
  const auto flags = [](auto&& operation) {
    Environment e;
    operation(e);
    return e.flags;
  };
  Environment e;
  CHECK(S::add(quiet, one, e) == 0x7fc00000);  // canonical, payload and sign gone
  CHECK(e.flags == 0);
  CHECK(S::minimum(quiet, one, e) == one);
  CHECK(S::minimum(quiet, quiet, e) == 0x7fc00000);
  CHECK(S::minimum(0, 0x80000000, e) == 0x80000000);
  CHECK(S::maximum(0x80000000, 0, e) == 0);
  CHECK(e.flags == 0);
  CHECK(flags([&](Environment& x) { S::minimum(signalling, one, x); }) == kInvalid);
  CHECK(flags([&](Environment& x) { S::equal(quiet, one, x); }) == 0);
  CHECK(flags([&](Environment& x) { S::less(quiet, one, x); }) == kInvalid);
  CHECK(flags([&](Environment& x) { S::multiply_add(infinity, 0, quiet, x); }) == kInvalid);
  CHECK(flags([&](Environment& x) { S::divide(one, 0, x); }) == kDivideByZero);
  CHECK(flags([&](Environment& x) { S::divide(0, 0, x); }) == kInvalid);
  // Saturation, invalid and not inexact.
  CHECK(S::to_int32(quiet, e) == INT32_MAX);
  CHECK(S::to_uint64(quiet, e) == UINT64_MAX);
  CHECK(D::to_uint32(bits_of(-1.5), e) == 0);
  CHECK(D::to_int64(bits_of(-1e300), e) == INT64_MIN);
  CHECK(e.flags == kInvalid);
  CHECK(flags([&](Environment& x) { CHECK(D::to_uint32(bits_of(-0.5), x) == 0); }) == kInexact);
  // Tininess after rounding: just below the least normal number, rounded to it. 1 - 2^-53 is exact with an
  // unbounded exponent and so tiny; 1 - 2^-104 is not, it rounds to 1 there too.
  const uint64_t least = uint64_t{1} << 52;
  CHECK(flags([&](Environment& x) { CHECK(D::multiply(least, bits_of(1 - 0x1p-53), x) == least); }) ==
        (kInexact | kUnderflow));
  CHECK(flags([&](Environment& x) { CHECK(D::multiply(least + 1, bits_of(1 - 0x1p-52), x) == least); }) ==
        kInexact);
  // One bit a class, in order.
  const uint32_t classes[] = {0xff800000, 0xbf800000, 0x80000001, 0x80000000, 0,
                              1,          0x3f800000, 0x7f800000, signalling, quiet};
  for (unsigned i = 0; i < 10; ++i) CHECK(S::classify(classes[i]) == 1u << i);
  CHECK(S::with_sign_of(one, 0x80000000) == 0xbf800000);
  CHECK(S::with_opposite_sign(one, 0x80000000) == one);
  CHECK(S::with_xor_sign(0xbf800000, 0x80000000) == one);
  CHECK(unbox(box(one)) == one);
  CHECK(unbox(one) == Binary32::kNan);
}

TEST_CASE("other code of the platform keeps its own floating-point mode", "[mgmt][float]") {
  if (!HostEnvironment::supports(Rounding::down)) return;
  HostEnvironment::enter(Rounding::down);
  uint64_t quotient = 0;
  Host<Binary64>::divide(bits_of(1.0), bits_of(3.0), &quotient);
  {
    HostDefault as_usual;
    CHECK(HostEnvironment::save() == HostEnvironment::kDefault);
    Host<Binary64>::divide(bits_of(1.0), 0, &quotient);
  }
  CHECK(HostEnvironment::flags() == kInexact);
  CHECK(HostEnvironment::save() != HostEnvironment::kDefault);
  HostEnvironment::restore(HostEnvironment::kDefault);
}
