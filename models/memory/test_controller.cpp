#include <array>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "memory/controller.h"
#include "test/bus.h"
#include "test/catch.h"
#include "test/child.h"

using namespace rdu;
using core::Time;
using core::TransferStatus;
using memory::ControllerParams;
using memory::MemoryController;

namespace {

namespace r = regs::memctl;

/// A controller whose registers are on a bus, with what it reported.
struct Bench {
  explicit Bench(const ControllerParams& params) : memory("memory", params) {
    bus.connect(memory.registers.socket);
    core::set_guest_fault_sink([this](const core::GuestFault& f) { faults.push_back(f.text); });
  }
  ~Bench() { core::set_guest_fault_sink({}); }

  void train() {
    test::write32(memory.registers, r::kCONTROL_OFFSET, r::CONTROL::TRAIN.mask());
    test::run_past(memory.params().training_time);
    REQUIRE(memory.trained());
  }

  struct Answer {
    TransferStatus status;
    Time done;
  };
  Answer access(bool write, uint64_t offset, uint32_t length, Time arrive) {
    if (data.size() < length) data.resize(length);
    core::Transfer t;
    t.data = data.data();
    t.length = length;
    t.write = write;
    memory.access(t, offset, arrive);
    return {t.status, t.done};
  }

  test::Bus bus{"bus", 1};
  MemoryController memory;
  std::vector<uint8_t> data;
  std::vector<std::string> faults;
};

/// 4 channels of 400 GB/s (2.5 ps a byte), 120 ns, as HBM's defaults.
ControllerParams hbm() {
  memory::HbmParams p;
  p.capacity = uint64_t{1} << 20;
  return p.controller();
}

/// STATUS with one of its flags.
uint64_t status(core::Field flag, uint64_t phase) {
  return r::STATUS::PHASE.set(flag.mask(), phase);
}

}  // namespace

