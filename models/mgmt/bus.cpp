#include "mgmt/bus.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/systemc_router.h"

namespace rdu::mgmt {

struct Bus::Ports {
  tlm_utils::multi_passthrough_target_socket<Bus> in{"in"};
  tlm_utils::multi_passthrough_initiator_socket<Bus> out{"out"};
};

Bus::Bus(const sc_core::sc_module_name& name) : sc_module(name), ports_(std::make_unique<Ports>()) {
  ports_->in.register_b_transport(this, &Bus::b_transport);
  ports_->in.register_transport_dbg(this, &Bus::transport_dbg);
  ports_->in.register_get_direct_mem_ptr(this, &Bus::get_direct_mem_ptr);
  ports_->out.register_invalidate_direct_mem_ptr(this, &Bus::invalidate_direct_mem_ptr);
}

Bus::~Bus() = default;

void Bus::attach(const std::string& name, uint64_t base, uint64_t size, TargetSocket& target) {
  if (size == 0 || base + (size - 1) < base) {
    throw core::Error(core::ErrorKind::internal, this->name(),
                      fmt::format("{}: {:#x} bytes from {:#x} are no range", name, size, base));
  }
  auto next = std::upper_bound(entries_.begin(), entries_.end(), base,
                               [](uint64_t at, const Entry& e) { return at < e.base; });
  const bool hits_next = next != entries_.end() && next->base <= base + (size - 1);
  const bool hits_previous = next != entries_.begin() && base - std::prev(next)->base < std::prev(next)->size;
  if (hits_next || hits_previous) {
    const Entry& other = hits_next ? *next : *std::prev(next);
    throw core::Error(core::ErrorKind::internal, this->name(),
                      fmt::format("{} at {:#x} (size {:#x}) overlaps {} at {:#x} (size {:#x})", name, base,
                                  size, other.name, other.base, other.size));
  }
  ports_->out.bind(target);
  entries_.insert(next, Entry{name, base, size, attached_++});
}

void Bus::connect(InitiatorSocket& initiator) {
  initiator.bind(ports_->in);
}

const Bus::Entry* Bus::find(uint64_t address, uint64_t length) const {
  auto next = std::upper_bound(entries_.begin(), entries_.end(), address,
                               [](uint64_t at, const Entry& e) { return at < e.base; });
  if (next == entries_.begin()) return nullptr;
  const Entry& entry = *std::prev(next);
  const uint64_t offset = address - entry.base;
  return offset < entry.size && length <= entry.size - offset ? &entry : nullptr;
}

std::string Bus::name_at(uint64_t address) const {
  const Entry* entry = find(address, 1);
  return entry ? entry->name : "nothing";
}

void Bus::b_transport(int, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const uint64_t address = payload.get_address();
  const Entry* entry = find(address, payload.get_data_length());
  if (!entry) {
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  payload.set_address(address - entry->base);
  ports_->out[static_cast<int>(entry->port)]->b_transport(payload, delay);
  payload.set_address(address);
}

unsigned Bus::transport_dbg(int, tlm::tlm_generic_payload& payload) {
  const uint64_t address = payload.get_address();
  const Entry* entry = find(address, payload.get_data_length());
  if (!entry) return 0;
  payload.set_address(address - entry->base);
  const unsigned done = ports_->out[static_cast<int>(entry->port)]->transport_dbg(payload);
  payload.set_address(address);
  return done;
}

bool Bus::get_direct_mem_ptr(int, tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
  const uint64_t address = payload.get_address();
  const Entry* entry = find(address, 1);
  if (!entry) {
    dmi.set_start_address(address);
    dmi.set_end_address(address);
    return false;
  }
  payload.set_address(address - entry->base);
  const bool allowed = ports_->out[static_cast<int>(entry->port)]->get_direct_mem_ptr(payload, dmi);
  payload.set_address(address);
  // The target counts from its own base and may answer for more than its window.
  const uint64_t last = std::min<uint64_t>(dmi.get_end_address(), entry->size - 1);
  dmi.set_start_address(entry->base + dmi.get_start_address());
  dmi.set_end_address(entry->base + last);
  return allowed;
}

void Bus::invalidate_direct_mem_ptr(int target, sc_dt::uint64 begin, sc_dt::uint64 end) {
  for (const Entry& entry : entries_) {
    if (entry.port != static_cast<unsigned>(target) || begin >= entry.size) continue;
    const uint64_t last = std::min<uint64_t>(end, entry.size - 1);
    for (unsigned i = 0; i < ports_->in.size(); ++i) {
      ports_->in[static_cast<int>(i)]->invalidate_direct_mem_ptr(entry.base + begin, entry.base + last);
    }
  }
}

}  // namespace rdu::mgmt
