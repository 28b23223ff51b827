// A chip behind the kernel driver, whose firmware is ready, or else the driver would not have it.
#pragma once

#include <memory>
#include <string>

#include "runtime/kernel_file.h"
#include "tools/fw/device.h"

namespace rdu::fw {

class KernelFirmwareDevice : public FirmwareDevice {
 public:
  // Throws Error if the driver has no firmware to speak with.
  explicit KernelFirmwareDevice(std::unique_ptr<runtime::KernelFile> file);

  // What of it the firmware knows.
  BootStatus status() override;
  rdu_log_firmware firmware() override;
  // Throws Error: a chip that waits for an image has no node.
  void recover(const std::vector<uint8_t>& image, const Progress& progress) override;
  // The driver resets the device: every context is lost, of all processes.
  void restart() override;

 protected:
  Answer write(uint32_t slot, uint64_t offset, const uint8_t* data, uint64_t bytes) override;
  Answer make_next(uint32_t slot) override;

 private:
  std::unique_ptr<runtime::KernelFile> file_;
};

}  // namespace rdu::fw
