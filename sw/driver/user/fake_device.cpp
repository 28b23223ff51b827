#include "user/fake_device.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "regs/hostif.h"
#include "regs/sysctl.h"

namespace rdu::user {

namespace {
constexpr uint32_t kCapability = 0x40;  // where our capability lies
constexpr uint16_t kMaster = 4, kMsixEnable = 0x8000;
using Guard = std::lock_guard<std::recursive_mutex>;

void raise(int eventfd) {
  const uint64_t one = 1;
  if (::write(eventfd, &one, sizeof one) < 0) std::abort();
}
}  // namespace

FakeDevice::FakeDevice()
    : magic(RDU_HOSTIF_MAGIC_RESET),
      version(RDU_HOSTIF_VERSION_RESET),
      csts(RDU_HOSTIF_CSTS_FW_MASK | RDU_SYSCTL_BOOT_STAGE_STAGE_READY << RDU_HOSTIF_CSTS_STAGE_SHIFT),
      mailbox_answer(RDU_ABI_VERSION) {
  for (int i = 0; i < 16; ++i) vectors_.push_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connection_) != 0) std::abort();
}

FakeDevice::~FakeDevice() {
  for (const int eventfd : vectors_) ::close(eventfd);
  ::close(connection_[0]);
  if (!lost_) ::close(connection_[1]);
}

void FakeDevice::hold(bool on) {
  Guard lock(mutex_);
  held_ = on;
  if (!on)
    for (auto& queue : queues_) run(queue.first);
}

void FakeDevice::lose() {
  Guard lock(mutex_);
  if (!std::exchange(lost_, true)) ::close(connection_[1]);
}

void FakeDevice::complete(uint32_t queue, const rdu_cqe& cqe) {
  Guard lock(mutex_);
  post(queue, cqe);
}

std::vector<std::string> FakeDevice::seen() {
  Guard lock(mutex_);
  return seen_;
}

size_t FakeDevice::mapped_windows() {
  Guard lock(mutex_);
  return windows_.size();
}

size_t FakeDevice::live_contexts() {
  Guard lock(mutex_);
  return contexts_.size();
}

size_t FakeDevice::live_queues() {
  Guard lock(mutex_);
  return queues_.size();
}

void FakeDevice::share(uint64_t address, uint8_t* memory, uint64_t bytes) {
  Guard lock(mutex_);
  windows_[address] = {memory, bytes};
}

void FakeDevice::unshare(uint64_t address) {
  Guard lock(mutex_);
  windows_.erase(address);
}

void FakeDevice::check() {
  if (lost_) throw DeviceLost("the fake device is gone");
}

uint8_t* FakeDevice::bus(uint64_t address, uint64_t bytes) {
  auto window = windows_.upper_bound(address);
  if ((pci_command_ & kMaster) == 0 || window == windows_.begin()) return nullptr;
  --window;
  const uint64_t offset = address - window->first;
  if (offset > window->second.second || bytes > window->second.second - offset) return nullptr;
  return window->second.first + offset;
}

uint8_t* FakeDevice::at(uint32_t context, uint64_t address, uint64_t bytes) {
  const auto found = contexts_.find(context);
  if (found == contexts_.end()) return nullptr;
  Context& c = found->second;
  const uint64_t segment = address >> RDU_SEGMENT_SHIFT;
  const uint64_t offset = address & ((1ull << RDU_SEGMENT_SHIFT) - 1);
  const auto inside = [&](uint64_t size) { return offset <= size && bytes <= size - offset; };
  if (segment == RDU_SEGMENT_HBM && inside(c.hbm.size())) return c.hbm.data() + offset;
  if (segment == RDU_SEGMENT_DDR && inside(c.ddr.size())) return c.ddr.data() + offset;
  if (segment == RDU_SEGMENT_HOST && inside(c.host_bytes)) return bus(offset, bytes);
  return nullptr;
}

