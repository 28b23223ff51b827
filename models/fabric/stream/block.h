#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "fabric/program.h"

namespace rdu::fabric {

inline constexpr size_t kPacketBytes = RDU_VECTOR_BYTES;
inline constexpr unsigned kLanes =
    RDU_LANES_MAX;  ///< of a vector in memory; a PCU may have fewer active ones
inline constexpr unsigned kBlockPackets = 64;

class BlockPool;

/// The data of up to 64 packets. Written once by the unit that makes it, read by reference by those that get
/// it.
struct Block {
  alignas(64) uint8_t data[kBlockPackets * kPacketBytes];
  uint64_t heads[kBlockPackets];  ///< PacketHead (pins.h), without the flow id; only if has_heads
  BlockPool* pool;
  Block* next;
  uint32_t references;
  bool has_heads;  ///< false: all are 0
};

/// Blocks that are free, kept for the next who needs one. Outlives every reference.
class BlockPool {
 public:
  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  Block* take() {
    if (!free_) {
      blocks_.push_back(std::make_unique<Block>());
      blocks_.back()->pool = this;
      blocks_.back()->next = nullptr;
      free_ = blocks_.back().get();
    }
    Block* block = free_;
    free_ = block->next;
    block->references = 0;
    block->has_heads = false;
    return block;
  }
  void give_back(Block* block) {
    block->next = free_;
    free_ = block;
  }
  size_t allocated() const { return blocks_.size(); }

 private:
  std::vector<std::unique_ptr<Block>> blocks_;
  Block* free_ = nullptr;
};

/// A counted reference.
class BlockRef {
 public:
  BlockRef() = default;
  explicit BlockRef(Block* block) : block_(block) { ++block_->references; }
  BlockRef(const BlockRef& other) : block_(other.block_) {
    if (block_) ++block_->references;
  }
  BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockRef() {
    if (block_ && --block_->references == 0) block_->pool->give_back(block_);
  }

  explicit operator bool() const { return block_ != nullptr; }
  friend bool operator==(const BlockRef& a, const BlockRef& b) { return a.block_ == b.block_; }
  uint8_t* packet(size_t i) const { return block_->data + i * kPacketBytes; }
  /// Sequence id and destination of a packet, as PacketHead has them.
  uint64_t head(size_t i) const { return block_->has_heads ? block_->heads[i] : 0; }
  void set_head(size_t i, uint64_t head) const {
    if (!block_->has_heads) {
      if (head == 0) return;
      std::fill(block_->heads, block_->heads + kBlockPackets, 0);
      block_->has_heads = true;
    }
    block_->heads[i] = head;
  }

 private:
  Block* block_ = nullptr;
};

/// Packets that somebody is writing: a block and how much of it is taken.
class BlockWriter {
 public:
  explicit BlockWriter(BlockPool& pool) : pool_(pool) {}

  /// Packets that can still be taken from the current block; a new one is begun when fewer than `least` are
  /// left.
  unsigned room(unsigned least = 1) {
    if (!block_ || used_ + least > kBlockPackets) {
      block_ = BlockRef(pool_.take());
      used_ = 0;
    }
    return kBlockPackets - used_;
  }
  const BlockRef& block() const { return block_; }
  uint32_t offset() const { return used_; }  ///< of the next packet
  uint8_t* next() const { return block_.packet(used_); }
  void take(unsigned packets) { used_ += packets; }
  void drop() {
    block_ = {};
    used_ = 0;
  }

 private:
  BlockPool& pool_;
  BlockRef block_;
  uint32_t used_ = 0;
};

}  // namespace rdu::fabric
