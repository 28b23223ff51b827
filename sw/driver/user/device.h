// The driver: brings an RDU up through its registers (models/pcie/hostif.regs.yaml) and speaks rdu_abi.h with
// its firmware. It knows the device through a Bus only.
//
// Reproducibility: bus addresses come from a first-fit allocator and every wait is for an interrupt, so that
// the sequence of what the device sees depends on the calls alone. Only before interrupts exist (firmware
// ready, mailbox, CC.EN) registers are polled.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rdu_abi.h"
#include "user/bus.h"
#include "user/queue_pair.h"
#include "user/range_allocator.h"
#include "user/windows.h"

namespace rdu::user {

struct DeviceOptions {
  Milliseconds timeout{30000};                  // to bring the device up
  Milliseconds command_timeout{30000};          // of administrative commands
  std::function<void(const std::string&)> log;  // one line without its end; may be empty
};

class Device;

// Memory that device and process share. Must not outlive its device.
class DmaBuffer {
 public:
  DmaBuffer() = default;
  DmaBuffer(DmaBuffer&& other) noexcept;
  DmaBuffer& operator=(DmaBuffer&& other) noexcept;
  ~DmaBuffer();

  uint8_t* data() const { return memory_.data(); }
  size_t size() const { return memory_.size(); }
  uint64_t bus_address() const { return bus_address_; }

 private:
  friend class Device;
  void release() noexcept;

  Device* device_ = nullptr;
  RangeAllocator* addresses_ = nullptr;
  HostMemory memory_;
  uint64_t bus_address_ = 0;
};

// A queue pair with the memory that it lies in. Closing it, or its end, deletes it in the device. Must be
// closed before its device goes.
class DeviceQueue : public QueuePair {
 public:
  DeviceQueue(Device& device, DmaBuffer memory, const QueuePair::Layout& layout);
  ~DeviceQueue() override;

  void close() noexcept override;

 private:
  Device& device_;
  DmaBuffer memory_;
  std::once_flag deleted_;
};

class Device {
 public:
  // Bus addresses below it are what contexts reach as host memory; the driver's own queues lie above, out of
  // the reach of kernels and copies.
  static constexpr uint64_t kHostWindow = 1ull << 40;

  // Brings the device up. Throws DeviceError, Timeout or DeviceLost, saying what it was waiting for.
  Device(std::unique_ptr<Bus> bus, DeviceOptions options);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();  // as shut_down()

  const rdu_identify& identity() const { return identity_; }
  uint32_t interface_version() const { return interface_version_; }  // HOSTIF.VERSION
  uint32_t max_entries() const { return max_entries_; }              // of a queue
  uint64_t timestamp();                                              // device time, ns

  // Memory that contexts reach at RDU_VA(RDU_SEGMENT_HOST, bus_address()). Throws std::bad_alloc when the bus
  // addresses, std::system_error when the system has no more.
  DmaBuffer allocate(size_t bytes);

  // Each throws CommandError if the firmware refuses.
  uint32_t create_context(uint64_t hbm_bytes, uint64_t ddr_bytes);
  void delete_context(uint32_t context);
  // Where the context's HBM or DDR begins in the device's: what a window must show.
  uint64_t context_base(uint32_t context, Windows::Of memory);
  Windows& windows() { return windows_; }
  std::unique_ptr<DeviceQueue> create_queue(uint32_t context, uint32_t entries);
  std::vector<uint8_t> read_log(uint32_t page);

  // Any administrative command, for tools and tests: its completion, well or not. A firmware that does not
  // answer in time is given up: Timeout, and DeviceError from every command that follows.
  Completion admin(rdu_sqe sqe);

  // Disables the device and takes everything back from it. Ignores a device that is lost. Idempotent.
  void shut_down() noexcept;

 private:
  friend class DmaBuffer;
  friend class DeviceQueue;
  using Clock = std::chrono::steady_clock;

  void check_identity();
  void enable_pci();
  void wait_for_firmware();
  void agree_on_abi();
  void enable_queues();
  void identify();
  void delete_queue(uint32_t id) noexcept;

  template <typename Done>
  void poll(const std::string& what, Done done);
  Completion checked_admin(const rdu_sqe& sqe);
  DmaBuffer allocate_from(RangeAllocator& addresses, size_t bytes, const char* name);
  Milliseconds left() const;
  void log(const std::string& line) const;

  std::unique_ptr<Bus> bus_;
  Windows windows_;
  DeviceOptions options_;
  Clock::time_point started_;
  uint32_t interface_version_ = 0;
  uint32_t max_entries_ = 0;
  uint32_t queue_pairs_ = 0;
  uint32_t vectors_ = 0;
  rdu_identify identity_{};
  bool enabled_ = false;
  bool vectors_enabled_ = false;
  bool down_ = false;

  std::mutex memory_mutex_;  // of the two allocators
  RangeAllocator host_addresses_;
  RangeAllocator own_addresses_;

  std::mutex log_mutex_;  // of log_memory_
  std::mutex admin_mutex_;
  DmaBuffer admin_memory_;
  DmaBuffer log_memory_;
  std::unique_ptr<QueuePair> admin_;
  std::string given_up_;         // why, once the firmware has missed a time-out
  std::vector<bool> queue_ids_;  // in use
};

}  // namespace rdu::user
