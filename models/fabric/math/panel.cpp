#include "fabric/math/panel.h"

#include <new>

#include "fabric/math/kernels.h"

namespace rdu::fabric {

std::shared_ptr<const Panel> Panel::of(PanelSide side, const uint8_t* packets, size_t steps) {
  const Kernels& math = kernels();
  const bool lanes = side == PanelSide::lanes;
  const size_t bytes = lanes ? packed_lanes_bytes(math, steps) : packed_rows_bytes(math, steps);
  auto panel = std::make_shared<Panel>();
  panel->steps_ = steps;
  panel->data_.reset(static_cast<uint8_t*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
  if (!panel->data_) throw std::bad_alloc();
  (lanes ? math.pack_lanes : math.pack_rows)(panel->data_.get(), packets, steps);
  return panel;
}

}  // namespace rdu::fabric
