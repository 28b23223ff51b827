#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rdu::pcie {

/// PCI configuration space of the function: a type 0 header with one 64-bit memory BAR and an MSI-X
/// capability. Accesses of any size and alignment are defined; reserved and read-only bits ignore writes.
/// Vendor and device id are ours: the vendor id is the one that PCI-SIG keeps from assigning (0x1234 is used
/// by emulators; we are one).
class ConfigSpace {
 public:
  static constexpr size_t kSize = 256;
  static constexpr uint16_t kVendor = 0x1234;
  static constexpr uint16_t kDevice = 0x40a1;  ///< as SYSCTL.CHIP_ID
  static constexpr uint64_t kBar0Size = 0x10000;
  static constexpr uint64_t kMsixTable = 0x2000;    ///< in BAR0
  static constexpr uint64_t kMsixPending = 0x3000;  ///< in BAR0
  static constexpr unsigned kVectors = 16;

  ConfigSpace();

  /// [offset, offset + size) must lie inside kSize.
  void read(uint64_t offset, uint8_t* data, size_t size) const;
  void write(uint64_t offset, const uint8_t* data, size_t size);
  void reset();

  bool memory_enabled() const;  ///< COMMAND bit 1: BARs answer
  bool bus_master() const;      ///< COMMAND bit 2: the function may use DMA and send MSI-X
  bool msix_enabled() const;    ///< MSI-X message control bit 15

 private:
  void put(size_t offset, uint64_t value, size_t size, uint64_t writable = 0);

  std::array<uint8_t, kSize> reset_{};
  std::array<uint8_t, kSize> value_{};
  std::array<uint8_t, kSize> writable_{};
};

}  // namespace rdu::pcie
