#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "core/error.h"
#include "memory/controller.h"
#include "memory/copy_engine.h"
#include "memory/slb.h"
#include "noc/tln.h"
#include "regs/address_map.hpp"
#include "test/bus.h"
#include "test/catch.h"
#include "test/child.h"

using namespace rdu;
using core::Time;
using core::Transfer;
using core::TransferStatus;
using memory::CopyEngine;

namespace {

namespace r = regs::copy_engine;
namespace control = regs::copy_engine::CHANNEL_CONTROL;
namespace status = regs::copy_engine::CHANNEL_STATUS;

constexpr uint64_t kHbm = regs::map::HBM.base;
constexpr uint64_t kDdr = regs::map::DDR.base;
constexpr uint64_t kHost = regs::map::HOST.base;
constexpr uint64_t kRam = regs::map::RAM.base;
constexpr uint64_t kMiB = 1 << 20;

/// Host memory or management RAM, as far as the copy engine can tell.
struct FakeMemory : core::TransferTarget {
  FakeMemory(uint64_t size, Time latency) : latency(latency), bytes(size) {}

  void access(Transfer& t, uint64_t offset, Time arrive) override {
    t.done = arrive + latency;
    if (refuse) {
      t.status = TransferStatus::access_denied;
    } else if (t.write) {
      std::memcpy(bytes.data() + offset, t.data, t.length);
    } else {
      std::memcpy(t.data, bytes.data() + offset, t.length);
    }
  }
  bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) override {
    std::memcpy(write ? bytes.data() + offset : data, write ? data : bytes.data() + offset, length);
    return true;
  }
  Time latency;
  std::vector<uint8_t> bytes;
  bool refuse = false;
};

memory::HbmParams hbm_params(uint64_t capacity) {
  memory::HbmParams p;
  p.capacity = capacity;
  return p;
}
memory::DdrParams ddr_params(uint64_t capacity) {
  memory::DdrParams p;
  p.capacity = capacity;
  return p;
}

/// A socket's memory side.
struct Bench : sc_core::sc_module {
  explicit Bench(const memory::CopyEngineParams& params = {}, uint64_t capacity = 4 * kMiB,
                 const noc::TlnParams& tln_params = {}, const sc_core::sc_module_name& name = "bench")
      : sc_core::sc_module(name),
        hbm("hbm", hbm_params(capacity).controller()),
        ddr("ddr", ddr_params(capacity).controller()),
        tln("tln", tln_params),
        engine("copy_engine", params, tln, slb, 16) {
    tln.attach(kHbm, hbm.params().capacity, hbm, "hbm", tln_params.hbm);
    tln.attach(kDdr, ddr.params().capacity, ddr, "ddr", tln_params.ddr);
    tln.attach(kHost, host.bytes.size(), host, "host", tln_params.host);
    tln.attach(kRam, ram.bytes.size(), ram, "ram", tln_params.ram);
    bus.connect(hbm.registers.socket);
    bus.connect(ddr.registers.socket);
    bus.connect(slb.registers.socket);
    bus.connect(engine.registers.socket);
    core::set_guest_fault_sink(
        [this](const core::GuestFault& f) { faults.push_back(f.unit + ": " + f.text); });
  }
  ~Bench() override { core::set_guest_fault_sink({}); }

  void train() {
    test::write32(hbm.registers, regs::memctl::kCONTROL_OFFSET, regs::memctl::CONTROL::TRAIN.mask());
    test::write32(ddr.registers, regs::memctl::kCONTROL_OFFSET, regs::memctl::CONTROL::TRAIN.mask());
    sc_core::sc_start(200, sc_core::SC_US);
    REQUIRE(hbm.trained());
    REQUIRE(ddr.trained());
  }

