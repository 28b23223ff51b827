#include "fabric/pmu/vectors.h"

#include <cstring>
#include <type_traits>

#include "fabric/stream/block.h"

namespace rdu::fabric {
namespace {

template <class Use>
void with_size(unsigned bytes, Use use) {
  switch (bytes) {
    case 1:
      return use(std::integral_constant<unsigned, 1>());
    case 2:
      return use(std::integral_constant<unsigned, 2>());
    default:
      return use(std::integral_constant<unsigned, 4>());
  }
}

}  // namespace

void gather(uint8_t* packets, const uint8_t* from, const VectorShape& shape, int64_t stride, unsigned count) {
  const unsigned length = shape.lanes * shape.element;
  const bool is_packed = shape.lane_stride == shape.element || shape.lanes == 1;
  if (is_packed && length == kPacketBytes) {
    if (stride == kPacketBytes) {
      std::memcpy(packets, from, count * kPacketBytes);
      return;
    }
    for (unsigned n = 0; n < count; ++n)
      std::memcpy(packets + n * kPacketBytes, from + stride * n, kPacketBytes);
    return;
  }
  std::memset(packets, 0, count * kPacketBytes);
  if (is_packed) {
    for (unsigned n = 0; n < count; ++n) std::memcpy(packets + n * kPacketBytes, from + stride * n, length);
    return;
  }
  with_size(shape.element, [&](auto size) {
    for (unsigned lane = 0; lane < shape.lanes;
         ++lane) {  // a lane at a time: its elements often lie together
      uint8_t* to = packets + lane * size;
      const uint8_t* element = from + shape.lane_stride * lane;
      for (unsigned n = 0; n < count; ++n) std::memcpy(to + n * kPacketBytes, element + stride * n, size);
    }
  });
}

}  // namespace rdu::fabric
