#include <cstring>

#include "fabric/math/cross_lane.h"
#include "fabric/math/kernels.h"
#include "fabric/math/scalar.h"
#include "fabric/math/tail.h"

namespace rdu::fabric {
namespace {

constexpr unsigned kLanes = scalar::kVectorLanes;
constexpr size_t kPacketBytes = 64;
constexpr size_t kMostRows = 8;

uint32_t lane(const void* from, size_t i) {
  uint32_t x;
  std::memcpy(&x, static_cast<const char*>(from) + 4 * i, sizeof x);
  return x;
}
void set_lane(void* to, size_t i, uint32_t x) {
  std::memcpy(static_cast<char*>(to) + 4 * i, &x, sizeof x);
}
uint16_t half_at(const uint8_t* packet, size_t i) {
  uint16_t bits;
  std::memcpy(&bits, packet + 2 * i, sizeof bits);
  return bits;
}

template <uint32_t (*Op)(uint32_t)>
void unary(void* out, const void* a, size_t values) {
  for (size_t i = 0; i < values; ++i) set_lane(out, i, Op(lane(a, i)));
}
template <uint32_t (*Op)(uint32_t, uint32_t)>
void binary(void* out, const void* a, const void* b, size_t values) {
  for (size_t i = 0; i < values; ++i) set_lane(out, i, Op(lane(a, i), lane(b, i)));
}
template <uint32_t (*Op)(uint32_t, uint32_t, uint32_t)>
void ternary(void* out, const void* a, const void* b, const void* c, size_t values) {
  for (size_t i = 0; i < values; ++i) set_lane(out, i, Op(lane(a, i), lane(b, i), lane(c, i)));
}
template <float (*Op)(float)>
uint32_t on_bits(uint32_t a) {
  return scalar::bits_of(Op(scalar::from_bits(a)));
}

struct Vector {
  uint32_t lanes[kLanes];
};
Vector load(const void* a, size_t vector) {
  Vector x;
  std::memcpy(&x, static_cast<const char*>(a) + vector * sizeof x, sizeof x);
  return x;
}
void store(void* out, size_t vector, const Vector& x) {
  std::memcpy(static_cast<char*>(out) + vector * sizeof x, &x, sizeof x);
}
template <void (*Op)(uint32_t*, const uint32_t*, unsigned)>
void across(void* out, const void* a, size_t vectors, unsigned active) {
  for (size_t v = 0; v < vectors; ++v) {
    Vector x = load(a, v);
    Op(x.lanes, x.lanes, active);
    store(out, v, x);
  }
}
template <void (*Op)(uint32_t*, const uint32_t*, const uint32_t*, unsigned)>
void move(void* out, const void* a, const void* b, size_t vectors, unsigned active) {
  for (size_t v = 0; v < vectors; ++v) {
    Vector x = load(a, v);
    const Vector y = load(b, v);
    Op(x.lanes, x.lanes, y.lanes, active);
    store(out, v, x);
  }
}

void srbf16(void* out, const void* a, uint32_t* state, size_t vectors) {
  for (size_t v = 0; v < vectors; ++v) {
    for (unsigned i = 0; i < kLanes; ++i) {
      state[i] = scalar::random_next(state[i]);
      set_lane(out, v * kLanes + i, scalar::srbf16(lane(a, v * kLanes + i), state[i]));
    }
  }
}

void from_bf16(void* out, const uint8_t* packets, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; ++i) {
    set_lane(out, i, static_cast<uint32_t>(half_at(packets, i)) << 16);
  }
}
void to_bf16(uint8_t* packets, const void* a, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; ++i) {
    const uint16_t bits = scalar::to_bf16(scalar::from_bits(lane(a, i)));
    std::memcpy(packets + 2 * i, &bits, sizeof bits);
  }
}
void from_int8(void* out, const uint8_t* packets, size_t vectors) {
  for (size_t i = 0; i < vectors * kLanes; ++i) {
    set_lane(out, i, scalar::from_int8(packets[i / kLanes * kPacketBytes + i % kLanes]));
  }
}
void to_int8(uint8_t* packets, const void* a, size_t vectors) {
  for (size_t v = 0; v < vectors; ++v) {
    uint8_t* packet = packets + v * kPacketBytes;
    for (unsigned i = 0; i < kLanes; ++i) packet[i] = scalar::to_int8(lane(a, v * kLanes + i));
    std::memset(packet + kLanes, 0, kPacketBytes - kLanes);
  }
}

void matrix(float* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows) {
  for (size_t k = 0; k < steps; ++k) {
    for (unsigned r = 0; r < rows; ++r) {
      const uint16_t row = half_at(in1 + k * kPacketBytes, r);
      for (unsigned i = 0; i < kLanes; ++i) {
        float& a = acc[kLanes * r + i];
        a = scalar::matrix_bf16(a, row, half_at(in0 + k * kPacketBytes, i));
      }
    }
  }
}
void matrix_int8(uint32_t* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows) {
  for (size_t k = 0; k < steps; ++k) {
    for (unsigned r = 0; r < rows; ++r) {
      for (unsigned i = 0; i < kLanes; ++i) {
        uint32_t& a = acc[kLanes * r + i];
        a = scalar::matrix_int8(a, in1 + k * kPacketBytes + 2 * r, in0 + k * kPacketBytes + 2 * i);
      }
    }
  }
}

