#pragma once

#include <array>
#include <cstdint>

#include "pcie/capabilities.h"

namespace rdu::pcie {

/// MSI-X (7.7.2): the capability, the table and the pending bits.
///
/// Which vectors may be sent is decided by the enable and function mask bits and by each table entry. An
/// entry that software has not written since the reset is the client's: vfio-user clients (QEMU, the
/// user-space driver) keep the guest's table themselves and say by DEVICE_SET_IRQS which vectors they want,
/// so such an entry is open as soon as the client has given an eventfd. Once software writes an entry, its
/// mask bit rules.
class Msix : public ConfigRegisters {
 public:
  /// Both offsets in BAR0.
  Msix(uint8_t next, uint32_t table_offset, uint32_t pending_offset);

  static constexpr size_t kSize = 0xc;
  static constexpr unsigned kVectors = 16;
  static constexpr size_t kEntrySize = 16, kTableSize = kVectors * kEntrySize;
  static constexpr size_t kPendingSize = 8;
  static constexpr uint32_t kEnable = 1u << 15, kFunctionMask = 1u << 14;  ///< of message control

  Register header, control, table, pending_array;

  /// By software, through BAR0. Reads: anything inside. Writes: whole aligned dwords.
  void table_read(size_t offset, uint8_t* data, size_t size) const;
  void table_write(size_t offset, const uint8_t* data, size_t size);
  /// The pending bit array, a bit a vector.
  uint64_t pending() const { return pending_; }

  bool enabled() const { return control.any(kEnable); }
  /// The vector is neither masked by software nor by the function mask, and MSI-X is enabled.
  bool open(unsigned vector) const;
  void set_pending(unsigned vector) { pending_ |= uint64_t{1} << vector; }
  void clear_pending(unsigned vector) { pending_ &= ~(uint64_t{1} << vector); }

 private:
  void was_reset(Reset) override;

  std::array<uint8_t, kTableSize> entries_{};
  std::array<bool, kVectors> written_{};  ///< by software, since the reset
  uint64_t pending_ = 0;
};

}  // namespace rdu::pcie
