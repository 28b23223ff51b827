// What a tile does by itself, one step after the other: loads, launches, loops and conditions
// (fabric/schedule.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fabric/program.h"
#include "fabric/schedule.h"
#include "rdu.h"
#include "runtime/context.h"
#include "runtime/program.h"
#include "runtime/queue.h"

namespace rdu::runtime {

class Schedule {
 public:
  explicit Schedule(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  void load(const Program& program);
  // Of the program that was loaded last.
  void launch(const rdu_schedule_argument* arguments, size_t count);
  void loop(uint32_t rounds);
  void end_loop();
  void begin_if(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value);
  void end_if();
  void break_if(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value);
  void wait_until(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value,
                  uint32_t cycles);
  void notify(const Memory& memory, uint64_t offset, uint32_t value);

  // The first run copies it to HBM; nothing can be added then.
  Queue::Result run(Queue& queue, uint32_t tile, bool want_event);

 private:
  // A loop or a condition that has not ended yet.
  struct Block {
    size_t begin;  // its instruction
    bool is_loop;
    const Program* program;       // loaded when it began
    bool launches_first = false;  // before it loads
    bool loads = false;
  };
  rdu_schedule_instruction& add(uint8_t op);
  void add_condition(uint8_t op, uint8_t condition, const Memory& memory, uint64_t offset, int32_t value);
  uint64_t word_of(const Memory& memory, uint64_t offset) const;
  void add_arguments(const rdu_schedule_argument* arguments, size_t count);
  const Block& loop_around(uint32_t level) const;

  std::shared_ptr<Context> context_;
  std::vector<rdu_schedule_instruction> code_;
  std::vector<rdu_argument_tuple> tuples_;
  std::vector<size_t> uses_tuples_;  // instructions whose address counts from the first tuple
  std::vector<Block> blocks_;
  const Program* program_ = nullptr;  // loaded here
  std::unique_ptr<Memory> memory_;    // from the first run on
};

}  // namespace rdu::runtime
