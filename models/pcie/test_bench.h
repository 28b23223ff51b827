#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "memory/backing_store.h"
#include "pcie/endpoint.h"
#include "pcie/test_host.h"
#include "test/bus.h"
#include "test/catch.h"

namespace rdu::pcie {

namespace hostif = regs::hostif;
namespace hostctl = regs::hostctl;

inline constexpr uint32_t kBar0 = vfio_user::kRegionBar0, kBar2 = vfio_user::kRegionBar2,
                          kConfig = vfio_user::kRegionConfig;
inline constexpr uint64_t kMiB = 1 << 20;

/// Memory that windows can show.
struct Memory : core::MappableMemory {
  memory::BackingStore store;
  bool trained = true;

  explicit Memory(const char* name) : store(name, 256 * kMiB) {}
  uint64_t capacity() const override { return store.capacity(); }
  bool available() const override { return trained; }
  void attach(uint64_t offset, uint64_t length, int fd, uint64_t file_offset) override {
    store.attach(offset, length, fd, file_offset);
  }
  void detach(uint64_t offset) override { store.detach(offset); }
  uint64_t word(uint64_t offset) const {
    uint64_t word = 0;
    store.read(offset, &word, 8);
    return word;
  }
  void set_word(uint64_t offset, uint64_t word) { store.write(offset, &word, 8); }
};

/// The endpoint between a host and, by its registers, a firmware.
struct Bench : sc_core::sc_module {
  Memory hbm{"hbm"}, ddr{"ddr"};
  PcieParams params;
  FakeHost machine;
  Endpoint endpoint;
  std::vector<std::string> faults;
  rdu::test::Bus bus{"bus", 1};

  explicit Bench(const PcieParams& p = {},
                 const sc_core::sc_module_name& name = sc_core::sc_gen_unique_name("bench"))
      : sc_module(name),
        params(p),
        endpoint("pcie", params, {[] { return 3u; }, [] {}, 0x1122334455667788, &hbm, &ddr}) {
    endpoint.plug_in(machine);
    bus.connect(endpoint.host_interface().firmware().socket);
    core::set_guest_fault_sink([this](const core::GuestFault& f) { faults.push_back(f.text); });
  }
  ~Bench() override { core::set_guest_fault_sink({}); }

  uint64_t read(uint32_t region, uint64_t offset, size_t size = 4) {
    uint64_t v = 0;
    REQUIRE(endpoint.region_read(region, offset, reinterpret_cast<uint8_t*>(&v), size) == 0);
    return v;
  }
  void write(uint32_t region, uint64_t offset, uint64_t v, size_t size = 4) {
    REQUIRE(endpoint.region_write(region, offset, reinterpret_cast<uint8_t*>(&v), size) == 0);
  }
  void command(uint16_t bits) { write(kConfig, 0x04, bits, 2); }
  void firmware(uint64_t offset, uint64_t value) {
    rdu::test::write32(endpoint.host_interface().firmware(), offset, value);
  }
  uint64_t firmware(uint64_t offset) {
    return rdu::test::read32(endpoint.host_interface().firmware(), offset);
  }
  void raise(unsigned vector) { firmware(hostctl::kMSIX_TRIGGER_OFFSET, vector); }
  core::Transfer dma(bool write, uint64_t address, uint64_t* word) {
    core::Transfer t;
    t.write = write;
    t.data = reinterpret_cast<uint8_t*>(word);
    t.length = 8;
    endpoint.host_memory().access(t, address, core::now());
    return t;
  }
  core::TransferStatus dma_status(bool write, uint64_t address) {
    uint64_t word = 0;
    return dma(write, address, &word).status;
  }
  /// What a driver does first: memory, bus master, MSI-X, all errors reported and none masked.
  void enable() {
    command(0x6);
    write(kConfig, 0x4a, 0x8000, 2);
    write(kConfig, 0x68, 0x291f, 2);
    write(kConfig, 0x108, 0);
    write(kConfig, 0x114, 0);
    for (uint32_t v = 0; v < 16; ++v) machine.wanted.insert(v);
  }
  uint64_t device_status() { return read(kConfig, 0x6a, 2); }
  uint64_t status() { return read(kConfig, 0x06, 2); }
  uint64_t uncorrectable() { return read(kConfig, 0x104); }
  uint64_t correctable() { return read(kConfig, 0x110); }
  static uint64_t window(unsigned n) { return hostif::kWINDOW_OFFSET + n * hostif::kWINDOW_STRIDE; }
};

}  // namespace rdu::pcie
