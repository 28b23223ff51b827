#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pcie/capabilities.h"
#include "pcie/error_reporting.h"
#include "pcie/msix.h"

namespace rdu::pcie {

/// Configuration space of the function: the header and its capabilities, each at its place. Accesses of any
/// size and alignment are defined; reserved and read-only bits ignore writes.
/// Vendor and device id are ours: the vendor id is the one that PCI-SIG keeps from assigning (0x1234 is used
/// by emulators; we are one).
class ConfigSpace {
 public:
  static constexpr size_t kSize = 4096;
  static constexpr uint16_t kVendor = 0x1234;
  static constexpr uint16_t kDevice = 0x40a1;  ///< as SYSCTL.CHIP_ID
  static constexpr uint64_t kBar0Size = 0x10000;
  static constexpr uint64_t kBar2Size = 0x10000000;
  static constexpr uint64_t kMsixTable = 0x2000;    ///< in BAR0
  static constexpr uint64_t kMsixPending = 0x3000;  ///< in BAR0

  explicit ConfigSpace(uint64_t serial);

  /// [offset, offset + size) must lie inside kSize.
  void read(uint64_t offset, uint8_t* data, size_t size) const;
  void write(uint64_t offset, const uint8_t* data, size_t size);
  void reset(Reset kind);

  Header header;
  PowerManagement power;
  Msix msix;
  Express express;
  Aer aer;
  SerialNumber serial_number;
  ErrorReporting errors;

  /// BARs answer: COMMAND says so, and the function is awake.
  bool memory_enabled() const { return header.command.any(Header::kMemory) && !power.in_d3hot(); }
  /// The function may use DMA and send MSI-X.
  bool bus_master() const { return header.command.any(Header::kBusMaster) && !power.in_d3hot(); }

 private:
  struct Part {
    size_t offset;
    ConfigRegisters* registers;
  };
  std::array<Part, 6> parts_;
};

}  // namespace rdu::pcie
