#include "user/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

#include "regs/hostif.h"
#include "regs/sysctl.h"
#include "user/errors.h"
#include "user/status.h"

namespace rdu::user {

namespace {

// PCI configuration space (PCI Local Bus Specification 3.0, section 6.1 and 6.8.2).
constexpr uint32_t kPciVendor = 0x00;
constexpr uint32_t kPciCommand = 0x04;
constexpr uint16_t kPciCommandMemory = 1u << 1;
constexpr uint16_t kPciCommandMaster = 1u << 2;
constexpr uint32_t kPciStatus = 0x06;
constexpr uint16_t kPciStatusCapabilities = 1u << 4;
constexpr uint32_t kPciCapabilities = 0x34;
constexpr uint8_t kPciCapabilityMsix = 0x11;
constexpr uint32_t kMsixControl = 2;  // in the capability
constexpr uint16_t kMsixEnable = 1u << 15;
constexpr uint16_t kMsixMaskAll = 1u << 14;

constexpr uint64_t kPage = HostMemory::kPage;
constexpr uint64_t kFirstHostAddress = 1u << 20;  // the first megabyte stays empty: null pointers are caught
constexpr uint64_t kOwnAddresses = 1ull << 32;    // size of the range for the driver's own memory
constexpr uint32_t kAdminEntries = 32;            // one is used at a time; ours
constexpr size_t kLogBytes = 64 * 1024;           // what one READ_LOG fetches; ours
constexpr Milliseconds kShutDownTimeout{5000};    // ours
constexpr Milliseconds kReportAfter{1000};        // a wait says what it is for
constexpr Milliseconds kPollFrom{1}, kPollTo{100};  // interval, doubling

uint32_t field(uint64_t value, uint64_t mask, unsigned shift) {
  return static_cast<uint32_t>((value & mask) >> shift);
}

size_t pages(size_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

std::string version_text(uint32_t version) {
  return fmt::format("{}.{}", version >> 16, version & 0xffff);
}

}  // namespace

// --- DmaBuffer
// -----------------------------------------------------------------------------------------------

DmaBuffer::DmaBuffer(DmaBuffer&& other) noexcept
    : device_(std::exchange(other.device_, nullptr)),
      addresses_(other.addresses_),
      memory_(std::move(other.memory_)),
      bus_address_(other.bus_address_) {}

DmaBuffer& DmaBuffer::operator=(DmaBuffer&& other) noexcept {
  if (this != &other) {
    release();
    device_ = std::exchange(other.device_, nullptr);
    addresses_ = other.addresses_;
    memory_ = std::move(other.memory_);
    bus_address_ = other.bus_address_;
  }
  return *this;
}

DmaBuffer::~DmaBuffer() {
  release();
}

void DmaBuffer::release() noexcept {
  if (device_ == nullptr) return;
  Device& device = *std::exchange(device_, nullptr);
  try {
    device.bus_->unmap(bus_address_, memory_.size());
  } catch (const std::exception&) {
    // The device is lost, and with it the mapping.
  }
  std::lock_guard lock(device.memory_mutex_);
  addresses_->free(bus_address_);
}

// --- DeviceQueue
// ---------------------------------------------------------------------------------------------

DeviceQueue::DeviceQueue(Device& device, DmaBuffer memory, const QueuePair::Layout& layout)
    : QueuePair(*device.bus_, layout), device_(device), memory_(std::move(memory)) {}

DeviceQueue::~DeviceQueue() {
  close();
}

void DeviceQueue::close() noexcept {
  QueuePair::close();
  std::call_once(deleted_, [this] {
    device_.delete_queue(id());
    memory_ = {};
  });
}

// --- bring-up
// ------------------------------------------------------------------------------------------------

Device::Device(std::unique_ptr<Bus> bus, DeviceOptions options)
    : bus_(std::move(bus)),
      windows_(*bus_),
      options_(std::move(options)),
      started_(Clock::now()),
      host_addresses_(kFirstHostAddress, kHostWindow - kFirstHostAddress, kPage),
      own_addresses_(kHostWindow, kOwnAddresses, kPage) {
  try {
    enable_pci();
    check_identity();
    wait_for_firmware();
    agree_on_abi();
    enable_queues();
    identify();
  } catch (...) {
    shut_down();
    throw;
  }
}

Device::~Device() {
  shut_down();
}

void Device::enable_pci() {
  // Which device it is, the registers say (check_identity), which nobody else can have by chance.
  const auto incompatible = [](const std::string& text) {
    return DeviceError(DeviceError::Kind::kIncompatible, text);
  };
  const uint16_t vendor = bus_->config_read16(kPciVendor);
  if (vendor == 0xffff) throw incompatible("no PCI function answers: its vendor id reads as all ones");
  bus_->config_write16(kPciCommand, bus_->config_read16(kPciCommand) | kPciCommandMemory);
  if (bus_->bar0_size() < RDU_HOSTIF_BLOCK_SIZE)
    throw incompatible(fmt::format("BAR0 has {:#x} bytes, an RDU has at least {:#x}", bus_->bar0_size(),
                                   RDU_HOSTIF_BLOCK_SIZE));
}

void Device::check_identity() {
  const auto incompatible = [](const std::string& text) {
    return DeviceError(DeviceError::Kind::kIncompatible, text);
  };
  const uint32_t magic = bus_->read32(RDU_HOSTIF_MAGIC);
  if (magic != RDU_HOSTIF_MAGIC_RESET)
    throw incompatible(fmt::format("the device is no RDU: its magic number is {:#x}, not {:#x}", magic,
                                   RDU_HOSTIF_MAGIC_RESET));
  interface_version_ = bus_->read32(RDU_HOSTIF_VERSION);
  const uint32_t ours = RDU_HOSTIF_VERSION_RESET;
  if (interface_version_ >> 16 != ours >> 16 || (interface_version_ & 0xffff) < (ours & 0xffff))
    throw incompatible(fmt::format("the device's registers have version {}, this driver is for {}",
                                   version_text(interface_version_), version_text(ours)));
  const uint64_t cap = bus_->read64(RDU_HOSTIF_CAP);
  max_entries_ = field(cap, RDU_HOSTIF_CAP_MAX_ENTRIES_MASK, RDU_HOSTIF_CAP_MAX_ENTRIES_SHIFT);
  queue_pairs_ = field(cap, RDU_HOSTIF_CAP_QUEUE_PAIRS_MASK, RDU_HOSTIF_CAP_QUEUE_PAIRS_SHIFT);
  vectors_ = field(cap, RDU_HOSTIF_CAP_VECTORS_MASK, RDU_HOSTIF_CAP_VECTORS_SHIFT);
  if (max_entries_ < kAdminEntries || queue_pairs_ < 2 || vectors_ == 0 || vectors_ > bus_->vectors())
    throw DeviceError(DeviceError::Kind::kProtocol,
                      fmt::format("the device's limits make no sense: {} entries a queue, {} queue pairs, {} "
                                  "vectors of {} interrupts",
                                  max_entries_, queue_pairs_, vectors_, bus_->vectors()));
  // Each queue has a vector of its own, so that a sleeper is woken by its own completions only.
  queue_pairs_ = std::min(queue_pairs_, vectors_);
  queue_ids_.assign(queue_pairs_, false);
  queue_ids_[0] = true;
}

// Looks until done() is true, at growing intervals. done() may say what it sees by throwing.
template <typename Done>
void Device::poll(const std::string& what, Done done) {
  auto report = Clock::now() + kReportAfter;
  auto interval = kPollFrom;
  for (;;) {
    std::string state;
    if (done(state)) return;
    const auto now = Clock::now();
    const std::string waiting = what + (state.empty() ? "" : " (" + state + ")");
    if (left() == Milliseconds{0})
      throw Timeout(fmt::format("time-out after {:.1f} s while waiting for {}",
                                std::chrono::duration<double>(now - started_).count(), waiting));
    if (now >= report) {
      using std::chrono::seconds;
      log(fmt::format("waiting for {}, {} s of {} s", waiting,
                      std::chrono::duration_cast<seconds>(now - started_).count(),
                      std::chrono::duration_cast<seconds>(options_.timeout).count()));
      report += kReportAfter;
    }
    std::this_thread::sleep_for(std::min(interval, left()));
    interval = std::min(interval * 2, kPollTo);
  }
}

void Device::wait_for_firmware() {
  poll("the firmware to be ready", [&](std::string& state) {
    const uint32_t csts = bus_->read32(RDU_HOSTIF_CSTS);
    const uint32_t stage = field(csts, RDU_HOSTIF_CSTS_STAGE_MASK, RDU_HOSTIF_CSTS_STAGE_SHIFT);
    const uint32_t error = field(csts, RDU_HOSTIF_CSTS_ERROR_MASK, RDU_HOSTIF_CSTS_ERROR_SHIFT);
    if (stage == RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED)
      throw DeviceError(DeviceError::Kind::kFirmware, "the device failed to boot: " + boot_error_text(error));
    if (stage == RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY)
      throw DeviceError(DeviceError::Kind::kFirmware,
                        "the device has no firmware that it can boot, and waits for an "
                        "image (rdu-fw recover): " +
                            boot_error_text(error));
    if ((csts & RDU_HOSTIF_CSTS_CFS_MASK) != 0)
      throw DeviceError(DeviceError::Kind::kFirmware,
                        "the device reports a fatal error (boot stage: " + boot_stage_text(stage) + ")");
    state = "boot stage: " + boot_stage_text(stage);
    return (csts & RDU_HOSTIF_CSTS_FW_MASK) != 0;
  });
}

void Device::agree_on_abi() {
  bus_->write32(RDU_HOSTIF_MBOX_REQUEST, RDU_MBOX_ABI_VERSION);
  poll("the firmware's answer in the mailbox", [&](std::string&) {
    return (bus_->read32(RDU_HOSTIF_MBOX_STATUS) & RDU_HOSTIF_MBOX_STATUS_BUSY_MASK) == 0;
  });
  const uint32_t version = bus_->read32(RDU_HOSTIF_MBOX_RESPONSE);
  if (version != RDU_ABI_VERSION)
    throw DeviceError(
        DeviceError::Kind::kIncompatible,
        fmt::format("the firmware speaks interface version {}, this driver {}", version, RDU_ABI_VERSION));
}

void Device::enable_queues() {
  // A predecessor that died without goodbye may have left the queues enabled.
  if ((bus_->read32(RDU_HOSTIF_CC) & RDU_HOSTIF_CC_EN_MASK) != 0) {
    bus_->write32(RDU_HOSTIF_CC, 0);
    poll("the device to be disabled",
         [&](std::string&) { return (bus_->read32(RDU_HOSTIF_CSTS) & RDU_HOSTIF_CSTS_RDY_MASK) == 0; });
  }

  if ((bus_->config_read16(kPciStatus) & kPciStatusCapabilities) == 0)
    throw DeviceError(DeviceError::Kind::kIncompatible, "the device has no PCI capabilities");
  uint32_t capability = bus_->config_read8(kPciCapabilities) & ~3u;
  for (int i = 0; capability != 0 && bus_->config_read8(capability) != kPciCapabilityMsix; ++i) {
    if (i == 48) capability = 0;  // more do not fit: the list is a circle
    if (capability != 0) capability = bus_->config_read8(capability + 1) & ~3u;
  }
  if (capability == 0)
    throw DeviceError(DeviceError::Kind::kIncompatible, "the device has no MSI-X capability");
  bus_->enable_vectors(vectors_);
  vectors_enabled_ = true;
  const uint16_t control = bus_->config_read16(capability + kMsixControl);
  bus_->config_write16(capability + kMsixControl,
                       static_cast<uint16_t>((control & ~kMsixMaskAll) | kMsixEnable));
  bus_->config_write16(kPciCommand, bus_->config_read16(kPciCommand) | kPciCommandMaster);

  const size_t submissions = pages(kAdminEntries * sizeof(rdu_sqe));
  admin_memory_ =
      allocate_from(own_addresses_, submissions + pages(kAdminEntries * sizeof(rdu_cqe)), "rdu-admin-queue");
  log_memory_ = allocate_from(own_addresses_, kLogBytes, "rdu-log");
  admin_ = std::make_unique<QueuePair>(*bus_, QueuePair::Layout{0, kAdminEntries, 0, admin_memory_.data(),
                                                                admin_memory_.data() + submissions});
  bus_->write32(RDU_HOSTIF_AQA, (kAdminEntries - 1) << RDU_HOSTIF_AQA_ASQS_SHIFT |
                                    (kAdminEntries - 1) << RDU_HOSTIF_AQA_ACQS_SHIFT);
  bus_->write64(RDU_HOSTIF_ASQ, admin_memory_.bus_address());
  bus_->write64(RDU_HOSTIF_ACQ, admin_memory_.bus_address() + submissions);
  enabled_ = true;
  bus_->write32(RDU_HOSTIF_CC, RDU_HOSTIF_CC_EN_MASK);
  poll("the device to be enabled", [&](std::string&) {
    const uint32_t csts = bus_->read32(RDU_HOSTIF_CSTS);
    if ((csts & RDU_HOSTIF_CSTS_CFS_MASK) != 0)
      throw DeviceError(DeviceError::Kind::kFirmware, "the firmware refused to enable the queues");
    return (csts & RDU_HOSTIF_CSTS_RDY_MASK) != 0;
  });
}

void Device::identify() {
  rdu_sqe sqe{};
  sqe.opcode = RDU_ADMIN_IDENTIFY;
  sqe.arg[0] = log_memory_.bus_address();
  checked_admin(sqe);
  std::memcpy(&identity_, log_memory_.data(), sizeof identity_);
  identity_.model[sizeof identity_.model - 1] = '\0';
  identity_.firmware[sizeof identity_.firmware - 1] = '\0';
  if (identity_.abi_version != RDU_ABI_VERSION)
    throw DeviceError(DeviceError::Kind::kProtocol,
                      fmt::format("the firmware says interface version {} in the mailbox, {} in IDENTIFY",
                                  RDU_ABI_VERSION, identity_.abi_version));
}

void Device::shut_down() noexcept {
  if (std::exchange(down_, true)) return;
  try {
    if (enabled_) {
      // Whatever still runs is dropped; after RDY has fallen the device touches no memory of ours.
      bus_->write32(RDU_HOSTIF_CC, 0);
      started_ = Clock::now();
      options_.timeout = std::min(options_.timeout, kShutDownTimeout);
      poll("the device to be disabled",
           [&](std::string&) { return (bus_->read32(RDU_HOSTIF_CSTS) & RDU_HOSTIF_CSTS_RDY_MASK) == 0; });
    }
    bus_->config_write16(kPciCommand, bus_->config_read16(kPciCommand) & ~kPciCommandMaster);
    if (vectors_enabled_) bus_->disable_vectors();
  } catch (const DeviceLost&) {
    // Nobody is left to take anything back from.
  } catch (const std::exception& error) {
    log(fmt::format("while closing the device: {}", error.what()));
  }
  admin_.reset();
  admin_memory_ = {};
  log_memory_ = {};
}

// --- commands
// ------------------------------------------------------------------------------------------------

Completion Device::admin(rdu_sqe sqe) {
  std::lock_guard lock(admin_mutex_);
  if (!given_up_.empty()) throw DeviceError(DeviceError::Kind::kFirmware, given_up_);
  if (down_) throw DeviceLost("the device was closed");
  const auto command = admin_->submit(sqe, options_.command_timeout);
  if (!admin_->wait(*command, options_.command_timeout)) {
    // It may still write its answer into the memory that the next command would use.
    given_up_ = fmt::format("the firmware did not answer {} within {} ms", opcode_text(sqe.opcode),
                            options_.command_timeout.count());
    throw Timeout(given_up_);
  }
  return admin_->completion(*command);
}

Completion Device::checked_admin(const rdu_sqe& sqe) {
  const Completion completion = admin(sqe);
  if (completion.status != RDU_STATUS_OK)
    throw CommandError(completion.status,
                       fmt::format("the firmware refused {}: {}", opcode_text(sqe.opcode),
                                   status_text(sqe.opcode, completion.status, completion.result)));
  return completion;
}

uint32_t Device::create_context(uint64_t hbm_bytes, uint64_t ddr_bytes) {
  rdu_sqe sqe{};
  sqe.opcode = RDU_ADMIN_CREATE_CONTEXT;
  sqe.arg[0] = hbm_bytes;
  sqe.arg[1] = ddr_bytes;
  sqe.arg[2] = kHostWindow;
  return static_cast<uint32_t>(checked_admin(sqe).result);
}

void Device::delete_context(uint32_t context) {
  rdu_sqe sqe{};
  sqe.opcode = RDU_ADMIN_DELETE_CONTEXT;
  sqe.context = context;
  checked_admin(sqe);
}

uint64_t Device::context_base(uint32_t context, Windows::Of memory) {
  const std::vector<uint8_t> page = read_log(RDU_LOG_CONTEXTS);
  for (size_t at = 0; at + sizeof(rdu_log_context) <= page.size(); at += sizeof(rdu_log_context)) {
    rdu_log_context entry;
    std::memcpy(&entry, page.data() + at, sizeof entry);
    if (entry.id == context) return memory == Windows::Of::kHbm ? entry.hbm_base : entry.ddr_base;
  }
  throw DeviceError(DeviceError::Kind::kProtocol,
                    fmt::format("the firmware does not list context {}", context));
}

std::unique_ptr<DeviceQueue> Device::create_queue(uint32_t context, uint32_t entries) {
  uint32_t id;
  {
    std::lock_guard lock(memory_mutex_);
    const auto free = std::find(queue_ids_.begin(), queue_ids_.end(), false);
    if (free == queue_ids_.end())
      throw CommandError(RDU_STATUS_NO_RESOURCE, fmt::format("all {} queue pairs are in use", queue_pairs_));
    id = static_cast<uint32_t>(free - queue_ids_.begin());
    queue_ids_[id] = true;
  }
  const auto give_back = [&] {
    std::lock_guard lock(memory_mutex_);
    queue_ids_[id] = false;
  };
  try {
    const size_t submissions = pages(entries * sizeof(rdu_sqe));
    DmaBuffer memory =
        allocate_from(own_addresses_, submissions + pages(entries * sizeof(rdu_cqe)), "rdu-queue");
    const QueuePair::Layout layout{id, entries, id, memory.data(), memory.data() + submissions};
    rdu_sqe sqe{};
    sqe.opcode = RDU_ADMIN_CREATE_QUEUE;
    sqe.context = context;
    sqe.arg[0] = id;
    sqe.arg[1] = memory.bus_address();
    sqe.arg[2] = memory.bus_address() + submissions;
    sqe.arg[3] = entries;
    sqe.arg[4] = layout.vector;
    checked_admin(sqe);
    return std::make_unique<DeviceQueue>(*this, std::move(memory), layout);
  } catch (...) {
    give_back();
    throw;
  }
}

void Device::delete_queue(uint32_t id) noexcept {
  try {
    rdu_sqe sqe{};
    sqe.opcode = RDU_ADMIN_DELETE_QUEUE;
    sqe.arg[0] = id;
    checked_admin(sqe);
  } catch (const DeviceLost&) {
    return;
  } catch (const std::exception& error) {
    // The id stays taken: the device may still use the queue.
    log(fmt::format("while deleting queue {}: {}", id, error.what()));
    return;
  }
  std::lock_guard lock(memory_mutex_);
  queue_ids_[id] = false;
}

std::vector<uint8_t> Device::read_log(uint32_t page) {
  std::lock_guard lock(log_mutex_);
  std::vector<uint8_t> bytes;
  uint64_t total = 0;
  do {
    rdu_sqe sqe{};
    sqe.opcode = RDU_ADMIN_READ_LOG;
    sqe.arg[0] = page;
    sqe.arg[1] = log_memory_.bus_address();
    sqe.arg[2] = kLogBytes;
    sqe.arg[3] = bytes.size();
    const uint64_t whole = checked_admin(sqe).result;
    if (bytes.empty()) total = whole;  // what the page had when the reading began
    const size_t part = static_cast<size_t>(std::min<uint64_t>(total - bytes.size(), kLogBytes));
    bytes.insert(bytes.end(), log_memory_.data(), log_memory_.data() + part);
  } while (bytes.size() < total);
  return bytes;
}

uint64_t Device::timestamp() {
  if (down_) throw DeviceLost("the device was closed");
  return bus_->read64(RDU_HOSTIF_TIMESTAMP);
}

// --- memory
// --------------------------------------------------------------------------------------------------

DmaBuffer Device::allocate(size_t bytes) {
  if (down_) throw DeviceLost("the device was closed");
  return allocate_from(host_addresses_, bytes, "rdu-memory");
}

DmaBuffer Device::allocate_from(RangeAllocator& addresses, size_t bytes, const char* name) {
  DmaBuffer buffer;
  buffer.memory_ = HostMemory::allocate(bytes, name);
  {
    std::lock_guard lock(memory_mutex_);
    const auto address = addresses.allocate(buffer.memory_.size());
    if (!address) throw std::bad_alloc();
    buffer.bus_address_ = *address;
  }
  try {
    bus_->map(buffer.memory_, buffer.bus_address_);
  } catch (...) {
    std::lock_guard lock(memory_mutex_);
    addresses.free(buffer.bus_address_);
    throw;
  }
  buffer.addresses_ = &addresses;
  buffer.device_ = this;
  return buffer;
}

// --- small things
// --------------------------------------------------------------------------------------------

Milliseconds Device::left() const {
  const auto left = started_ + options_.timeout - Clock::now();
  return std::max(std::chrono::ceil<Milliseconds>(left), Milliseconds{0});
}

void Device::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

}  // namespace rdu::user