TEST_CASE("one access takes the latency and its time on the busiest channel") {
  test::in_child([] {
    Bench b(hbm());
    b.train();
    // 64 bytes on one channel: 160 ps.
    REQUIRE(b.access(false, 0, 64, 1'000'000).done == 1'000'000 + 160 + 120'000);
    // 1 KiB on four channels, 256 bytes each: 640 ps.
    REQUIRE(b.access(false, 0, 1024, 2'000'000).done == 2'000'000 + 640 + 120'000);
    // 1,280 bytes: channel 0 passes 512.
    REQUIRE(b.access(true, 0, 1280, 3'000'000).done == 3'000'000 + 1280 + 120'000);
    // 256 bytes across a boundary: 56 and 200.
    REQUIRE(b.access(false, 200, 256, 4'000'000).done == 4'000'000 + 500 + 120'000);
    // An odd byte: 2.5 ps, rounded up.
    REQUIRE(b.access(false, 7, 1, 5'000'000).done == 5'000'000 + 3 + 120'000);
  });
}

TEST_CASE("channels work side by side and queue within") {
  test::in_child([] {
    Bench b(hbm());
    b.train();
    const Time t = 1'000'000;
    REQUIRE(b.access(false, 0x000, 256, t).done == t + 640 + 120'000);      // channel 0
    REQUIRE(b.access(false, 0x100, 256, t).done == t + 640 + 120'000);      // channel 1
    REQUIRE(b.access(false, 0x400, 256, t).done == t + 2 * 640 + 120'000);  // channel 0 again
    REQUIRE(b.access(true, 0x800, 256, t).done == t + 3 * 640 + 120'000);   // and again
    REQUIRE(b.access(false, 0x200, 256, t).done == t + 640 + 120'000);      // channel 2
    // Channel 0 is free at t + 1,920 ps; whoever comes later waits no more.
    REQUIRE(b.access(false, 0xc00, 256, t + 1919).done == t + 4 * 640 + 120'000);
    REQUIRE(b.access(false, 0x000, 256, t + 9000).done == t + 9000 + 640 + 120'000);
  });
}

TEST_CASE("a stream reaches the peak bandwidth exactly") {
  test::in_child([] {
    Bench b(hbm());
    b.train();
    Time done = 0;
    constexpr unsigned kTransfers = 1000;
    for (unsigned i = 0; i < kTransfers; ++i) done = b.access(i % 3 == 0, i % 1024 * 1024, 1024, 0).done;
    REQUIRE(done == kTransfers * 640 + 120'000);  // 1,024,000 bytes at 1.6 TB/s = 640 ns
  });
  test::in_child([] {
    memory::DdrParams p;
    p.capacity = 6 << 20;
    Bench b(p.controller());
    b.train();
    // 6 x 256 bytes in 7.68 ns = 200 GB/s; 10 MB in one transfer and in thousands.
    Time done = 0;
    for (unsigned i = 0; i < 4096; ++i) done = b.access(false, i * 1536, 1536, 0).done;
    REQUIRE(done == 4096 * 7680 + 95'000);
    REQUIRE(b.access(false, 0, 6 << 20, 1'000'000'000).done == 1'000'000'000 + 4096 * 7680 + 95'000);
  });
}

TEST_CASE("six channels: a transfer's parts land where the interleave says") {
  test::in_child([] {
    memory::DdrParams p;
    p.capacity = 6 << 20;
    Bench b(p.controller());
    b.train();
    // Occupy channel 3 alone (granule 9 = channel 3) for 256 x 30 ps, then see who waits.
    const Time t = 1'000'000;
    REQUIRE(b.access(false, 9 * 256, 256, t).done == t + 7680 + 95'000);
    for (const uint64_t granule : {0, 1, 2, 4, 5}) {
      REQUIRE(b.access(false, granule * 256, 256, t).done == t + 7680 + 95'000);
    }
    REQUIRE(b.access(false, 3 * 256, 256, t).done == t + 2 * 7680 + 95'000);
    // From the middle of granule 5 to the middle of granule 12: channels 5, 0 to 5, 0; channel 5 has
    // 128 + 256, channel 0 has 256 + 128.
    REQUIRE(b.access(false, 5 * 256 + 128, 7 * 256, 2'000'000).done == 2'000'000 + 384 * 30 + 95'000);
  });
}

TEST_CASE("data comes back as it was written, at any alignment") {
  test::in_child([] {
    Bench b(hbm());
    b.train();
    b.data.resize(4096);
    for (const uint64_t offset : {0, 1, 255, 1023, 70'001}) {
      for (const uint32_t length : {1, 3, 256, 1000, 4096}) {
        std::iota(b.data.begin(), b.data.end(), static_cast<uint8_t>(offset + length));
        const std::vector<uint8_t> expected(b.data.begin(), b.data.begin() + length);
        REQUIRE(b.access(true, offset, length, 0).status == TransferStatus::ok);
        std::fill(b.data.begin(), b.data.end(), 0);
        REQUIRE(b.access(false, offset, length, 0).status == TransferStatus::ok);
        REQUIRE(std::equal(expected.begin(), expected.end(), b.data.begin()));
        std::vector<uint8_t> seen(length);
        REQUIRE(b.memory.debug(offset, seen.data(), length, false));
        REQUIRE(seen == expected);
      }
    }
  });
}

TEST_CASE("training, as firmware sees it") {
  test::in_child([] {
    Bench b(hbm());
    core::RegisterPort& p = b.memory.registers;
    REQUIRE(test::read32(p, r::kCHANNELS_OFFSET) == 4);
    REQUIRE(test::read64(p, r::kSIZE_OFFSET) == 1 << 20);
    REQUIRE(test::read64(p, r::kBANDWIDTH_OFFSET) == 1'600'000'000'000);
    REQUIRE(test::read32(p, r::kSTATUS_OFFSET) == 0);

    // A loader may write before, nobody else.
    uint8_t byte = 0x5a;
    REQUIRE(b.memory.debug(100, &byte, 1, true));
    REQUIRE(b.access(false, 0, 64, 0).status == TransferStatus::access_denied);
    REQUIRE(b.access(false, 0, 64, 0).status == TransferStatus::access_denied);
    REQUIRE(b.faults.size() == 1);

    test::write32(p, r::kIRQ_OFFSET, r::IRQ::ENABLE.mask());
    test::write32(p, r::kCONTROL_OFFSET, r::CONTROL::TRAIN.mask());
    REQUIRE(test::read32(p, r::kCONTROL_OFFSET) == 0);
    REQUIRE(test::read32(p, r::kSTATUS_OFFSET) == status(r::STATUS::BUSY, r::STATUS::PHASE_POWER_UP));
    sc_core::sc_start(core::to_sc(b.memory.params().training_time - 1));
    REQUIRE(test::read32(p, r::kSTATUS_OFFSET) == status(r::STATUS::BUSY, r::STATUS::PHASE_DATA_EYE));
    REQUIRE(b.access(false, 0, 64, 0).status == TransferStatus::access_denied);
    REQUIRE(b.faults.size() == 2);                                   // a new state, a new report
    test::write32(p, r::kCONTROL_OFFSET, r::CONTROL::TRAIN.mask());  // ignored, and reported
    REQUIRE(b.faults.size() == 3);
    REQUIRE_FALSE(b.memory.interrupt.level());
    test::run_past(1);
    REQUIRE(test::read32(p, r::kSTATUS_OFFSET) == status(r::STATUS::TRAINED, r::STATUS::PHASE_COMPLETE));
    REQUIRE(b.memory.interrupt.level());
    test::write32(p, r::kIRQ_OFFSET, r::IRQ::ENABLE.mask() | r::IRQ::DONE.mask());
    REQUIRE_FALSE(b.memory.interrupt.level());
    REQUIRE(b.access(false, 100, 1, 0).status == TransferStatus::ok);
    REQUIRE(b.data[0] == 0x5a);

    // Counters: refused requests did not reach the channels.
    REQUIRE(b.access(true, 0, 64, 0).status == TransferStatus::ok);
    REQUIRE(test::read64(p, r::kREADS_OFFSET) == 1);
    REQUIRE(test::read64(p, r::kBYTES_READ_OFFSET) == 1);
    REQUIRE(test::read64(p, r::kWRITES_OFFSET) == 1);
    REQUIRE(test::read64(p, r::kBYTES_WRITTEN_OFFSET) == 64);
    test::write32(p, r::kCONTROL_OFFSET, r::CONTROL::CLEAR.mask());
    REQUIRE(test::read64(p, r::kBYTES_WRITTEN_OFFSET) == 0);
    REQUIRE(b.memory.trained());

    // A reset in the middle of training: it never ends, the content stays.
    test::write32(p, r::kCONTROL_OFFSET, r::CONTROL::TRAIN.mask());
    b.memory.reset();
    sc_core::sc_start(core::to_sc(2 * b.memory.params().training_time));
    REQUIRE(test::read32(p, r::kSTATUS_OFFSET) == 0);
    REQUIRE(test::read64(p, r::kSIZE_OFFSET) == 1 << 20);
    REQUIRE(b.memory.debug(100, &byte, 1, false));
    REQUIRE(byte == 0x5a);
    b.memory.power_cycle();
    REQUIRE(b.memory.debug(100, &byte, 1, false));
    REQUIRE(byte == 0);
  });
}

TEST_CASE("training can be made to fail") {
  test::in_child([] {
    ControllerParams params = hbm();
    params.training_fails = true;
    Bench b(params);
    test::write32(b.memory.registers, r::kCONTROL_OFFSET, r::CONTROL::TRAIN.mask());
    test::run_past(params.training_time);
    REQUIRE(test::read32(b.memory.registers, r::kSTATUS_OFFSET) ==
            status(r::STATUS::FAILED, r::STATUS::PHASE_DATA_EYE));
    REQUIRE(test::read32(b.memory.registers, r::kIRQ_OFFSET) == r::IRQ::DONE.mask());
    REQUIRE(b.access(false, 0, 64, 0).status == TransferStatus::access_denied);
  });
}

TEST_CASE("nothing outside the memory answers") {
  test::in_child([] {
    Bench b(hbm());
    b.train();
    const uint64_t size = b.memory.params().capacity;
    REQUIRE(b.access(false, size - 64, 64, 0).status == TransferStatus::ok);
    REQUIRE(b.access(false, size - 63, 64, 0).status == TransferStatus::decode_error);
    REQUIRE(b.access(true, size, 1, 0).status == TransferStatus::decode_error);
    REQUIRE(b.access(true, ~uint64_t{0}, 2, 0).status == TransferStatus::decode_error);
    uint8_t byte = 0;
    REQUIRE_FALSE(b.memory.debug(size, &byte, 1, true));
    REQUIRE_FALSE(b.memory.debug(~uint64_t{0}, &byte, 2, false));
  });
}

TEST_CASE("parameters that make no memory are refused") {
  const auto refused = [](auto&& change) {
    ControllerParams p = hbm();
    change(p);
    try {
      MemoryController controller("memory", p);
    } catch (const core::Error& e) {
      return e.kind() == core::ErrorKind::bad_input;
    }
    return false;
  };
  CHECK(refused([](ControllerParams& p) { p.channels = 0; }));
  CHECK(refused([](ControllerParams& p) { p.bandwidth = 0; }));
  CHECK(refused([](ControllerParams& p) { p.interleave = 0; }));
  CHECK(refused([](ControllerParams& p) { p.interleave = 3 << 18; }));
  CHECK(refused([](ControllerParams& p) { p.capacity = 0; }));
}

TEST_CASE("trainings fail as often as told, and say in which channels") {
  test::in_child([] {
    ControllerParams p = hbm();
    p.failing_trainings = 2;
    p.failing_channels = 0b1010;
    Bench b(p);
    const auto phase = [&b] {
      return r::STATUS::PHASE.get(test::read32(b.memory.registers, r::kSTATUS_OFFSET));
    };
    REQUIRE(phase() == r::STATUS::PHASE_IDLE);
    for (int attempt = 1; attempt <= 3; ++attempt) {
      test::write32(b.memory.registers, r::kCONTROL_OFFSET, r::CONTROL::TRAIN.mask());
      REQUIRE(phase() == r::STATUS::PHASE_POWER_UP);
      test::run_past(p.training_time / 2);
      REQUIRE(phase() == r::STATUS::PHASE_LEVELLING);
      test::run_past(p.training_time / 2);
      REQUIRE(b.memory.trained() == (attempt == 3));
      REQUIRE(phase() == (attempt == 3 ? r::STATUS::PHASE_COMPLETE : r::STATUS::PHASE_DATA_EYE));
      REQUIRE(test::read64(b.memory.registers, r::kFAILED_CHANNELS_OFFSET) == (attempt == 3 ? 0 : 0b1010));
    }
  });
}

TEST_CASE("ECC corrects, reports, counts; what it cannot correct fails the read until it is written") {
  test::in_child([] {
    Bench b(hbm());
    b.train();
    test::write32(b.memory.registers, r::kIRQ_OFFSET, r::IRQ::DONE.mask() | r::IRQ::ECC_ENABLE.mask());
    const auto spoil = [&b](uint64_t offset, uint64_t kind) {
      test::write64(b.memory.registers, r::kECC_INJECT_ADDRESS_OFFSET, offset);
      test::write32(b.memory.registers, r::kECC_INJECT_OFFSET, static_cast<uint32_t>(kind));
    };
    const auto read = [&b](uint64_t offset) { return test::read32(b.memory.registers, offset); };
    spoil(0x1010, r::ECC_INJECT::KIND_CORRECTABLE);
    REQUIRE(b.access(false, 0, 0x1000, 1'000'000).status == TransferStatus::ok);
    REQUIRE(read(r::kECC_STATUS_OFFSET) == 0);
    REQUIRE_FALSE(b.memory.interrupt.level());
    REQUIRE(b.access(false, 0x1030, 4, 2'000'000).status == TransferStatus::ok);
    REQUIRE(read(r::kECC_STATUS_OFFSET) == r::ECC_STATUS::CORRECTED.mask());
    REQUIRE(read(r::kECC_CORRECTED_OFFSET) == 1);
    REQUIRE(test::read64(b.memory.registers, r::kECC_ADDRESS_OFFSET) == 0x1000);
    REQUIRE(b.memory.interrupt.level());
    test::write32(b.memory.registers, r::kECC_STATUS_OFFSET, 3);
    REQUIRE_FALSE(b.memory.interrupt.level());
    REQUIRE(b.access(false, 0x1000, 64, 3'000'000).status == TransferStatus::ok);
    REQUIRE(read(r::kECC_CORRECTED_OFFSET) == 1);  // it was written back

    spoil(0x2000, r::ECC_INJECT::KIND_UNCORRECTABLE);
    REQUIRE(b.access(false, 0x1fff, 2, 4'000'000).status == TransferStatus::data_error);
    REQUIRE(b.access(true, 0x2000, 63, 5'000'000).status == TransferStatus::ok);
    REQUIRE(b.access(false, 0x2000, 1, 6'000'000).status == TransferStatus::data_error);
    REQUIRE(read(r::kECC_UNCORRECTED_OFFSET) == 2);
    REQUIRE(b.access(true, 0x2000, 64, 7'000'000).status == TransferStatus::ok);
    REQUIRE(b.access(false, 0x2000, 64, 8'000'000).status == TransferStatus::ok);

    REQUIRE(b.faults.empty());
    spoil(uint64_t{1} << 20, r::ECC_INJECT::KIND_CORRECTABLE);
    spoil(0, 3);
    REQUIRE(b.faults.size() == 2);
  });
}

TEST_CASE("an atomic write reads and writes, takes the channel twice, and respects ECC") {
  test::in_child([] {
    Bench b(hbm());
    b.train();
    const auto update = [&b](uint64_t offset, uint32_t length, Time arrive) {
      core::Transfer t;
      t.data = b.data.data();
      t.length = length;
      t.write = true;
      t.modify = [](uint8_t* memory, const uint8_t* data, uint32_t n) {
        for (uint32_t i = 0; i < n; ++i) memory[i] = static_cast<uint8_t>(memory[i] + data[i]);
      };
      b.memory.update(t, offset, arrive);
      return Bench::Answer{t.status, t.done};
    };
    b.data.assign(64, 40);
    REQUIRE(b.access(true, 0x100, 64, 1'000'000).done == 1'000'000 + 160 + 120'000);
    b.data.assign(64, 2);
    REQUIRE(update(0x100, 64, 2'000'000).done == 2'000'000 + 2 * 160 + 120'000);
    REQUIRE(update(0x100, 64, 2'000'000).done == 2'000'000 + 4 * 160 + 120'000);
    const MemoryController::Counters counters = b.memory.counters();
    REQUIRE(counters.reads == 2);
    REQUIRE(counters.writes == 3);
    REQUIRE(b.access(false, 0x100, 64, 3'000'000).status == TransferStatus::ok);
    REQUIRE(b.data[63] == 44);

    b.memory.spoil(0x100, true);
    b.data.assign(64, 1);
    REQUIRE(update(0x110, 4, 4'000'000).status == TransferStatus::ok);
    REQUIRE(test::read32(b.memory.registers, r::kECC_CORRECTED_OFFSET) == 1);
    b.memory.spoil(0x100, false);
    REQUIRE(update(0x120, 4, 5'000'000).status == TransferStatus::data_error);
    uint8_t kept = 0;
    REQUIRE(b.memory.debug(0x120, &kept, 1, false));
    REQUIRE(kept == 44);
    REQUIRE(b.memory.debug(0x110, &kept, 1, false));
    REQUIRE(kept == 45);
    REQUIRE(update(uint64_t{1} << 20, 4, 6'000'000).status == TransferStatus::decode_error);
  });
}
