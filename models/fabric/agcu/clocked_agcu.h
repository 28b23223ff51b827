#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "fabric/agcu/agcu_cycle.h"
#include "fabric/agcu/agcu_unit.h"
#include "fabric/agcu/request_channel.h"
#include "fabric/stream/clocked.h"

namespace rdu::fabric {

/// An AGCU clock by clock in a graph: its cycle model among streams, and two channels to memory.
class ClockedAgcu : public ClockedUnit, public AgcuUnit {
 public:
  /// Arguments as those of Agcu.
  ClockedAgcu(Context& context, uint32_t id, const AgcuConfig& config, const ConfigWords& words,
              Memory& memory, uint32_t initiator, const std::string& name);

  const AgcuConfig& config() const override { return config_; }
  void configure(const AgcuConfig& config, const ConfigWords& words) override;
  std::optional<uint64_t> end() const override;
  uint64_t bytes_loaded() const override { return loads_.bytes(); }
  uint64_t bytes_stored() const override { return stores_.bytes(); }

  /// Nothing in the model waits for the tokens that the master counts: they end here.
  TokenInput& token_input(unsigned port) override;
  void start(uint64_t cycle) override;
  std::string waits_for() const override;
  const UnitCounts& counts() const override;

 protected:
  uint64_t next_answer() const override;
  uint64_t answers_unknown_from() const override;
  void bring_answers(uint64_t arrival) override;
  void give_requests(uint64_t cycle) override;

 private:
  AgcuConfig config_;
  AgcuMemoryPins& pins_;
  RequestChannel loads_;
  RequestChannel stores_;
  std::array<TokenInput, AgcuConfig::kTokenInputs> master_tokens_;
  mutable UnitCounts counts_;
};

}  // namespace rdu::fabric