void FakeDevice::write(uint64_t offset, uint64_t value) {
  switch (offset) {
    case RDU_HOSTIF_AQA:
      aqa_ = static_cast<uint32_t>(value);
      return;
    case RDU_HOSTIF_ASQ:
      asq_ = value;
      return;
    case RDU_HOSTIF_ACQ:
      acq_ = value;
      return;
    case RDU_HOSTIF_MBOX_REQUEST:
      return;
    case RDU_HOSTIF_CC:
      cc_ = static_cast<uint32_t>(value);
      queues_.clear();
      contexts_.clear();
      if ((cc_ & RDU_HOSTIF_CC_EN_MASK) != 0) {
        if (aqa_ >> 16 != (aqa_ & 0xfff)) throw std::logic_error("fake: admin queues differ in size");
        Queue& admin = queues_[0];
        admin.submissions = asq_;
        admin.completions = acq_;
        admin.entries = (aqa_ & 0xfff) + 1;
      }
      return;
    default:
      break;
  }
  if (offset < RDU_HOSTIF_DOORBELL_SQ_TAIL(0) || offset >= RDU_HOSTIF_DOORBELL_SQ_TAIL(16))
    throw std::logic_error(fmt::format("fake: write to {:#x}", offset));
  const auto id = static_cast<uint32_t>((offset - RDU_HOSTIF_DOORBELL_SQ_TAIL(0)) / 8);
  const auto queue = queues_.find(id);
  if (queue == queues_.end() || value >= queue->second.entries)
    throw std::logic_error(fmt::format("fake: doorbell of queue {} with {}", id, value));
  if (offset % 8 == 0) {
    queue->second.tail = static_cast<uint32_t>(value);
    run(id);
  } else {
    Queue& q = queue->second;
    q.cq_head += (value + q.entries - q.cq_head % q.entries) % q.entries;
    if (q.cq_head > q.completed) throw std::logic_error("fake: completions given back that never were");
  }
}

void FakeDevice::run(uint32_t id) {
  while (!held_) {
    const auto queue = queues_.find(id);
    if (queue == queues_.end() || queue->second.head == queue->second.tail) return;
    rdu_sqe sqe;
    const uint8_t* entry = bus(queue->second.submissions + queue->second.head * sizeof sqe, sizeof sqe);
    if (entry == nullptr) throw std::logic_error("fake: submission queue is not mapped");
    std::memcpy(&sqe, entry, sizeof sqe);
    queue->second.head = (queue->second.head + 1) % queue->second.entries;
    const rdu_cqe cqe = execute(id, sqe);
    post(id, cqe);
  }
}

void FakeDevice::post(uint32_t id, rdu_cqe cqe) {
  Queue& q = queues_.at(id);
  if (q.completed - q.cq_head >= q.entries) throw std::logic_error("fake: completion queue overflows");
  cqe.sq_head = static_cast<uint16_t>(q.head);
  cqe.phase = (q.completed / q.entries) % 2 == 0 ? 1 : 0;
  uint8_t* entry = bus(q.completions + q.completed % q.entries * sizeof cqe, sizeof cqe);
  if (entry == nullptr) throw std::logic_error("fake: completion queue is not mapped");
  std::memcpy(entry, &cqe, sizeof cqe);
  ++q.completed;
  if ((msix_control_ & kMsixEnable) == 0) throw std::logic_error("fake: MSI-X is off");
  raise(vectors_.at(q.vector));
}

rdu_cqe FakeDevice::execute(uint32_t queue, const rdu_sqe& sqe) {
  rdu_cqe cqe{};
  cqe.command_id = sqe.command_id;
  cqe.start_ns = now_ns_;
  cqe.status = queue == 0 ? admin(sqe, &cqe.result) : command(sqe, &cqe.result);
  now_ns_ += 100;
  cqe.end_ns = now_ns_;
  return cqe;
}

