#include "fabric/math/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
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

template <class Function>
struct Named {
  const char* name;
  Function Kernels::*kernel;
};

constexpr Named<Kernels::Unary> kUnary[] = {
    {"fabs", &Kernels::fabs},
    {"fneg", &Kernels::fneg},
    {"iabs", &Kernels::iabs},
    {"ineg", &Kernels::ineg},
    {"bit_not", &Kernels::bit_not},
    {"i2f", &Kernels::i2f},
    {"f2i", &Kernels::f2i},
    {"f2i_zero", &Kernels::f2i_zero},
    {"f2i_floor", &Kernels::f2i_floor},
    {"rbf16", &Kernels::rbf16},
    {"sat8", &Kernels::sat8},
    {"exp", &Kernels::exp},
    {"recip", &Kernels::recip},
    {"log", &Kernels::log},
    {"sqrt", &Kernels::sqrt},
    {"rsqrt", &Kernels::rsqrt},
    {"sigmoid", &Kernels::sigmoid},
    {"tanh", &Kernels::tanh},
    {"erf", &Kernels::erf},
    {"canonical", &Kernels::canonical},
};
constexpr Named<Kernels::Binary> kBinary[] = {
    {"fadd", &Kernels::fadd},     {"fsub", &Kernels::fsub},       {"fmul", &Kernels::fmul},
    {"fmax", &Kernels::fmax},     {"fmin", &Kernels::fmin},       {"feq", &Kernels::feq},
    {"fne", &Kernels::fne},       {"flt", &Kernels::flt},         {"fle", &Kernels::fle},
    {"iadd", &Kernels::iadd},     {"isub", &Kernels::isub},       {"imul", &Kernels::imul},
    {"imax", &Kernels::imax},     {"imin", &Kernels::imin},       {"ieq", &Kernels::ieq},
    {"ine", &Kernels::ine},       {"ilt", &Kernels::ilt},         {"ile", &Kernels::ile},
    {"ult", &Kernels::ult},       {"ule", &Kernels::ule},         {"bit_and", &Kernels::bit_and},
    {"bit_or", &Kernels::bit_or}, {"bit_xor", &Kernels::bit_xor}, {"bit_andn", &Kernels::bit_andn},
    {"shl", &Kernels::shl},       {"shr", &Kernels::shr},         {"sar", &Kernels::sar},
};
constexpr Named<Kernels::Ternary> kTernary[] = {
    {"fmadd", &Kernels::fmadd},
    {"fnmadd", &Kernels::fnmadd},
    {"sel", &Kernels::sel},
};
constexpr Named<Kernels::Across> kAcross[] = {
    {"fred_sum", &Kernels::fred_sum},   {"fred_max", &Kernels::fred_max},
    {"fred_min", &Kernels::fred_min},   {"ired_sum", &Kernels::ired_sum},
    {"ired_max", &Kernels::ired_max},   {"ired_min", &Kernels::ired_min},
    {"red_and", &Kernels::red_and},     {"red_or", &Kernels::red_or},
    {"red_xor", &Kernels::red_xor},     {"fscan_sum", &Kernels::fscan_sum},
    {"fscan_max", &Kernels::fscan_max}, {"iscan_sum", &Kernels::iscan_sum},
    {"fargmax", &Kernels::fargmax},     {"fargmin", &Kernels::fargmin},
    {"iargmax", &Kernels::iargmax},     {"iargmin", &Kernels::iargmin},
};
constexpr Named<Kernels::Move> kMove[] = {
    {"bcast", &Kernels::bcast},
    {"up", &Kernels::up},
    {"down", &Kernels::down},
};

using Lanes = std::vector<float>;

/// Whether the first `active` lanes of all vectors are the same.
bool same_active(const Lanes& a, const Lanes& b, unsigned active) {
  for (size_t i = 0; i < a.size(); i += kLanes) {
    if (std::memcmp(&a[i], &b[i], active * sizeof(float)) != 0) return false;
  }
  return true;
}

