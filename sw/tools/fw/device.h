// A chip whose firmware is looked at, replaced or recovered. Works in every state of the chip: the registers
// need no firmware.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rdu_abi.h"
#include "user/bus.h"
#include "user/device.h"

namespace rdu::fw {

using user::Milliseconds;

// What the boot ROM tells of itself in BAR0 (hostif.regs.yaml).
struct BootStatus {
  uint32_t stage = 0, error = 0;  // SYSCTL.BOOT_STAGE
  bool ready = false;             // CSTS.FW
  bool fatal = false;             // CSTS.CFS
  uint32_t version = 0;           // FW_VERSION
  uint32_t boot = 0;              // BOOT
  uint32_t slots[2] = {};         // SLOT
  uint32_t recovery = 0;          // RECOVERY_STATUS
};

class FirmwareDevice {
 public:
  using Log = std::function<void(const std::string&)>;
  using Progress = std::function<void(uint64_t done, uint64_t all)>;

  virtual ~FirmwareDevice() = default;

  virtual BootStatus status() = 0;
  // From the firmware, which must be ready.
  virtual rdu_log_firmware firmware() = 0;

  // Pushes an image through the ROM's recovery mailbox, and waits until its firmware is ready (or has said
  // that it cannot). Throws Error if the chip is not in recovery or refuses the image.
  virtual void recover(const std::vector<uint8_t>& image, const Progress& progress) = 0;

  // Writes a slot of the flash; the firmware must be ready. Throws Error.
  void write_slot(uint32_t slot, const std::vector<uint8_t>& image, const Progress& progress);
  // The slot boots next. Throws Error if the chip would refuse it.
  void activate(uint32_t slot);

  // Restarts the core at its ROM, whatever it does, and waits until firmware is ready. Throws Error with the
  // reason if none comes up.
  virtual void restart() = 0;

 protected:
  struct Answer {
    uint16_t status = 0;  // RDU_STATUS_*
    uint64_t result = 0;
  };
  // RDU_ADMIN_FW_WRITE of [data, data + bytes), and RDU_ADMIN_FW_ACTIVATE.
  virtual Answer write(uint32_t slot, uint64_t offset, const uint8_t* data, uint64_t bytes) = 0;
  virtual Answer make_next(uint32_t slot) = 0;
};

// Over the registers of BAR0.
class BusFirmwareDevice : public FirmwareDevice {
 public:
  // Opens BAR0. Throws Error if it is no RDU, and what the bus throws. `timeout`: of each step that waits.
  BusFirmwareDevice(std::unique_ptr<user::Bus> bus, Milliseconds timeout, Log log);
  ~BusFirmwareDevice() override;

  BootStatus status() override;
  rdu_log_firmware firmware() override;
  void recover(const std::vector<uint8_t>& image, const Progress& progress) override;
  void restart() override;

 protected:
  Answer write(uint32_t slot, uint64_t offset, const uint8_t* data, uint64_t bytes) override;
  Answer make_next(uint32_t slot) override;

 private:
  template <class Done>
  void poll(const std::string& what, Done done);
  void wait_for_firmware();
  user::Device& device();
  void close_device();
  uint32_t csts();

  class SharedBus;
  std::shared_ptr<user::Bus> bus_;
  Milliseconds timeout_;
  Log log_;
  std::unique_ptr<user::Device> device_;
  user::DmaBuffer sector_;  // what is being written; of device_
};

}  // namespace rdu::fw
