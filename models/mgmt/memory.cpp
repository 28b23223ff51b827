#include "mgmt/memory.h"

#include <fmt/format.h>

#include <cstring>
#include <new>

#include "core/error.h"

namespace rdu::mgmt {

Memory::Memory(const std::string& name, Kind kind, uint64_t capacity, Beyond beyond)
    : socket(sc_core::sc_gen_unique_name("memory")),
      name_(name),
      kind_(kind),
      beyond_(beyond),
      capacity_(capacity),
      bytes_(allocate(capacity)) {
  if (capacity % kPage != 0) {
    throw core::Error(core::ErrorKind::internal, name,
                      fmt::format("{} bytes are no multiple of {}", capacity, kPage));
  }
  socket.register_b_transport(this, &Memory::b_transport);
  socket.register_transport_dbg(this, &Memory::transport_dbg);
  socket.register_get_direct_mem_ptr(this, &Memory::get_direct_mem_ptr);
}

// Zero pages from the operating system: a RAM that nobody writes costs nothing.
std::unique_ptr<uint8_t[], Memory::Free> Memory::allocate(uint64_t capacity) {
  auto* bytes = static_cast<uint8_t*>(std::calloc(capacity ? capacity : 1, 1));
  if (!bytes) throw std::bad_alloc();
  return std::unique_ptr<uint8_t[], Free>(bytes);
}

void Memory::replace(const std::vector<uint8_t>& bytes, uint8_t fill) {
  if (sc_core::sc_start_of_simulation_invoked()) {
    throw core::Error(core::ErrorKind::internal, name_, "its contents were replaced during simulation");
  }
  capacity_ = (bytes.size() + kPage - 1) / kPage * kPage;
  bytes_ = allocate(capacity_);
  if (!bytes.empty()) std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  std::memset(bytes_.get() + bytes.size(), fill, capacity_ - bytes.size());
}

bool Memory::debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) {
  if (!inside(offset, length)) return false;
  uint8_t* here = bytes_.get() + offset;
  if (write) {
    std::memcpy(here, data, length);
  } else {
    std::memcpy(data, here, length);
  }
  return true;
}

void Memory::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
  const uint64_t offset = payload.get_address();
  const uint64_t length = payload.get_data_length();
  if (payload.is_write() && kind_ == Kind::read_only) {
    payload.set_response_status(tlm::TLM_COMMAND_ERROR_RESPONSE);
    return;
  }
  if (!inside(offset, length)) {
    if (beyond_ == Beyond::address_error || payload.is_write()) {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    for (uint64_t i = 0; i < length; ++i) {
      payload.get_data_ptr()[i] = offset + i < capacity_ ? bytes_[offset + i] : 0xff;
    }
  } else {
    debug(offset, payload.get_data_ptr(), length, payload.is_write());
  }
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

unsigned Memory::transport_dbg(tlm::tlm_generic_payload& payload) {
  const unsigned length = payload.get_data_length();
  return debug(payload.get_address(), payload.get_data_ptr(), length, payload.is_write()) ? length : 0;
}

bool Memory::get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
  dmi.init();
  if (payload.get_address() >= capacity_) {
    dmi.set_start_address(capacity_);
    dmi.set_end_address(~sc_dt::uint64{0});
    dmi.allow_read_write();  // denied for both
    return false;
  }
  dmi.set_dmi_ptr(bytes_.get());
  dmi.set_start_address(0);
  dmi.set_end_address(capacity_ - 1);
  if (kind_ == Kind::writable) {
    dmi.allow_read_write();
  } else {
    dmi.allow_read();
  }
  return true;
}

Ram::Ram(const std::string& name, uint64_t size, core::Time latency)
    : memory_(name, Memory::Kind::writable, size), latency_(latency) {}

void Ram::access(core::Transfer& t, uint64_t offset, core::Time arrive) {
  t.done = arrive + latency_;
  t.status = memory_.debug(offset, t.data, t.length, t.write) ? core::TransferStatus::ok
                                                              : core::TransferStatus::decode_error;
}

bool Ram::debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) {
  return memory_.debug(offset, data, length, write);
}

}  // namespace rdu::mgmt