  static uint64_t at(unsigned channel, uint64_t reg) {
    return r::kCHANNEL_OFFSET + channel * r::kCHANNEL_STRIDE + reg;
  }
  void start(unsigned channel, uint64_t from, uint64_t to, uint64_t length, uint64_t flags = 0) {
    test::write64(engine.registers, at(channel, r::kCHANNEL_SRC_OFFSET), from);
    test::write64(engine.registers, at(channel, r::kCHANNEL_DST_OFFSET), to);
    test::write64(engine.registers, at(channel, r::kCHANNEL_LENGTH_OFFSET), length);
    test::write32(engine.registers, at(channel, r::kCHANNEL_CONTROL_OFFSET), flags | control::START.mask());
  }
  uint64_t state(unsigned channel) {
    return test::read32(engine.registers, at(channel, r::kCHANNEL_STATUS_OFFSET));
  }
  uint64_t fault_address(unsigned channel) {
    return test::read64(engine.registers, at(channel, r::kCHANNEL_FAULT_ADDRESS_OFFSET));
  }
  void run(Time t = 100 * core::kMicrosecond) { sc_core::sc_start(core::to_sc(t)); }

  std::vector<uint8_t> peek(uint64_t address, uint64_t length) {
    std::vector<uint8_t> bytes(length);
    REQUIRE(tln.debug(address, bytes.data(), length, false));
    return bytes;
  }
  void poke(uint64_t address, std::vector<uint8_t> bytes) {
    REQUIRE(tln.debug(address, bytes.data(), bytes.size(), true));
  }

