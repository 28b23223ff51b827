#pragma once

#include <cstdint>
#include <vector>

#include "fabric/stream/block.h"

namespace rdu::fabric {

/// Packets of one input that were taken but not yet computed with, in order. Only references wait: nothing
/// depends on the values before a tile ends, and a long run of steps is computed much faster than many short
/// ones.
class Steps {
 public:
  void add(const BlockRef& block, uint32_t offset, unsigned packets);
  void add(PacketSource& source, uint64_t first, uint64_t packets);

  bool empty() const { return first_ == pieces_.size(); }
  size_t pieces() const { return pieces_.size() - first_; }

  /// The source that the next `steps` packets are of, all of them, and the first one's number there; null if
  /// it is not so.
  PacketSource* source(uint64_t steps, uint64_t* first) const;
  /// The next packets, as they lie one behind the other: how many, at most `limit`.
  const uint8_t* data(uint64_t limit, unsigned* packets);
  void drop(uint64_t packets);
  void clear();

 private:
  /// Packets in a block, or of a source that has not made them.
  struct Piece {
    BlockRef block;
    SourceRef source;
    uint64_t first = 0;  ///< in block or source
    uint64_t packets = 0;
  };

  std::vector<Piece> pieces_;
  size_t first_ = 0;
  alignas(64) uint8_t made_[kBlockPackets * kPacketBytes];
};

}  // namespace rdu::fabric
