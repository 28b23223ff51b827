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

// EXP: constants in the order of use.
inline constexpr uint32_t kExpInfFrom = 0x42b17218;   // 88.72284
inline constexpr uint32_t kExpZeroUpto = 0xc2aeac50;  // -87.33655
inline constexpr uint32_t kExpLog2e = 0x3fb8aa3b;
inline constexpr uint32_t kExpLn2High = 0x3f318000;
inline constexpr uint32_t kExpLn2Low = 0xb95e8083;
inline constexpr uint32_t kExpPolynomial[6] = {0x39506967, 0x3ab743ce, 0x3c088908,
                                               0x3d2aa9c1, 0x3e2aaaaa, 0x3f000000};

}  // namespace rdu::fabric::scalar
