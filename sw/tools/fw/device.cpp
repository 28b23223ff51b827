#include "tools/fw/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "rdu_image.h"
#include "regs/hostif.h"
#include "regs/sysctl.h"
#include "tools/fw/error.h"
#include "user/errors.h"
#include "user/status.h"

namespace rdu::fw {

namespace {

constexpr uint32_t kPciCommand = 0x04;  // PCI Local Bus Specification 3.0, section 6.2.2
constexpr uint16_t kPciMemory = 1u << 1, kPciMaster = 1u << 2;
constexpr uint64_t kImageAddress = 1u << 20;
constexpr Milliseconds kReportAfter{1000}, kPollFrom{1}, kPollTo{50};

uint32_t field(uint32_t value, uint32_t mask, unsigned shift) {
  return (value & mask) >> shift;
}

}  // namespace

// The driver owns its bus; this one outlives it, so that the registers can be looked at before and
// afterwards.
class BusFirmwareDevice::SharedBus : public user::Bus {
 public:
  explicit SharedBus(std::shared_ptr<user::Bus> bus) : bus_(std::move(bus)) {}
  uint64_t bar0_size() override { return bus_->bar0_size(); }
  uint32_t read32(uint64_t offset) override { return bus_->read32(offset); }
  uint64_t read64(uint64_t offset) override { return bus_->read64(offset); }
  void write32(uint64_t offset, uint32_t value) override { bus_->write32(offset, value); }
  void write64(uint64_t offset, uint64_t value) override { bus_->write64(offset, value); }
  void post32(uint64_t offset, uint32_t value) override { bus_->post32(offset, value); }
  uint8_t* bar2() override { return bus_->bar2(); }
  uint64_t bar2_size() override { return bus_->bar2_size(); }
  uint8_t config_read8(uint32_t offset) override { return bus_->config_read8(offset); }
  uint16_t config_read16(uint32_t offset) override { return bus_->config_read16(offset); }
  void config_write16(uint32_t offset, uint16_t value) override { bus_->config_write16(offset, value); }
  void map(const user::HostMemory& memory, uint64_t address) override { bus_->map(memory, address); }
  void unmap(uint64_t address, uint64_t size) override { bus_->unmap(address, size); }
  uint32_t vectors() override { return bus_->vectors(); }
  void enable_vectors(uint32_t count) override { bus_->enable_vectors(count); }
  void disable_vectors() override { bus_->disable_vectors(); }
  uint64_t wait_vector(uint32_t vector, Milliseconds timeout) override {
    return bus_->wait_vector(vector, timeout);
  }
  void raise_vector(uint32_t vector) noexcept override { bus_->raise_vector(vector); }
  int vector_fd(uint32_t vector) override { return bus_->vector_fd(vector); }
  int loss_fd() override { return bus_->loss_fd(); }

 private:
  std::shared_ptr<user::Bus> bus_;
};

BusFirmwareDevice::BusFirmwareDevice(std::unique_ptr<user::Bus> bus, Milliseconds timeout, Log log)
    : bus_(std::move(bus)), timeout_(timeout), log_(std::move(log)) {
  bus_->config_write16(kPciCommand, bus_->config_read16(kPciCommand) | kPciMemory);
  if (bus_->bar0_size() < RDU_HOSTIF_BLOCK_SIZE || bus_->read32(RDU_HOSTIF_MAGIC) != RDU_HOSTIF_MAGIC_RESET)
    throw Error("the device is no RDU");
}

BusFirmwareDevice::~BusFirmwareDevice() {
  close_device();
}

template <class Done>
void BusFirmwareDevice::poll(const std::string& what, Done done) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  auto report = start + kReportAfter;
  for (auto interval = kPollFrom; !done(); interval = std::min(interval * 2, kPollTo)) {
    const auto now = Clock::now();
    if (now - start > timeout_)
      throw user::Timeout(fmt::format("time-out after {:.1f} s while waiting for {}",
                                      std::chrono::duration<double>(now - start).count(), what));
    if (now >= report) {
      if (log_) log_(fmt::format("waiting for {}", what));
      report = now + kReportAfter;
    }
    std::this_thread::sleep_for(interval);
  }
}

uint32_t BusFirmwareDevice::csts() {
  return bus_->read32(RDU_HOSTIF_CSTS);
}

BootStatus BusFirmwareDevice::status() {
  BootStatus s;
  const uint32_t csts = this->csts();
  s.stage = field(csts, RDU_HOSTIF_CSTS_STAGE_MASK, RDU_HOSTIF_CSTS_STAGE_SHIFT);
  s.error = field(csts, RDU_HOSTIF_CSTS_ERROR_MASK, RDU_HOSTIF_CSTS_ERROR_SHIFT);
  s.ready = (csts & RDU_HOSTIF_CSTS_FW_MASK) != 0;
  s.fatal = (csts & RDU_HOSTIF_CSTS_CFS_MASK) != 0;
  s.version = bus_->read32(RDU_HOSTIF_FW_VERSION);
  s.boot = bus_->read32(RDU_HOSTIF_BOOT);
  for (uint32_t n = 0; n < 2; ++n) s.slots[n] = bus_->read32(RDU_HOSTIF_SLOT(n));
  s.recovery = bus_->read32(RDU_HOSTIF_RECOVERY_STATUS);
  return s;
}

void BusFirmwareDevice::wait_for_firmware() {
  poll("the firmware to be ready", [&] {
    const BootStatus s = status();
    if (s.stage == RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED)
      throw Error("the firmware failed to come up: " + user::boot_error_text(s.error));
    if (s.stage == RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY)
      throw Error("the chip found no firmware to boot and is in recovery: " + user::boot_error_text(s.error));
    return s.ready;
  });
}

