#include "fabric/agcu/clocked_agcu.h"

#include <algorithm>

#include "fabric/agcu/atomic.h"

namespace rdu::fabric {

ClockedAgcu::ClockedAgcu(Context& context, uint32_t id, const AgcuConfig& config, const ConfigWords& words,
                         Memory& memory, uint32_t initiator, const std::string& name)
    : ClockedUnit(context, id, std::make_unique<AgcuCycle>(context.params, context.blocks), words,
                  context.params.fifo_depth, context.params.scalar_depth),
      config_(config),
      pins_(static_cast<AgcuCycle&>(model()).memory),
      loads_(context, *this, memory, initiator, name, false),
      stores_(context, *this, memory, initiator + 1, name, true),
      master_tokens_{TokenInput(*this), TokenInput(*this), TokenInput(*this), TokenInput(*this),
                     TokenInput(*this), TokenInput(*this), TokenInput(*this), TokenInput(*this)} {
  set_at_memory();
}

void ClockedAgcu::configure(const AgcuConfig& config, const ConfigWords& words) {
  config_ = config;
  ClockedUnit::configure(words);
}

TokenInput& ClockedAgcu::token_input(unsigned port) {
  if ((config_.tokens >> port & 1) != 0) return master_tokens_.at(port);
  return ClockedUnit::token_input(port);
}

void ClockedAgcu::start(uint64_t cycle) {
  loads_.start();
  stores_.start();
  ClockedUnit::start(cycle);
}

std::optional<uint64_t> ClockedAgcu::end() const {
  if (config_.store && !stores_.all_answered()) return std::nullopt;
  uint64_t end = stores_.last_answer();
  for (unsigned i = 0; i < AgcuConfig::kTokenInputs; ++i) {
    if ((config_.tokens >> i & 1) == 0) continue;
    if (master_tokens_[i].available() == 0) return std::nullopt;
    end = std::max(end, master_tokens_[i].head().t);
  }
  return end;
}

std::string ClockedAgcu::waits_for() const {
  std::string text = finished() ? "" : ClockedUnit::waits_for();
  const auto add = [&](const char* what) { text += (text.empty() ? "" : ", ") + std::string(what); };
  if (loads_.in_flight()) add("memory (load)");
  if (stores_.in_flight()) add("memory (store)");
  return text;
}

const UnitCounts& ClockedAgcu::counts() const {
  counts_ = ClockedUnit::counts();
  counts_.bytes = loads_.bytes() + stores_.bytes();
  return counts_;
}

uint64_t ClockedAgcu::next_answer() const {
  return std::min(loads_.next_arrival(), stores_.next_arrival());
}

uint64_t ClockedAgcu::answers_unknown_from() const {
  return std::min(loads_.unknown_from(), stores_.unknown_from());
}

void ClockedAgcu::bring_answers(uint64_t arrival) {
  loads_.bring(arrival, &pins_.loaded);
  stores_.bring(arrival, &pins_.stored);
  pins_.load_stops = !loads_.allows(arrival);
  pins_.store_stops = !stores_.allows(arrival);
}

void ClockedAgcu::give_requests(uint64_t cycle) {
  if (pins_.load.valid) loads_.post(pins_.load, cycle, nullptr);
  if (pins_.store.valid) stores_.post(pins_.store, cycle, modify_of(config_.op));
  pins_.load.valid = pins_.store.valid = false;
}

}  // namespace rdu::fabric