  memory::MemoryController hbm;
  memory::MemoryController ddr;
  FakeMemory host{kMiB, 1'000'000};
  FakeMemory ram{kMiB, 20'000};
  noc::Tln tln;
  memory::Slb slb{"slb"};
  CopyEngine engine;
  test::Bus bus{"bus", 4};
  std::vector<std::string> faults;
};

constexpr uint64_t kDone = status::DONE.mask();

uint64_t failed(uint64_t code) {
  return status::CODE.set(status::DONE.mask() | status::ERROR.mask(), code);
}

std::vector<uint8_t> noise(uint64_t length, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(length);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

}  // namespace

TEST_CASE("a copy takes the documented time") {
  test::in_child([] {
    Bench b;
    b.train();
    const Time begin = core::now();
    // models/memory/README.md works this example out.
    constexpr Time kOneKiB = 286'154;
    b.start(0, kDdr, kHbm, 1024);
    REQUIRE(b.state(0) == status::BUSY.mask());
    b.run(kOneKiB);  // stops just before what is due at its end
    REQUIRE(b.state(0) == status::BUSY.mask());
    test::run_past(0);
    REQUIRE(b.state(0) == kDone);
    REQUIRE(test::read64(b.engine.registers, Bench::at(0, r::kCHANNEL_START_TIME_OFFSET)) == begin / 1000);
    REQUIRE(test::read64(b.engine.registers, Bench::at(0, r::kCHANNEL_END_TIME_OFFSET)) ==
            (begin + kOneKiB) / 1000);

    // One chunk of 2 KiB, and as many as follow at 125 GB/s.
    constexpr Time kOneChunk = 307'166;
    constexpr uint64_t kChunks = 2048;
    b.start(0, kDdr, kHbm, kChunks * 2048);
    b.run(kOneChunk + (kChunks - 1) * 16'384);
    REQUIRE(b.state(0) == status::BUSY.mask());
    test::run_past(0);
    REQUIRE(b.state(0) == kDone);
  });
}

TEST_CASE("two channels share what DDR has to give") {
  test::in_child([] {
    Bench b;
    b.train();
    const Time begin = core::now();
    b.start(0, kDdr, kHbm, 2 * kMiB);
    b.start(1, kDdr + 2 * kMiB, kHbm + 2 * kMiB, 2 * kMiB);
    b.run(200 * core::kMicrosecond);
    REQUIRE(b.state(0) == kDone);
    REQUIRE(b.state(1) == kDone);
    const Time end =
        1000 * std::max(test::read64(b.engine.registers, Bench::at(0, r::kCHANNEL_END_TIME_OFFSET)),
                        test::read64(b.engine.registers, Bench::at(1, r::kCHANNEL_END_TIME_OFFSET)));
    // 4 MiB at 200 GB/s take 20.97 us; a round trip comes on top, and what the interleave leaves uneven.
    const Time ideal = 4 * kMiB * 5;
    REQUIRE(end - begin > ideal);
    REQUIRE(end - begin < ideal * 21 / 20);
  });
}

TEST_CASE("every pair of memories, aligned or not") {
  test::in_child([] {
    Bench b;
    b.train();
    const uint64_t bases[] = {kHost, kHbm, kDdr, kRam};
    const struct {
      uint64_t from, to, length;
    } cases[] = {{0, 0, 1},          {0, 0, 1024},         {1, 2, 3},
                 {1023, 5, 2},       {256, 1, 4096},       {3, 1021, 5000},
                 {4095, 77, 70'001}, {100'000, 0, 65'536}, {12'345, 54'321, 1023}};
    uint32_t seed = 0;
    uint64_t total = 0;
    for (const uint64_t from : bases) {
      for (const uint64_t to : bases) {
        for (const auto& c : cases) {
          const auto expected = noise(c.length, ++seed);
          const uint64_t source = from + c.from;
          const uint64_t destination = to + 512 * 1024 + c.to;
          b.poke(source, expected);
          b.poke(destination - 1, std::vector<uint8_t>(c.length + 2, 0xee));
          const unsigned channel = seed % CopyEngine::kChannels;
          b.start(channel, source, destination, c.length);
          b.run();
          REQUIRE(b.state(channel) == kDone);
          REQUIRE(b.peek(destination, c.length) == expected);
          REQUIRE(b.peek(destination - 1, 1)[0] == 0xee);
          REQUIRE(b.peek(destination + c.length, 1)[0] == 0xee);
          total += c.length;
        }
      }
    }
    REQUIRE(b.engine.bytes_copied() == total);
    REQUIRE(b.faults.empty());
  });
}

TEST_CASE("overlapping ranges are copied as memmove does") {
  test::in_child([] {
    memory::CopyEngineParams params;
    params.chunk = 64;
    params.outstanding = 8;
    Bench b(params);
    b.train();
    constexpr uint64_t kLength = 5000;
    for (const int64_t shift : {-3000, -64, -63, -1, 0, 1, 63, 64, 65, 3000, 4999}) {
      const uint64_t from = kHbm + 10'007;
      const uint64_t to = from + static_cast<uint64_t>(shift);
      const auto expected = noise(kLength, static_cast<uint32_t>(shift + 5000));
      b.poke(from, expected);
      b.start(0, from, to, kLength);
      b.run();
      REQUIRE(b.state(0) == kDone);
      REQUIRE(b.peek(to, kLength) == expected);
    }
  });
}

TEST_CASE("virtual addresses go through the segment table, and faults are found before anything moves") {
  test::in_child([] {
    Bench b;
    b.train();
    constexpr uint64_t kSegment = uint64_t{1} << 44;
    const auto segment = [&](unsigned context, unsigned index, uint64_t base, uint64_t limit,
                             uint64_t flags) {
      const uint64_t at = (context * 4 + index) * regs::slb::kSEGMENT_STRIDE;
      test::write64(b.slb.registers, at + regs::slb::kSEGMENT_BASE_OFFSET, base);
      test::write64(b.slb.registers, at + regs::slb::kSEGMENT_LIMIT_OFFSET, limit);
      test::write32(b.slb.registers, at + regs::slb::kSEGMENT_FLAGS_OFFSET, flags);
    };
    segment(2, 1, kDdr + 4096, 8192, 3);      // may be read
    segment(2, 2, kHbm + 65'536, 16'384, 7);  // may be written
    const auto expected = noise(8192, 1);
    b.poke(kDdr + 4096, expected);
    const uint64_t in_context_2 = control::TRANSLATE.mask() | control::CONTEXT.set(0, 2);
    b.start(0, kSegment, 2 * kSegment + 100, 8192, in_context_2);
    b.run();
    REQUIRE(b.state(0) == kDone);
    REQUIRE(b.peek(kHbm + 65'536 + 100, 8192) == expected);
    REQUIRE(b.faults.empty());

    const struct {
      uint64_t from, to, length, context, fault;
    } cases[] = {
        {kSegment, 2 * kSegment, 8193, 2, kSegment},                        // one byte too long to read
        {2 * kSegment, 2 * kSegment + 8193, 8192, 2, 2 * kSegment + 8193},  // ... to write
        {2 * kSegment, kSegment, 64, 2, kSegment},                          // not to be written
        {kSegment, 2 * kSegment, 64, 3, kSegment},                          // another context
        {kSegment, 2 * kSegment, 64, 200, kSegment},                        // no such context
        {0, 2 * kSegment, 64, 2, 0},                                        // a null pointer
        {kSegment, 2 * kSegment, ~uint64_t{0}, 2, kSegment},
    };
    const uint64_t copied = b.engine.bytes_copied();
    for (const auto& c : cases) {
      b.start(1, c.from, c.to, c.length, control::TRANSLATE.mask() | control::CONTEXT.set(0, c.context));
      REQUIRE(b.state(1) == failed(status::CODE_SEGMENT));  // at once
      REQUIRE(b.fault_address(1) == c.fault);
    }
    b.run();
    REQUIRE(b.engine.bytes_copied() == copied);
    REQUIRE(b.faults.size() == 7);
    REQUIRE_THAT(b.faults[0],
                 Catch::StartsWith("bench.copy_engine.channel1: copy of 8193 bytes from 0x100000000000"));
  });
}

TEST_CASE("zeroes are written at the memory's pace, and nothing is read") {
  test::in_child([] {
    constexpr uint64_t kGiB = 1024 * kMiB;
    Bench b({}, 64 * kGiB);
    b.train();
    const auto zero = [&b](uint64_t to, uint64_t bytes, uint64_t flags = 0) {
      b.start(0, ~uint64_t{0}, to, bytes, flags | control::ZERO.mask());
    };
    // Bytes around the range stay; whole pages, parts of pages, and what was never written.
    const struct {
      uint64_t offset, length;
    } cases[] = {{4096, 8192}, {1, 1}, {4095, 2}, {100, 20'000}, {256 * 1024 - 1, 512 * 1024 + 2}};
    for (const uint64_t base : {kHbm, kDdr}) {
      for (const auto& c : cases) {
        b.poke(base, noise(kMiB, 5));
        const auto before = b.peek(base, kMiB);
        zero(base + c.offset, c.length);
        b.run();
        REQUIRE(b.state(0) == kDone);
        auto expected = before;
        std::fill_n(expected.begin() + static_cast<long>(c.offset), c.length, 0);
        REQUIRE(b.peek(base, kMiB) == expected);
      }
    }
    // A whole memory of 64 GiB: 1.6 TB/s, and next to nothing on the host.
    const Time begin = core::now();
    zero(kHbm, 64 * kGiB);
    b.run(50 * core::kMillisecond);
    REQUIRE(b.state(0) == kDone);
    const Time end = 1000 * test::read64(b.engine.registers, Bench::at(0, r::kCHANNEL_END_TIME_OFFSET));
    const Time ideal = 64 * kGiB / 1600 * 1000;  // 1,600 bytes a ns
    REQUIRE(end - begin > ideal);
    REQUIRE(end - begin < ideal * 101 / 100);
    REQUIRE(b.hbm.store().touched_bytes() == 0);
    REQUIRE(b.hbm.counters().bytes_written >= 64 * kGiB);
    REQUIRE(b.faults.empty());

    // Through a context's segments only the destination counts.
    const uint64_t segment = regs::slb::kSEGMENT_STRIDE * (2 * 4 + 1);
    test::write64(b.slb.registers, segment + regs::slb::kSEGMENT_BASE_OFFSET, kHbm);
    test::write64(b.slb.registers, segment + regs::slb::kSEGMENT_LIMIT_OFFSET, 4096);
    test::write32(b.slb.registers, segment + regs::slb::kSEGMENT_FLAGS_OFFSET, 7);
    b.poke(kHbm, noise(4096, 6));
    zero(uint64_t{1} << 44, 4096, control::TRANSLATE.mask() | control::CONTEXT.set(0, 2));
    b.run();
    REQUIRE(b.state(0) == kDone);
    REQUIRE(b.peek(kHbm, 4096) == std::vector<uint8_t>(4096));
    zero((uint64_t{1} << 44) + 1, 4096, control::TRANSLATE.mask() | control::CONTEXT.set(0, 2));
    REQUIRE(b.state(0) == failed(status::CODE_SEGMENT));

    // Only HBM and DDR can do it.
    for (const uint64_t base : {kHost, kRam}) {
      zero(base, 4096);
      b.run();
      REQUIRE(b.state(0) == failed(status::CODE_DENIED));
      REQUIRE(b.fault_address(0) == base);
    }
    zero(kHbm + 64 * kGiB, 1);
    b.run();
    REQUIRE(b.state(0) == failed(status::CODE_DECODE));
  });
}

TEST_CASE("zeroing ends early when it is told to") {
  const bool reset = GENERATE(false, true);
  test::in_child([reset] {
    Bench b({}, 64 * kMiB);
    b.train();
    const auto data = noise(64 * kMiB, 9);
    b.poke(kHbm, data);
    b.start(0, 0, kHbm, 64 * kMiB, control::ZERO.mask());
    b.run(5 * core::kMicrosecond);
    if (reset) {
      b.engine.host_reset();
      REQUIRE(b.state(0) == 0);
    } else {
      test::write32(b.engine.registers, Bench::at(0, r::kCHANNEL_CONTROL_OFFSET),
                    control::ABORT.mask() | control::ZERO.mask());
    }
    const auto now = b.peek(kHbm, 64 * kMiB);
    b.run();
    if (!reset) REQUIRE(b.state(0) == failed(status::CODE_ABORTED));
    REQUIRE(b.peek(kHbm, 64) == std::vector<uint8_t>(64));
    const auto later = b.peek(kHbm, 64 * kMiB);
    REQUIRE(std::equal(later.begin() + 16 * kMiB, later.end(), data.begin() + 16 * kMiB));
    if (reset) REQUIRE(later == now);  // nothing that was on its way is written any more
    // A copy goes on as ever.
    b.start(0, kHbm + 32 * kMiB, kDdr, 10'000);
    b.run();
    REQUIRE(b.state(0) == kDone);
    REQUIRE(b.peek(kDdr, 10'000) == b.peek(kHbm + 32 * kMiB, 10'000));
  });
}

TEST_CASE("places without memory, and memory that refuses") {
  test::in_child([] {
    Bench b;
    b.train();
    const uint64_t hbm_end = kHbm + 4 * kMiB;
    // The last 10 KiB exist, then nothing: what lies before the fault may have moved.
    b.start(0, hbm_end - 10'240, kDdr, 20'480);
    b.run();
    REQUIRE(b.state(0) == failed(status::CODE_DECODE));
    REQUIRE(b.fault_address(0) == hbm_end);
    // The destination ends in the middle of a chunk.
    b.start(0, kDdr, kRam + kMiB - 1500, 4096);
    b.run();
    REQUIRE(b.state(0) == failed(status::CODE_DECODE));
    REQUIRE(b.fault_address(0) == kRam + kMiB - 1500);
    b.start(0, ~uint64_t{0} - 10, kRam, 100);
    REQUIRE(b.state(0) == failed(status::CODE_DECODE));
    REQUIRE(b.fault_address(0) == ~uint64_t{0} - 10);
    b.start(0, kRam, ~uint64_t{0} - 10, 100);
    REQUIRE(b.state(0) == failed(status::CODE_DECODE));
    REQUIRE(b.fault_address(0) == ~uint64_t{0} - 10);
    b.start(0, kRam, 0x1000, 64);
    b.run();
    REQUIRE(b.state(0) == failed(status::CODE_DECODE));
    REQUIRE(b.fault_address(0) == 0x1000);

    b.host.refuse = true;
    b.start(0, kHost + 4096, kHbm, 100'000);
    b.run();
    REQUIRE(b.state(0) == failed(status::CODE_DENIED));
    REQUIRE(b.fault_address(0) == kHost + 4096);
    b.start(0, kHbm, kHost + 64, 10);
    b.run();
    REQUIRE(b.state(0) == failed(status::CODE_DENIED));
    REQUIRE(b.fault_address(0) == kHost + 64);
    b.host.refuse = false;
    REQUIRE(b.faults.size() == 7);

    // A fault leaves nothing behind.
    b.start(0, kHost, kHbm, 100'000);
    b.run();
    REQUIRE(b.state(0) == kDone);
    REQUIRE(b.fault_address(0) == 0);
  });
  test::in_child([] {
    Bench b;
    b.start(0, kHbm, kRam, 64);  // before training
    b.run();
    REQUIRE(b.state(0) == failed(status::CODE_DENIED));
    REQUIRE(b.faults.size() == 2);  // the controller's and the engine's
  });
}

TEST_CASE("status, interrupts and what is ignored") {
  test::in_child([] {
    Bench b;
    b.train();
    core::RegisterPort& p = b.engine.registers;
    // Nothing to copy: done at once, even between places that do not exist.
    b.start(2, 0, 0, 0);
    REQUIRE(b.state(2) == kDone);
    REQUIRE(test::read32(p, r::kIRQ_STATUS_OFFSET) == 4);
    REQUIRE_FALSE(b.engine.interrupt.level());
    test::write32(p, r::kIRQ_ENABLE_OFFSET, 0xc);
    REQUIRE(b.engine.interrupt.level());
    test::write32(p, Bench::at(2, r::kCHANNEL_STATUS_OFFSET), kDone);
    REQUIRE(b.state(2) == 0);
    REQUIRE(test::read32(p, r::kIRQ_STATUS_OFFSET) == 0);
    REQUIRE_FALSE(b.engine.interrupt.level());

    // START while busy, and registers that change under a running copy.
    const auto expected = noise(10'000, 3);
    b.poke(kDdr, expected);
    b.start(3, kDdr, kHbm, 10'000);
    b.start(3, kDdr + 50'000, kHbm + 50'000, 5);
    REQUIRE(b.faults ==
            std::vector<std::string>{
                "bench.copy_engine.channel3: CONTROL.START was written while the channel is busy; ignored"});
    REQUIRE(b.state(3) == status::BUSY.mask());
    b.run();
    REQUIRE(b.state(3) == kDone);
    REQUIRE(b.engine.interrupt.level());
    REQUIRE(b.peek(kHbm, 10'000) == expected);
    REQUIRE(b.engine.bytes_copied() == 10'000);
    // START takes DONE of the copy before away, and the interrupt with it.
    b.start(3, kDdr, kHbm, 10'000);
    REQUIRE_FALSE(b.engine.interrupt.level());
    REQUIRE(test::read32(p, r::kIRQ_STATUS_OFFSET) == 0);
    b.run();
    REQUIRE(b.engine.interrupt.level());
    // An error that software clears is gone, its code stays until the next start.
    b.start(3, 0, kHbm, 1);
    b.run();
    test::write32(p, Bench::at(3, r::kCHANNEL_STATUS_OFFSET), kDone | status::ERROR.mask());
    REQUIRE_FALSE(b.engine.interrupt.level());
    REQUIRE(b.state(3) == status::CODE.set(0, status::CODE_DECODE));
  });
}

TEST_CASE("abort") {
  test::in_child([] {
    Bench b;
    b.train();
    core::RegisterPort& p = b.engine.registers;
    const uint64_t abort_at = Bench::at(0, r::kCHANNEL_CONTROL_OFFSET);
    test::write32(p, abort_at, control::ABORT.mask());  // nothing runs: nothing happens
    REQUIRE(b.state(0) == 0);

    b.poke(kDdr, std::vector<uint8_t>(kMiB, 0x77));
    b.start(0, kDdr, kHbm, kMiB);
    b.run(2 * core::kMicrosecond);
    test::write32(p, abort_at, control::ABORT.mask());
    REQUIRE(b.state(0) == status::BUSY.mask());  // what is on its way comes back first
    test::write32(p, abort_at, control::ABORT.mask());
    b.run(core::kMicrosecond);
    REQUIRE(b.state(0) == failed(status::CODE_ABORTED));
    REQUIRE(b.faults.empty());  // software asked for it
    const uint64_t moved = b.engine.bytes_copied();
    REQUIRE(moved > 0);
    REQUIRE(moved < 260'000);  // 2 us at 125 GB/s
    REQUIRE(b.peek(kHbm + moved - 1, 2) == std::vector<uint8_t>{0x77, 0});
    b.run();
    REQUIRE(b.engine.bytes_copied() == moved);

    b.start(0, kDdr, kHbm, kMiB);
    b.run();
    REQUIRE(b.state(0) == kDone);
  });
}

TEST_CASE("a host reset stops everything at once, and what is on its way harms nobody") {
  test::in_child([] {
    Bench b;
    b.train();
    core::RegisterPort& p = b.engine.registers;
    test::write32(p, r::kIRQ_ENABLE_OFFSET, 0xf);
    b.poke(kDdr, std::vector<uint8_t>(kMiB, 0x77));
    const auto expected = noise(100'000, 9);
    b.poke(kRam, expected);
    for (const Time pause : {1, 100'000, 140'000, 200'000, 290'000, 1'000'000, 2'345'678}) {
      b.poke(kHbm, std::vector<uint8_t>(kMiB, 0));
      for (unsigned channel = 0; channel < 4; ++channel)
        b.start(channel, kDdr, kHbm + channel * 200'000, 150'000);
      b.run(pause);
      b.engine.host_reset();
      REQUIRE(b.state(0) == 0);
      REQUIRE(test::read32(p, r::kIRQ_ENABLE_OFFSET) == 0);
      // Nothing arrives any more.
      const auto before = b.peek(kHbm, kMiB);
      // The next user starts right away, and gets what it asks for.
      b.start(0, kRam, kHbm + kMiB, 100'000);
      b.start(1, kRam, kHbm + 2 * kMiB, 100'000);
      b.run();
      REQUIRE(b.state(0) == kDone);
      REQUIRE(b.state(1) == kDone);
      REQUIRE(b.peek(kHbm, kMiB) == before);
      REQUIRE(b.peek(kHbm + kMiB, 100'000) == expected);
      REQUIRE(b.peek(kHbm + 2 * kMiB, 100'000) == expected);
    }
    // Reset, start and abort while all places still belong to the copy before.
    b.start(0, kHost, kHbm, 100'000);
    b.run(10'000);
    b.engine.host_reset();
    b.start(0, kRam, kHbm, 100'000);
    test::write32(p, Bench::at(0, r::kCHANNEL_CONTROL_OFFSET), control::ABORT.mask());
    b.run();
    REQUIRE(b.state(0) == failed(status::CODE_ABORTED));
    REQUIRE(b.faults.empty());
  });
}

TEST_CASE("the trace shows channels at work, for the host command that caused it") {
  test::in_child([] {
    char path[] = "/tmp/rdu_trace_XXXXXX";
    const int file = mkstemp(path);
    REQUIRE(file >= 0);
    close(file);
    Bench b;
    b.train();
    core::Tracer::get().open(path);
    test::write32(b.engine.registers, Bench::at(1, r::kCHANNEL_TAG_OFFSET), (3 << 16 | 7) + 1);
    b.start(1, kDdr, kHbm, 2048);
    b.run();
    core::Tracer::get().close();
    std::ifstream in(path);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    unlink(path);
    const auto count = [&](const std::string& what) {
      unsigned n = 0;
      for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
      return n;
    };
    REQUIRE(count(R"("name":"bench.ddr")") == 1);
    REQUIRE(count(R"("name":"read")") == 6);   // 2 KiB touch all six channels of DDR
    REQUIRE(count(R"("name":"write")") == 4);  // and all four stacks
    REQUIRE(count(R"("name":"copy")") == 1);
    REQUIRE(count(R"("command":"queue 3 #7")") == 11);
  });
}

TEST_CASE("two runs are equal, whatever the lookahead") {
  const auto outcome = [](Time lookahead) {
    return test::ask_child([=] {
      noc::TlnParams tln;
      tln.lookahead = lookahead;
      Bench b({}, 4 * kMiB, tln);
      b.train();
      core::TraceHash::get().reset();
      b.start(0, kDdr + 11, kHbm, 300'000);
      b.start(1, kHost, kHbm + kMiB, 300'000);
      b.start(2, kHbm + 3 * kMiB, kDdr + 2 * kMiB, 300'000);
      b.start(3, kRam, kHost + 500'000, 300'000);
      b.run(50 * core::kMicrosecond);
      std::string text;
      for (unsigned c = 0; c < 4; ++c) {
        REQUIRE(b.state(c) == kDone);
        text +=
            fmt::format("{} ", test::read64(b.engine.registers, Bench::at(c, r::kCHANNEL_END_TIME_OFFSET)));
      }
      for (const auto& s : b.tln.statistics())
        text += fmt::format("{} {} {} ", s.name, s.bytes_read, s.bytes_written);
      return text + (lookahead == 625 ? fmt::format("{:x}", core::TraceHash::get().value()) : "");
    });
  };
  const std::string expected = outcome(625);
  CHECK(outcome(625) == expected);
  CHECK_THAT(expected, Catch::StartsWith(outcome(20'000)));
}

TEST_CASE("host time of a large copy", "[.benchmark]") {
  for (const uint64_t chunk : {1024, 2048, 4096, 8192}) {
    for (const Time lookahead : {625, 12'500}) {
      test::in_child([=] {
        memory::CopyEngineParams params;
        params.chunk = chunk;
        params.outstanding = 64 * 1024 / chunk;
        constexpr uint64_t kLength = 1 << 30;
        noc::TlnParams tln;
        tln.lookahead = lookahead;
        Bench b(params, kLength, tln);
        b.train();
        for (unsigned pass = 0; pass < 2; ++pass) {
          const Time start = core::now();
          b.start(0, kDdr, kHbm, kLength);
          const auto begin = std::chrono::steady_clock::now();
          b.run(20 * core::kMillisecond);
          const std::chrono::duration<double> host = std::chrono::steady_clock::now() - begin;
          REQUIRE(b.state(0) == kDone);
          const Time end = 1000 * test::read64(b.engine.registers, Bench::at(0, r::kCHANNEL_END_TIME_OFFSET));
          std::cout << fmt::format(
              "chunk {}, lookahead {} ps, {}: 1 GiB in {:.3f} ms of simulated time ({:.1f} GB/s), "
              "{:.3f} s of host time ({:.2f} GB/s)\n",
              chunk, lookahead, pass == 0 ? "first touch" : "again", (end - start) * 1e-9,
              kLength * 1e3 / static_cast<double>(end - start), host.count(), kLength * 1e-9 / host.count());
        }
      });
    }
  }
}
