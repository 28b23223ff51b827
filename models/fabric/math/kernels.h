#pragma once

#include <cstddef>
#include <cstdint>

/// The arithmetic of scalar.h over many values at once. The fastest set of kernels that this CPU has, and
/// that passes a self-test against the portable one, is chosen at first use.
namespace rdu::fabric {

/// Vectors in memory are 32 lanes: FP32 `float[32]`, BF16 one packet of 64 bytes. Outputs may be the same
/// memory as an input, but may not overlap it otherwise.
struct Kernels {
  const char* name;

  /// For each of `steps` packets of both operands, k ascending, and each row r < rows (at most 8):
  ///     acc[32 * r + lane] = fma(in1[r], in0[lane], acc[32 * r + lane])
  void (*matrix)(float* acc, const uint8_t* in0, const uint8_t* in1, size_t steps, unsigned rows);

  // Lane by lane; `values` is a multiple of 8.
  void (*add)(float* out, const float* a, const float* b, size_t values);
  void (*sub)(float* out, const float* a, const float* b, size_t values);
  void (*mul)(float* out, const float* a, const float* b, size_t values);
  void (*max)(float* out, const float* a, const float* b, size_t values);
  void (*min)(float* out, const float* a, const float* b, size_t values);
  void (*exp)(float* out, const float* a, size_t values);
  void (*recip)(float* out, const float* a, size_t values);
  void (*canonical)(float* out, const float* a, size_t values);

  /// Over the first `active` lanes of each vector, the result in every lane.
  void (*reduce_sum)(float* out, const float* a, size_t vectors, unsigned active);
  void (*reduce_max)(float* out, const float* a, size_t vectors, unsigned active);

  void (*from_bf16)(float* out, const uint8_t* packets, size_t vectors);
  void (*to_bf16)(uint8_t* packets, const float* a, size_t vectors);
};

/// The chosen set. The environment variable RDU_MATH=portable asks for the portable one.
const Kernels& kernels();
/// Right everywhere, and slow.
const Kernels& portable_kernels();
/// AVX2 and FMA; null if this build or this CPU has none.
const Kernels* avx2_kernels();

/// Whether both give the same bits on random and special values.
bool agree(const Kernels& a, const Kernels& b, uint64_t seed);

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