const char* matrix_difference(const Kernels& a, const Kernels& b, Values& values) {
  const auto canonical = [&](Lanes& x) { portable_kernels().canonical(x.data(), x.data(), x.size()); };
  for (unsigned rows = 1; rows <= 8; ++rows) {
    for (const size_t steps : {1, 4, 7, 131}) {
      if (steps > 64 && rows != 6) continue;  // more than is packed at a time
      for (const bool small : {false, true}) {
        const std::vector<uint8_t> in0 = values.packets(steps, small);
        const std::vector<uint8_t> in1 = values.packets(steps, small);
        Lanes begin = small ? Lanes(rows * kLanes) : values.floats(rows * kLanes);
        Lanes ra = begin;
        Lanes rb = begin;
        a.matrix(ra.data(), in0.data(), in1.data(), steps, rows);
        b.matrix(rb.data(), in0.data(), in1.data(), steps, rows);
        canonical(ra);
        canonical(rb);
        if (!same(ra, rb)) return "matrix";

        struct alignas(64) Block {
          uint8_t bytes[64];
        };
        std::vector<Block> lanes((packed_lanes_bytes(a, steps) + 63) / 64);
        std::vector<Block> other((packed_rows_bytes(a, steps) + 63) / 64);
        a.pack_lanes(lanes[0].bytes, in0.data(), steps);
        a.pack_rows(other[0].bytes, in1.data(), steps);
        ra = begin;
        a.matrix_packed(ra.data(), lanes[0].bytes, other[0].bytes, steps, rows);
        canonical(ra);
        if (!same(ra, rb)) return "matrix_packed";

        std::vector<uint32_t> ia(rows * kLanes, 0x7fffff00);
        std::vector<uint32_t> ib = ia;
        a.matrix_int8(ia.data(), in0.data(), in1.data(), steps, rows);
        b.matrix_int8(ib.data(), in0.data(), in1.data(), steps, rows);
        if (!same(ia, ib)) return "matrix_int8";
      }
    }
  }
  return "";
}

/// Seconds of a small product, the best of a few.
double matrix_time(const Kernels& set) {
  constexpr size_t kSteps = 256;
  struct alignas(64) Block {
    uint8_t bytes[64];
  };
  const FloatMode mode;
  const std::vector<Block> lanes(packed_lanes_bytes(set, kSteps) / sizeof(Block));
  const std::vector<Block> rows(packed_rows_bytes(set, kSteps) / sizeof(Block));
  std::vector<float> acc(6 * kLanes);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 10; ++i) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    set.matrix_packed(acc.data(), lanes[0].bytes, rows[0].bytes, kSteps, 6);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

/// Of the sets that pass the self-test, the one whose product is the fastest: whether the dot product of BF16
/// is faster than two multiply-adds differs from processor to processor. Bits do not depend on it.
const Kernels& best_of(std::initializer_list<const Kernels*> sets) {
  constexpr uint64_t kSeed = 20240910;
  const Kernels* best = nullptr;
  for (const Kernels* set : sets) {
    if (!set) continue;
    const std::string_view wrong = difference(*set, portable_kernels(), kSeed);
    if (!wrong.empty()) {
      fmt::print(stderr, "note: the {} kernels fail their self-test ({}) on this CPU and are not used\n",
                 set->name, wrong);
    } else if (!best || matrix_time(*set) < matrix_time(*best)) {
      best = set;
    }
  }
  return best ? *best : portable_kernels();
}

}  // namespace

