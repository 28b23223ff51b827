// Compiled for AVX-512 F, BW, DQ, VL and BF16; nothing in here runs before the CPU has been asked, for BF16
// apart from the rest.
#include "fabric/math/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace {
constexpr int kWidth = 16;
}
#include "fabric/math/simd.h"

namespace rdu::fabric {
namespace {

inline F fused(F a, F b, F c) {
  return (F)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
inline F floor(F x) {
  return (F)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
inline D floor(D x) {
  return (D)_mm512_roundscale_pd((__m512d)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
inline I nearest(F x) {
  return (I)_mm512_cvtps_epi32((__m512)x);
}
inline I truncated(F x) {
  return (I)_mm512_cvttps_epi32((__m512)x);
}
inline Q product(I a, I b) {
  return (Q)_mm512_mul_epi32((__m512i)a, (__m512i)b);
}
inline Q shifted(Q x, Q by) {
  return (Q)_mm512_srlv_epi64((__m512i)x, (__m512i)by);
}
inline I gather(const int32_t* table, I index) {
  return (I)_mm512_i32gather_epi32((__m512i)index, table, 4);
}
inline D low(I x) {
  return (D)_mm512_cvtepi32_pd(_mm512_castsi512_si256((__m512i)x));
}
inline D high(I x) {
  return (D)_mm512_cvtepi32_pd(_mm512_extracti64x4_epi64((__m512i)x, 1));
}
inline D low(F x) {
  return (D)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x));
}
inline D high(F x) {
  return (D)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x, 1));
}
inline F narrow(D low, D high) {
  return (F)_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)low)),
                               _mm512_cvtpd_ps((__m512d)high), 1);
}
inline U widened(const uint8_t* halves) {
  return (U)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves)));
}
inline void store_halves(uint8_t* to, U x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16((__m512i)x));
}
inline I widened_bytes(const uint8_t* bytes) {
  return (I)_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}
inline void store_bytes(uint8_t* to, U x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8((__m512i)x));
}
template <>
inline U exchange<8>(U x) {
  return (U)_mm512_shuffle_i32x4((__m512i)x, (__m512i)x, 0x4e);
}
template <>
inline U exchange<4>(U x) {
  return (U)_mm512_shuffle_i32x4((__m512i)x, (__m512i)x, 0xb1);
}
template <>
inline U exchange<2>(U x) {
  return (U)_mm512_shuffle_epi32((__m512i)x, _MM_PERM_BADC);
}
template <>
inline U exchange<1>(U x) {
  return (U)_mm512_shuffle_epi32((__m512i)x, _MM_PERM_CDAB);
}

/// FP32 multiply-adds with lanes as they come, which is half of what FP32 panels would take out of the
/// caches: a word of a packet is an even lane (low) and an odd one, each made FP32 by one operation; so
/// accumulators are kept as even and odd lanes meanwhile.
constexpr size_t kPacketsAhead = 24;  // prefetched: panels come from the second- or third-level cache
template <unsigned Rows>
struct ProductOfPackets {
  static void run(float* acc, const uint8_t* in0, const float* rows, size_t steps) {
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    const __m512i lower = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i upper = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    __m512 even[Rows];
    __m512 odd[Rows];
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      const __m512 a = _mm512_loadu_ps(acc + kLanes * r);
      const __m512 b = _mm512_loadu_ps(acc + kLanes * r + 16);
      even[r] = _mm512_permutex2var_ps(a, evens, b);
      odd[r] = _mm512_permutex2var_ps(a, odds, b);
    }
    for (size_t k = 0; k < steps; ++k) {
      _mm_prefetch(reinterpret_cast<const char*>(in0 + (k + kPacketsAhead) * kPacketBytes), _MM_HINT_T0);
      const __m512i words = _mm512_loadu_si512(in0 + k * kPacketBytes);
      const __m512 low_lanes = _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
      const __m512 high_lanes = _mm512_castsi512_ps(_mm512_and_si512(words, high));
#pragma GCC unroll 8
      for (unsigned r = 0; r < Rows; ++r) {
        const __m512 row = _mm512_set1_ps(rows[kMostRows * k + r]);
        even[r] = _mm512_fmadd_ps(row, low_lanes, even[r]);
        odd[r] = _mm512_fmadd_ps(row, high_lanes, odd[r]);
      }
    }
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      _mm512_storeu_ps(acc + kLanes * r, _mm512_permutex2var_ps(even[r], lower, odd[r]));
      _mm512_storeu_ps(acc + kLanes * r + 16, _mm512_permutex2var_ps(even[r], upper, odd[r]));
    }
  }
};
void product_of_packets(float* acc, const uint8_t* in0, const uint8_t* rows, size_t steps, unsigned used) {
  by_rows<ProductOfPackets>(used, acc, in0, reinterpret_cast<const float*>(rows), steps);
}

void copy_packets(uint8_t* panel, const uint8_t* in0, size_t steps) {
  __builtin_memcpy(panel, in0, steps * kPacketBytes);
}

/// Panels of pairs: a word has the BF16 of an even step in its upper half, that of the next step in its lower
/// one, as the dot product adds the odd (upper) product first. A missing last step is -0 * +0 = -0, which
/// changes no sum.
constexpr uint32_t kMinusZero = 0x8000;

