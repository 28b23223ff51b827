#pragma once

#include <cstdint>

namespace rdu::mgmt {

/// Cycles and instructions of a run of the interpreter, in one word, so that either kind of instruction costs
/// one addition: the lower half counts down the cycles that are left, the upper half counts up those that
/// were spent beyond one an instruction.
class Meter {
 public:
  /// Of a run: more would not fit. An instruction's cost comes on top.
  static constexpr int64_t kMost = int64_t{1} << 30;

  explicit Meter(int64_t budget) : word_(budget + kBias), budget_(budget) {}

  /// What an instruction spends beyond its one cycle.
  class Cost {
   public:
    /// Fewer than 2^32.
    explicit Cost(uint64_t cycles) : word_((cycles << 32) - cycles) {}

   private:
    friend class Meter;
    int64_t cycles() const { return static_cast<uint32_t>(0 - word_); }
    uint64_t word_;
  };

  void retire() { --word_; }
  void spend(Cost cost) { word_ += cost.word_; }
  /// As many instructions of this cost as begin before the budget is used up, at least one.
  void exhaust(Cost cost) {
    const int64_t turn = 1 + cost.cycles();
    const int64_t turns = over() ? 1 : (left() + turn - 1) / turn;
    word_ += static_cast<uint64_t>(turns) * (cost.word_ - 1);
  }

  int64_t left() const { return static_cast<int64_t>(word_ & 0xffffffff) - kBias; }
  bool over() const { return static_cast<int32_t>(word_) >= 0; }

  /// Since the start or the last restart().
  uint64_t cycles() const { return static_cast<uint64_t>(budget_ - left()); }
  uint64_t instructions() const { return cycles() - (word_ >> 32); }
  /// Goes on with what is left.
  void restart() { *this = Meter(left()); }

 private:
  /// The lower half's sign bit is set while a cycle is left.
  static constexpr int64_t kBias = 0x7fffffff;

  uint64_t word_;
  int64_t budget_;
};

}  // namespace rdu::mgmt
