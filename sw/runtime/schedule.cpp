#include "runtime/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/device.h"
#include "runtime/handles.h"

namespace rdu::runtime {
namespace {

[[noreturn]] void refuse(const std::string& text) {
  throw Error(RDU_ERROR_INVALID_ARGUMENT, "schedule: " + text);
}

uint8_t code_of(rdu_condition condition) {
  if (condition < RDU_EQUAL || condition > RDU_NOT_LESS)
    refuse(fmt::format("{} is no condition", +condition));
  return static_cast<uint8_t>(condition);
}

uint8_t opposite(rdu_condition condition) {
  switch (condition) {
    case RDU_EQUAL:
      return RDU_IF_NE;
    case RDU_NOT_EQUAL:
      return RDU_IF_EQ;
    case RDU_LESS:
      return RDU_IF_GE;
    default:
      return RDU_IF_LT;
  }
}
static_assert(RDU_EQUAL == RDU_IF_EQ && RDU_NOT_EQUAL == RDU_IF_NE && RDU_LESS == RDU_IF_LT &&
              RDU_NOT_LESS == RDU_IF_GE);

}  // namespace

rdu_schedule_instruction& Schedule::add(uint8_t op) {
  if (memory_) refuse("it has been run; nothing can be added any more");
  if (code_.size() + 1 >= RDU_SCHEDULE_MOST) {
    throw Error(RDU_ERROR_NO_RESOURCE,
                fmt::format("schedule: it has more than {} instructions", RDU_SCHEDULE_MOST));
  }
  code_.emplace_back();
  code_.back().op = op;
  return code_.back();
}

uint64_t Schedule::word_of(const Memory& memory, uint64_t offset) const {
  if (memory.context() != context_) refuse("the memory belongs to another context");
  if (offset % 4 != 0) refuse(fmt::format("offset {} is not that of a word of 4 bytes", offset));
  if (memory.size() < 4 || offset > memory.size() - 4)
    refuse(fmt::format("offset {} is outside of the memory, which has {} bytes", offset, memory.size()));
  return memory.address() + offset;
}

void Schedule::add_condition(uint8_t op, uint8_t condition, const Memory& memory, uint64_t offset,
                             int32_t value) {
  const uint64_t address = word_of(memory, offset);
  rdu_schedule_instruction& i = add(op);
  i.condition = condition;
  i.address = address;
  i.value = static_cast<uint32_t>(value);
}

void Schedule::load(const Program& program) {
  if (program.context() != context_)
    refuse(fmt::format("'{}' belongs to another context", program.container().info().kernel));
  rdu_schedule_instruction& i = add(RDU_SCHEDULE_LOAD);
  i.address = program.stream().address();
  i.count = static_cast<uint32_t>(program.stream().size());
  program_ = &program;
  for (Block& block : blocks_) block.loads = true;
}

void Schedule::launch(const rdu_schedule_argument* arguments, size_t count) {
  if (program_ == nullptr) refuse("a launch, but it is not sure which program is loaded there");
  for (Block& block : blocks_) block.launches_first |= !block.loads;
  add_arguments(arguments, count);
  add(RDU_SCHEDULE_EXECUTE);
}

const Schedule::Block& Schedule::loop_around(uint32_t level) const {
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    if (block->is_loop && level-- == 0) return *block;
  }
  refuse("a step of an argument asks for a loop that is not around it");
}

/// Arguments that stay are one argument load; each word that steps is an instruction.
void Schedule::add_arguments(const rdu_schedule_argument* arguments, size_t count) {
  std::vector<rdu_argument> plain;
  for (size_t n = 0; n < count; ++n) plain.push_back(arguments[n].argument);
  std::vector<rdu_argument_tuple> tuples = program_->tuples(plain.data(), count);
  std::vector<rdu_schedule_instruction> steps;
  for (size_t n = 0; n < count; ++n) {
    const rdu_schedule_argument& a = arguments[n];
    if (a.step == 0) continue;
    const std::string name = a.argument.name;
    const uint32_t rounds = code_[loop_around(a.level).begin].count;
    const auto& all = program_->container().arguments();
    const auto& known = *std::find_if(all.begin(), all.end(), [&](const auto& k) { return k.name == name; });
    plain[n].value += a.step * (rounds == 0 ? 0 : rounds - 1);
    program_->tuples(plain.data(), count);  // throws if the last round's value is none
    if (a.step % known.multiple != 0)
      refuse(fmt::format("argument '{}' steps by {}, but must be a multiple of {}", name, a.step,
                         known.multiple));
    for (const compiler::Fixup& f : known.fixups) {
      if (f.divide != 1) refuse(fmt::format("argument '{}' cannot step: the program divides it", name));
      const auto tuple = std::find_if(tuples.begin(), tuples.end(), [&](const rdu_argument_tuple& t) {
        return t.unit == f.unit && t.word == f.word;
      });
      rdu_schedule_instruction i{};
      i.op = RDU_SCHEDULE_ARGUMENT;
      i.level = static_cast<uint8_t>(a.level);
      i.address = tuple->unit | uint64_t{tuple->word} << 32 | uint64_t{tuple->count} << 48;
      i.value = tuple->value;
      i.step = a.step * f.multiply * f.scale;
      steps.push_back(i);
      tuples.erase(tuple);
    }
  }
  if (!tuples.empty()) {
    rdu_schedule_instruction& i = add(RDU_SCHEDULE_ARGUMENTS);
    i.count = static_cast<uint32_t>(tuples.size());
    i.address = tuples_.size() * sizeof tuples[0];
    uses_tuples_.push_back(code_.size() - 1);
    tuples_.insert(tuples_.end(), tuples.begin(), tuples.end());
  }
  for (const rdu_schedule_instruction& step : steps) add(RDU_SCHEDULE_ARGUMENT) = step;
}

