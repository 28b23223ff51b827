#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/systemc.h"
#include "fabric/tile.h"
#include "link/link_control.h"
#include "memory/controller.h"
#include "memory/copy_engine.h"
#include "memory/slb.h"
#include "mgmt/management.h"
#include "mgmt/sensors.h"
#include "noc/tln.h"
#include "noc/tln_bridge.h"
#include "pcie/endpoint.h"
#include "platform/platform_params.h"

namespace rdu::platform {

/// One RDU socket: what is wired to what. platform/address_map.yaml says where each block lies and which
/// interrupt is whose; nothing else is decided here.
class Socket : public sc_core::sc_module {
 public:
  /// `transmit` gets each byte that the firmware's UART sends. Throws bad_input if parameters do not fit each
  /// other.
  Socket(const sc_core::sc_module_name& name, const SocketParams& params, unsigned index,
         std::function<void(char)> transmit);
  ~Socket() override;

  /// A RISC-V ELF for this core. Throws bad_input.
  void load_rom(const std::string& file);
  /// The flash from its first byte on; `what` names it in errors. Throws bad_input if it is too large.
  void load_flash(const std::string& what, const std::vector<uint8_t>& contents);
  /// The ELF whose symbols name addresses in messages. Throws bad_input.
  void load_symbols(const std::string& file);

  const SocketParams& params() const { return params_; }
  mgmt::Management& management() { return management_; }
  const mgmt::Management& management() const { return management_; }
  pcie::Endpoint& endpoint() { return endpoint_; }
  const pcie::Endpoint& endpoint() const { return endpoint_; }
  memory::MemoryController& hbm() { return hbm_; }
  const memory::MemoryController& hbm() const { return hbm_; }
  memory::MemoryController& ddr() { return ddr_; }
  const memory::MemoryController& ddr() const { return ddr_; }
  memory::CopyEngine& copy_engine() { return copy_engine_; }
  noc::Tln& tln() { return tln_; }
  unsigned tiles() const { return static_cast<unsigned>(tiles_.size()); }
  fabric::Tile& tile(unsigned i) { return *tiles_.at(i); }
  const fabric::Tile& tile(unsigned i) const { return *tiles_.at(i); }
  /// Called at each restart of the management core.
  void on_firmware_restart(std::function<void()> hook) { firmware_restarted_ = std::move(hook); }
  /// Guest faults logged since the start.
  uint64_t guest_faults() const { return guest_faults_; }

 private:
  void attach_blocks();
  void attach_memory();
  std::vector<mgmt::Sensors::Part> sensed_parts() const;
  void log_guest_fault(const core::GuestFault& fault);

  SocketParams params_;
  mgmt::Management management_;
  noc::Tln tln_;
  memory::MemoryController hbm_;
  memory::MemoryController ddr_;
  memory::Slb slb_;
  memory::CopyEngine copy_engine_;
  link::LinkControl links_;
  pcie::Endpoint endpoint_;
  noc::TlnBridge hbm_bridge_;
  noc::TlnBridge ddr_bridge_;
  noc::TlnBridge host_bridge_;
  std::vector<std::unique_ptr<fabric::Tile>> tiles_;
  std::unique_ptr<mgmt::Sensors> sensors_;
  std::function<void()> firmware_restarted_;
  uint64_t guest_faults_ = 0;
  uint64_t accesses_shown_ = 0;  ///< with earlier guest faults
};

}  // namespace rdu::platform
