#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "fabric/math/panel.h"
#include "fabric/program.h"

namespace rdu::fabric {

inline constexpr size_t kPacketBytes = RDU_VECTOR_BYTES;
inline constexpr unsigned kLanes =
    RDU_LANES_MAX;  ///< of a vector in memory; a PCU may have fewer active ones
inline constexpr unsigned kBlockPackets = 64;

class BlockPool;

/// Makes packets when somebody looks at them, and not before: many are only handed on, or used where they
/// lie.
class PacketSource {
 public:
  /// Writes packets first .. first + packets - 1 of this source.
  virtual void make(uint8_t* out, uint64_t first, unsigned packets) = 0;
  /// The same packets as an operand of a product (math/panel.h).
  virtual std::shared_ptr<const Panel> panel(PanelSide side, uint64_t first, uint64_t packets);

  // References: blocks hold one each, and whoever else keeps the source. Without any it is gone.
  void retain() { ++references_; }
  void release() {
    if (--references_ == 0) unused();
  }

 protected:
  ~PacketSource() = default;
  /// Nobody holds it any more.
  virtual void unused() = 0;

 private:
  uint32_t references_ = 0;
};

/// A counted reference to a source.
class SourceRef {
 public:
  SourceRef() = default;
  explicit SourceRef(PacketSource& source) : source_(&source) { source.retain(); }
  SourceRef(const SourceRef& other) : source_(other.source_) {
    if (source_) source_->retain();
  }
  SourceRef(SourceRef&& other) noexcept : source_(std::exchange(other.source_, nullptr)) {}
  SourceRef& operator=(SourceRef other) noexcept {
    std::swap(source_, other.source_);
    return *this;
  }
  ~SourceRef() {
    if (source_) source_->release();
  }
  explicit operator bool() const { return source_ != nullptr; }
  PacketSource* operator->() const { return source_; }
  PacketSource& operator*() const { return *source_; }
  PacketSource* get() const { return source_; }
  friend bool operator==(const SourceRef& a, const PacketSource& b) { return a.source_ == &b; }

 private:
  PacketSource* source_ = nullptr;
};

/// The data of up to 64 packets. Written once by the unit that makes it, or by a source at the first look at
/// it; read by reference by those that get it.
struct Block {
  alignas(64) uint8_t data[kBlockPackets * kPacketBytes];
  uint64_t heads[kBlockPackets];  ///< PacketHead (pins.h), without the flow id; only if has_heads
  BlockPool* pool;
  Block* next;
  uint32_t references;
  bool has_heads;        ///< false: all are 0
  PacketSource* source;  ///< null: the data is there
  uint64_t first;        ///< of the source, packet 0
  unsigned lent;         ///< packets that the source stands for
  unsigned made;         ///< of these, written

  void make() {
    if (made == lent) return;
    source->make(data + made * kPacketBytes, first + made, lent - made);
    made = lent;
  }
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
    block->source = nullptr;
    return block;
  }
  void give_back(Block* block) {
    if (block->source) block->source->release();
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
  uint8_t* packet(size_t i) const {
    if (block_->source) block_->make();
    return block_->data + i * kPacketBytes;
  }
  /// Who makes the packets, and which of its packets is packet 0 here; null if they are simply there.
  PacketSource* source() const { return block_->source; }
  uint64_t first() const { return block_->first; }
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
  friend class BlockLender;
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

/// Packets of a source, as blocks.
class BlockLender {
 public:
  explicit BlockLender(BlockPool& pool) : pool_(pool) {}

  /// How many packets from `first` on of the source fit the current block, or a new one.
  unsigned room(const PacketSource& source, uint64_t first) const {
    return goes_on(source, first) ? kBlockPackets - block_.block_->lent : kBlockPackets;
  }
  /// Lends packets first .. first + packets - 1, at most room(); returns the place of the first in block().
  uint32_t lend(PacketSource& source, uint64_t first, unsigned packets) {
    if (!goes_on(source, first)) {
      Block* block = pool_.take();
      source.retain();
      block->source = &source;
      block->first = first;
      block->lent = 0;
      block->made = 0;
      block_ = BlockRef(block);
    }
    const uint32_t offset = block_.block_->lent;
    block_.block_->lent += packets;
    return offset;
  }
  const BlockRef& block() const { return block_; }
  void drop() { block_ = {}; }

 private:
  bool goes_on(const PacketSource& source, uint64_t first) const {
    if (!block_) return false;
    const Block& block = *block_.block_;
    return block.source == &source && block.first + block.lent == first && block.lent != kBlockPackets;
  }

  BlockPool& pool_;
  BlockRef block_;
};

}  // namespace rdu::fabric
