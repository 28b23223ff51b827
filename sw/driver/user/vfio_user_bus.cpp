#include "user/vfio_user_bus.h"

#include <unistd.h>

#include <utility>

#include "user/errors.h"

namespace rdu::user {

VfioUserBus::VfioUserBus(const std::string& path, ClientOptions options)
    : VfioUserBus(VfioUserClient(path, std::move(options))) {}

VfioUserBus::VfioUserBus(VfioUserClient client) : client_(std::move(client)) {
  const auto incompatible = [](const std::string& text) {
    return DeviceError(DeviceError::Kind::kIncompatible, text);
  };
  const DeviceInfo info = client_.device_info();
  if (!info.is_pci) throw incompatible("the socket serves a device that is not PCI");
  if (info.num_regions <= kConfigSpace) throw incompatible("the socket's device has no configuration space");
  const RegionInfo bar0 = client_.region_info(kBar0);
  if (bar0.size == 0 || !bar0.readable || !bar0.writable)
    throw incompatible("the socket's device has no register BAR (BAR0)");
  bar0_size_ = bar0.size;
  if (info.num_irqs <= kMsix) throw incompatible("the socket's device has no MSI-X interrupts");
  const IrqInfo msix = client_.irq_info(kMsix);
  if (msix.count == 0 || !msix.eventfd) throw incompatible("the socket's device has no MSI-X interrupts");
  vectors_ = msix.count;
}

uint8_t* VfioUserBus::bar2() {
  std::lock_guard lock(bar2_mutex_);
  if (bar2_.data() == nullptr) {
    std::vector<RegionWindow> areas = client_.map_region(kBar2);
    if (areas.size() == 1 && areas[0].offset() == 0) bar2_ = std::move(areas[0]);
  }
  return bar2_.data();
}

void VfioUserBus::raise_vector(uint32_t vector) noexcept {
  try {
    const uint64_t one = 1;
    // Fails only if it was raised almost 2^64 times already.
    if (::write(client_.irq_fd(kMsix, vector), &one, sizeof one) < 0) return;
  } catch (const std::exception&) {
    // The vectors are disabled: nobody sleeps.
  }
}

}  // namespace rdu::user
