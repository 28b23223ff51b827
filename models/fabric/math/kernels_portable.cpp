#include <cstring>
#include <limits>

#include "fabric/math/kernels.h"
#include "fabric/math/scalar.h"
#include "fabric/math/tail.h"

namespace rdu::fabric {
namespace {

constexpr unsigned kLanes = 32;
constexpr size_t kPacketBytes = 64;

uint16_t half_at(const uint8_t* packet, unsigned i) {
  uint16_t bits;
  std::memcpy(&bits, packet + 2 * i, sizeof bits);
  return bits;
}

void matrix(float* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows) {
  for (size_t k = 0; k < steps; ++k) {
    for (unsigned r = 0; r < rows; ++r) {
      const float row = scalar::from_bf16(half_at(in1 + k * kPacketBytes, r));
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        float& a = acc[kLanes * r + lane];
        a = scalar::fma(row, scalar::from_bf16(half_at(in0 + k * kPacketBytes, lane)), a);
      }
    }
  }
}

template <float (*Op)(float, float)>
void binary(float* out, const float* a, const float* b, size_t values) {
  for (size_t i = 0; i < values; ++i) out[i] = Op(a[i], b[i]);
}

template <float (*Op)(float)>
void unary(float* out, const float* a, size_t values) {
  for (size_t i = 0; i < values; ++i) out[i] = Op(a[i]);
}

template <float (*Op)(float, float)>
void reduce(float* out, const float* a, size_t vectors, unsigned active, float idle) {
  for (size_t v = 0; v < vectors; ++v) {
    const float result = scalar::reduce(a + v * kLanes, active, idle, Op);
    for (unsigned i = 0; i < kLanes; ++i) out[v * kLanes + i] = result;
  }
}

void reduce_sum(float* out, const float* a, size_t vectors, unsigned active) {
  reduce<scalar::add>(out, a, vectors, active, 0.0f);
}
void reduce_max(float* out, const float* a, size_t vectors, unsigned active) {
  reduce<scalar::max>(out, a, vectors, active, -std::numeric_limits<float>::infinity());
}

void from_bf16(float* out, const uint8_t* packets, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; ++i) {
    uint16_t bits;
    std::memcpy(&bits, packets + 2 * i, sizeof bits);
    out[i] = scalar::from_bf16(bits);
  }
}

void to_bf16(uint8_t* packets, const float* a, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; ++i) {
    const uint16_t bits = scalar::to_bf16(a[i]);
    std::memcpy(packets + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace

const Kernels& portable_kernels() {
  static const Kernels instance{"portable",
                                matrix,
                                binary<scalar::add>,
                                binary<scalar::sub>,
                                binary<scalar::mul>,
                                binary<scalar::max>,
                                binary<scalar::min>,
                                unary<scalar::exp>,
                                unary<scalar::recip>,
                                unary<scalar::canonical>,
                                reduce_sum,
                                reduce_max,
                                from_bf16,
                                to_bf16};
  return instance;
}

}  // namespace rdu::fabric
