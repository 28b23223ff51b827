// The bus that a simulator's vfio-user socket stands for.
#pragma once

#include <mutex>
#include <string>

#include "user/bus.h"

namespace rdu::user {

class VfioUserBus : public Bus {
 public:
  // Connects; see VfioUserClient for what it throws. DeviceError if it is no PCI device with a BAR0,
  // configuration space and MSI-X.
  VfioUserBus(const std::string& path, ClientOptions options);
  explicit VfioUserBus(VfioUserClient client);

  uint64_t bar0_size() override { return bar0_size_; }
  uint32_t read32(uint64_t offset) override { return client_.read<uint32_t>(kBar0, offset); }
  uint64_t read64(uint64_t offset) override { return client_.read<uint64_t>(kBar0, offset); }
  void write32(uint64_t offset, uint32_t value) override { client_.write(kBar0, offset, value); }
  void write64(uint64_t offset, uint64_t value) override { client_.write(kBar0, offset, value); }
  void post32(uint64_t offset, uint32_t value) override { client_.write(kBar0, offset, value, true); }

  uint8_t* bar2() override;
  uint64_t bar2_size() override { return bar2_.size(); }

  uint8_t config_read8(uint32_t offset) override { return client_.read<uint8_t>(kConfigSpace, offset); }
  uint16_t config_read16(uint32_t offset) override { return client_.read<uint16_t>(kConfigSpace, offset); }
  void config_write16(uint32_t offset, uint16_t value) override {
    client_.write(kConfigSpace, offset, value);
  }

  void map(const HostMemory& memory, uint64_t address) override { client_.dma_map(memory, address); }
  void unmap(uint64_t address, uint64_t size) override { client_.dma_unmap(address, size); }

  uint32_t vectors() override { return vectors_; }
  void enable_vectors(uint32_t count) override { client_.enable_irqs(kMsix, 0, count); }
  void disable_vectors() override { client_.disable_irqs(kMsix); }
  uint64_t wait_vector(uint32_t vector, Milliseconds timeout) override {
    return client_.wait_irq(kMsix, vector, timeout);
  }
  void raise_vector(uint32_t vector) noexcept override;
  int vector_fd(uint32_t vector) override { return client_.irq_fd(kMsix, vector); }
  int loss_fd() override { return client_.socket_fd(); }

 private:
  VfioUserClient client_;
  uint64_t bar0_size_ = 0;
  std::mutex bar2_mutex_;
  RegionWindow bar2_;
  uint32_t vectors_ = 0;
};

}  // namespace rdu::user
