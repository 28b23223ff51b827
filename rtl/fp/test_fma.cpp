// Bench of the fused multiply-adds bf16_fma and fp32_fma: against exact arithmetic, against the models'
// definitions, and, from standard input, against what a public generator of floating-point tests expects.
// rtl/README.md has the commands.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <random>
#include <sstream>
#include <vector>

#include "Vbf16_fma.h"
#include "Vfp32_fma.h"
#include "exact.h"
#include "fabric/math/scalar.h"
#include "test/seed.h"

namespace {

/// FP32 bit patterns; of a BF16 factor the lower half is zero.
struct Operands {
  uint32_t a, b, c;
};

/// What is tested: a verilated unit with its factors' format.
class Unit {
 public:
  enum class Format { bf16, fp32 };

  explicit Unit(Format format) : format_(format) {}

  const char* name() const { return format_ == Format::bf16 ? "bf16_fma" : "fp32_fma"; }
  uint32_t factor(uint32_t x) const { return format_ == Format::bf16 ? x & 0xffff0000u : x; }
  bool takes(uint32_t x) const { return factor(x) == x; }

  uint32_t operator()(const Operands& x) {
    if (format_ == Format::bf16) {
      bf16_.a = static_cast<uint16_t>(x.a >> 16);
      bf16_.b = static_cast<uint16_t>(x.b >> 16);
      bf16_.c = x.c;
      bf16_.eval();
      return bf16_.y;
    }
    fp32_.a = x.a;
    fp32_.b = x.b;
    fp32_.c = x.c;
    fp32_.eval();
    return fp32_.y;
  }

  /// The models' definition, where they have one.
  bool in_model(const Operands& x) const {
    return format_ == Format::bf16 || x.a == kOne || x.b == kOne || x.c == exact::kSign;
  }
  uint32_t model(const Operands& x) const {
    namespace scalar = rdu::fabric::scalar;
    const float a = scalar::from_bits(x.a);
    const float b = scalar::from_bits(x.b);
    const float c = scalar::from_bits(x.c);
    return scalar::bits_of(scalar::fma(a, b, c));
  }

 private:
  static constexpr uint32_t kOne = 0x3f800000;

  Format format_;
  VerilatedContext context_;
  Vbf16_fma bf16_{&context_};
  Vfp32_fma fp32_{&context_};
};

class Check {
 public:
  explicit Check(Unit& unit) : unit_(unit) {}

  void operator()(Operands x) {
    x.a = unit_.factor(x.a);
    x.b = unit_.factor(x.b);
    const uint32_t got = unit_(x);
    ++vectors_;
    expect(x, got, exact::fma(x.a, x.b, x.c), "exact arithmetic");
    if (unit_.in_model(x)) expect(x, got, unit_.model(x), "the models' definition");
  }
  void expect(const Operands& x, uint32_t got, uint32_t wanted, const char* who) {
    if (got == wanted) return;
    if (++mismatches_ <= 10) {
      fmt::print("{}: {:08x} * {:08x} + {:08x} = {:08x}, but {} says {:08x}\n", unit_.name(), x.a, x.b, x.c,
                 got, who, wanted);
    }
  }
  void count() { ++vectors_; }

  bool report(const char* what) const {
    fmt::print("{}: {} {}, {} mismatches\n", unit_.name(), vectors_, what, mismatches_);
    return mismatches_ == 0 && vectors_ != 0;
  }

