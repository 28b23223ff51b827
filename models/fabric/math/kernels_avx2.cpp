// Compiled with -mavx2 -mfma; nothing in here runs before the CPU has been asked for both.
#include "fabric/math/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "fabric/math/constants.h"

namespace rdu::fabric {
namespace {

constexpr unsigned kLanes = 32;
constexpr size_t kPacketBytes = 64;
constexpr size_t kChunk = 64;  ///< steps whose row operands are unpacked at a time

__m256 splat(uint32_t bits) {
  return _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(bits)));
}

/// `Rows` rows of accumulators over one half (16 lanes) of the vectors. A word of a BF16 packet is an even
/// lane (low) and an odd one, each made FP32 by one operation; so accumulators are kept as even and odd lanes
/// meanwhile.
template <unsigned Rows>
void matrix_half(float* acc, const uint8_t* in0, const float* rows, size_t steps) {
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
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
    const __m256 high_lanes = _mm256_castsi256_ps(_mm256_and_si256(words, high));
#pragma GCC unroll 8
    for (unsigned r = 0; r < Rows; ++r) {
      const __m256 row = _mm256_broadcast_ss(rows + 8 * k + r);
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
void matrix_rows(float* acc, const uint8_t* in0, const float* rows, size_t steps) {
  matrix_half<Rows>(acc, in0, rows, steps);
  matrix_half<Rows>(acc + 16, in0 + 32, rows, steps);
}

void matrix(float* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows) {
  alignas(32) float unpacked[kChunk * 8];
  while (steps != 0) {
    const size_t n = steps < kChunk ? steps : kChunk;
    for (size_t k = 0; k < n; ++k) {
      const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in1 + k * kPacketBytes));
      _mm256_store_si256(reinterpret_cast<__m256i*>(unpacked + 8 * k),
                         _mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
    }
    switch (rows) {
      case 1:
        matrix_rows<1>(acc, in0, unpacked, n);
        break;
      case 2:
        matrix_rows<2>(acc, in0, unpacked, n);
        break;
      case 3:
        matrix_rows<3>(acc, in0, unpacked, n);
        break;
      case 4:
        matrix_rows<4>(acc, in0, unpacked, n);
        break;
      case 5:
        matrix_rows<5>(acc, in0, unpacked, n);
        break;
      case 6:
        matrix_rows<6>(acc, in0, unpacked, n);
        break;
      case 7:
        matrix_rows<4>(acc, in0, unpacked, n);
        matrix_rows<3>(acc + 4 * kLanes, in0, unpacked + 4, n);
        break;
      default:
        matrix_rows<4>(acc, in0, unpacked, n);
        matrix_rows<4>(acc + 4 * kLanes, in0, unpacked + 4, n);
        break;
    }
    in0 += n * kPacketBytes;
    in1 += n * kPacketBytes;
    steps -= n;
  }
}

/// Needed where an operation hands an operand on instead of computing with it: DAZ does not flush there.
__m256 flush(__m256 x) {
  return _mm256_mul_ps(x, _mm256_set1_ps(1.0f));
}

__m256 add_op(__m256 a, __m256 b) {
  return _mm256_add_ps(a, b);
}
__m256 sub_op(__m256 a, __m256 b) {
  return _mm256_sub_ps(a, b);
}
__m256 mul_op(__m256 a, __m256 b) {
  return _mm256_mul_ps(a, b);
}
__m256 max_op(__m256 a, __m256 b) {
  a = flush(a);
  b = flush(b);
  __m256 r = _mm256_blendv_ps(b, a, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
  r = _mm256_blendv_ps(r, _mm256_and_ps(a, b), _mm256_cmp_ps(a, b, _CMP_EQ_OQ));
  return _mm256_blendv_ps(r, splat(scalar::kNan), _mm256_cmp_ps(a, b, _CMP_UNORD_Q));
}
__m256 min_op(__m256 a, __m256 b) {
  a = flush(a);
  b = flush(b);
  __m256 r = _mm256_blendv_ps(b, a, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  r = _mm256_blendv_ps(r, _mm256_or_ps(a, b), _mm256_cmp_ps(a, b, _CMP_EQ_OQ));
  return _mm256_blendv_ps(r, splat(scalar::kNan), _mm256_cmp_ps(a, b, _CMP_UNORD_Q));
}

__m256 canonical_op(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i exponent = _mm256_and_si256(bits, _mm256_set1_epi32(static_cast<int>(scalar::kInfinity)));
  const __m256i tiny = _mm256_cmpeq_epi32(exponent, _mm256_setzero_si256());
  const __m256 sign = _mm256_and_ps(x, splat(scalar::kSign));
  const __m256 r = _mm256_blendv_ps(x, sign, _mm256_castsi256_ps(tiny));
  return _mm256_blendv_ps(r, splat(scalar::kNan), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

template <__m256 (*Op)(__m256, __m256)>
void binary(float* out, const float* a, const float* b, size_t values) {
  for (size_t i = 0; i < values; i += 8) {
    _mm256_storeu_ps(out + i, Op(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
  }
}

template <__m256 (*Op)(__m256)>
void unary(float* out, const float* a, size_t values) {
  for (size_t i = 0; i < values; i += 8) _mm256_storeu_ps(out + i, Op(_mm256_loadu_ps(a + i)));
}

template <__m256 (*Op)(__m256, __m256)>
void reduce(float* out, const float* a, size_t vectors, unsigned active, uint32_t idle_bits) {
  const __m256 idle = splat(idle_bits);
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256 is_active[4];
  for (int i = 0; i < 4; ++i) {
    is_active[i] = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(active)),
                                                          _mm256_add_epi32(lane, _mm256_set1_epi32(8 * i))));
  }
  for (size_t v = 0; v < vectors; ++v) {
    __m256 x[4];
    for (int i = 0; i < 4; ++i) {
      x[i] =
          _mm256_blendv_ps(idle, _mm256_loadu_ps(a + v * kLanes + 8 * static_cast<size_t>(i)), is_active[i]);
    }
    const __m256 eight = Op(Op(x[0], x[2]), Op(x[1], x[3]));
    const __m256 four = Op(eight, _mm256_permute2f128_ps(eight, eight, 0x01));
    const __m256 two = Op(four, _mm256_permute_ps(four, 0x4e));
    const __m256 one = Op(two, _mm256_permute_ps(two, 0xb1));
    const __m256 all = _mm256_broadcastss_ps(_mm256_castps256_ps128(one));
    for (size_t i = 0; i < kLanes; i += 8) _mm256_storeu_ps(out + v * kLanes + i, all);
  }
}

void reduce_sum(float* out, const float* a, size_t vectors, unsigned active) {
  reduce<add_op>(out, a, vectors, active, 0);
}
void reduce_max(float* out, const float* a, size_t vectors, unsigned active) {
  reduce<max_op>(out, a, vectors, active, scalar::kSign | scalar::kInfinity);
}

void from_bf16(float* out, const uint8_t* packets, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(packets + 2 * i));
    const __m256i words = _mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16);
    _mm256_storeu_ps(out + i, _mm256_castsi256_ps(words));
  }
}

__m256i to_bf16_words(__m256 x) {
  const __m256i bits = _mm256_castps_si256(canonical_op(x));
  const __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even);
  return _mm256_srli_epi32(rounded, 16);  // the canonical NaN stays what it is: 0x7fc0
}

void to_bf16(uint8_t* packets, const float* a, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; i += 16) {
    const __m256i packed =
        _mm256_packus_epi32(to_bf16_words(_mm256_loadu_ps(a + i)), to_bf16_words(_mm256_loadu_ps(a + i + 8)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(packets + 2 * i), _mm256_permute4x64_epi64(packed, 0xd8));
  }
}

}  // namespace

const Kernels* avx2_kernels() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return nullptr;
  static const Kernels instance{"avx2",
                                matrix,
                                binary<add_op>,
                                binary<sub_op>,
                                binary<mul_op>,
                                binary<max_op>,
                                binary<min_op>,
                                portable_kernels().exp,
                                portable_kernels().recip,
                                unary<canonical_op>,
                                reduce_sum,
                                reduce_max,
                                from_bf16,
                                to_bf16};
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