user::Device& BusFirmwareDevice::device() {
  if (!device_) {
    user::DeviceOptions options;
    options.timeout = options.command_timeout = timeout_;
    options.log = log_;
    device_ = std::make_unique<user::Device>(std::make_unique<SharedBus>(bus_), options);
  }
  return *device_;
}

void BusFirmwareDevice::close_device() {
  sector_ = {};
  device_.reset();
}

rdu_log_firmware BusFirmwareDevice::firmware() {
  const std::vector<uint8_t> page = device().read_log(RDU_LOG_FIRMWARE);
  rdu_log_firmware out{};
  if (page.size() < sizeof out) throw Error("the firmware tells less about its slots than this tool needs");
  std::memcpy(&out, page.data(), sizeof out);
  return out;
}

void BusFirmwareDevice::recover(const std::vector<uint8_t>& image, const Progress& progress) {
  const auto state_of = [](uint32_t status) {
    return field(status, RDU_HOSTIF_RECOVERY_STATUS_STATE_MASK, RDU_HOSTIF_RECOVERY_STATUS_STATE_SHIFT);
  };
  poll("the boot ROM", [&] { return status().stage > RDU_SYSCTL_BOOT_STAGE_STAGE_ROM; });
  const uint32_t before = state_of(status().recovery);
  if (before != RDU_HOSTIF_RECOVERY_STATUS_STATE_WAITING &&
      before != RDU_HOSTIF_RECOVERY_STATUS_STATE_REFUSED)
    throw Error("the chip is not in recovery: it has booted firmware (use update)");

  const user::HostMemory memory = user::HostMemory::allocate(image.size(), "rdu-fw-image");
  std::copy(image.begin(), image.end(), memory.data());
  bus_->map(memory, kImageAddress);
  bus_->config_write16(kPciCommand, bus_->config_read16(kPciCommand) | kPciMaster);
  bus_->write64(RDU_HOSTIF_RECOVERY_ADDRESS, kImageAddress);
  bus_->write32(RDU_HOSTIF_RECOVERY_LENGTH, static_cast<uint32_t>(image.size()));
  bus_->write32(RDU_HOSTIF_RECOVERY_COMMAND, RDU_HOSTIF_RECOVERY_COMMAND_START_MASK);
  uint32_t error = RDU_BOOT_OK;
  poll("the boot ROM to take the image", [&] {
    const uint32_t now = bus_->read32(RDU_HOSTIF_RECOVERY_STATUS);
    if ((now & RDU_HOSTIF_RECOVERY_STATUS_PENDING_MASK) != 0) return false;
    progress(bus_->read32(RDU_HOSTIF_RECOVERY_PROGRESS), image.size());
    error = field(now, RDU_HOSTIF_RECOVERY_STATUS_ERROR_MASK, RDU_HOSTIF_RECOVERY_STATUS_ERROR_SHIFT);
    return state_of(now) == RDU_HOSTIF_RECOVERY_STATUS_STATE_BOOTING ||
           state_of(now) == RDU_HOSTIF_RECOVERY_STATUS_STATE_REFUSED;
  });
  bus_->config_write16(kPciCommand, bus_->config_read16(kPciCommand) & static_cast<uint16_t>(~kPciMaster));
  bus_->unmap(kImageAddress, memory.size());
  if (error != RDU_BOOT_OK) throw Error("the chip refused the image: " + user::boot_error_text(error));
  wait_for_firmware();
}

void FirmwareDevice::write_slot(uint32_t slot, const std::vector<uint8_t>& image, const Progress& progress) {
  for (uint64_t done = 0; done < image.size();) {
    const uint64_t part = std::min<uint64_t>(image.size() - done, RDU_FLASH_SECTOR);
    const Answer a = write(slot, done, image.data() + done, part);
    if (a.status == RDU_STATUS_IN_USE) throw Error(fmt::format("slot {} holds the firmware that runs", slot));
    if (a.status != RDU_STATUS_OK)
      throw Error(fmt::format("slot {} cannot be written at offset {}: {}", slot, done,
                              user::status_text(RDU_ADMIN_FW_WRITE, a.status, a.result)));
    done += part;
    progress(done, image.size());
  }
}

void FirmwareDevice::activate(uint32_t slot) {
  const Answer a = make_next(slot);
  if (a.status != RDU_STATUS_OK)
    throw Error(fmt::format("slot {} cannot be activated: {}", slot,
                            user::status_text(RDU_ADMIN_FW_ACTIVATE, a.status, a.result)));
}

FirmwareDevice::Answer BusFirmwareDevice::write(uint32_t slot, uint64_t offset, const uint8_t* data,
                                                uint64_t bytes) {
  user::Device& device = this->device();
  if (sector_.size() == 0) sector_ = device.allocate(RDU_FLASH_SECTOR);
  std::copy_n(data, bytes, sector_.data());
  rdu_sqe sqe{};
  sqe.opcode = RDU_ADMIN_FW_WRITE;
  sqe.arg[0] = slot;
  sqe.arg[1] = offset;
  sqe.arg[2] = sector_.bus_address();
  sqe.arg[3] = bytes;
  const user::Completion c = device.admin(sqe);
  return {c.status, c.result};
}

FirmwareDevice::Answer BusFirmwareDevice::make_next(uint32_t slot) {
  rdu_sqe sqe{};
  sqe.opcode = RDU_ADMIN_FW_ACTIVATE;
  sqe.arg[0] = slot;
  const user::Completion c = device().admin(sqe);
  return {c.status, c.result};
}

void BusFirmwareDevice::restart() {
  close_device();
  bus_->write32(RDU_HOSTIF_RESTART, RDU_HOSTIF_RESTART_KEY_RESTART);
  wait_for_firmware();
}

}  // namespace rdu::fw
