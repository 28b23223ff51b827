// What a driver needs of the machine it runs on: the device's registers, its interrupts, and a way to let it
// reach memory. VfioUserBus (vfio_user_bus.h) has a simulator at its other end; tests have a fake.
#pragma once

#include <cstdint>

#include "user/host_memory.h"
#include "user/vfio_user_client.h"

namespace rdu::user {

// Any function may throw DeviceLost, Timeout or ProtocolError (vfio_user_client.h). May be called from any
// thread.
class Bus {
 public:
  virtual ~Bus() = default;

  // BAR0.
  virtual uint64_t bar0_size() = 0;
  virtual uint32_t read32(uint64_t offset) = 0;
  virtual uint64_t read64(uint64_t offset) = 0;
  virtual void write32(uint64_t offset, uint32_t value) = 0;
  virtual void write64(uint64_t offset, uint64_t value) = 0;
  // A write that need not have arrived when the function returns; order among writes is kept.
  virtual void post32(uint64_t offset, uint32_t value) = 0;

  // BAR2 as this process has it mapped, from the first call on; nullptr if the device has none to map.
  virtual uint8_t* bar2() = 0;
  virtual uint64_t bar2_size() = 0;

  // PCI configuration space.
  virtual uint8_t config_read8(uint32_t offset) = 0;
  virtual uint16_t config_read16(uint32_t offset) = 0;
  virtual void config_write16(uint32_t offset, uint16_t value) = 0;

  // Bus addresses [address, address + memory.size()) lead to `memory`, until unmap().
  virtual void map(const HostMemory& memory, uint64_t address) = 0;
  virtual void unmap(uint64_t address, uint64_t size) = 0;

  // MSI-X vectors [0, count).
  virtual uint32_t vectors() = 0;
  virtual void enable_vectors(uint32_t count) = 0;
  virtual void disable_vectors() = 0;
  // Sleeps until the vector is raised, or was since the last call: how often; 0 when the time has passed.
  virtual uint64_t wait_vector(uint32_t vector, Milliseconds timeout) = 0;
  // Wakes who sleeps in wait_vector(), as the device would.
  virtual void raise_vector(uint32_t vector) noexcept = 0;
  // For poll(): readable when wait_vector() would not sleep; hangs up when the device is lost.
  virtual int vector_fd(uint32_t vector) = 0;
  virtual int loss_fd() = 0;
};

}  // namespace rdu::user
