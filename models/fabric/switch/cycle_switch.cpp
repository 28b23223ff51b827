#include "fabric/switch/cycle_switch.h"

#include <cstring>

#include "fabric/program.h"
#include "fabric/switch/ports.h"
#include "regs/switch.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::switch_;

PinCounts switch_pins() {
  PinCounts pins;
  pins.packet_in = port::kInputs;
  pins.packet_out = port::kOutputs;
  pins.flows = RDU_FLOWS;
  pins.scalar_in = port::kScalarInputs;
  pins.scalar_out = port::kScalarOutputs;
  pins.scalar_flows = RDU_SCALAR_FLOWS;
  pins.token_in = port::kControlInputs;
  pins.token_out = port::kControlOutputs;
  pins.merged_out = (1u << port::kOutputs) - (1u << port::kMeshPorts);
  pins.merged_scalar_out = (1u << port::kScalarOutputs) - (1u << port::kScalarMeshPorts);
  return pins;
}

template <class Use>
void for_each_bit(uint32_t mask, Use use) {
  for (; mask != 0; mask &= mask - 1) use(static_cast<unsigned>(__builtin_ctz(mask)));
}

}  // namespace

CycleSwitch::CycleSwitch(const FabricParams& params, unsigned row, unsigned column)
    : pins_(switch_pins()),
      depth_(params.switch_depth),
      row_(row),
      column_(column),
      packets_({port::kInputs, port::kOutputs, RDU_FLOWS, port::kMeshPorts}),
      scalars_({port::kScalarInputs, port::kScalarOutputs, RDU_SCALAR_FLOWS, port::kScalarMeshPorts}),
      routes_(port::kInputs * RDU_FLOWS),
      scalar_routes_(port::kScalarInputs * RDU_SCALAR_FLOWS),
      control_(port::kControlInputs),
      throttles_(port::kInputs - port::kMeshPorts) {}

void CycleSwitch::reset() {
  packets_.reset();
  scalars_.reset();
  tokens_ = 0;
  for (Throttle& throttle : throttles_) throttle = {};
}

void CycleSwitch::configure(const ConfigWords& words) {
  for (unsigned i = 0; i < routes_.size(); ++i) {
    const uint32_t word = words.at(regs::kROUTE_OFFSET + regs::kROUTE_STRIDE * i);
    routes_[i] = {static_cast<uint32_t>(regs::ROUTE::OUT.get(word)),
                  static_cast<unsigned>(regs::ROUTE::NEXT_FLOW.get(word))};
  }
  for (unsigned i = 0; i < scalar_routes_.size(); ++i) {
    const uint32_t word = words.at(regs::kSCALAR_OFFSET + regs::kSCALAR_STRIDE * i);
    scalar_routes_[i] = {static_cast<uint32_t>(regs::SCALAR::OUT.get(word)),
                         static_cast<unsigned>(regs::SCALAR::NEXT_FLOW.get(word))};
  }
  for (unsigned i = 0; i < control_.size(); ++i)
    control_[i] = words.get(regs::kCONTROL_OFFSET + regs::kCONTROL_STRIDE * i, regs::CONTROL::OUT);
  for (unsigned i = 0; i < port::kOutputs - port::kMeshPorts; ++i) {
    if (words.get(regs::kJOIN_OFFSET + regs::kJOIN_STRIDE * i, regs::JOIN::ENABLE) != 0)
      packets_.join(port::kMeshPorts + i);
  }
  for (unsigned i = 0; i < throttles_.size(); ++i) {
    throttles_[i].interval =
        words.get(regs::kTHROTTLE_OFFSET + regs::kTHROTTLE_STRIDE * i, regs::THROTTLE::INTERVAL);
    throttles_[i].room = depth_ - 1;
  }
}

void CycleSwitch::start(const PinCredits& credits, PinOutputs& out) {
  for (unsigned output = 0; output < port::kOutputs; ++output) {
    for (unsigned flow = 0; flow < (output < port::kMeshPorts ? RDU_FLOWS : 1); ++flow)
      packets_.set_credits(output, flow, credits.out[output][flow]);
  }
  for (unsigned output = 0; output < port::kScalarOutputs; ++output) {
    for (unsigned flow = 0; flow < (output < port::kScalarMeshPorts ? RDU_SCALAR_FLOWS : 1); ++flow)
      scalars_.set_credits(output, flow, credits.scalar_out[output][flow]);
  }
  show(out);
}

void CycleSwitch::tick(const PinInputs& in, PinOutputs& out) {
  take(in);
  show(out);
}

