#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

/// What the boundary adds to the trace hash.
namespace rdu::pcie::trace {

/// Kinds of events.
inline constexpr uint64_t kHostAccess = 0x10, kHostDma = 0x11, kInterrupt = 0x12, kHostReset = 0x13;

/// Bytes in a word of the hash.
inline uint64_t fold(const uint8_t* data, size_t size) {
  // Eight bytes a step: all that the device moves comes by here.
  constexpr uint64_t kOdd = 0xff51afd7ed558ccdu;
  uint64_t value = size;
  for (; size >= 8; size -= 8, data += 8) {
    uint64_t word;
    std::memcpy(&word, data, sizeof word);
    value = (value ^ word) * kOdd;
    value ^= value >> 32;
  }
  for (; size > 0; --size, ++data) value = (value ^ *data) * kOdd;
  return value;
}

}  // namespace rdu::pcie::trace
