#include "fabric/stream/unit.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "fabric/program.h"

namespace rdu::fabric {

InputPort& Unit::packet_input(unsigned port, unsigned) {
  lacks("packet input", port);
}
OutputPort& Unit::packet_output(unsigned port, unsigned) {
  lacks("packet output", port);
}
InputPort& Unit::scalar_input(unsigned port, unsigned) {
  lacks("scalar input", port);
}
OutputPort& Unit::scalar_output(unsigned port, unsigned) {
  lacks("scalar output", port);
}
TokenInput& Unit::token_input(unsigned port) {
  lacks("token input", port);
}
TokenOutput& Unit::token_output(unsigned port) {
  lacks("token output", port);
}

void Unit::lacks(const char* what, unsigned port) const {
  throw core::Error(core::ErrorKind::internal, unit_name(id_), fmt::format("has no {} {}", what, port));
}

void Worklist::add(Unit& unit) {
  if (unit.queued_) return;
  unit.queued_ = true;
  next_.push_back(&unit);
}

void Worklist::run(uint64_t horizon, const Outside* outside) {
  horizon_ = horizon;
  again_.reset();
  for (Unit* unit : beyond_) {
    unit->beyond_ = false;
    add(*unit);
  }
  beyond_.clear();
  do {
    while (!next_.empty()) {
      now_.swap(next_);
      for (Unit* unit : now_) {
        unit->queued_ = false;
        unit->run();
      }
      now_.clear();
    }
  } while (move_bound(outside));
  if (!beyond_.empty()) again_ = std::min(again_.value_or(kNoCycle), horizon_);
}

/// Nobody can go on with what is known: lets those go on who are behind all others.
bool Worklist::move_bound(const Outside* outside) {
  uint64_t first = kNoCycle;
  uint64_t second = kNoCycle;
  uint64_t due = kNoCycle;
  for (const BoundUnit* unit : bound_) {
    const uint64_t cycle = unit->next_cycle_;
    if (cycle < first) {
      second = first;
      first = cycle;
    } else if (cycle < second) {
      second = cycle;
    }
    if (cycle == kNoCycle) continue;
    // What it shows then arrives a cycle later. It may be a kernel's end, or cause a request.
    const uint64_t more = outside && !unit->at_memory_ ? outside->request_cycles() : 0;
    due = std::min(due, cycle + 2 + more);
  }
  if (first >= horizon_) return false;  // they wait for the horizon, or nobody does anything
  // What others give leaves after `second`, and has still to arrive.
  const uint64_t known = std::min(second, horizon_ - 1) + 1;
  const uint64_t answer = outside ? outside->earliest_answer() : kNoCycle;
  bool moves = false;
  for (BoundUnit* unit : bound_) {
    if (unit->next_cycle_ != first) continue;
    // An answer arrives in its cycle; what it lets others send, a cycle later.
    const uint64_t answered = answer == kNoCycle || !unit->at_memory_ ? answer : answer - 1;
    if (answered <= first) continue;
    unit->advance(std::min(known, answered));
    moves |= unit->next_cycle_ != first;
  }
  if (!moves) again_ = due;
  return moves;
}

void Worklist::clear() {
  for (std::vector<Unit*>* list : {&next_, &beyond_}) {
    for (Unit* unit : *list) unit->queued_ = unit->beyond_ = false;
    list->clear();
  }
  for (BoundUnit* unit : bound_) unit->takes_part_ = false;
  bound_.clear();
  again_.reset();
}

void BoundUnit::take_part() {
  next_cycle_ = kNoCycle;
  if (takes_part_) return;
  takes_part_ = true;
  context_.work.bound_.push_back(this);
}

std::string unit_name(uint32_t id) {
  const unsigned row = RDU_UNIT_ROW(id);
  const unsigned col = RDU_UNIT_COL(id);
  switch (RDU_UNIT_KIND(id)) {
    case RDU_UNIT_PCU:
      return fmt::format("pcu[{}][{}]", row, col);
    case RDU_UNIT_PMU:
      return fmt::format("pmu[{}][{}]", row, col);
    case RDU_UNIT_SWITCH:
      return fmt::format("switch[{}][{}]", row, col);
    case RDU_UNIT_AGCU:
      return fmt::format("agcu_{}[{}]", col == 0 ? "west" : "east", row);
    default:
      return fmt::format("unit {:#x}", id);
  }
}

}  // namespace rdu::fabric
