#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/systemc.h"
#include "core/transfer.h"

namespace rdu::noc {

/// The management core's way to the top-level network: a TLM-2.0 target for a window of its bus. A blocking
/// access becomes one transfer; the calling thread waits until its response is back, and the access's delay
/// is then zero (it has passed). Several threads may be inside at once.
///
/// A transfer that no memory answers gives TLM_ADDRESS_ERROR_RESPONSE, one that is refused
/// TLM_GENERIC_ERROR_RESPONSE; both are logged as guest faults.
class TlnBridge : public sc_core::sc_module {
 public:
  /// `base` is added to a payload's address: the window's device physical address if the bus in front
  /// subtracts it, 0 if it does not.
  TlnBridge(const sc_core::sc_module_name& name, core::TransferPort& port, uint64_t base, uint32_t initiator);
  ~TlnBridge() override;

  tlm_utils::simple_target_socket<TlnBridge> socket;

 private:
  struct Access;

  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned transport_dbg(tlm::tlm_generic_payload& payload);
  Access& take();

  core::TransferPort& port_;
  uint64_t base_;
  uint32_t initiator_;
  std::vector<std::unique_ptr<Access>> accesses_;
  std::vector<Access*> free_;
};

}  // namespace rdu::noc
