#include "fabric/pcu/finish.h"

#include <algorithm>
#include <cstring>

#include "fabric/math/kernels.h"
#include "fabric/stream/block.h"

namespace rdu::fabric {

void finish(const PcuConfig::Program& p, uint8_t* packets, uint32_t* values, size_t vectors,
            uint32_t* generator) {
  static constexpr Kernels::Unary Kernels::*kTails[] = {nullptr,           &Kernels::exp,  &Kernels::recip,
                                                        &Kernels::log,     &Kernels::sqrt, &Kernels::rsqrt,
                                                        &Kernels::sigmoid, &Kernels::tanh, &Kernels::erf};
  const Kernels& math = kernels();
  if (p.tail != PcuConfig::Tail::none) {
    (math.*kTails[static_cast<size_t>(p.tail)])(values, values, vectors * kLanes);
  }
  if (p.lanes < kLanes) {
    for (size_t v = 0; v < vectors; ++v) {
      std::fill(values + v * kLanes + p.lanes, values + (v + 1) * kLanes, 0);
    }
  }
  if (p.scalar_out) {
    std::memset(packets, 0, vectors * kPacketBytes);
    for (size_t v = 0; v < vectors; ++v) std::memcpy(packets + v * kPacketBytes, values + v * kLanes, 4);
    return;
  }
  switch (p.format) {
    case PcuConfig::Format::fp32:
      math.canonical(packets, values, vectors * kLanes);
      break;
    case PcuConfig::Format::int32:
      std::memcpy(packets, values, vectors * kLanes * sizeof *values);
      break;
    case PcuConfig::Format::bf16_sr:
      math.srbf16(values, values, generator, vectors);
      [[fallthrough]];
    case PcuConfig::Format::bf16:
      math.to_bf16(packets, values, vectors);
      break;
    case PcuConfig::Format::int8:
      math.to_int8(packets, values, vectors);
      break;
  }
}

}  // namespace rdu::fabric
