#include "fabric/agcu/memory_order.h"

#include <fmt/format.h>

#include "fabric/agcu/program_image.h"
#include "fabric/program.h"
#include "fabric/stream/unit.h"
#include "regs/sequencer.hpp"

namespace rdu::fabric {
namespace {

namespace codes = rdu::regs::sequencer::FAULT;
using Op = AgcuConfig::Op;

/// A generator of a program.
struct Generator {
  uint32_t unit;
  unsigned part;  ///< as AgcuConfig::ports() has it
  const AgcuConfig::Rows* rows;
  bool is_write;
  Op op;

  bool is_atomic() const { return is_write && op != Op::write; }
  const char* does() const { return !is_write ? "reads" : is_atomic() ? "atomic writes" : "writes"; }
};

std::vector<Generator> generators(const std::map<uint32_t, AgcuConfig>& agcus) {
  std::vector<Generator> all;
  for (const auto& [id, config] : agcus) {
    if (config.load) all.push_back({id, AgcuConfig::kLoadPart, &config.load_rows, false, Op::write});
    if (config.store) all.push_back({id, AgcuConfig::kStorePart, &config.store_rows, true, config.op});
  }
  return all;
}

/// Calls use(a, b) for each two of which at least one writes.
template <class Use>
void each_two(const std::map<uint32_t, AgcuConfig>& agcus, Use use) {
  const std::vector<Generator> all = generators(agcus);
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (all[i].is_write || all[j].is_write) use(all[i], all[j]);
    }
  }
}

}  // namespace

MemoryOrder::Part MemoryOrder::part_of(uint32_t unit, unsigned part) {
  // The pipelines of a PMU know of each other, by its tokens.
  return {unit, RDU_UNIT_KIND(unit) == RDU_UNIT_PMU ? 0 : part};
}

MemoryOrder::MemoryOrder(const std::vector<Routes::Link>& links) {
  for (const Routes::Link& link : links)
    next_[part_of(link.from, link.from_part)].insert(part_of(link.to, link.to_part));
}

bool MemoryOrder::leads(const Part& from, const Part& to) const {
  std::set<Part> seen{from};
  std::vector<Part> ahead{from};
  while (!ahead.empty()) {
    const auto found = next_.find(ahead.back());
    ahead.pop_back();
    if (found == next_.end()) continue;
    for (const Part& part : found->second) {
      if (part == to) return true;
      if (seen.insert(part).second) ahead.push_back(part);
    }
  }
  return false;
}

void MemoryOrder::check_atomics(const std::map<uint32_t, AgcuConfig>& agcus) {
  each_two(agcus, [](const Generator& a, const Generator& b) {
    if (!a.is_atomic() || !b.is_atomic() || (a.op == b.op && a.op != Op::fadd)) return;
    if (overlap_of(*a.rows, *b.rows) == Overlap::none) return;
    throw LoadFault(
        codes::CODE_BAD_CONFIG, a.unit,
        fmt::format("{}: its atomic writes and those of {} may meet in memory, and the result would "
                    "depend on which comes first",
                    unit_name(a.unit), unit_name(b.unit)));
  });
}

std::vector<MemoryOrder::Race> MemoryOrder::find_races(const std::map<uint32_t, AgcuConfig>& agcus) const {
  std::vector<Race> races;
  each_two(agcus, [&](const Generator& a, const Generator& b) {
    if ((a.is_atomic() && b.is_atomic()) || overlap_of(*a.rows, *b.rows) != Overlap::some) return;
    const Part part_a = part_of(a.unit, a.part);
    const Part part_b = part_of(b.unit, b.part);
    if (leads(part_a, part_b) || leads(part_b, part_a)) return;
    races.push_back(
        {a.unit,
         fmt::format("{}: its {} and the {} of {} meet in memory, and nothing says which come first: "
                     "no stream or token leads from one to the other",
                     unit_name(a.unit), a.does(), b.does(), unit_name(b.unit)),
         {Begin{a.rows->base, a.is_write}, Begin{b.rows->base, b.is_write}}});
  });
  return races;
}

}  // namespace rdu::fabric
