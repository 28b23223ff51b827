#include "fabric/pcu/steps.h"

#include <algorithm>

namespace rdu::fabric {

void Steps::add(const BlockRef& block, uint32_t offset, unsigned packets) {
  if (block.source()) {
    add(*block.source(), block.first() + offset, packets);
    return;
  }
  if (!empty()) {
    Piece& last = pieces_.back();
    if (last.block == block && last.first + last.packets == offset) {
      last.packets += packets;
      return;
    }
  }
  pieces_.push_back({block, {}, offset, packets});
}

void Steps::add(PacketSource& source, uint64_t first, uint64_t packets) {
  if (packets == 0) return;
  if (!empty()) {
    Piece& last = pieces_.back();
    if (last.source == source && last.first + last.packets == first) {
      last.packets += packets;
      return;
    }
  }
  pieces_.push_back({{}, SourceRef(source), first, packets});
}

PacketSource* Steps::source(uint64_t steps, uint64_t* first) const {
  if (empty()) return nullptr;
  const Piece& piece = pieces_[first_];
  if (!piece.source || piece.packets < steps) return nullptr;
  *first = piece.first;
  return piece.source.get();
}

const uint8_t* Steps::data(uint64_t limit, unsigned* packets) {
  Piece& piece = pieces_[first_];
  *packets = static_cast<unsigned>(std::min({limit, piece.packets, uint64_t{kBlockPackets}}));
  if (!piece.source) return piece.block.packet(piece.first);
  piece.source->make(made_, piece.first, *packets);
  return made_;
}

void Steps::drop(uint64_t packets) {
  while (packets != 0) {
    Piece& piece = pieces_[first_];
    const uint64_t n = std::min(packets, piece.packets);
    piece.first += n;
    piece.packets -= n;
    packets -= n;
    if (piece.packets != 0) return;
    piece = {};
    if (++first_ == pieces_.size()) clear();
  }
}

void Steps::clear() {
  pieces_.clear();
  first_ = 0;
}

}  // namespace rdu::fabric
