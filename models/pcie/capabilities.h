#pragma once

#include <cstdint>

#include "pcie/config_registers.h"

/// The header and the small capabilities of the function, each as its data sheet. Section numbers are those
/// of the PCI Express Base Specification, revision 5.0. Capabilities with behaviour of their own have files
/// of their own: Msix (msix.h), ErrorReporting (error_reporting.h).
namespace rdu::pcie {

/// Type 0 header (7.5.1): two 64-bit memory BARs, no interrupt pin, no expansion ROM.
class Header : public ConfigRegisters {
 public:
  struct Identity {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint8_t revision;
    uint32_t class_code;
    uint8_t capabilities;  ///< offset of the first
  };
  /// Sizes are powers of two, in bytes.
  Header(const Identity& id, uint64_t bar0_size, uint64_t bar2_size);

  static constexpr size_t kSize = 0x40;
  // COMMAND
  static constexpr uint32_t kMemory = 1u << 1, kBusMaster = 1u << 2, kParityResponse = 1u << 6,
                            kSerr = 1u << 8, kNoIntx = 1u << 10;
  // STATUS
  static constexpr uint32_t kCapabilities = 1u << 4, kMasterDataParityError = 1u << 8,
                            kSignaledTargetAbort = 1u << 11, kReceivedTargetAbort = 1u << 12,
                            kReceivedMasterAbort = 1u << 13, kSignaledSystemError = 1u << 14,
                            kDetectedParityError = 1u << 15;

  Register vendor_id, device_id, command, status, revision_id, class_code, cache_line_size;
  Register bar0, bar0_high, bar2, bar2_high;
  Register subsystem_vendor_id, subsystem_id, capabilities_pointer, interrupt_line;

  /// Bus address of BAR n (0 or 2) as software has placed it.
  uint64_t bar_address(unsigned n) const;
};

/// Power management (7.5.2), version 3: D0 and D3hot, no PME. No_Soft_Reset is 1: the way back to D0 resets
/// nothing.
class PowerManagement : public ConfigRegisters {
 public:
  explicit PowerManagement(uint8_t next);

  static constexpr size_t kSize = 8;
  static constexpr uint32_t kStateMask = 3, kD0 = 0, kD3hot = 3, kNoSoftReset = 1u << 3;

  Register header, capabilities, control_status;

  bool in_d3hot() const { return state_ == kD3hot; }

 private:
  void written() override;
  void was_reset(Reset) override { state_ = kD0; }

  uint32_t state_ = kD0;
};

/// PCI Express capability (7.5.3), version 2, of an endpoint: 16 GT/s, 16 lanes, FLR.
class Express : public ConfigRegisters {
 public:
  explicit Express(uint8_t next);

  static constexpr size_t kSize = 0x3c;
  // Device Control
  static constexpr uint32_t kCorrectableReporting = 1u << 0, kNonFatalReporting = 1u << 1,
                            kFatalReporting = 1u << 2, kUnsupportedRequestReporting = 1u << 3,
                            kInitiateFlr = 1u << 15;
  // Device Status
  static constexpr uint32_t kCorrectableDetected = 1u << 0, kNonFatalDetected = 1u << 1,
                            kFatalDetected = 1u << 2, kUnsupportedRequestDetected = 1u << 3;

  Register header, capabilities;
  Register device_capabilities, device_control, device_status;
  Register link_capabilities, link_control, link_status;
  Register device_capabilities2, device_control2;
  Register link_capabilities2, link_control2, link_status2;

  /// Software asked for a function-level reset since the last call.
  bool take_flr_request();

 private:
  void written() override;

  bool flr_requested_ = false;
};

/// Device serial number (7.9.3).
class SerialNumber : public ConfigRegisters {
 public:
  SerialNumber(uint64_t serial, uint16_t next);

  static constexpr size_t kSize = 0xc;

  Register header, low, high;
};

/// First dword of a capability, and of an extended one.
constexpr uint32_t capability_header(uint8_t id, uint8_t next) {
  return id | uint32_t{next} << 8;
}
constexpr uint32_t extended_header(uint16_t id, unsigned version, uint16_t next) {
  return id | version << 16 | uint32_t{next} << 20;
}

}  // namespace rdu::pcie