Crossbar::Way CycleSwitch::way(unsigned port, uint64_t head) const {
  const unsigned flow = PacketHead::flow(head);
  if (flow != RDU_FLOW_DYNAMIC) return routes_[port * RDU_FLOWS + flow];
  return {1u << dynamic_output(PacketHead::destination(head), row_, column_), RDU_FLOW_DYNAMIC};
}

/// The end of a cycle.
void CycleSwitch::take(const PinInputs& in) {
  for_each_bit(in.credit, [&](unsigned output) {
    for_each_bit(in.out_credit[output], [&](unsigned flow) { packets_.add_credit(output, flow); });
  });
  for_each_bit(in.scalar_credit, [&](unsigned output) {
    for_each_bit(in.sout_credit[output], [&](unsigned flow) { scalars_.add_credit(output, flow); });
  });
  for (Throttle& throttle : throttles_) throttle.hold -= throttle.hold != 0;
  for_each_bit(in.valid, [&](unsigned port) {
    const unsigned flow = PacketHead::flow(in.head[port]);
    Crossbar::Item& item = packets_.push(packets_.queue_of(port, flow));
    item.way = way(port, in.head[port]);
    item.head = in.head[port];
    std::memcpy(item.data.data(), in.data[port], kPacketBytes);
    if (port < port::kMeshPorts) return;
    Throttle& throttle = throttles_[port - port::kMeshPorts];
    if (throttle.interval <= 1) return;
    throttle.given = false;
    throttle.hold = throttle.interval - 2;
    throttle.flow = flow;
  });
  for_each_bit(in.scalar_valid, [&](unsigned port) {
    const unsigned queue = scalars_.queue_of(port, in.scalar_flow[port]);
    Crossbar::Item& item = scalars_.push(queue);
    item.way = scalar_routes_[queue];
    std::memcpy(item.data.data(), &in.scalar[port], sizeof in.scalar[0]);
  });
  tokens_ = 0;
  for_each_bit(in.tokens, [&](unsigned wire) { tokens_ |= control_[wire]; });
}

/// A cycle: what it shows, and what that changes inside.
void CycleSwitch::show(PinOutputs& out) {
  const auto credit = [&](unsigned port, unsigned flow) {
    if ((out.credit >> port & 1) == 0) out.in_credit[port] = 0;
    out.credit |= 1u << port;
    out.in_credit[port] = static_cast<uint8_t>(out.in_credit[port] | 1u << flow);
  };
  const bool is_empty = packets_.empty() && scalars_.empty() && tokens_ == 0;
  packets_.cycle(
      [&](unsigned output, const Crossbar::Item& item) {
        out.valid |= 1u << output;
        out.head[output] = PacketHead::with_flow(item.head, item.way.flow);
        std::memcpy(out.data[output], item.data.data(), kPacketBytes);
      },
      [&](unsigned queue) {
        const unsigned port = queue / RDU_FLOWS;
        if (port >= port::kMeshPorts && throttles_[port - port::kMeshPorts].interval > 1) {
          ++throttles_[port - port::kMeshPorts].room;
        } else {
          credit(port, queue % RDU_FLOWS);
        }
      });
  bool holds = false;
  bool owes = false;
  for (unsigned i = 0; i < throttles_.size(); ++i) {
    Throttle& throttle = throttles_[i];
    if (throttle.interval <= 1) continue;
    holds = holds || throttle.hold != 0;
    owes = owes || !throttle.given;
    if (throttle.given || throttle.hold != 0 || throttle.room == 0) continue;
    credit(port::kMeshPorts + i, throttle.flow);
    throttle.given = true;
    --throttle.room;
  }
  scalars_.cycle(
      [&](unsigned output, const Crossbar::Item& item) {
        out.scalar_valid |= 1u << output;
        out.scalar_flow[output] = static_cast<uint8_t>(item.way.flow);
        std::memcpy(&out.scalar[output], item.data.data(), sizeof out.scalar[0]);
      },
      [&](unsigned queue) {
        const unsigned port = queue / RDU_SCALAR_FLOWS;
        if ((out.scalar_credit >> port & 1) == 0) out.sin_credit[port] = 0;
        out.scalar_credit |= 1u << port;
        out.sin_credit[port] = static_cast<uint8_t>(out.sin_credit[port] | 1u << queue % RDU_SCALAR_FLOWS);
      });
  out.tokens = tokens_;
  out.idle = (out.valid | out.scalar_valid | out.tokens | out.credit | out.scalar_credit) == 0 && !holds;
  out.done = is_empty && !owes;
}

}  // namespace rdu::fabric
