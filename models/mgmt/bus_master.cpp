#include "mgmt/bus_master.h"

#include "mgmt/float/host.h"

namespace rdu::mgmt {

const BusMaster::Region& BusMaster::region(uint64_t address) {
  for (const Region& r : regions_) {
    if (address >= r.first && address <= r.last) return r;
  }
  payload_.set_command(tlm::TLM_READ_COMMAND);
  payload_.set_address(address);
  payload_.set_data_length(1);
  tlm::tlm_dmi dmi;
  const bool granted = socket_->get_direct_mem_ptr(payload_, dmi) && dmi.is_read_allowed();
  regions_.push_back({dmi.get_start_address(), dmi.get_end_address(), granted ? dmi.get_dmi_ptr() : nullptr,
                      granted && dmi.is_write_allowed()});
  return regions_.back();
}

uint8_t* BusMaster::direct(uint64_t page, bool write) {
  constexpr uint64_t kPage = 4096;
  const Region& r = region(page);
  if (!r.data || (write && !r.writable) || r.last - page < kPage - 1) return nullptr;
  return r.data + (page - r.first);
}

BusMaster::Status BusMaster::access(bool write, uint64_t address, unsigned size, uint8_t* data) {
  // Whoever runs now expects the usual floating-point mode, not the hart's.
  const fp::HostDefault as_usual;
  cancelled_ = false;
  time_.sync();
  if (cancelled_) return Status::aborted;
  payload_.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
  payload_.set_address(address);
  payload_.set_data_ptr(data);
  payload_.set_data_length(size);
  payload_.set_streaming_width(size);
  payload_.set_byte_enable_ptr(nullptr);
  payload_.set_dmi_allowed(false);
  payload_.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  socket_->b_transport(payload_, delay);
  time_.restart(core::now() + core::from_sc(delay));
  time_.add(latency_);
  return payload_.is_response_ok() ? Status::ok : Status::error;
}

}  // namespace rdu::mgmt
