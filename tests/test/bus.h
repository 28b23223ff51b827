#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/register_port.h"
#include "core/systemc.h"
#include "test/catch.h"

/// Software's side of a block's registers, for unit tests that have no management core.
namespace rdu::test {

/// Keeps the sockets of tested blocks bound, as elaboration demands.
class Bus : public sc_core::sc_module {
 public:
  /// Room for `count` blocks, all of which must be connected.
  Bus(const sc_core::sc_module_name& name, unsigned count) : sc_core::sc_module(name) {
    for (unsigned i = 0; i < count; ++i) {
      sockets_.push_back(std::make_unique<Socket>(("socket" + std::to_string(i)).c_str()));
    }
  }

  template <class TargetSocket>
  void connect(TargetSocket& socket) {
    sockets_.at(connected_++)->bind(socket);
  }

 private:
  using Socket = tlm_utils::simple_initiator_socket<Bus>;
  std::vector<std::unique_ptr<Socket>> sockets_;
  size_t connected_ = 0;
};

/// Simulates `t`, and one picosecond so that what is due at its end happens too (sc_start() stops before it).
inline void run_past(core::Time t) {
  sc_core::sc_start(core::to_sc(t + 1));
}

/// One access, now; works before the simulation starts and between its runs.
inline tlm::tlm_response_status access(core::RegisterPort& port, bool write, uint64_t offset, unsigned length,
                                       uint64_t& value) {
  tlm::tlm_generic_payload payload;
  sc_core::sc_time delay;
  payload.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
  payload.set_address(offset);
  payload.set_data_ptr(reinterpret_cast<uint8_t*>(&value));
  payload.set_data_length(length);
  payload.set_streaming_width(length);
  port.socket.get_base_interface().b_transport(payload, delay);
  return payload.get_response_status();
}

inline void write32(core::RegisterPort& port, uint64_t offset, uint64_t value) {
  REQUIRE(access(port, true, offset, 4, value) == tlm::TLM_OK_RESPONSE);
}
inline void write64(core::RegisterPort& port, uint64_t offset, uint64_t value) {
  REQUIRE(access(port, true, offset, 8, value) == tlm::TLM_OK_RESPONSE);
}
inline uint64_t read32(core::RegisterPort& port, uint64_t offset) {
  uint64_t value = 0;
  REQUIRE(access(port, false, offset, 4, value) == tlm::TLM_OK_RESPONSE);
  return value;
}
inline uint64_t read64(core::RegisterPort& port, uint64_t offset) {
  uint64_t value = 0;
  REQUIRE(access(port, false, offset, 8, value) == tlm::TLM_OK_RESPONSE);
  return value;
}

}  // namespace rdu::test
