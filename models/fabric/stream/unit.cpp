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
  for (const BoundUnit* unit : bound_) {
    const uint64_t cycle = unit->next_cycle_;
    if (cycle < first) {
      second = first;
      first = cycle;
    } else if (cycle < second) {
      second = cycle;
    }
  }
  if (first >= horizon_) return false;  // they wait for the horizon, or nobody does anything
  // What others give leaves after `second`, and has still to arrive.
  uint64_t known = std::min(second, horizon_ - 1) + 1;
  if (outside) {
    const uint64_t answer = outside->earliest_answer();
    if (answer <= first) {
      // Nothing leaves up to `first`. What leaves then arrives a cycle later, and may cause a request.
      again_ = first + 2 + outside->request_cycles();
      return false;
    }
    known = std::min(known, answer);
  }
  for (BoundUnit* unit : bound_) {
    if (unit->next_cycle_ == first) unit->advance(known);
  }
  return true;
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
