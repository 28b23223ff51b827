#pragma once

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "pcie/host_port.h"
#include "pcie/vfio_user/irq_vectors.h"

/// A host for unit tests: some memory, and vectors that it may or may not want.
namespace rdu::pcie {

class FakeHost : public HostPort {
 public:
  std::vector<uint8_t> memory = std::vector<uint8_t>(1 << 20);
  uint64_t base = 0x100000;  ///< bus address of `memory`
  bool read_only = false;
  std::set<uint32_t> wanted;     ///< MSI-X vectors with an eventfd
  std::set<uint32_t> masked;     ///< by DEVICE_SET_IRQS
  std::vector<uint32_t> raised;  ///< MSI-X vectors
  unsigned errors = 0;           ///< the error interrupt
  std::vector<std::pair<uint64_t, size_t>> reads;

  uint8_t* at(uint64_t address) { return memory.data() + (address - base); }

  std::optional<Request> next() override { return std::nullopt; }
  int perform(Request&) override { return EINVAL; }
  void answer(Request&, int, const uint8_t*) override {}
  int dma_read(core::Time, uint64_t address, uint8_t* data, size_t size) override {
    reads.emplace_back(address, size);
    return peek(address, data, size) ? 0 : EFAULT;
  }
  int dma_write(core::Time, uint64_t address, const uint8_t* data, size_t size) override {
    return !read_only && poke(address, data, size) ? 0 : EFAULT;
  }
  bool interrupt(uint32_t index, uint32_t vector) override {
    if (index == vfio_user::kIrqError) {
      ++errors;
      return true;
    }
    if (masked.count(vector)) {
      pending_.insert(vector);
      return false;
    }
    if (!wanted.count(vector)) return false;
    raised.push_back(vector);
    return true;
  }
  bool pending(uint32_t, uint32_t vector) const override { return pending_.count(vector) != 0; }
  bool peek(uint64_t address, uint8_t* data, size_t size) override {
    if (!holds(address, size)) return false;
    std::memcpy(data, at(address), size);
    return true;
  }
  bool poke(uint64_t address, const uint8_t* data, size_t size) override {
    if (!holds(address, size)) return false;
    std::memcpy(at(address), data, size);
    return true;
  }
  bool wait(std::chrono::milliseconds) override { return false; }
  void hang_up() override {}
  bool connected() const override { return true; }

 private:
  bool holds(uint64_t address, size_t size) const {
    return address >= base && address - base <= memory.size() && size <= memory.size() - (address - base);
  }

  std::set<uint32_t> pending_;
};

}  // namespace rdu::pcie
