#include "cosim/stimulus.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "fabric/pcu/pcu_config.h"
#include "fabric/pcu/pcu_cycle.h"
#include "fabric/pmu/pmu_config.h"
#include "fabric/pmu/pmu_cycle.h"
#include "fabric/pmu/scratchpad.h"
#include "fabric/stream/unit.h"
#include "fabric/switch/cycle_switch.h"
#include "regs/pcu.hpp"
#include "regs/pmu.hpp"
#include "regs/switch.hpp"

namespace rdu::cosim {
namespace {

using fabric::FabricParams;

template <class Registers>
std::vector<WordInfo> describe() {
  const Registers registers;
  std::vector<WordInfo> words(registers.size() / 4);
  for (const core::Register* reg : registers.registers()) {
    for (unsigned half = 0; half < reg->bytes() / 4; ++half) {
      WordInfo& word = words[reg->offset() / 4 + half];
      word.name = reg->name() + (reg->bytes() == 4 ? "" : half == 0 ? ".LOW" : ".HIGH");
      word.reset = static_cast<uint32_t>(reg->value() >> 32 * half);
      for (size_t i = 0; i < reg->desc().field_count; ++i) {
        const core::FieldDesc& field = reg->desc().fields[i];
        if (field.lsb / 32 == half && field.lsb % 32 + field.width <= 32)
          word.fields.push_back({field.name, {static_cast<uint8_t>(field.lsb % 32), field.width}});
      }
      if (word.fields.empty()) word.fields.push_back({"", {0, 32}});
    }
  }
  return words;
}

}  // namespace

const std::vector<WordInfo>& words_of(unsigned kind) {
  static const std::vector<WordInfo> pcu = describe<regs::pcu::Registers>();
  static const std::vector<WordInfo> pmu = describe<regs::pmu::Registers>();
  static const std::vector<WordInfo> switch_ = describe<regs::switch_::Registers>();
  return kind == RDU_UNIT_PCU ? pcu : kind == RDU_UNIT_PMU ? pmu : switch_;
}

fabric::PinCounts pins_of(unsigned kind) {
  const FabricParams params;
  fabric::Scratchpad memory(params.pmu_bytes);
  switch (kind) {
    case RDU_UNIT_PCU:
      return fabric::PcuCycle(params).pins();
    case RDU_UNIT_PMU:
      return fabric::PmuCycle(params, memory).pins();
    case RDU_UNIT_SWITCH:
      return fabric::CycleSwitch(params, 0, 0).pins();
    default:
      core::bad_input("only PCUs, PMUs and switches can be played alone");
  }
}

fabric::ConfigWords reset_words_of(unsigned kind) {
  switch (kind) {
    case RDU_UNIT_PCU:
      return fabric::ConfigWords::reset_of<regs::pcu::Registers>();
    case RDU_UNIT_PMU:
      return fabric::ConfigWords::reset_of<regs::pmu::Registers>();
    default:
      return fabric::ConfigWords::reset_of<regs::switch_::Registers>();
  }
}

Stimulus::Stimulus(uint32_t u, const FabricParams& p)
    : unit(u), params(p), words(reset_words_of(RDU_UNIT_KIND(u))), pins_(pins_of(RDU_UNIT_KIND(u))) {
  packets.resize(pins_.packet_in);
  scalars.resize(pins_.scalar_in);
  tokens.resize(pins_.token_in);
  credits.resize(pins_.packet_out * pins_.flows);
  scalar_credits.resize(pins_.scalar_out * pins_.scalar_flows);
}

std::string Stimulus::name() const {
  return fabric::unit_name(unit);
}

uint64_t Stimulus::packet_places() const {
  return kind() == RDU_UNIT_SWITCH ? params.switch_depth : params.fifo_depth;
}

size_t Stimulus::size() const {
  size_t n = 0;
  for (const auto& list : packets) n += list.size();
  for (const auto& list : scalars) n += list.size();
  for (const auto& list : tokens) n += list.size();
  return n;
}

void Stimulus::check() const {
  const auto wrong = [&](const std::string& text) { core::bad_input(name() + ": " + text); };
  try {
    if (kind() == RDU_UNIT_PCU) fabric::PcuConfig::decode(words, params);
    if (kind() == RDU_UNIT_PMU) fabric::PmuConfig::decode(words, params);
  } catch (const fabric::BadConfig& e) {
    wrong(e.what());
  }
  for (size_t port = 0; port < packets.size(); ++port) {
    for (const Packet& packet : packets[port]) {
      if (packet.head >> 40 != 0) wrong(fmt::format("input {}: a packet's head has 40 bits", port));
      if (packet.flow() >= pins_.flows)
        wrong(fmt::format("input {}: there is no flow {}", port, packet.flow()));
    }
  }
  for (size_t port = 0; port < scalars.size(); ++port) {
    for (const Word& word : scalars[port]) {
      if (word.flow >= pins_.scalar_flows)
        wrong(fmt::format("scalar input {}: there is no flow {}", port, word.flow));
    }
  }
  const auto merged = [&](const std::vector<Credits>& list, unsigned flows, uint32_t ports,
                          const char* what) {
    for (size_t i = 0; i < list.size(); ++i) {
      if ((ports >> i / flows & 1) == 0 || i % flows == 0 || list[i] == Credits{}) continue;
      wrong(fmt::format("{} {} has one queue behind it: its credits are those of flow 0", what, i / flows));
    }
  };
  merged(credits, pins_.flows, pins_.merged_out, "output");
  merged(scalar_credits, pins_.scalar_flows, pins_.merged_scalar_out, "scalar output");
  if (!scratchpad.empty()) {
    if (kind() != RDU_UNIT_PMU) wrong("only a PMU has a scratchpad");
    for (const auto& [address, word] : scratchpad) {
      if (address % 4 != 0 || address >= params.pmu_bytes)
        wrong(fmt::format("there is no word at 0x{:x} of the scratchpad", address));
    }
  }
}

bool operator==(const Stimulus& a, const Stimulus& b) {
  const auto& numbers = numbers_of(a.kind());
  return a.unit == b.unit &&
         std::all_of(numbers.begin(), numbers.end(),
                     [&](const Number& n) { return a.params.*n.value == b.params.*n.value; }) &&
         a.words == b.words && a.scratchpad == b.scratchpad && a.packets == b.packets &&
         a.scalars == b.scalars && a.tokens == b.tokens && a.credits == b.credits &&
         a.scalar_credits == b.scalar_credits && a.cycles == b.cycles && a.origin == b.origin;
}

}  // namespace rdu::cosim