void Schedule::loop(uint32_t rounds) {
  if (std::count_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.is_loop; }) ==
      RDU_SCHEDULE_DEPTH)
    refuse(fmt::format("more than {} loops within each other", RDU_SCHEDULE_DEPTH));
  add(RDU_SCHEDULE_LOOP).count = rounds;
  blocks_.push_back({code_.size() - 1, true, program_});
}

void Schedule::end_loop() {
  if (blocks_.empty() || !blocks_.back().is_loop) refuse("the end of a loop that has not begun");
  const Block loop = blocks_.back();
  if (loop.launches_first && loop.program != program_)
    refuse("the loop launches the program that was loaded before it, but loads another one");
  add(RDU_SCHEDULE_END_LOOP);
  blocks_.pop_back();
}

void Schedule::begin_if(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value) {
  code_of(condition);
  add_condition(RDU_SCHEDULE_SKIP, opposite(condition), memory, offset, value);
  blocks_.push_back({code_.size() - 1, false, program_});
}

void Schedule::end_if() {
  if (blocks_.empty() || blocks_.back().is_loop) refuse("the end of a condition that has not begun");
  const Block block = blocks_.back();
  if (memory_) refuse("it has been run; nothing can be added any more");
  code_[block.begin].count = static_cast<uint32_t>(code_.size() - block.begin - 1);
  if (program_ != block.program) program_ = nullptr;
  blocks_.pop_back();
}

void Schedule::break_if(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value) {
  if (blocks_.empty() || !blocks_.back().is_loop) refuse("a break that is not directly in a loop");
  add_condition(RDU_SCHEDULE_BREAK, code_of(condition), memory, offset, value);
}

void Schedule::wait_until(rdu_condition condition, const Memory& memory, uint64_t offset, int32_t value,
                          uint32_t cycles) {
  if (cycles == 0) refuse("zero cycles from one look at a word to the next");
  add_condition(RDU_SCHEDULE_WAIT, code_of(condition), memory, offset, value);
  code_.back().count = cycles;
}

void Schedule::notify(const Memory& memory, uint64_t offset, uint32_t value) {
  const uint64_t address = word_of(memory, offset);
  rdu_schedule_instruction& i = add(RDU_SCHEDULE_NOTIFY);
  i.address = address;
  i.value = value;
}

Queue::Result Schedule::run(Queue& queue, uint32_t tile, bool want_event) {
  if (queue.context() != context_) refuse("it belongs to another context than the queue");
  const uint64_t code_bytes = code_.size() * sizeof code_[0];
  if (!memory_) {
    if (!blocks_.empty()) refuse(blocks_.back().is_loop ? "a loop has no end" : "a condition has no end");
    add(RDU_SCHEDULE_END);
    const uint64_t code_size = code_bytes + sizeof code_[0];
    const uint64_t size = code_size + tuples_.size() * sizeof tuples_[0];
    auto memory = std::make_unique<Memory>(context_, RDU_TIER_HBM, size);
    for (const size_t i : uses_tuples_) code_[i].address += memory->address() + code_size;
    Memory staging(context_, RDU_TIER_HOST, size);
    std::memcpy(staging.pointer(), code_.data(), code_size);
    if (!tuples_.empty()) std::memcpy(staging.pointer() + code_size, tuples_.data(), size - code_size);
    queue.copy(*memory, 0, staging, 0, size, true)->wait(context_->device()->timeout());
    memory_ = std::move(memory);
  }
  return queue.schedule(memory_->address(), code_.size() * sizeof code_[0], tile,
                        program_ == nullptr ? 0 : program_->identity(), want_event);
}

}  // namespace rdu::runtime
