#pragma once

#include <cstddef>
#include <cstdint>

/// The arithmetic of scalar.h, cross_lane.h and tail.h over many values at once. The fastest set of kernels
/// that this CPU has, and that passes a self-test against the portable one, is chosen at first use.
namespace rdu::fabric {

/// A vector is 32 lanes of 32 bits, FP32 or INT32 (hence `void`: kernels do not care which type the caller
/// keeps them in), one behind the other. Outputs may be the same memory as an input, but may not overlap it
/// otherwise. Kernels are named after the operations, and give the same bits in every set.
struct Kernels {
  using Unary = void (*)(void* out, const void* a, size_t values);
  using Binary = void (*)(void* out, const void* a, const void* b, size_t values);
  using Ternary = void (*)(void* out, const void* a, const void* b, const void* c, size_t values);
  using Across = void (*)(void* out, const void* a, size_t vectors, unsigned active);
  using Move = void (*)(void* out, const void* a, const void* b, size_t vectors, unsigned active);

  const char* name;

  // Lane by lane; `values` is a multiple of 32.
  Binary fadd, fsub, fmul, fmax, fmin;
  Ternary fmadd, fnmadd;
  Unary fabs, fneg;
  Binary feq, fne, flt, fle;
  Binary iadd, isub, imul, imax, imin;
  Unary iabs, ineg;
  Binary ieq, ine, ilt, ile, ult, ule;
  Binary bit_and, bit_or, bit_xor, bit_andn;
  Unary bit_not;
  Binary shl, shr, sar;
  Ternary sel;
  Unary i2f, f2i, f2i_zero, f2i_floor, rbf16, sat8;
  Unary exp, recip, log, sqrt, rsqrt, sigmoid, tanh, erf;
  Unary canonical;  ///< what leaves a unit as FP32

  /// `state` is the generator's 32 lanes; it is advanced once for each vector, before its use.
  void (*srbf16)(void* out, const void* a, uint32_t* state, size_t vectors);

  // Over the first `active` lanes of each vector; what the others then hold means nothing.
  Across fred_sum, fred_max, fred_min, ired_sum, ired_max, ired_min, red_and, red_or, red_xor;
  Across fscan_sum, fscan_max, iscan_sum;
  Across fargmax, fargmin, iargmax, iargmin;
  Move bcast, up, down;

  // Between lanes and packets of 64 bytes, one a vector. BF16_SR is srbf16, then to_bf16.
  void (*from_bf16)(void* out, const uint8_t* packets, size_t vectors);
  void (*to_bf16)(uint8_t* packets, const void* a, size_t vectors);
  void (*from_int8)(void* out, const uint8_t* packets, size_t vectors);
  void (*to_int8)(uint8_t* packets, const void* a, size_t vectors);

  /// For each of `steps` packets of both operands, k ascending, and each row r < rows (at most 8):
  ///     acc[32 * r + lane] = fma(in1[r], in0[lane], acc[32 * r + lane])
  /// A NaN in acc may be any NaN before `canonical`.
  void (*matrix)(float* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows);
  /// The same with INT8, two k a step.
  void (*matrix_int8)(uint32_t* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows);

  // `matrix` in two parts, so that operands that are used more than once are packed once. A panel is in the
  // set's own format, aligned to 64 bytes, and as large as packed_lanes_bytes() and packed_rows_bytes() say.
  size_t steps_per_slot;
  size_t lanes_slot_bytes;  ///< of a slot of a panel of lanes
  void (*pack_lanes)(uint8_t* panel, const uint8_t* in0, size_t steps);
  void (*pack_rows)(uint8_t* panel, const uint8_t* in1, size_t steps);
  void (*matrix_packed)(float* acc, const uint8_t* lanes, const uint8_t* rows, size_t steps,
                        unsigned rows_used);
};

/// Bytes of a panel of `steps` packets of IN0 and IN1. A part of a panel that begins at a multiple of
/// `steps_per_slot` steps is a panel.
size_t packed_lanes_bytes(const Kernels& set, size_t steps);
size_t packed_rows_bytes(const Kernels& set, size_t steps);

/// The chosen set. The environment variable RDU_MATH asks for one by name, if this CPU has it.
const Kernels& kernels();
/// Right everywhere, and slow.
const Kernels& portable_kernels();
// Null if this build or this CPU has none.
const Kernels* avx2_kernels();         ///< AVX2 and FMA
const Kernels* avx512_kernels();       ///< AVX-512 F, BW, DQ, VL
const Kernels* avx512_bf16_kernels();  ///< the same, and the BF16 dot product

/// The name of a kernel for which two sets differ on random and special values; empty if there is none.
const char* difference(const Kernels& a, const Kernels& b, uint64_t seed);

/// The host's floating-point mode in which kernels run: subnormals flushed on input and output, round to
/// nearest even, no traps. Every call of a kernel stands in the scope of one.
class FloatMode {
 public:
  FloatMode();
  ~FloatMode();
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
  unsigned saved_;
};

}  // namespace rdu::fabric
