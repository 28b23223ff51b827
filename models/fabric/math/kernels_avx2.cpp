// Compiled with -mavx2 -mfma; nothing in here runs before the CPU has been asked for both.
#include "fabric/math/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace {
constexpr int kWidth = 8;
}
#include "fabric/math/simd.h"

namespace rdu::fabric {
namespace {

inline F fused(F a, F b, F c) {
  return (F)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
inline F floor(F x) {
  return (F)_mm256_floor_ps((__m256)x);
}
inline D floor(D x) {
  return (D)_mm256_floor_pd((__m256d)x);
}
inline I nearest(F x) {
  return (I)_mm256_cvtps_epi32((__m256)x);
}
inline I truncated(F x) {
  return (I)_mm256_cvttps_epi32((__m256)x);
}
inline Q product(I a, I b) {
  return (Q)_mm256_mul_epi32((__m256i)a, (__m256i)b);
}
inline Q shifted(Q x, Q by) {
  return (Q)_mm256_srlv_epi64((__m256i)x, (__m256i)by);
}
inline I gather(const int32_t* table, I index) {
  return (I)_mm256_i32gather_epi32(table, (__m256i)index, 4);
}
inline D low(I x) {
  return (D)_mm256_cvtepi32_pd(_mm256_castsi256_si128((__m256i)x));
}
inline D high(I x) {
  return (D)_mm256_cvtepi32_pd(_mm256_extracti128_si256((__m256i)x, 1));
}
inline D low(F x) {
  return (D)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)x));
}
inline D high(F x) {
  return (D)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x, 1));
}
inline F narrow(D low, D high) {
  return (F)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)high), _mm256_cvtpd_ps((__m256d)low));
}
inline U widened(const uint8_t* halves) {
  return (U)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)));
}
inline void store_halves(uint8_t* to, U x) {
  const __m256i packed = _mm256_packus_epi32((__m256i)x, (__m256i)x);  // in each half of the register
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
}
inline I widened_bytes(const uint8_t* bytes) {
  return (I)_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
}
inline void store_bytes(uint8_t* to, U x) {
  const __m128i halves =
      _mm_packs_epi32(_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(halves, halves));
}
template <>
inline U exchange<4>(U x) {
  return (U)_mm256_permute2x128_si256((__m256i)x, (__m256i)x, 0x01);
}
template <>
inline U exchange<2>(U x) {
  return (U)_mm256_shuffle_epi32((__m256i)x, 0x4e);
}
template <>
inline U exchange<1>(U x) {
  return (U)_mm256_shuffle_epi32((__m256i)x, 0xb1);
}

/// One half (16 lanes) of the vectors: what 16 registers can accumulate for 6 rows.
template <unsigned Rows>
void half_of_lanes(float* acc, const float* lanes, const float* rows, size_t steps) {
  __m256 sum[Rows][2];
#pragma GCC unroll 8
  for (unsigned r = 0; r < Rows; ++r) {
    sum[r][0] = _mm256_loadu_ps(acc + kLanes * r);
    sum[r][1] = _mm256_loadu_ps(acc + kLanes * r + 8);
  }
  for (size_t k = 0; k < steps; ++k) {
    const __m256 first = _mm256_load_ps(lanes + kLanes * k);
    const __m256 second = _mm256_load_ps(lanes + kLanes * k + 8);
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      const __m256 row = _mm256_broadcast_ss(rows + kMostRows * k + r);
      sum[r][0] = _mm256_fmadd_ps(row, first, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(row, second, sum[r][1]);
    }
  }
#pragma GCC unroll 8
  for (unsigned r = 0; r < Rows; ++r) {
    _mm256_storeu_ps(acc + kLanes * r, sum[r][0]);
    _mm256_storeu_ps(acc + kLanes * r + 8, sum[r][1]);
  }
}
template <unsigned Rows>
struct ProductFp32 {
  static void run(float* acc, const float* lanes, const float* rows, size_t steps) {
    if constexpr (Rows > 6) {
      ProductFp32<4>::run(acc, lanes, rows, steps);
      ProductFp32<Rows - 4>::run(acc + 4 * kLanes, lanes, rows + 4, steps);
    } else {
      half_of_lanes<Rows>(acc, lanes, rows, steps);
      half_of_lanes<Rows>(acc + 16, lanes + 16, rows, steps);
    }
  }
};
void packed_fp32(float* acc, const uint8_t* lanes, const uint8_t* rows, size_t steps, unsigned used) {
  by_rows<ProductFp32>(used, acc, reinterpret_cast<const float*>(lanes), reinterpret_cast<const float*>(rows),
                       steps);
}

