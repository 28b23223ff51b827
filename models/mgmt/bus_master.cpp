#include "mgmt/bus_master.h"

#include <algorithm>
#include <cstring>

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
  busy_ = true;
  time_.sync();
  if (cancelled_) {
    busy_ = false;
    return Status::aborted;
  }
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
  busy_ = false;
  return payload_.is_response_ok() ? Status::ok : Status::error;
}

bool BusMaster::debug_once(bool write, uint64_t address, uint8_t* data, uint64_t size) {
  tlm::tlm_generic_payload payload;
  payload.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
  payload.set_address(address);
  payload.set_data_ptr(data);
  payload.set_data_length(static_cast<unsigned>(size));
  payload.set_streaming_width(static_cast<unsigned>(size));
  return socket_->transport_dbg(payload) == size;
}

bool BusMaster::debug(bool write, uint64_t address, uint8_t* data, uint64_t size) {
  if (size == 0) return true;
  if (debug_once(write, address, data, size)) return true;
  if (write) return false;
  // Registers answer in their own size only: what lies around each byte, in the largest size that works.
  for (uint64_t done = 0; done < size;) {
    uint8_t word[8];
    const uint64_t at = address + done;
    unsigned width = 8;
    while (width != 0 && !debug_once(false, at & ~uint64_t{width - 1}, word, width)) width /= 2;
    if (width == 0) return false;
    const uint64_t skip = at % width;
    const uint64_t count = std::min<uint64_t>(width - skip, size - done);
    std::memcpy(data + done, word + skip, count);
    done += count;
  }
  return true;
}

}  // namespace rdu::mgmt
