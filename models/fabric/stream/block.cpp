#include "fabric/stream/block.h"

#include <algorithm>

namespace rdu::fabric {

std::shared_ptr<const Panel> PacketSource::panel(PanelSide side, uint64_t first, uint64_t packets) {
  std::vector<uint8_t> made(packets * kPacketBytes);
  for (uint64_t done = 0; done < packets; done += kBlockPackets) {
    make(made.data() + done * kPacketBytes, first + done,
         static_cast<unsigned>(std::min<uint64_t>(kBlockPackets, packets - done)));
  }
  return Panel::of(side, made.data(), packets);
}

}  // namespace rdu::fabric