/// The same with lanes as they come: a word of a packet is an even lane (low) and an odd one, each made FP32
/// by one operation; so accumulators are kept as even and odd lanes meanwhile.
template <unsigned Rows>
void half_of_packets(float* acc, const uint8_t* in0, const float* rows, size_t steps) {
  const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  __m256 even[Rows];
  __m256 odd[Rows];
#pragma GCC unroll 8
  for (unsigned r = 0; r < Rows; ++r) {
    const __m256 a = _mm256_loadu_ps(acc + kLanes * r);
    const __m256 b = _mm256_loadu_ps(acc + kLanes * r + 8);
    even[r] = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88)), 0xd8));
    odd[r] = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd)), 0xd8));
  }
  for (size_t k = 0; k < steps; ++k) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in0 + k * kPacketBytes));
    const __m256 low_lanes = _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
    const __m256 high_lanes = _mm256_castsi256_ps(_mm256_and_si256(words, upper));
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      const __m256 row = _mm256_broadcast_ss(rows + kMostRows * k + r);
      even[r] = _mm256_fmadd_ps(row, low_lanes, even[r]);
      odd[r] = _mm256_fmadd_ps(row, high_lanes, odd[r]);
    }
  }
#pragma GCC unroll 8
  for (unsigned r = 0; r < Rows; ++r) {
    const __m256 low = _mm256_unpacklo_ps(even[r], odd[r]);
    const __m256 hi = _mm256_unpackhi_ps(even[r], odd[r]);
    _mm256_storeu_ps(acc + kLanes * r, _mm256_permute2f128_ps(low, hi, 0x20));
    _mm256_storeu_ps(acc + kLanes * r + 8, _mm256_permute2f128_ps(low, hi, 0x31));
  }
}
template <unsigned Rows>
struct ProductOfPackets {
  static void run(float* acc, const uint8_t* in0, const float* rows, size_t steps) {
    if constexpr (Rows > 6) {
      ProductOfPackets<4>::run(acc, in0, rows, steps);
      ProductOfPackets<Rows - 4>::run(acc + 4 * kLanes, in0, rows + 4, steps);
    } else {
      half_of_packets<Rows>(acc, in0, rows, steps);
      half_of_packets<Rows>(acc + 16, in0 + kPacketBytes / 2, rows, steps);
    }
  }
};
void product_of_packets(float* acc, const uint8_t* in0, const uint8_t* rows, size_t steps, unsigned used) {
  by_rows<ProductOfPackets>(used, acc, in0, reinterpret_cast<const float*>(rows), steps);
}

void matrix_int8(uint32_t* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows) {
  for (size_t k = 0; k < steps; ++k) {
    const auto* packet = reinterpret_cast<const __m128i*>(in0 + k * kPacketBytes);
    __m256i lanes[kParts];  // two INT16 a lane
    for (int i = 0; i < kParts; ++i) lanes[i] = _mm256_cvtepi8_epi16(_mm_loadu_si128(packet + i));
    for (unsigned r = 0; r < rows; ++r) {
      const auto* row = reinterpret_cast<const int8_t*>(in1 + k * kPacketBytes + 2 * r);
      const __m256i pair = _mm256_set1_epi32(
          static_cast<int>((static_cast<uint32_t>(row[1]) << 16) | (static_cast<uint32_t>(row[0]) & 0xffff)));
      for (int i = 0; i < kParts; ++i) {
        const size_t at = r * kLanes + static_cast<size_t>(i) * kWidth;
        store(acc, at, load(acc, at) + (U)_mm256_madd_epi16(lanes[i], pair));
      }
    }
  }
}

}  // namespace

const Kernels* avx2_kernels() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return nullptr;
  static const Kernels instance = [] {
    Kernels k = common_kernels("avx2");
    k.matrix = matrix<nullptr, pack_rows_fp32, product_of_packets>;
    k.matrix_int8 = matrix_int8;
    k.steps_per_slot = 1;
    k.lanes_slot_bytes = kLanes * sizeof(float);
    k.pack_lanes = [](uint8_t* panel, const uint8_t* in0, size_t steps) { from_bf16(panel, in0, steps); };
    k.pack_rows = pack_rows_fp32;
    k.matrix_packed = packed_fp32;
    return k;
  }();
  return &instance;
}

}  // namespace rdu::fabric

#else

namespace rdu::fabric {
const Kernels* avx2_kernels() {
  return nullptr;
}
}  // namespace rdu::fabric

#endif