uint16_t FakeDevice::admin(const rdu_sqe& sqe, uint64_t* result) {
  switch (sqe.opcode) {
    case RDU_ADMIN_IDENTIFY: {
      rdu_identify id{};
      id.abi_version = RDU_ABI_VERSION;
      id.fw_version = 0x010203;
      id.hbm_bytes = id.ddr_bytes = memory_bytes;
      id.hbm_bandwidth = 1800000000000;
      id.ddr_bandwidth = 200000000000;
      id.tiles = 1;
      id.rows = 6;
      id.columns = 6;
      id.agcus = 12;
      id.queue_pairs = 16;
      id.contexts = contexts + 1;
      std::strcpy(id.model, "fake");
      std::strcpy(id.firmware, "test");
      std::memcpy(bus(sqe.arg[0], sizeof id), &id, sizeof id);
      return RDU_STATUS_OK;
    }
    case RDU_ADMIN_CREATE_CONTEXT: {
      uint64_t hbm = sqe.arg[0], ddr = sqe.arg[1];
      for (const auto& c : contexts_) hbm += c.second.hbm.size(), ddr += c.second.ddr.size();
      if (hbm > memory_bytes || ddr > memory_bytes) return RDU_STATUS_NO_MEMORY;
      if (contexts_.size() == contexts) return RDU_STATUS_NO_RESOURCE;
      uint32_t id = 1;
      while (contexts_.count(id) != 0) ++id;
      contexts_[id] = {std::vector<uint8_t>(sqe.arg[0]), std::vector<uint8_t>(sqe.arg[1]), sqe.arg[2]};
      *result = id;
      return RDU_STATUS_OK;
    }
    case RDU_ADMIN_DELETE_CONTEXT:
      for (const auto& q : queues_)
        if (q.first != 0 && q.second.context == sqe.context) return RDU_STATUS_IN_USE;
      return contexts_.erase(sqe.context) != 0 ? RDU_STATUS_OK : RDU_STATUS_BAD_CONTEXT;
    case RDU_ADMIN_CREATE_QUEUE: {
      if (contexts_.count(sqe.context) == 0) return RDU_STATUS_BAD_CONTEXT;
      const auto id = static_cast<uint32_t>(sqe.arg[0]);
      if (id == 0 || id > 15 || queues_.count(id) != 0) return RDU_STATUS_BAD_QUEUE;
      if (sqe.arg[1] % 4096 != 0 || sqe.arg[2] % 4096 != 0) return RDU_STATUS_BAD_ARGUMENT;
      Queue& q = queues_[id];
      q.context = sqe.context;
      q.submissions = sqe.arg[1];
      q.completions = sqe.arg[2];
      q.entries = static_cast<uint32_t>(sqe.arg[3]);
      q.vector = static_cast<uint32_t>(sqe.arg[4]);
      return RDU_STATUS_OK;
    }
    case RDU_ADMIN_DELETE_QUEUE:
      return queues_.erase(static_cast<uint32_t>(sqe.arg[0])) != 0 ? RDU_STATUS_OK : RDU_STATUS_BAD_QUEUE;
    case RDU_ADMIN_READ_LOG: {
      const void* page = nullptr;
      uint64_t size = 0;
      if (sqe.arg[0] == RDU_LOG_TEXT) page = log_text.data(), size = log_text.size();
      if (sqe.arg[0] == RDU_LOG_MEMORY) page = &counters_, size = sizeof counters_;
      if (sqe.arg[0] == RDU_LOG_ACTIVITY) page = activity.data(), size = activity.size() * sizeof activity[0];
      const auto further = log_pages.find(static_cast<uint32_t>(sqe.arg[0]));
      if (further != log_pages.end()) page = further->second.data(), size = further->second.size();
      if (sqe.arg[0] > RDU_LOG_ACTIVITY && further == log_pages.end()) return RDU_STATUS_BAD_LOG_PAGE;
      const uint64_t offset = std::min(sqe.arg[3], size);
      const uint64_t bytes = std::min(sqe.arg[2], size - offset);
      if (bytes != 0) std::memcpy(bus(sqe.arg[1], bytes), static_cast<const uint8_t*>(page) + offset, bytes);
      *result = size;
      return RDU_STATUS_OK;
    }
    default:
      return RDU_STATUS_BAD_OPCODE;
  }
}

uint16_t FakeDevice::command(const rdu_sqe& sqe, uint64_t* result) {
  switch (sqe.opcode) {
    case RDU_CMD_NOP:
      return RDU_STATUS_OK;
    case RDU_CMD_EVENT:
      *result = next_event;
      return RDU_STATUS_OK;
    case RDU_CMD_COPY: {
      uint8_t* destination = at(sqe.context, sqe.arg[0], sqe.arg[2]);
      const uint8_t* source = at(sqe.context, sqe.arg[1], sqe.arg[2]);
      if (destination == nullptr || source == nullptr) {
        *result = destination == nullptr ? sqe.arg[0] : sqe.arg[1];
        return RDU_STATUS_COPY_SEGMENT;
      }
      std::memmove(destination, source, sqe.arg[2]);
      if (sqe.arg[0] >> RDU_SEGMENT_SHIFT == RDU_SEGMENT_HBM) counters_.hbm_written += sqe.arg[2];
      if (sqe.arg[1] >> RDU_SEGMENT_SHIFT == RDU_SEGMENT_HBM) counters_.hbm_read += sqe.arg[2];
      return RDU_STATUS_OK;
    }
    case RDU_CMD_LOAD_PROGRAM:
      return on_load ? on_load(sqe, result) : uint16_t{RDU_STATUS_OK};
    case RDU_CMD_LAUNCH:
      return on_launch ? on_launch(sqe, result) : uint16_t{RDU_STATUS_OK};
    case RDU_CMD_SCHEDULE:
      return on_schedule ? on_schedule(sqe, result) : uint16_t{RDU_STATUS_OK};
    default:
      return RDU_STATUS_BAD_OPCODE;
  }
}

