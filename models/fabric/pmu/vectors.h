#pragma once

#include <cstdint>

namespace rdu::fabric {

/// Elements of a vector in a scratchpad.
struct VectorShape {
  unsigned lanes;
  unsigned element;     ///< bytes
  int64_t lane_stride;  ///< bytes from one lane's element to the next
};

/// Makes `count` packets, one behind the other, of vectors `stride` bytes apart, the first at `from`.
void gather(uint8_t* packets, const uint8_t* from, const VectorShape& shape, int64_t stride, unsigned count);

}  // namespace rdu::fabric
