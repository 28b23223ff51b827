// For tests of the driver and of librdu: a device without a simulator. It keeps the rules of hostif.regs.yaml
// and rdu_abi.h, executes copies on memory of its own, and fails on demand. It computes nothing: LAUNCH calls
// a function of the test.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "rdu_abi.h"
#include "user/bus.h"

namespace rdu::user {

class FakeDevice {
 public:
  FakeDevice();
  FakeDevice(const FakeDevice&) = delete;
  FakeDevice& operator=(const FakeDevice&) = delete;
  ~FakeDevice();

  // What the test chooses, before the driver comes.
  uint32_t magic;
  uint32_t version;
  uint32_t csts;                    // FW, STAGE and ERROR as wanted; RDY follows CC
  uint32_t mailbox_answer;          // to every request
  uint64_t memory_bytes = 1 << 20;  // of HBM, and of DDR, in all
  uint32_t contexts = 4;
  // Gets every LAUNCH, with its argument tuples; may read and write memory by at(); returns the status.
  std::function<uint16_t(const rdu_sqe&, uint64_t* result)> on_launch;
  std::function<uint16_t(const rdu_sqe&, uint64_t*result)> on_load, on_schedule;
  std::string log_text = "fake firmware\n";
  std::vector<rdu_log_activity> activity;
  std::map<uint32_t, std::vector<uint8_t>> log_pages;  // further ones, by number
  uint64_t next_event = 0;                             // what every EVENT command brings

  // While held, submissions are taken but not executed.
  void hold(bool on);
  // From now on everything throws DeviceLost; sleepers wake.
  void lose();
  // Writes a completion as it is, at the queue's place, and raises the vector.
  void complete(uint32_t queue, const rdu_cqe& cqe);

  // Every write and mapping in order, as text: what the device saw of the driver.
  std::vector<std::string> seen();
  size_t mapped_windows();
  size_t live_contexts();
  size_t live_queues();  // the administrative one included

  // Bus addresses from `address` on lead to memory of the test, until unshare().
  void share(uint64_t address, uint8_t* memory, uint64_t bytes);
  void unshare(uint64_t address);

  // `bytes` bytes of a context at a virtual address; nullptr if outside.
  uint8_t* at(uint32_t context, uint64_t virtual_address, uint64_t bytes);

 private:
  friend class FakeBus;
  struct Queue {
    uint32_t context = 0;
    uint64_t submissions = 0, completions = 0;
    uint32_t entries = 0, vector = 0;
    uint32_t head = 0, tail = 0;  // of submissions
    uint64_t completed = 0;
    uint64_t cq_head = 0;  // entries that the host gave back
  };
  struct Context {
    std::vector<uint8_t> hbm, ddr;
    uint64_t host_bytes = 0;
  };

  void check();
  uint8_t* bus(uint64_t address, uint64_t bytes);
  void write(uint64_t offset, uint64_t value);
  void run(uint32_t id);
  rdu_cqe execute(uint32_t queue, const rdu_sqe& sqe);
  uint16_t admin(const rdu_sqe& sqe, uint64_t* result);
  uint16_t command(const rdu_sqe& sqe, uint64_t* result);
  void post(uint32_t id, rdu_cqe cqe);

  std::recursive_mutex mutex_;
  bool lost_ = false, held_ = false;
  uint32_t cc_ = 0, aqa_ = 0;
  uint64_t asq_ = 0, acq_ = 0;
  uint16_t pci_command_ = 0, msix_control_ = 0;
  uint64_t now_ns_ = 1000;
  std::map<uint64_t, std::pair<uint8_t*, uint64_t>> windows_;
  std::map<uint32_t, Queue> queues_;
  std::map<uint32_t, Context> contexts_;
  std::vector<int> vectors_;  // eventfds
  int connection_[2];         // sockets: the driver's end, and the other one
  rdu_log_memory counters_{};
  std::vector<std::string> seen_;
};

// The driver's way to a FakeDevice, which must outlive it.
class FakeBus : public Bus {
 public:
  explicit FakeBus(FakeDevice& device) : d_(device) {}

  uint64_t bar0_size() override { return 0x4000; }
  uint32_t read32(uint64_t offset) override { return static_cast<uint32_t>(read64(offset)); }
  uint64_t read64(uint64_t offset) override;
  void write32(uint64_t offset, uint32_t value) override { write64(offset, value); }
  void write64(uint64_t offset, uint64_t value) override;
  void post32(uint64_t offset, uint32_t value) override { write64(offset, value); }
  uint8_t* bar2() override { return nullptr; }
  uint64_t bar2_size() override { return 0; }
  uint8_t config_read8(uint32_t offset) override;
  uint16_t config_read16(uint32_t offset) override;
  void config_write16(uint32_t offset, uint16_t value) override;
  void map(const HostMemory& memory, uint64_t address) override;
  void unmap(uint64_t address, uint64_t size) override;
  uint32_t vectors() override { return 16; }
  void enable_vectors(uint32_t count) override;
  void disable_vectors() override;
  uint64_t wait_vector(uint32_t vector, Milliseconds timeout) override;
  void raise_vector(uint32_t vector) noexcept override;
  int vector_fd(uint32_t vector) override { return d_.vectors_.at(vector); }
  int loss_fd() override { return d_.connection_[0]; }

 private:
  FakeDevice& d_;
};

}  // namespace rdu::user
