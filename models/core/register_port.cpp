#include "core/register_port.h"

#include <fmt/format.h>

#include <cstring>

#include "core/error.h"
#include "core/trace.h"

namespace rdu::core {

RegisterPort::RegisterPort(const std::string& name, RegisterFile& file, Time latency)
    : socket(sc_core::sc_gen_unique_name("regs")),
      name_(name),
      file_(file),
      place_(AccessLog::get().place(name)),
      latency_(to_sc(latency)) {
  socket.register_b_transport(this, &RegisterPort::b_transport);
  socket.register_transport_dbg(this, &RegisterPort::transport_dbg);
}

void RegisterPort::log(const tlm::tlm_generic_payload& payload, uint64_t value) const {
  AccessLog::Access access;
  access.write = payload.is_write();
  access.length = payload.get_data_length();
  access.place = place_;
  access.address = payload.get_address();
  access.value = value;
  access.when = now();
  if (const Register* reg = file_.find(access.address)) access.name = reg->desc().name;
  AccessLog::get().add(access);
}

void RegisterPort::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  delay += latency_;
  const bool write = payload.is_write();
  const unsigned length = payload.get_data_length();
  const bool done = length <= 8 && payload.get_byte_enable_ptr() == nullptr &&
                    file_.access(write, payload.get_address(), length, payload.get_data_ptr());
  if (!done) {
    report_guest_fault(name_, fmt::format("no register answers a {} of {} bytes at offset {:#x}",
                                          write ? "write" : "read", length, payload.get_address()));
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  uint64_t value = 0;
  std::memcpy(&value, payload.get_data_ptr(), length);
  log(payload, value);
  constexpr uint64_t kRegisterAccess = 0x01;
  TraceHash::get().add(kRegisterAccess, now(), payload.get_address() << 1 | (write ? 1u : 0u), value);
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

unsigned RegisterPort::transport_dbg(tlm::tlm_generic_payload& payload) {
  if (payload.is_write()) return 0;
  const unsigned length = payload.get_data_length();
  return file_.peek(payload.get_address(), length, payload.get_data_ptr()) ? length : 0;
}

}  // namespace rdu::core
