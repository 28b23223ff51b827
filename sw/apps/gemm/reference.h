#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mapping.h"

// The product on the host, in the order that the architecture defines (models/fabric/math): each element is a
// chain of FP32 fused multiply-adds over k, ascending, from +0. Shares nothing with the models.
namespace rdu::gemm {

// BF16 numbers (bit patterns) of magnitudes from 2^-8 to 2, so that no sum comes near the subnormals. The
// same for a seed on every machine.
std::vector<uint16_t> random_bf16(uint64_t count, uint64_t seed);

// Columns first .. first + count - 1 of C, for all rows: [m][count].
std::vector<float> reference(const Size& size, const std::vector<uint16_t>& a, const std::vector<uint16_t>& b,
                             uint64_t first, uint64_t count);

// Compares all of `c` (rows of `pitch`) with the definition, bit for bit. Returns the first difference in
// words, or nothing.
std::string difference(const Size& size, const std::vector<uint16_t>& a, const std::vector<uint16_t>& b,
                       const std::vector<float>& c, uint64_t pitch);

}  // namespace rdu::gemm
