#include "fabric/stream/unit.h"

#include <fmt/format.h>

#include "fabric/program.h"

namespace rdu::fabric {

void Worklist::add(Unit& unit) {
  if (unit.queued_) return;
  unit.queued_ = true;
  next_.push_back(&unit);
}

void Worklist::run(uint64_t horizon) {
  horizon_ = horizon;
  for (Unit* unit : beyond_) {
    unit->beyond_ = false;
    add(*unit);
  }
  beyond_.clear();
  while (!next_.empty()) {
    now_.swap(next_);
    for (Unit* unit : now_) {
      unit->queued_ = false;
      unit->run();
    }
    now_.clear();
  }
}

void Worklist::clear() {
  for (std::vector<Unit*>* list : {&next_, &beyond_}) {
    for (Unit* unit : *list) unit->queued_ = unit->beyond_ = false;
    list->clear();
  }
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
