#include "cosim/recorder.h"

#include <cstring>

namespace rdu::cosim {
namespace {

template <class Use>
void for_each_bit(uint32_t mask, Use use) {
  for (; mask != 0; mask &= mask - 1) use(static_cast<unsigned>(__builtin_ctz(mask)));
}

}  // namespace

Recorder::Recorder(uint32_t unit, const fabric::FabricParams& params, uint64_t most_bytes)
    : stimulus_(unit, params), most_bytes_(most_bytes) {}

/// Memory is given back: executions that are too long are as a rule not the last ones.
void Recorder::drop() {
  for (auto& list : stimulus_.packets) list = {};
  for (auto& list : stimulus_.scalars) list = {};
  for (auto& list : stimulus_.tokens) list = {};
  for (auto& credits : stimulus_.credits) credits = {};
  for (auto& credits : stimulus_.scalar_credits) credits = {};
}

void Recorder::start(const fabric::PinCredits& credits, const uint8_t* scratchpad) {
  drop();
  first_ = credits.cycle;
  stimulus_.cycles = 0;
  const fabric::PinCounts& pins = stimulus_.pins();
  for (size_t i = 0; i < stimulus_.credits.size(); ++i)
    stimulus_.credits[i].at_start = credits.out[i / pins.flows][i % pins.flows];
  for (size_t i = 0; i < stimulus_.scalar_credits.size(); ++i)
    stimulus_.scalar_credits[i].at_start = credits.scalar_out[i / pins.scalar_flows][i % pins.scalar_flows];
  scratchpad_.clear();
  if (scratchpad) scratchpad_.assign(scratchpad, scratchpad + stimulus_.params.pmu_bytes);
  bytes_ = scratchpad_.size();
}

void Recorder::tick(const fabric::PinInputs& in) {
  if (bytes_ > most_bytes_) return;
  const uint64_t cycle = in.cycle - first_;
  const fabric::PinCounts& pins = stimulus_.pins();
  stimulus_.cycles = cycle + 1;
  for_each_bit(in.valid, [&](unsigned port) {
    Stimulus::Packet packet;
    packet.cycle = cycle;
    packet.head = in.head[port];
    std::memcpy(packet.data.data(), in.data[port], packet.data.size());
    stimulus_.packets[port].push_back(packet);
    add(sizeof packet);
  });
  for_each_bit(in.scalar_valid, [&](unsigned port) {
    const unsigned flow = pins.scalar_flows == 1 ? 0 : in.scalar_flow[port];
    stimulus_.scalars[port].push_back({cycle, flow, in.scalar[port]});
    add(sizeof(Stimulus::Word));
  });
  for_each_bit(in.tokens, [&](unsigned port) {
    stimulus_.tokens[port].push_back(cycle);
    add(sizeof cycle);
  });
  for_each_bit(in.credit, [&](unsigned port) {
    for_each_bit(in.out_credit[port], [&](unsigned flow) {
      stimulus_.credits_of(port, flow).back.push_back(cycle);
      add(sizeof cycle);
    });
  });
  for_each_bit(in.scalar_credit, [&](unsigned port) {
    for_each_bit(in.sout_credit[port], [&](unsigned flow) {
      stimulus_.scalar_credits_of(port, flow).back.push_back(cycle);
      add(sizeof cycle);
    });
  });
  if (bytes_ > most_bytes_) drop();
}

std::optional<Stimulus> Recorder::stimulus() const {
  if (bytes_ > most_bytes_) return std::nullopt;
  Stimulus stimulus = stimulus_;
  for (size_t address = 0; address < scratchpad_.size(); address += 4) {
    uint32_t word;
    std::memcpy(&word, scratchpad_.data() + address, 4);
    if (word != 0) stimulus.scratchpad.emplace(static_cast<uint32_t>(address), word);
  }
  return stimulus;
}

}  // namespace rdu::cosim
