#include "fabric/agcu/schedule.h"

#include <fmt/format.h>

#include <cstring>

namespace rdu::fabric {
namespace {

/// Which fields an instruction uses.
struct Form {
  const char* name;
  bool condition, level, count, address, value, step;
};
constexpr Form kForms[] = {
    {"END", false, false, false, false, false, false},
    {"LOAD", false, false, true, true, false, false},
    {"ARGUMENTS", false, false, true, true, false, false},
    {"ARGUMENT", false, true, false, true, true, true},
    {"EXECUTE", false, false, false, false, false, false},
    {"LOOP", false, false, true, false, false, false},
    {"END_LOOP", false, false, false, false, false, false},
    {"SKIP", true, false, true, true, true, false},
    {"BREAK", true, false, false, true, true, false},
    {"WAIT", true, false, true, true, true, false},
    {"NOTIFY", false, false, false, true, true, false},
};

}  // namespace

void Schedule::check_instruction(uint32_t index, size_t depth) const {
  const rdu_schedule_instruction& i = code_[index];
  if (i.op >= std::size(kForms)) throw BadSchedule(index, fmt::format("{} is no instruction", i.op));
  const Form& form = kForms[i.op];
  const auto refuse = [&](const std::string& text) {
    throw BadSchedule(index, fmt::format("{}: {}", form.name, text));
  };
  const bool looks = form.condition && i.condition != RDU_IF_ALWAYS;
  if (i.reserved != 0 || (!form.condition && i.condition != 0) || (!form.level && i.level != 0) ||
      (!form.count && i.count != 0) || (i.address != 0 && (!form.address || (form.condition && !looks))) ||
      (i.value != 0 && (!form.value || (form.condition && !looks))) || (!form.step && i.step != 0)) {
    refuse("a field that it does not use is not zero");
  }
  if (i.condition > RDU_IF_GE) refuse(fmt::format("{} is no condition", i.condition));
  if (looks || i.op == RDU_SCHEDULE_NOTIFY) {
    if (i.address % 4 != 0) refuse(fmt::format("{:#x} is no address of a word", i.address));
    if (i.value >> 32 != 0) refuse(fmt::format("{:#x} is no word", i.value));
  }
  switch (i.op) {
    case RDU_SCHEDULE_ARGUMENTS:
      if (i.count == 0) refuse("no pairs");
      break;
    case RDU_SCHEDULE_ARGUMENT:
      if (i.step != 0 && i.level >= depth) refuse(fmt::format("there is no loop {} levels out", i.level));
      break;
    case RDU_SCHEDULE_WAIT:
      if (!looks) refuse("without a condition");
      if (i.count == 0) refuse("zero cycles from one look to the next");
      break;
    case RDU_SCHEDULE_BREAK:
      if (depth == 0) refuse("outside of any loop");
      break;
    default:
      break;
  }
}

void Schedule::load(const std::vector<uint8_t>& bytes) {
  code_.resize(bytes.size() / sizeof(rdu_schedule_instruction));
  std::memcpy(code_.data(), bytes.data(), code_.size() * sizeof code_[0]);
  try {
    end_.assign(code_.size(), 0);
    const auto count = static_cast<uint32_t>(code_.size());
    std::vector<uint32_t> open;           // indices of LOOPs
    std::vector<uint32_t> around(count);  // by index: the innermost LOOP + 1, or 0
    for (uint32_t i = 0; i < count; ++i) {
      check_instruction(i, open.size());
      around[i] = open.empty() ? 0 : open.back() + 1;  // an END_LOOP is in its loop
      if (code_[i].op == RDU_SCHEDULE_END_LOOP) {
        if (open.empty()) throw BadSchedule(i, "END_LOOP without LOOP");
        end_[open.back()] = i;
        open.pop_back();
      }
      if (code_[i].op == RDU_SCHEDULE_LOOP) {
        if (open.size() == RDU_SCHEDULE_DEPTH)
          throw BadSchedule(i, fmt::format("LOOP: more than {} loops within each other", RDU_SCHEDULE_DEPTH));
        open.push_back(i);
      }
    }
    if (!open.empty()) throw BadSchedule(open.back(), "LOOP without END_LOOP");
    if (code_.back().op != RDU_SCHEDULE_END) throw BadSchedule(count - 1, "the last instruction is not END");
    for (uint32_t i = 0; i < count; ++i) {
      if (code_[i].op != RDU_SCHEDULE_SKIP) continue;
      const uint64_t target = uint64_t{i} + 1 + code_[i].count;
      if (target >= count || around[target] != around[i])
        throw BadSchedule(i, fmt::format("SKIP: instruction {} is not in the same loop", target));
    }
  } catch (const BadSchedule&) {
    code_.clear();
    throw;
  }
  loops_.clear();
  index_ = 0;
}

void Schedule::next() {
  const rdu_schedule_instruction& i = code_[index_];
  if (i.op == RDU_SCHEDULE_LOOP) {
    loops_.push_back({index_, 0});
  } else if (i.op == RDU_SCHEDULE_END_LOOP) {
    Loop& loop = loops_.back();
    const uint32_t rounds = code_[loop.begin].count;
    if (++loop.counter != rounds || rounds == 0) {
      index_ = loop.begin + 1;
      return;
    }
    loops_.pop_back();
  }
  ++index_;
}

void Schedule::jump() {
  const rdu_schedule_instruction& i = code_[index_];
  if (i.op == RDU_SCHEDULE_SKIP) {
    index_ += 1 + i.count;
  } else {
    index_ = end_[loops_.back().begin] + 1;
    loops_.pop_back();
  }
}

std::vector<rdu_argument_tuple> Schedule::arguments() {
  std::vector<rdu_argument_tuple> pairs;
  for (; code_[index_].op == RDU_SCHEDULE_ARGUMENT; ++index_) {
    const rdu_schedule_instruction& i = code_[index_];
    rdu_argument_tuple pair{static_cast<uint32_t>(i.address), static_cast<uint16_t>(i.address >> 32),
                            static_cast<uint16_t>(i.address >> 48), i.value};
    if (i.step != 0) pair.value += i.step * loops_[loops_.size() - 1 - i.level].counter;
    if (pair.count == 1) pair.value &= 0xffffffff;
    pairs.push_back(pair);
  }
  return pairs;
}

bool Schedule::holds(uint32_t word) const {
  const rdu_schedule_instruction& i = code_[index_];
  const auto a = static_cast<int32_t>(word);
  const auto b = static_cast<int32_t>(static_cast<uint32_t>(i.value));
  switch (i.condition) {
    case RDU_IF_EQ:
      return a == b;
    case RDU_IF_NE:
      return a != b;
    case RDU_IF_LT:
      return a < b;
    case RDU_IF_GE:
      return a >= b;
    default:
      return true;
  }
}

}  // namespace rdu::fabric
