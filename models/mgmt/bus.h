#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/systemc.h"

namespace rdu::mgmt {

/// The management core's bus: decodes an address, hands the transaction to the target that owns it with the
/// address counted from the target's base, and passes direct-memory requests on. It takes no time itself (the
/// hart charges the bus's latency).
///
/// An access that no entry covers wholly gets a TLM address error. Entries that overlap are an internal
/// error at build: the address map says what lies where.
class Bus : public sc_core::sc_module {
 public:
  using TargetSocket = tlm::tlm_base_target_socket<32>;
  using InitiatorSocket = tlm::tlm_base_initiator_socket<32>;

  explicit Bus(const sc_core::sc_module_name& name);
  ~Bus() override;

  /// Adds a target. Before elaboration ends.
  void attach(const std::string& name, uint64_t base, uint64_t size, TargetSocket& target);
  /// Adds an initiator: a hart.
  void connect(InitiatorSocket& initiator);

  /// The name of what lies at an address, for messages: "UART0", or "nothing".
  std::string name_at(uint64_t address) const;

 private:
  struct Entry {
    std::string name;
    uint64_t base;
    uint64_t size;
    unsigned port;  ///< of the initiator socket
  };
  struct Ports;

  const Entry* find(uint64_t address, uint64_t length) const;
  void b_transport(int initiator, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned transport_dbg(int initiator, tlm::tlm_generic_payload& payload);
  bool get_direct_mem_ptr(int initiator, tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);
  void invalidate_direct_mem_ptr(int target, sc_dt::uint64 begin, sc_dt::uint64 end);

  std::unique_ptr<Ports> ports_;
  std::vector<Entry> entries_;  ///< by base
  unsigned attached_ = 0;
};

}  // namespace rdu::mgmt
