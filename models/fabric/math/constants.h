#pragma once

#include <cstdint>

/// Bit patterns of the architecture's arithmetic. Apart from the functions of scalar.h, because files that
/// are compiled for a newer CPU than the rest of the program may include no inline function: the linker could
/// keep their copy for all.
namespace rdu::fabric::scalar {

inline constexpr uint32_t kSign = 0x80000000u;
inline constexpr uint32_t kInfinity = 0x7f800000u;  ///< also the mask of the exponent
inline constexpr uint32_t kNan = 0x7fc00000u;
inline constexpr uint16_t kNanBf16 = 0x7fc0;

}  // namespace rdu::fabric::scalar
