#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "fabric/agcu/fetch.h"
#include "fabric/program.h"
#include "fabric/schedule.h"

namespace rdu::fabric {

/// A schedule that makes no sense; what() says why, index() which instruction.
class BadSchedule : public std::runtime_error {
 public:
  BadSchedule(uint32_t index, const std::string& text) : std::runtime_error(text), index_(index) {}
  uint32_t index() const { return index_; }

 private:
  uint32_t index_;
};

/// A schedule's instructions, and where it is among them: loops, skips and counters. What an instruction does
/// is the sequencer's.
class Schedule {
 public:
  /// Takes and checks instructions. Throws BadSchedule.
  void load(const std::vector<uint8_t>& bytes);
  void clear() { code_.clear(); }
  bool running() const { return !code_.empty(); }

  uint32_t index() const { return index_; }
  const rdu_schedule_instruction& now() const { return code_[index_]; }

  /// To the instruction that follows; of LOOP and END_LOOP where they lead.
  void next();
  /// Of SKIP and BREAK whose condition holds.
  void jump();
  /// The ARGUMENTs from here on, as pairs with their values of this round; goes behind them.
  std::vector<rdu_argument_tuple> arguments();
  /// Whether `word` meets the current instruction's condition.
  bool holds(uint32_t word) const;

 private:
  struct Loop {
    uint32_t begin;    ///< index of its LOOP
    uint64_t counter;  ///< rounds done
  };
  void check_instruction(uint32_t index, size_t depth) const;

  std::vector<rdu_schedule_instruction> code_;
  std::vector<uint32_t> end_;  ///< by index of a LOOP: of its END_LOOP
  std::vector<Loop> loops_;    ///< around the current instruction, the innermost last
  uint32_t index_ = 0;
};

/// Takes 64 bytes of a schedule a cycle.
class InstructionStream : public FetchConsumer {
 public:
  void start(uint64_t cycle) { next_ = cycle; }
  uint64_t end() const { return next_; }
  uint64_t take(const uint8_t*, uint32_t, uint64_t ready) override {
    const uint64_t taken = ready > next_ ? ready : next_;
    next_ = taken + 1;
    return taken;
  }

 private:
  uint64_t next_ = 0;
};

}  // namespace rdu::fabric