void pack_lanes_pairs(uint8_t* panel, const uint8_t* in0, size_t steps) {
  const __m512i evens = _mm512_set1_epi32(kMinusZero);
  for (size_t k = 0; k < steps; k += 2) {
    for (size_t half = 0; half < 2; ++half) {
      const auto* packet = reinterpret_cast<const __m256i*>(in0 + k * kPacketBytes) + half;
      const __m512i first = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(packet)), 16);
      const __m512i second = k + 1 < steps ? _mm512_cvtepu16_epi32(_mm256_loadu_si256(packet + 2)) : evens;
      _mm512_store_si512(panel + 64 * (k + half), _mm512_or_si512(first, second));
    }
  }
}
void pack_rows_pairs(uint8_t* panel, const uint8_t* in1, size_t steps) {
  for (size_t k = 0; k < steps; k += 2) {
    const auto* packet = reinterpret_cast<const __m128i*>(in1 + k * kPacketBytes);
    const __m256i first = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(packet)), 16);
    const __m256i second =
        k + 1 < steps ? _mm256_cvtepu16_epi32(_mm_loadu_si128(packet + 4)) : _mm256_setzero_si256();
    _mm256_store_si256(reinterpret_cast<__m256i*>(panel + 16 * k), _mm256_or_si256(first, second));
  }
}
template <unsigned Rows>
struct ProductPairs {
  static void run(float* acc, const uint8_t* lanes, const int32_t* rows, size_t pairs) {
    __m512 sum[Rows][2];
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      sum[r][0] = _mm512_loadu_ps(acc + kLanes * r);
      sum[r][1] = _mm512_loadu_ps(acc + kLanes * r + 16);
    }
    for (size_t k = 0; k < pairs; ++k) {
      const auto first = (__m512bh)_mm512_load_si512(lanes + 128 * k);
      const auto second = (__m512bh)_mm512_load_si512(lanes + 128 * k + 64);
#pragma GCC unroll 8
      for (unsigned r = 0; r < Rows; ++r) {
        const auto row = (__m512bh)_mm512_set1_epi32(rows[kMostRows * k + r]);
        sum[r][0] = _mm512_dpbf16_ps(sum[r][0], row, first);
        sum[r][1] = _mm512_dpbf16_ps(sum[r][1], row, second);
      }
    }
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      _mm512_storeu_ps(acc + kLanes * r, sum[r][0]);
      _mm512_storeu_ps(acc + kLanes * r + 16, sum[r][1]);
    }
  }
};
void packed_pairs(float* acc, const uint8_t* lanes, const uint8_t* rows, size_t steps, unsigned used) {
  by_rows<ProductPairs>(used, acc, lanes, reinterpret_cast<const int32_t*>(rows), (steps + 1) / 2);
}

/// Each lane's two bytes become INT16: one multiply-add of pairs a row.
template <unsigned Rows>
struct ProductInt8 {
  static void run(uint32_t* acc, const uint8_t* in0, const uint8_t* in1, size_t steps) {
    __m512i sum[Rows][2];
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      sum[r][0] = _mm512_loadu_si512(acc + kLanes * r);
      sum[r][1] = _mm512_loadu_si512(acc + kLanes * r + 16);
    }
    for (size_t k = 0; k < steps; ++k) {
      const auto* packet = reinterpret_cast<const __m256i*>(in0 + k * kPacketBytes);
      const __m512i first = _mm512_cvtepi8_epi16(_mm256_loadu_si256(packet));
      const __m512i second = _mm512_cvtepi8_epi16(_mm256_loadu_si256(packet + 1));
      alignas(32) int32_t rows[kMostRows];
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in1 + k * kPacketBytes));
      _mm256_store_si256(reinterpret_cast<__m256i*>(rows), _mm256_cvtepi8_epi16(bytes));
#pragma GCC unroll 8
      for (unsigned r = 0; r < Rows; ++r) {
        const __m512i row = _mm512_set1_epi32(rows[r]);
        sum[r][0] = _mm512_add_epi32(sum[r][0], _mm512_madd_epi16(row, first));
        sum[r][1] = _mm512_add_epi32(sum[r][1], _mm512_madd_epi16(row, second));
      }
    }
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      _mm512_storeu_si512(acc + kLanes * r, sum[r][0]);
      _mm512_storeu_si512(acc + kLanes * r + 16, sum[r][1]);
    }
  }
};
void matrix_int8(uint32_t* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows) {
  by_rows<ProductInt8>(rows, acc, in0, in1, steps);
}

Kernels with_fp32_matrix() {
  Kernels k = common_kernels("avx512");
  k.matrix = matrix<nullptr, pack_rows_fp32, product_of_packets>;
  k.matrix_int8 = matrix_int8;
  k.steps_per_slot = 1;
  k.lanes_slot_bytes = kPacketBytes;
  k.pack_lanes = copy_packets;
  k.pack_rows = pack_rows_fp32;
  k.matrix_packed = product_of_packets;
  return k;
}

Kernels with_pairs_matrix() {
  Kernels k = with_fp32_matrix();
  k.name = "avx512-bf16";
  k.matrix = matrix<pack_lanes_pairs, pack_rows_pairs, packed_pairs>;
  k.steps_per_slot = 2;
  k.lanes_slot_bytes = 2 * kPacketBytes;
  k.pack_lanes = pack_lanes_pairs;
  k.pack_rows = pack_rows_pairs;
  k.matrix_packed = packed_pairs;
  return k;
}

}  // namespace

const Kernels* avx512_kernels() {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return nullptr;
  }
  static const Kernels instance = with_fp32_matrix();
  return &instance;
}

const Kernels* avx512_bf16_kernels() {
  if (!avx512_kernels() || !__builtin_cpu_supports("avx512bf16")) return nullptr;
  static const Kernels instance = with_pairs_matrix();
  return &instance;
}

}  // namespace rdu::fabric

#else

namespace rdu::fabric {
const Kernels* avx512_kernels() {
  return nullptr;
}
const Kernels* avx512_bf16_kernels() {
  return nullptr;
}
}  // namespace rdu::fabric

#endif