// Panels: the packets as they are, rows cut to 8, in slots of the size that FP32 would have.
void pack_lanes(uint8_t* panel, const uint8_t* in0, size_t steps) {
  for (size_t k = 0; k < steps; ++k)
    std::memcpy(panel + k * kLanes * 4, in0 + k * kPacketBytes, kPacketBytes);
}
void pack_rows(uint8_t* panel, const uint8_t* in1, size_t steps) {
  for (size_t k = 0; k < steps; ++k)
    std::memcpy(panel + k * kMostRows * 4, in1 + k * kPacketBytes, kMostRows * 2);
}
void matrix_packed(float* acc, const uint8_t* lanes, const uint8_t* rows, size_t steps, unsigned rows_used) {
  for (size_t k = 0; k < steps; ++k)
    matrix(acc, lanes + k * kLanes * 4, rows + k * kMostRows * 4, 1, rows_used);
}

Kernels make() {
  namespace s = scalar;
  Kernels k{};
  k.name = "portable";
  k.fadd = binary<s::fadd>;
  k.fsub = binary<s::fsub>;
  k.fmul = binary<s::fmul>;
  k.fmax = binary<s::fmax>;
  k.fmin = binary<s::fmin>;
  k.fmadd = ternary<s::fmadd>;
  k.fnmadd = ternary<s::fnmadd>;
  k.fabs = unary<s::fabs>;
  k.fneg = unary<s::fneg>;
  k.feq = binary<s::feq>;
  k.fne = binary<s::fne>;
  k.flt = binary<s::flt>;
  k.fle = binary<s::fle>;
  k.iadd = binary<s::iadd>;
  k.isub = binary<s::isub>;
  k.imul = binary<s::imul>;
  k.imax = binary<s::imax>;
  k.imin = binary<s::imin>;
  k.iabs = unary<s::iabs>;
  k.ineg = unary<s::ineg>;
  k.ieq = binary<s::ieq>;
  k.ine = binary<s::ine>;
  k.ilt = binary<s::ilt>;
  k.ile = binary<s::ile>;
  k.ult = binary<s::ult>;
  k.ule = binary<s::ule>;
  k.bit_and = binary<s::bit_and>;
  k.bit_or = binary<s::bit_or>;
  k.bit_xor = binary<s::bit_xor>;
  k.bit_andn = binary<s::bit_andn>;
  k.bit_not = unary<s::bit_not>;
  k.shl = binary<s::shl>;
  k.shr = binary<s::shr>;
  k.sar = binary<s::sar>;
  k.sel = ternary<s::sel>;
  k.i2f = unary<s::i2f>;
  k.f2i = unary<s::f2i>;
  k.f2i_zero = unary<s::f2i_zero>;
  k.f2i_floor = unary<s::f2i_floor>;
  k.rbf16 = unary<s::rbf16>;
  k.sat8 = unary<s::sat8>;
  k.exp = unary<on_bits<s::exp>>;
  k.recip = unary<on_bits<s::recip>>;
  k.log = unary<on_bits<s::log>>;
  k.sqrt = unary<on_bits<s::sqrt>>;
  k.rsqrt = unary<on_bits<s::rsqrt>>;
  k.sigmoid = unary<on_bits<s::sigmoid>>;
  k.tanh = unary<on_bits<s::tanh>>;
  k.erf = unary<on_bits<s::erf>>;
  k.canonical = unary<on_bits<s::canonical>>;
  k.srbf16 = srbf16;
  k.fred_sum = across<s::fred_sum>;
  k.fred_max = across<s::fred_max>;
  k.fred_min = across<s::fred_min>;
  k.ired_sum = across<s::ired_sum>;
  k.ired_max = across<s::ired_max>;
  k.ired_min = across<s::ired_min>;
  k.red_and = across<s::red_and>;
  k.red_or = across<s::red_or>;
  k.red_xor = across<s::red_xor>;
  k.fscan_sum = across<s::fscan_sum>;
  k.fscan_max = across<s::fscan_max>;
  k.iscan_sum = across<s::iscan_sum>;
  k.fargmax = across<s::fargmax>;
  k.fargmin = across<s::fargmin>;
  k.iargmax = across<s::iargmax>;
  k.iargmin = across<s::iargmin>;
  k.bcast = move<s::bcast>;
  k.up = move<s::up>;
  k.down = move<s::down>;
  k.from_bf16 = from_bf16;
  k.to_bf16 = to_bf16;
  k.from_int8 = from_int8;
  k.to_int8 = to_int8;
  k.matrix = matrix;
  k.matrix_int8 = matrix_int8;
  k.steps_per_slot = 1;
  k.lanes_slot_bytes = kLanes * sizeof(float);
  k.pack_lanes = pack_lanes;
  k.pack_rows = pack_rows;
  k.matrix_packed = matrix_packed;
  return k;
}

}  // namespace

const Kernels& portable_kernels() {
  static const Kernels instance = make();
  return instance;
}

}  // namespace rdu::fabric
