// Windows onto the device's memory: shared, side by side, never overlapping, given back.
#include "user/windows.h"

#include <map>

#include "regs/hostif.h"
#include "test/catch.h"
#include "user/errors.h"

using namespace rdu::user;
using Of = Windows::Of;

namespace {

constexpr uint64_t kPart = 1 << 16;  // bytes of a window

// BAR0 and BAR2 of a device with four windows that shows no more than eight parts of memory.
struct WindowBus : Bus {
  std::map<uint64_t, uint64_t> base;
  std::vector<uint8_t> memory = std::vector<uint8_t>(4 * kPart);
  bool mappable = true;

  uint64_t bar0_size() override { return 0x2000; }
  uint32_t read32(uint64_t) override {
    return 4 << RDU_HOSTIF_WINDOW_CAP_COUNT_SHIFT | 16 << RDU_HOSTIF_WINDOW_CAP_LOG2_BYTES_SHIFT;
  }
  uint64_t read64(uint64_t offset) override { return base[offset]; }
  void write32(uint64_t, uint32_t) override {}
  void write64(uint64_t offset, uint64_t value) override { base[offset] = value >= 8 * kPart ? 0 : value; }
  void post32(uint64_t, uint32_t) override {}
  uint8_t* bar2() override { return mappable ? memory.data() : nullptr; }
  uint64_t bar2_size() override { return memory.size(); }
  uint8_t config_read8(uint32_t) override { return 0; }
  uint16_t config_read16(uint32_t) override { return 0; }
  void config_write16(uint32_t, uint16_t) override {}
  void map(const HostMemory&, uint64_t) override {}
  void unmap(uint64_t, uint64_t) override {}
  uint32_t vectors() override { return 0; }
  void enable_vectors(uint32_t) override {}
  void disable_vectors() override {}
  uint64_t wait_vector(uint32_t, Milliseconds) override { return 0; }
  void raise_vector(uint32_t) noexcept override {}
  int vector_fd(uint32_t) override { return -1; }
  int loss_fd() override { return -1; }

  uint64_t shown(unsigned window) { return base[RDU_HOSTIF_WINDOW_BASE(window)]; }
};

}  // namespace

TEST_CASE("a window shows the part that an offset lies in, to all who want it") {
  WindowBus bus;
  Windows windows(bus);
  REQUIRE(windows.exist());
  uint8_t* const a = windows.map(Of::kHbm, kPart + 5, 10);
  CHECK(a == bus.memory.data() + 5);
  CHECK(bus.shown(0) == (kPart | RDU_HOSTIF_WINDOW_BASE_MEMORY_HBM));
  CHECK(windows.map(Of::kHbm, kPart + 100, 1) == bus.memory.data() + 100);
  CHECK(windows.map(Of::kDdr, kPart, 1) == bus.memory.data() + kPart);
  CHECK(bus.shown(1) == (kPart | RDU_HOSTIF_WINDOW_BASE_MEMORY_DDR));
  windows.unmap(Of::kHbm, kPart + 5, 10);
  CHECK(bus.shown(0) != 0);
  windows.unmap(Of::kHbm, kPart + 100, 1);
  CHECK(bus.shown(0) == 0);
  CHECK(bus.shown(1) != 0);
}

TEST_CASE("what spans parts gets windows side by side, or none") {
  WindowBus bus;
  Windows windows(bus);
  CHECK(windows.map(Of::kHbm, 0, 2 * kPart + 1) == bus.memory.data());
  CHECK(bus.shown(2) == (2 * kPart | RDU_HOSTIF_WINDOW_BASE_MEMORY_HBM));
  // Grows to the right of what is there ...
  CHECK(windows.map(Of::kHbm, 3 * kPart - 1, 2) == bus.memory.data() + 3 * kPart - 1);
  CHECK(bus.shown(3) == (3 * kPart | RDU_HOSTIF_WINDOW_BASE_MEMORY_HBM));
  // ... and not to the left: there is no window.
  windows.unmap(Of::kHbm, 3 * kPart - 1, 2);
  windows.unmap(Of::kHbm, 0, 2 * kPart + 1);
  for (unsigned i = 0; i < 4; ++i) CHECK(bus.shown(i) == 0);
  CHECK(windows.map(Of::kHbm, 4 * kPart, 1) == bus.memory.data());
  CHECK(windows.map(Of::kHbm, 4 * kPart - 1, 2) == nullptr);
  CHECK(windows.map(Of::kHbm, 0, 5 * kPart) == nullptr);
  CHECK(windows.map(Of::kDdr, 0, 3 * kPart) != nullptr);
  CHECK(windows.map(Of::kDdr, 6 * kPart, 1) == nullptr);
}

TEST_CASE("a device without windows, and one that refuses a place") {
  WindowBus bus;
  Windows windows(bus);
  CHECK_THROWS_AS(windows.map(Of::kDdr, 8 * kPart, 1), DeviceError);
  CHECK(windows.map(Of::kDdr, 0, 4 * kPart) == bus.memory.data());
  WindowBus bare;
  bare.mappable = false;
  CHECK_FALSE(Windows(bare).exist());
}