// --- FakeBus
// -------------------------------------------------------------------------------------------------

uint64_t FakeBus::read64(uint64_t offset) {
  Guard lock(d_.mutex_);
  d_.check();
  switch (offset) {
    case RDU_HOSTIF_MAGIC:
      return d_.magic;
    case RDU_HOSTIF_VERSION:
      return d_.version;
    case RDU_HOSTIF_CAP:
      return RDU_HOSTIF_CAP_RESET;
    case RDU_HOSTIF_CC:
      return d_.cc_;
    case RDU_HOSTIF_CSTS:
      return d_.csts | (d_.cc_ & RDU_HOSTIF_CC_EN_MASK);
    case RDU_HOSTIF_MBOX_STATUS:
      return 0;
    case RDU_HOSTIF_MBOX_RESPONSE:
      return d_.mailbox_answer;
    case RDU_HOSTIF_TIMESTAMP:
      return d_.now_ns_;
    default:
      throw std::logic_error(fmt::format("fake: read of {:#x}", offset));
  }
}

void FakeBus::write64(uint64_t offset, uint64_t value) {
  Guard lock(d_.mutex_);
  d_.check();
  d_.seen_.push_back(fmt::format("write {:#x} {:#x}", offset, value));
  d_.write(offset, value);
}

uint8_t FakeBus::config_read8(uint32_t offset) {
  const uint16_t half = config_read16(offset & ~1u);
  return static_cast<uint8_t>(offset % 2 == 0 ? half : half >> 8);
}

uint16_t FakeBus::config_read16(uint32_t offset) {
  Guard lock(d_.mutex_);
  d_.check();
  switch (offset) {
    case 0x04:
      return d_.pci_command_;
    case 0x06:
      return 0x10;  // has capabilities
    case 0x34:
      return kCapability + 0x10;
    case kCapability + 0x10:
      return static_cast<uint16_t>(kCapability << 8 | 0x01);  // power management, then MSI-X
    case kCapability:
      return 0x0011;
    case kCapability + 2:
      return d_.msix_control_;
    default:
      return 0;
  }
}

void FakeBus::config_write16(uint32_t offset, uint16_t value) {
  Guard lock(d_.mutex_);
  d_.check();
  d_.seen_.push_back(fmt::format("config {:#x} {:#x}", offset, value));
  if (offset == 0x04) d_.pci_command_ = value;
  if (offset == kCapability + 2) d_.msix_control_ = value;
}

void FakeBus::map(const HostMemory& memory, uint64_t address) {
  Guard lock(d_.mutex_);
  d_.check();
  d_.seen_.push_back(fmt::format("map {:#x} {:#x}", address, memory.size()));
  d_.windows_[address] = {memory.data(), memory.size()};
}

void FakeBus::unmap(uint64_t address, uint64_t size) {
  Guard lock(d_.mutex_);
  d_.check();
  d_.seen_.push_back(fmt::format("unmap {:#x} {:#x}", address, size));
  if (d_.windows_.erase(address) == 0) throw std::logic_error("fake: unmap of what is not mapped");
}

void FakeBus::enable_vectors(uint32_t count) {
  Guard lock(d_.mutex_);
  d_.check();
  d_.seen_.push_back(fmt::format("vectors {}", count));
}

void FakeBus::disable_vectors() {
  enable_vectors(0);
}

uint64_t FakeBus::wait_vector(uint32_t vector, Milliseconds timeout) {
  pollfd set[2] = {{d_.vectors_.at(vector), POLLIN, 0}, {d_.connection_[0], 0, 0}};
  ::poll(set, 2, static_cast<int>(timeout.count()));
  Guard lock(d_.mutex_);
  d_.check();
  uint64_t count = 0;
  return ::read(set[0].fd, &count, sizeof count) < 0 ? 0 : count;
}

void FakeBus::raise_vector(uint32_t vector) noexcept {
  raise(d_.vectors_.at(vector));
}

}  // namespace rdu::user
