#pragma once

#include <cstddef>
#include <cstdint>

/// What the boundary adds to the trace hash.
namespace rdu::pcie::trace {

/// Kinds of events.
inline constexpr uint64_t kHostAccess = 0x10, kHostDma = 0x11, kInterrupt = 0x12, kHostReset = 0x13;

/// Bytes in a word of the hash.
inline uint64_t fold(const uint8_t* data, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = (value << 7 | value >> 57) ^ data[i];
  return value;
}

}  // namespace rdu::pcie::trace