const char* difference(const Kernels& a, const Kernels& b, uint64_t seed) {
  const FloatMode mode;
  Values values(seed);
  constexpr size_t kVectors = 32;
  constexpr size_t kValues = kVectors * kLanes;
  const Lanes x = values.floats(kValues);
  const Lanes y = values.floats(kValues);
  const Lanes z = values.floats(kValues);
  Lanes ra(kValues);
  Lanes rb(kValues);

  for (const auto& [name, kernel] : kUnary) {
    (a.*kernel)(ra.data(), x.data(), kValues);
    (b.*kernel)(rb.data(), x.data(), kValues);
    if (!same(ra, rb)) return name;
  }
  for (const auto& [name, kernel] : kBinary) {
    (a.*kernel)(ra.data(), x.data(), y.data(), kValues);
    (b.*kernel)(rb.data(), x.data(), y.data(), kValues);
    if (!same(ra, rb)) return name;
  }
  for (const auto& [name, kernel] : kTernary) {
    (a.*kernel)(ra.data(), x.data(), y.data(), z.data(), kValues);
    (b.*kernel)(rb.data(), x.data(), y.data(), z.data(), kValues);
    if (!same(ra, rb)) return name;
  }
  for (const unsigned active : {1u, 2u, 7u, 8u, 10u, 16u, 31u, 32u}) {
    for (const auto& [name, kernel] : kAcross) {
      (a.*kernel)(ra.data(), x.data(), kVectors, active);
      (b.*kernel)(rb.data(), x.data(), kVectors, active);
      if (!same_active(ra, rb, active)) return name;
    }
    for (const auto& [name, kernel] : kMove) {
      (a.*kernel)(ra.data(), x.data(), y.data(), kVectors, active);
      (b.*kernel)(rb.data(), x.data(), y.data(), kVectors, active);
      if (!same_active(ra, rb, active)) return name;
    }
  }

  std::vector<uint32_t> states_a(kLanes, 1);
  std::vector<uint32_t> states_b(kLanes, 1);
  a.srbf16(ra.data(), x.data(), states_a.data(), kVectors);
  b.srbf16(rb.data(), x.data(), states_b.data(), kVectors);
  if (!same(ra, rb) || !same(states_a, states_b)) return "srbf16";

  std::vector<uint8_t> pa(kVectors * 2 * kLanes);
  std::vector<uint8_t> pb(pa.size());
  a.to_int8(pa.data(), x.data(), kVectors);
  b.to_int8(pb.data(), x.data(), kVectors);
  if (!same(pa, pb)) return "to_int8";
  a.to_bf16(pa.data(), x.data(), kVectors);
  b.to_bf16(pb.data(), x.data(), kVectors);
  if (!same(pa, pb)) return "to_bf16";
  a.from_int8(ra.data(), pa.data(), kVectors);
  b.from_int8(rb.data(), pa.data(), kVectors);
  if (!same(ra, rb)) return "from_int8";
  a.from_bf16(ra.data(), pa.data(), kVectors);
  b.from_bf16(rb.data(), pa.data(), kVectors);
  if (!same(ra, rb)) return "from_bf16";
  return matrix_difference(a, b, values);
}

size_t packed_lanes_bytes(const Kernels& set, size_t steps) {
  return (steps + set.steps_per_slot - 1) / set.steps_per_slot * set.lanes_slot_bytes;
}
size_t packed_rows_bytes(const Kernels& set, size_t steps) {
  constexpr size_t kMostRows = 8;
  return (steps + set.steps_per_slot - 1) / set.steps_per_slot * kMostRows * 4;
}

const Kernels& kernels() {
  static const Kernels& chosen = []() -> const Kernels& {
    const char* wish = std::getenv("RDU_MATH");
    const std::initializer_list<const Kernels*> sets = {avx512_kernels(), avx512_bf16_kernels(),
                                                        avx2_kernels()};
    if (!wish) return best_of(sets);
    if (wish == std::string_view(portable_kernels().name)) return portable_kernels();
    for (const Kernels* set : sets) {
      if (set && wish == std::string_view(set->name)) return best_of({set});
    }
    fmt::print(stderr, "note: RDU_MATH={} names no set of kernels that this CPU has\n", wish);
    return best_of(sets);
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
