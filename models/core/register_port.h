#pragma once

#include <string>

#include "core/access_log.h"
#include "core/register.h"
#include "core/systemc.h"
#include "core/time.h"

namespace rdu::core {

/// A block's place on the management core's bus: a TLM-2.0 target socket in front of its registers. Undefined
/// accesses get a TLM address error (the core takes an access fault) and are logged as guest faults with the
/// block's name. The initiator has synchronised with the kernel before it calls, so hooks may take now() as
/// the time of the access.
class RegisterPort {
 public:
  /// `name` is the block's hierarchical name, for messages and for the socket's. `latency` is charged to each
  /// access.
  RegisterPort(const std::string& name, RegisterFile& file, Time latency = 0);

  tlm_utils::simple_target_socket<RegisterPort> socket;

  RegisterFile& registers() { return file_; }

 private:
  void log(const tlm::tlm_generic_payload& payload, uint64_t value) const;
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned transport_dbg(tlm::tlm_generic_payload& payload);

  std::string name_;
  RegisterFile& file_;
  AccessLog::Place place_;
  sc_core::sc_time latency_;
};

}  // namespace rdu::core
