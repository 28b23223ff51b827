#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "fabric/agcu/agcu_config.h"
#include "fabric/stream/block.h"

namespace rdu::fabric {

/// Packets whose bytes follow each other in memory: what one request moves.
struct Piece {
  uint64_t address = 0;  ///< virtual
  uint32_t bytes = 0;
  uint32_t packets = 0;
  uint32_t first = 0;      ///< place of the first packet in its row
  uint32_t row_bytes = 0;  ///< with `first`, tells the packets' sizes
  bool ends_fill = false;

  /// Calls use(packet, offset in the piece, bytes of the packet).
  template <class Use>
  void for_each_packet(Use use) const {
    uint32_t offset = 0;
    uint32_t in_row = first;
    for (uint32_t p = 0; p < packets; ++p) {
      const uint32_t left = row_bytes - in_row * static_cast<uint32_t>(kPacketBytes);
      const uint32_t n = left < kPacketBytes ? left : static_cast<uint32_t>(kPacketBytes);
      use(p, offset, n);
      offset += n;
      in_row = left <= kPacketBytes ? 0 : in_row + 1;
    }
  }
};

/// Walks through rows packet by packet and cuts them into requests: a request takes packets as long as each
/// begins in memory where the one before ended and the request does not cross a multiple of `request_bytes`,
/// at least one and at most 64 packets. With an index list it also ends where the indices of a packet do: it
/// never waits for what comes next. So it does where a fill ends.
class RowWalker {
 public:
  static constexpr unsigned kIndices = kPacketBytes / sizeof(int32_t);  ///< of a packet

  void start(const AgcuConfig::Rows& rows) {
    rows_ = rows;
    rows_.counters.rewind();
    left_ = rows_.count;
    index_ = kIndices;
    fill_left_ = rows_.fill;
    enter_row();
  }
  bool done() const { return left_ == 0; }
  /// Rows that are left, the current one included.
  uint64_t left() const { return left_; }

  /// Whether what comes next is the first of a fill.
  bool begins_fill() const { return rows_.fill != 0 && fill_left_ == rows_.fill && packet_ == 0; }

  /// Whether the next packet of indices has to come before there is a next().
  bool needs_indices() const { return left_ != 0 && !has_address_; }
  /// The next kIndices of them.
  void give_indices(const uint8_t* packet) {
    std::memcpy(indices_.data(), packet, kPacketBytes);
    index_ = 0;
    enter_row();
  }

  Piece next(uint64_t request_bytes) {
    Piece piece;
    piece.address = address_;
    piece.first = packet_;
    piece.row_bytes = static_cast<uint32_t>(rows_.bytes);
    const uint64_t room = request_bytes - address_ % request_bytes;
    do {
      piece.bytes += packet_bytes();
      ++piece.packets;
      piece.ends_fill = advance();
    } while (left_ != 0 && !piece.ends_fill && has_address_ && piece.packets < kBlockPackets &&
             address_ == piece.address + piece.bytes && piece.bytes + packet_bytes() <= room);
    return piece;
  }

 private:
  uint32_t packet_bytes() const {
    const uint64_t left = rows_.bytes - packet_ * kPacketBytes;
    return static_cast<uint32_t>(left < kPacketBytes ? left : kPacketBytes);
  }
  /// True if a fill has ended.
  bool advance() {
    if (++packet_ < rows_.packets()) {
      address_ += kPacketBytes;
      return false;
    }
    --left_;
    rows_.counters.next();
    enter_row();
    if (rows_.fill == 0 || --fill_left_ != 0) return false;
    fill_left_ = rows_.fill;
    return true;
  }
  /// The current row's address, if its index is there.
  void enter_row() {
    packet_ = 0;
    has_address_ = !rows_.indexed || index_ != kIndices;
    if (!has_address_) return;
    address_ = rows_.base + static_cast<uint64_t>(rows_.counters.offset());
    if (rows_.indexed) address_ += static_cast<uint64_t>(indices_[index_++] * rows_.index_stride);
  }

  AgcuConfig::Rows rows_;
  uint64_t left_ = 0;         ///< rows, the current one included
  uint64_t fill_left_ = 0;    ///< rows of the current fill, the current one included
  uint32_t packet_ = 0;       ///< of the current row
  bool has_address_ = false;  ///< false: the current row's index is not there
  uint64_t address_ = 0;      ///< of the current packet
  std::array<int32_t, kIndices> indices_{};
  unsigned index_ = kIndices;  ///< the next one to be used; kIndices: none is left
};

}  // namespace rdu::fabric
