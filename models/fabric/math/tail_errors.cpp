// The errors of the tail's functions, against correctly rounded results: the table in README.md.
//
//   tail_errors                  all BF16 values and 10 million FP32 values a function, as a table in
//   Markdown tail_errors --monotone       every FP32 value: whether results ever step back tail_errors
//   --samples N      another number of FP32 values tail_errors --seed S         others of them (0)
//
// The reference is the C library's function in double, whose error is far below what could show in the table;
// where it lies too near the middle between two FP32 numbers to tell which is the right one, and for one
// value in 4096 in any case, MPFR decides.
#include <mpfr.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "fabric/math/kernels.h"
#include "fabric/math/scalar.h"

using namespace rdu::fabric;
using scalar::bits_of;
using scalar::from_bits;

namespace {

/// A number of 160 bits.
class Precise {
 public:
  Precise() { mpfr_init2(value_, 160); }
  ~Precise() { mpfr_clear(value_); }
  Precise(const Precise&) = delete;
  Precise& operator=(const Precise&) = delete;
  mpfr_t& operator*() { return value_; }

 private:
  mpfr_t value_;
};

void precise_sigmoid(mpfr_t y, const mpfr_t x) {
  mpfr_neg(y, x, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_ui_div(y, 1, y, MPFR_RNDN);
}

struct Function {
  const char* name;
  Kernels::Unary Kernels::*kernel;
  double (*in_double)(double);
  void (*precisely)(mpfr_t y, const mpfr_t x);
  bool falls;
};

const Function kFunctions[] = {
    {"EXP", &Kernels::exp, [](double x) { return std::exp(x); },
     [](mpfr_t y, const mpfr_t x) { mpfr_exp(y, x, MPFR_RNDN); }, false},
    {"RECIP", &Kernels::recip, [](double x) { return 1 / x; },
     [](mpfr_t y, const mpfr_t x) { mpfr_ui_div(y, 1, x, MPFR_RNDN); }, true},
    {"LOG", &Kernels::log, [](double x) { return std::log(x); },
     [](mpfr_t y, const mpfr_t x) { mpfr_log(y, x, MPFR_RNDN); }, false},
    {"SQRT", &Kernels::sqrt, [](double x) { return std::sqrt(x); },
     [](mpfr_t y, const mpfr_t x) { mpfr_sqrt(y, x, MPFR_RNDN); }, false},
    {"RSQRT", &Kernels::rsqrt, [](double x) { return 1 / std::sqrt(x); },
     [](mpfr_t y, const mpfr_t x) { mpfr_rec_sqrt(y, x, MPFR_RNDN); }, true},
    {"SIGMOID", &Kernels::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, precise_sigmoid, false},
    {"TANH", &Kernels::tanh, [](double x) { return std::tanh(x); },
     [](mpfr_t y, const mpfr_t x) { mpfr_tanh(y, x, MPFR_RNDN); }, false},
    {"ERF", &Kernels::erf, [](double x) { return std::erf(x); },
     [](mpfr_t y, const mpfr_t x) { mpfr_erf(y, x, MPFR_RNDN); }, false},
};

[[noreturn]] void fail(const Function& f, uint32_t x, const char* what) {
  std::fprintf(stderr, "tail_errors: %s(0x%08X): %s\n", f.name, x, what);
  std::exit(1);
}

/// The correctly rounded result, and the error of `result` in units in the last place of the exact one's
/// binade.
class Reference {
 public:
  struct Answer {
    uint32_t rounded;
    double error;
  };

  Answer ask(const Function& f, uint32_t x, float result, bool precisely) {
    const double argument = scalar::flush(from_bits(x));
    const double y = f.in_double(argument);
    if (std::isnan(y)) return {scalar::kNan, bits_of(result) == scalar::kNan ? 0.0 : INFINITY};
    if (y == 0 || std::isinf(y))
      return {bits_of(static_cast<float>(y)), result == static_cast<float>(y) ? 0 : INFINITY};
    const int exponent = std::ilogb(y);
    const double unit = std::ldexp(1.0, exponent - 23);
    const double units = std::fabs(y) / unit;  // 2^23 .. 2^24
    const double distance = std::fabs(units - std::floor(units) - 0.5);
    constexpr double kDoubtful = 0x1p-20;
    float rounded = scalar::round_result(y);
    if (precisely || distance < kDoubtful || std::fabs(y) < 0x1.1p-126) {
      mpfr_set_d(*x_, argument, MPFR_RNDN);
      f.precisely(*y_, *x_);
      mpfr_sub_d(*difference_, *y_, y, MPFR_RNDN);
      if (std::fabs(mpfr_get_d(*difference_, MPFR_RNDN)) > unit * kDoubtful / 8)
        fail(f, x, "the reference is wrong");
      // 24 bits: MPFR's exponents have no end.
      mpfr_set(*single_, *y_, MPFR_RNDN);
      rounded = scalar::round_result(mpfr_get_d(*single_, MPFR_RNDN));
    }
    return {bits_of(rounded), error(result, rounded, y, unit)};
  }

 private:
  struct Single : Precise {
    Single() { mpfr_set_prec(**this, 24); }
  };

  static double error(float result, float rounded, double y, double unit) {
    if (result == rounded && (std::isinf(result) || result == 0)) return 0;  // beyond the range
    if (std::isinf(result)) return std::fabs(0x1p128 - std::fabs(y)) / unit;
    if (result == 0) return std::fabs(0x1p-126 - std::fabs(y)) / unit;
    return std::fabs(static_cast<double>(result) - y) / unit;
  }

  Precise x_, y_, difference_;
  Single single_;
};

struct Tally {
  uint64_t values = 0;
  uint64_t right = 0;
  double worst = 0;
  uint32_t worst_at = 0;

  void add(uint32_t x, float result, const Reference::Answer& answer) {
    ++values;
    right += bits_of(result) == answer.rounded;
    if (answer.error > worst) {
      worst = answer.error;
      worst_at = x;
    }
  }
  double share() const { return 100.0 * static_cast<double>(right) / static_cast<double>(values); }
};

std::vector<float> results_of(const Function& f, const std::vector<uint32_t>& x) {
  std::vector<float> y(x.size());
  const FloatMode mode;
  (kernels().*f.kernel)(y.data(), x.data(), x.size());
  return y;
}

constexpr size_t kBatch = 1 << 16;

std::vector<uint32_t> all_bf16() {
  std::vector<uint32_t> x;
  for (uint32_t high = 0; high < 0x10000; ++high) x.push_back(high << 16);
  return x;
}

/// Half of them spread over all exponents, a quarter over those where most functions have their shape (2^-14
/// to 2^7), a quarter within four steps of where a segment may begin.
std::vector<uint32_t> fp32_sample(std::mt19937_64& engine) {
  std::vector<uint32_t> x(kBatch);
  for (size_t i = 0; i < x.size(); ++i) {
    const uint64_t r = engine();
    x[i] = static_cast<uint32_t>(r);
    const auto other = static_cast<uint32_t>(r >> 32);
    if (i % 4 == 1) x[i] = (x[i] & 0x807fffff) | (113 + other % 21) << 23;
    if (i % 4 == 3) x[i] = (x[i] & 0xfffe0000) + other % 8 - 4;
  }
  return x;
}

void print_errors(uint64_t samples, uint64_t seed) {
  std::puts(
      "| function | BF16: largest error | correctly rounded | FP32: largest error | at | correctly rounded "
      "|");
  std::puts("|---|---|---|---|---|---|");
  Reference reference;
  for (const Function& f : kFunctions) {
    Tally bf16;
    const std::vector<uint32_t> x = all_bf16();
    const std::vector<float> y = results_of(f, x);
    for (size_t i = 0; i < x.size(); ++i) bf16.add(x[i], y[i], reference.ask(f, x[i], y[i], true));
    Tally fp32;
    std::mt19937_64 engine(seed);
    while (fp32.values < samples) {
      const std::vector<uint32_t> a = fp32_sample(engine);
      const std::vector<float> b = results_of(f, a);
      for (size_t i = 0; i < a.size(); ++i) fp32.add(a[i], b[i], reference.ask(f, a[i], b[i], i % 4096 == 0));
    }
    std::printf("| %s | %.3f ulp | %.2f %% | %.3f ulp | 0x%08X | %.2f %% |\n", f.name, bf16.worst,
                bf16.share(), fp32.worst, fp32.worst_at, fp32.share());
  }
}

/// From the smallest argument to the largest, but over the pole of RECIP.
int check_monotone() {
  int status = 0;
  for (const Function& f : kFunctions) {
    uint64_t back = 0;
    for (const bool negative : {true, false}) {
      float before = std::numeric_limits<float>::quiet_NaN();
      for (uint64_t from = 0; from <= 0x7f800000; from += kBatch) {
        std::vector<uint32_t> x(kBatch);
        for (size_t i = 0; i < kBatch; ++i) {
          const uint64_t step = std::min<uint64_t>(from + i, 0x7f800000);
          x[i] = static_cast<uint32_t>(negative ? 0xff800000 - step : step);
        }
        for (const float y : results_of(f, x)) {
          back += f.falls ? y > before : y < before;
          before = y;
        }
      }
    }
    std::printf("%s: %llu steps back\n", f.name, static_cast<unsigned long long>(back));
    std::fflush(stdout);
    if (back != 0) status = 1;
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t samples = 10'000'000;
  uint64_t seed = 0;
  bool monotone = false;
  CLI::App app("Errors of the tail's functions, as a table in Markdown");
  app.add_option("--samples", samples, "FP32 values of each function")->capture_default_str();
  app.add_option("--seed", seed, "of the random values")->capture_default_str();
  app.add_flag("--monotone", monotone, "look at every FP32 value for results that step back, instead");
  CLI11_PARSE(app, argc, argv);
  if (monotone) return check_monotone();
  print_errors(samples, seed);
  return 0;
}
