#include "noc/tln_bridge.h"

#include <fmt/format.h>

#include <cstring>

#include "core/error.h"

namespace rdu::noc {

/// One access under way. It owns the bytes: a thread that is killed while it waits takes its payload with it.
struct TlnBridge::Access : core::TransferClient {
  core::Transfer transfer;
  std::vector<uint8_t> bytes;
  sc_core::sc_event done;

  void completed(core::Transfer& t) override { done.notify(core::to_sc(t.done - core::now())); }
};

TlnBridge::TlnBridge(const sc_core::sc_module_name& name, core::TransferPort& port, uint64_t base,
                     uint32_t initiator)
    : sc_core::sc_module(name), socket("socket"), port_(port), base_(base), initiator_(initiator) {
  socket.register_b_transport(this, &TlnBridge::b_transport);
  socket.register_transport_dbg(this, &TlnBridge::transport_dbg);
}

TlnBridge::~TlnBridge() = default;

TlnBridge::Access& TlnBridge::take() {
  if (free_.empty()) {
    accesses_.push_back(std::make_unique<Access>());
    free_.push_back(accesses_.back().get());
  }
  Access* access = free_.back();
  free_.pop_back();
  return *access;
}

void TlnBridge::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const unsigned length = payload.get_data_length();
  if (payload.get_byte_enable_ptr()) {
    payload.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    return;
  }
  if (length == 0 || payload.get_streaming_width() < length) {
    payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
    return;
  }
  if (!payload.is_read() && !payload.is_write()) {
    payload.set_response_status(tlm::TLM_COMMAND_ERROR_RESPONSE);
    return;
  }
  Access& access = take();
  access.bytes.resize(length);
  core::Transfer& t = access.transfer;
  t = {};
  t.address = base_ + payload.get_address();
  t.data = access.bytes.data();
  t.length = length;
  t.write = payload.is_write();
  t.initiator = initiator_;
  t.issue = core::now() + core::from_sc(delay);
  t.client = &access;
  if (t.write) std::memcpy(access.bytes.data(), payload.get_data_ptr(), length);
  port_.post(t);
  // If the thread is killed here, the access is not used again: its transfer may still be on its way.
  sc_core::wait(access.done);
  delay = sc_core::SC_ZERO_TIME;

  if (t.status == core::TransferStatus::ok) {
    if (!t.write) std::memcpy(payload.get_data_ptr(), access.bytes.data(), length);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  } else {
    const bool nowhere = t.status == core::TransferStatus::decode_error;
    core::report_guest_fault(name(), fmt::format("a {} of {} bytes at {:#x} {}", t.write ? "write" : "read",
                                                 length, t.address, core::to_string(t.status)));
    payload.set_response_status(nowhere ? tlm::TLM_ADDRESS_ERROR_RESPONSE : tlm::TLM_GENERIC_ERROR_RESPONSE);
  }
  free_.push_back(&access);
}

unsigned TlnBridge::transport_dbg(tlm::tlm_generic_payload& payload) {
  const unsigned length = payload.get_data_length();
  const bool done =
      port_.debug(base_ + payload.get_address(), payload.get_data_ptr(), length, payload.is_write());
  return done ? length : 0;
}

}  // namespace rdu::noc
