#include "fabric/math/kernels.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rdu::fabric {
namespace {

constexpr unsigned kLanes = 32;

/// FP32 values of all kinds: any bits, numbers of moderate size, and those around which rules change.
class Values {
 public:
  explicit Values(uint64_t seed) : random_(seed) {}

  uint32_t next() {
    static constexpr uint32_t kSpecial[] = {
        0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x80800000,
        0x00800001, 0x3f800000, 0xbf800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000,
        0xffc00000, 0x7f800001, 0xffffffff, 0x42b17218, 0x42b17217, 0xc2aeac50, 0xc2aeac4f, 0x7e800000,
        0x7e800001, 0x3f807fff, 0x3f808000, 0x3f818000, 0x7f7f8000, 0x007f8000, 0x00400000, 0x1f800000};
    const auto r = static_cast<uint32_t>(random_());
    switch (random_() % 4) {
      case 0:
        return kSpecial[r % (sizeof kSpecial / sizeof *kSpecial)];
      case 1:
        return r;
      default:  // about 2^-8 .. 2^8, so that sums cancel and exponentials are finite
        return (r & 0x807fffff) | (119 + r / 64 % 16) << 23;
    }
  }
  std::vector<float> floats(size_t n) {
    std::vector<float> values(n);
    for (float& value : values) {
      const uint32_t bits = next();
      std::memcpy(&value, &bits, sizeof value);
    }
    return values;
  }
  /// The upper halves of such values; `small` ones multiply to what lies around 2^-126.
  std::vector<uint8_t> packets(size_t n, bool small) {
    std::vector<uint8_t> bytes(n * 2 * kLanes);
    for (size_t i = 0; i < bytes.size(); i += 2) {
      uint32_t bits = next();
      if (small) bits = (bits & 0x807fffff) | (60 + bits / 128 % 8) << 23;
      const auto half = static_cast<uint16_t>(bits >> 16);
      std::memcpy(&bytes[i], &half, sizeof half);
    }
    return bytes;
  }

 private:
  std::mt19937_64 random_;
};

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

bool agree(const Kernels& a, const Kernels& b, uint64_t seed) {
  const FloatMode mode;
  Values values(seed);
  constexpr size_t kVectors = 64;
  constexpr size_t kValues = kVectors * kLanes;
  const std::vector<float> x = values.floats(kValues);
  const std::vector<float> y = values.floats(kValues);
  std::vector<float> ra(kValues);
  std::vector<float> rb(kValues);

  // Inside a unit a NaN may be any NaN: values are compared as they leave it.
  const auto equal = [&] {
    a.canonical(ra.data(), ra.data(), kValues);
    b.canonical(rb.data(), rb.data(), kValues);
    return same(ra, rb);
  };
  const auto binary = [&](auto op) {
    (a.*op)(ra.data(), x.data(), y.data(), kValues);
    (b.*op)(rb.data(), x.data(), y.data(), kValues);
    return equal();
  };
  const auto unary = [&](auto op) {
    (a.*op)(ra.data(), x.data(), kValues);
    (b.*op)(rb.data(), x.data(), kValues);
    return equal();
  };
  if (!binary(&Kernels::add) || !binary(&Kernels::sub) || !binary(&Kernels::mul) || !binary(&Kernels::max) ||
      !binary(&Kernels::min)) {
    return false;
  }
  if (!unary(&Kernels::exp) || !unary(&Kernels::recip) || !unary(&Kernels::canonical)) return false;

  for (unsigned active : {1u, 2u, 7u, 8u, 10u, 16u, 31u, 32u}) {
    const auto reduction = [&](auto op) {
      (a.*op)(ra.data(), x.data(), kVectors, active);
      (b.*op)(rb.data(), x.data(), kVectors, active);
      return equal();
    };
    if (!reduction(&Kernels::reduce_sum) || !reduction(&Kernels::reduce_max)) return false;
  }

  std::vector<uint8_t> pa(kVectors * 2 * kLanes);
  std::vector<uint8_t> pb(pa.size());
  a.to_bf16(pa.data(), x.data(), kVectors);
  b.to_bf16(pb.data(), x.data(), kVectors);
  if (!same(pa, pb)) return false;
  a.from_bf16(ra.data(), pa.data(), kVectors);
  b.from_bf16(rb.data(), pa.data(), kVectors);
  if (!same(ra, rb)) return false;

  for (unsigned rows = 1; rows <= 8; ++rows) {
    for (bool small : {false, true}) {
      constexpr size_t kSteps = 4;
      const std::vector<uint8_t> in0 = values.packets(kSteps, small);
      const std::vector<uint8_t> in1 = values.packets(kSteps, small);
      ra = small ? std::vector<float>(kValues) : x;
      rb = ra;
      a.matrix(ra.data(), in0.data(), in1.data(), kSteps, rows);
      b.matrix(rb.data(), in0.data(), in1.data(), kSteps, rows);
      if (!equal()) return false;
    }
  }
  return true;
}

const Kernels& kernels() {
  static const Kernels& chosen = []() -> const Kernels& {
    const char* wish = std::getenv("RDU_MATH");
    if (wish && std::string_view(wish) == "portable") return portable_kernels();
    const Kernels* fast = avx2_kernels();
    if (!fast) return portable_kernels();
    constexpr uint64_t kSeed = 20240910;
    if (agree(*fast, portable_kernels(), kSeed)) return *fast;
    fmt::print(
        stderr,
        "note: the {} kernels fail their self-test on this CPU; using the portable ones, which are slow\n",
        fast->name);
    return portable_kernels();
  }();
  return chosen;
}

#if defined(__x86_64__)
FloatMode::FloatMode() : saved_(_mm_getcsr()) {
  constexpr unsigned kFlushAndMaskAll = 0x9fc0;
  _mm_setcsr(kFlushAndMaskAll);
}
FloatMode::~FloatMode() {
  _mm_setcsr(saved_);
}
#else
FloatMode::FloatMode() : saved_(0) {}
FloatMode::~FloatMode() = default;
#endif

}  // namespace rdu::fabric