 private:
  Unit& unit_;
  uint64_t vectors_ = 0;
  uint64_t mismatches_ = 0;
};

// Zeros, subnormals, least and largest values, neighbours of powers of two, infinities, NaNs; with both
// signs.
const std::vector<uint32_t>& special() {
  static const std::vector<uint32_t> values = [] {
    std::vector<uint32_t> v;
    for (uint32_t x :
         {0x00000000u, 0x00000001u, 0x00010000u, 0x00400000u, 0x007fffffu, 0x007f0000u, 0x00800000u,
          0x00800001u, 0x00810000u, 0x00ffffffu, 0x00ff0000u, 0x01000000u, 0x0c000000u, 0x0c800000u,
          0x1f800000u, 0x20000000u, 0x20200000u, 0x33800000u, 0x34000000u, 0x3f000000u, 0x3f7f0000u,
          0x3f7fffffu, 0x3f800000u, 0x3f800001u, 0x3f810000u, 0x3fc00000u, 0x3fffffffu, 0x3fff0000u,
          0x40000000u, 0x4b000000u, 0x4b7fffffu, 0x4b800000u, 0x5f000000u, 0x5f7fffffu, 0x5f7f0000u,
          0x5f800000u, 0x7e800000u, 0x7f000000u, 0x7f7f0000u, 0x7f7fffffu, 0x7f800000u, 0x7f800001u,
          0x7fc00000u, 0x7fff0000u, 0x7fffffffu}) {
      v.push_back(x);
      v.push_back(x | exact::kSign);
    }
    return v;
  }();
  return values;
}

void directed(Check& check) {
  for (uint32_t a : special()) {
    for (uint32_t b : special()) {
      for (uint32_t c : special()) check({a, b, c});
    }
  }
  // Addend and product at every distance, with few and many ones: alignment, sticky bits, ties, cancellation.
  for (uint32_t a : {0x3f800000u, 0x3f810000u, 0x3fff0000u, 0x3f800001u, 0x3fffffffu}) {
    for (uint32_t b : {0x3f800000u, 0x3f810000u, 0x3fff0000u, 0x3faa0000u, 0x3fffffffu}) {
      for (uint32_t fraction :
           {0x000000u, 0x000001u, 0x400000u, 0x7fffffu, 0x7ffffeu, 0x010000u, 0x3f0000u}) {
        for (uint32_t e = 127 - 80; e <= 127 + 80; ++e) {
          for (uint32_t sign : {0u, exact::kSign}) check({a, b, sign | e << 23 | fraction});
        }
      }
    }
  }
}

/// Values of kinds that meet each other's edges.
class Random {
 public:
  explicit Random(uint64_t seed) : random_(seed) {}

  Operands next() {
    Operands x{value(), value(), value()};
    switch (random_() % 4) {
      case 0:
        return x;  // anything
      case 1: {    // the addend within reach of the product
        const int e = exponent(x.a) + exponent(x.b) - 127 + static_cast<int>(random_() % 110) - 55;
        x.c = with_exponent(x.c, e);
        return x;
      }
      case 2: {  // the addend all but cancels the product, or lies a tie's distance from it
        const uint32_t product = exact::fma(x.a & mask_, x.b & mask_, 0);
        x.c = (product ^ exact::kSign) + static_cast<uint32_t>(random_() % 9) - 4;
        return x;
      }
      default: {  // products and sums about 2^-126 and 2^128
        const int target = random_() % 2 != 0 ? 1 : 254;
        const int e = static_cast<int>(random_() % 256);
        x.a = with_exponent(x.a, e);
        x.b = with_exponent(x.b, target + 127 - e + static_cast<int>(random_() % 5) - 2);
        x.c = random_() % 4 == 0 ? x.c & exact::kSign
                                 : with_exponent(x.c, target + static_cast<int>(random_() % 60) - 30);
        return x;
      }
    }
  }
  /// The factors' bits that count.
  void factor_mask(uint32_t mask) { mask_ = mask; }

 private:
  static int exponent(uint32_t x) { return static_cast<int>(x >> 23 & 255); }
  static uint32_t with_exponent(uint32_t x, int e) {
    const auto field = static_cast<uint32_t>(e < 0 ? 0 : e > 255 ? 255 : e);
    return (x & 0x807fffff) | field << 23;
  }

