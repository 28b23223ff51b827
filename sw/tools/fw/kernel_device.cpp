#include "tools/fw/kernel_device.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "driver/linux/rdu_ioctl.h"
#include "regs/sysctl.h"
#include "tools/fw/error.h"
#include "user/status.h"

namespace rdu::fw {

namespace {

void control(runtime::KernelFile& file, unsigned long request, void* argument, const char* what) {
  const int error = file.control(request, argument);
  if (error == 0) return;
  if (error == EPERM)
    throw Error(fmt::format("{}: that is for the system's administrator (CAP_SYS_ADMIN)", what));
  if (error == ENOTTY) throw Error(fmt::format("{}: the node is none of the RDU driver", what));
  throw Error(fmt::format("{}: {}", what, std::strerror(error)));
}

}  // namespace

KernelFirmwareDevice::KernelFirmwareDevice(std::unique_ptr<runtime::KernelFile> file)
    : file_(std::move(file)) {
  rdu_ioc_info info{};
  control(*file_, RDU_IOC_INFO, &info, "asking the kernel driver");
}

BootStatus KernelFirmwareDevice::status() {
  rdu_identify identify{};
  rdu_ioc_info info{};
  info.identify = reinterpret_cast<uintptr_t>(&identify);
  info.identify_bytes = sizeof identify;
  control(*file_, RDU_IOC_INFO, &info, "asking the kernel driver");
  const rdu_log_firmware known = firmware();
  BootStatus s;
  s.stage = RDU_SYSCTL_BOOT_STAGE_STAGE_READY;
  s.ready = true;
  s.version = identify.fw_version;
  s.boot = known.boot;
  for (uint32_t n = 0; n < 2; ++n) s.slots[n] = known.slots[n].boot;
  return s;
}

rdu_log_firmware KernelFirmwareDevice::firmware() {
  rdu_log_firmware page{};
  rdu_ioc_admin admin{};
  admin.opcode = RDU_ADMIN_READ_LOG;
  admin.arg[0] = RDU_LOG_FIRMWARE;
  admin.arg[2] = sizeof page;
  admin.data = reinterpret_cast<uintptr_t>(&page);
  admin.bytes = sizeof page;
  control(*file_, RDU_IOC_ADMIN, &admin, "asking the firmware about its slots");
  if (admin.status != RDU_STATUS_OK || admin.result < sizeof page)
    throw Error("the firmware tells less about its slots than this tool needs");
  return page;
}

void KernelFirmwareDevice::recover(const std::vector<uint8_t>&, const Progress&) {
  throw Error("the chip is not in recovery: the kernel driver has found firmware that is ready (use update)");
}

FirmwareDevice::Answer KernelFirmwareDevice::write(uint32_t slot, uint64_t offset, const uint8_t* data,
                                                   uint64_t bytes) {
  rdu_ioc_admin admin{};
  admin.opcode = RDU_ADMIN_FW_WRITE;
  admin.arg[0] = slot;
  admin.arg[1] = offset;
  admin.arg[3] = bytes;
  admin.data = reinterpret_cast<uintptr_t>(data);
  admin.bytes = static_cast<uint32_t>(bytes);
  control(*file_, RDU_IOC_ADMIN, &admin, "writing a slot");
  return {static_cast<uint16_t>(admin.status), admin.result};
}

FirmwareDevice::Answer KernelFirmwareDevice::make_next(uint32_t slot) {
  rdu_ioc_admin admin{};
  admin.opcode = RDU_ADMIN_FW_ACTIVATE;
  admin.arg[0] = slot;
  control(*file_, RDU_IOC_ADMIN, &admin, "activating a slot");
  return {static_cast<uint16_t>(admin.status), admin.result};
}

void KernelFirmwareDevice::restart() {
  control(*file_, RDU_IOC_RESET, nullptr, "resetting the device");
}

}  // namespace rdu::fw
