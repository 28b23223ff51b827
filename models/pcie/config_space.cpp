#include "pcie/config_space.h"

#include <algorithm>
#include <cstring>

namespace rdu::pcie {
namespace {

// Offsets and bits of the PCI Local Bus Specification 3.0, chapter 6.
constexpr size_t kVendorId = 0x00, kDeviceId = 0x02, kCommand = 0x04, kStatus = 0x06, kRevision = 0x08,
                 kClass = 0x09, kCacheLine = 0x0c, kBar0 = 0x10, kSubsystemVendor = 0x2c, kSubsystem = 0x2e,
                 kCapabilities = 0x34, kInterruptLine = 0x3c, kMsix = 0x40;
constexpr uint16_t kCommandMemory = 1u << 1, kCommandBusMaster = 1u << 2, kCommandNoIntx = 1u << 10;
constexpr uint16_t kStatusCapabilities = 1u << 4;
constexpr uint8_t kCapMsix = 0x11;
constexpr uint16_t kMsixEnable = 1u << 15, kMsixMaskAll = 1u << 14;
constexpr uint32_t kClassProcessingAccelerator = 0x120000;
constexpr uint64_t kBar64 = 0x4;

uint16_t load16(const uint8_t* p) {
  return static_cast<uint16_t>(p[0] | p[1] << 8);
}

}  // namespace

ConfigSpace::ConfigSpace() {
  put(kVendorId, kVendor, 2);
  put(kDeviceId, kDevice, 2);
  put(kCommand, 0, 2, kCommandMemory | kCommandBusMaster | kCommandNoIntx);
  put(kStatus, kStatusCapabilities, 2);
  put(kRevision, 1, 1);
  put(kClass, kClassProcessingAccelerator, 3);
  put(kCacheLine, 0, 1, 0xff);
  put(kBar0, kBar64, 8, ~(kBar0Size - 1));
  put(kSubsystemVendor, kVendor, 2);
  put(kSubsystem, 1, 2);
  put(kCapabilities, kMsix, 1);
  put(kInterruptLine, 0, 1, 0xff);
  put(kMsix, kCapMsix, 1);
  put(kMsix + 2, kVectors - 1, 2, kMsixEnable | kMsixMaskAll);
  put(kMsix + 4, kMsixTable, 4);    // BAR 0
  put(kMsix + 8, kMsixPending, 4);  // BAR 0
  reset();
}

void ConfigSpace::put(size_t offset, uint64_t value, size_t size, uint64_t writable) {
  for (size_t i = 0; i < size; ++i) {
    reset_[offset + i] = static_cast<uint8_t>(value >> (8 * i));
    writable_[offset + i] = static_cast<uint8_t>(writable >> (8 * i));
  }
}

void ConfigSpace::read(uint64_t offset, uint8_t* data, size_t size) const {
  std::copy_n(value_.begin() + offset, size, data);
}

void ConfigSpace::write(uint64_t offset, const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    const uint8_t mask = writable_[offset + i];
    uint8_t& byte = value_[offset + i];
    byte = static_cast<uint8_t>((byte & ~mask) | (data[i] & mask));
  }
}

void ConfigSpace::reset() {
  value_ = reset_;
}

bool ConfigSpace::memory_enabled() const {
  return load16(&value_[kCommand]) & kCommandMemory;
}
bool ConfigSpace::bus_master() const {
  return load16(&value_[kCommand]) & kCommandBusMaster;
}
bool ConfigSpace::msix_enabled() const {
  return load16(&value_[kMsix + 2]) & kMsixEnable;
}

}  // namespace rdu::pcie