  uint32_t value() {
    const auto r = static_cast<uint32_t>(random_());
    const auto s = static_cast<unsigned>(random_() >> 32);
    switch (s % 8) {
      case 0:
        return special()[r % special().size()];
      case 1:  // one or two ones
        return (r & 0xff800000u) | 1u << s / 8 % 23 | 1u << s / 256 % 23;
      case 2:  // a run of ones down to some bit
        return (r & 0xff800000u) | (0x7fffffu >> s / 8 % 24 << s / 256 % 24 & 0x7fffffu);
      case 3:  // moderate size
        return (r & 0x807fffffu) | (112 + s / 8 % 30) << 23;
      default:
        return r;
    }
  }

  std::mt19937_64 random_;
  uint32_t mask_ = ~0u;
};

/// Lines of `testfloat_gen f32_mulAdd`: operands, expected result and flags, hexadecimal. That arithmetic has
/// subnormals. A line with a subnormal operand asks another question than the unit answers, and is left out;
/// so are factors that the unit does not take. A result that is subnormal, or was so before it was rounded up
/// to 2^-126 (underflow, tininess after rounding), is zero of its sign here.
bool against_testfloat(Unit& unit, std::istream& in) {
  constexpr unsigned kUnderflow = 2;
  Check check(unit);
  uint64_t left_out = 0;
  std::string line;
  while (std::getline(in, line)) {
    Operands x{};
    uint32_t wanted = 0;
    unsigned flags = 0;
    if (std::sscanf(line.c_str(), "%x %x %x %x %x", &x.a, &x.b, &x.c, &wanted, &flags) != 5) {
      fmt::print(stderr, "test_fma: expected five hexadecimal numbers, found '{}'\n", line);
      return false;
    }
    const auto subnormal = [](uint32_t v) { return exact::is_zero(v) && v << 1 != 0; };
    if (subnormal(x.a) || subnormal(x.b) || subnormal(x.c) || !unit.takes(x.a) || !unit.takes(x.b)) {
      ++left_out;
      continue;
    }
    const bool tiny =
        subnormal(wanted) || ((wanted & ~exact::kSign) == 0x00800000u && (flags & kUnderflow) != 0);
    if (tiny) wanted &= exact::kSign;
    if (exact::is_nan(wanted)) wanted = exact::kNan;
    check.count();
    check.expect(x, unit(x), wanted, "testfloat_gen");
  }
  fmt::print("{} lines left out (subnormal operands, factors of another format)\n", left_out);
  return check.report("vectors of testfloat_gen");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Bench of the fused multiply-adds");
  std::string format = "both";
  uint64_t count = 1'000'000;
  bool testfloat = false;
  app.add_option("--format", format, "bf16, fp32 or both: of the factors")
      ->check(CLI::IsMember({"bf16", "fp32", "both"}));
  app.add_option("--count", count, "Random vectors for each format; RDU_SEED chooses them")
      ->capture_default_str();
  app.add_flag("--testfloat", testfloat,
               "Take lines of `testfloat_gen -tininessafter f32_mulAdd` from standard input; needs --format");
  CLI11_PARSE(app, argc, argv);
  if (testfloat && format == "both") {
    fmt::print(stderr, "test_fma: --testfloat needs --format bf16 or --format fp32\n");
    return 2;
  }

  bool ok = true;
  for (Unit::Format f : {Unit::Format::bf16, Unit::Format::fp32}) {
    if (format != "both" && format != (f == Unit::Format::bf16 ? "bf16" : "fp32")) continue;
    Unit unit(f);
    if (testfloat) return against_testfloat(unit, std::cin) ? 0 : 1;
    Check special_values(unit);
    directed(special_values);
    ok &= special_values.report("directed vectors");
    Check any(unit);
    Random random(test_seed());
    random.factor_mask(unit.factor(~0u));
    for (uint64_t i = 0; i < count; ++i) any(random.next());
    ok &= any.report("random vectors");
  }
  return ok ? 0 : 1;
}
