#include "fabric/agcu/memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "regs/sequencer.hpp"

namespace rdu::fabric {

namespace codes = rdu::regs::sequencer::FAULT;

Memory::Memory(core::TransferPort& port, core::AddressTranslator& slb, const FabricParams& params,
               MemoryListener& listener)
    : port_(port),
      slb_(slb),
      clock_(params.fabric_clock()),
      listener_(listener),
      request_cycles_(params.request_cycles) {}

uint64_t Memory::earliest_answer() const {
  return in_flight_ == 0 ? kNoCycle : clock_.cycles_ceil(core::now());
}

Memory::~Memory() = default;

Request& Memory::make() {
  if (free_.empty()) {
    requests_.push_back(std::make_unique<Request>());
    free_.push_back(requests_.back().get());
  }
  Request& r = *free_.back();
  free_.pop_back();
  r.in_use = true;
  return r;
}

void Memory::recycle(Request& r) {
  r.block = {};
  r.requester = nullptr;
  r.in_use = false;
  free_.push_back(&r);
}

bool Memory::allows(uint64_t address, uint64_t bytes, bool write) {
  uint64_t physical = 0;
  return slb_.translate(context_, address, bytes, write, &physical);
}

void Memory::post(Request& r, uint64_t cycle, bool write, uint8_t* data, uint32_t initiator,
                  core::Modify modify) {
  const core::Time issue = clock_.time(cycle);
  uint64_t physical = 0;
  if (!slb_.translate(context_, r.piece.address, r.piece.bytes, write, &physical)) {
    r.requester->failed(r, {codes::CODE_SEGMENT, r.unit, r.piece.address, issue,
                            fmt::format("no segment of context {} allows a {} of {} bytes at {:#x}", context_,
                                        write ? "write" : "read", r.piece.bytes, r.piece.address)});
    recycle(r);
    return;
  }
  core::Transfer& t = r.transfer;
  t = {};
  t.address = physical;
  t.data = data;
  t.length = r.piece.bytes;
  t.write = write;
  t.modify = modify;
  t.initiator = initiator;
  t.issue = issue;
  t.tag = tag_;
  t.client = this;
  t.cookie = reinterpret_cast<uintptr_t>(&r);
  ++in_flight_;
  port_.post(t);
}

void Memory::withdraw(const Requester& requester, core::Time when) {
  for (const auto& r : requests_) {
    // It becomes a read that nobody looks at.
    if (r->in_use && r->requester == &requester && r->transfer.issue > when) {
      r->requester = nullptr;
      r->transfer.write = false;
    }
  }
}

void Memory::abandon() {
  for (const auto& r : requests_) {
    if (!r->in_use) continue;
    r->requester = nullptr;
    // What has not left yet may still be withdrawn: it becomes a read that nobody looks at.
    if (r->transfer.issue > core::now()) r->transfer.write = false;
  }
}

void Memory::completed(core::Transfer& t) {
  Request& r = *reinterpret_cast<Request*>(static_cast<uintptr_t>(t.cookie));
  --in_flight_;
  last_answer_ = std::max(last_answer_, t.done);
  if (r.requester) {
    if (t.status == core::TransferStatus::ok) {
      r.requester->answered(r, clock_.cycles_ceil(t.done));
    } else {
      r.requester->failed(
          r, {codes::CODE_MEMORY, r.unit, r.piece.address, t.done,
              fmt::format("a {} of {} bytes at {:#x} (physical {:#x}) {}", t.write ? "write" : "read",
                          r.piece.bytes, r.piece.address, t.address, core::to_string(t.status))});
    }
  }
  recycle(r);
  listener_.memory_answered();
}

}  // namespace rdu::fabric
