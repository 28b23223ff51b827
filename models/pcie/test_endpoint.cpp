#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "pcie/test_bench.h"

using namespace rdu;
using namespace rdu::pcie;
using core::TransferStatus;

namespace {

constexpr uint64_t kWindow = WindowBar::kWindowBytes;
constexpr uint64_t kHbm = hostif::WINDOW_BASE::MEMORY_HBM, kDdr = hostif::WINDOW_BASE::MEMORY_DDR;
constexpr uint32_t kUr = 1u << 20, kPoison = 1u << 12, kInternal = 1u << 22, kDlp = 1u << 4;

}  // namespace

TEST_CASE_METHOD(Bench, "what a client learns") {
  CHECK(endpoint.region_info(kBar0).size == 0x10000);
  CHECK(endpoint.region_info(kBar0).fd < 0);
  CHECK(endpoint.region_info(kConfig).size == 4096);
  CHECK(endpoint.region_info(kBar2).size == 256 * kMiB);
  CHECK(endpoint.region_info(kBar2).fd >= 0);
  for (const uint32_t absent : {1u, 3u, 4u, 5u, 6u, 8u}) CHECK(endpoint.region_info(absent).size == 0);
  CHECK(endpoint.irq_info(vfio_user::kIrqMsix).count == 16);
  CHECK_FALSE(endpoint.irq_info(vfio_user::kIrqMsix).maskable);
  CHECK(endpoint.irq_info(vfio_user::kIrqError).count == 1);
  CHECK(endpoint.irq_info(vfio_user::kIrqIntx).count == 0);
  CHECK(endpoint.irq_info(vfio_user::kIrqMsi).count == 0);
  CHECK(read(kConfig, 0x154, 8) == 0x1122334455667788);
  PcieParams unmapped;
  unmapped.map_windows = false;
  CHECK(Bench(unmapped).endpoint.region_info(kBar2).fd == -1);
}

// --- BAR0 ---

TEST_CASE_METHOD(Bench, "reads of BAR0: every size at every offset is the bytes of the dwords") {
  command(0x2);
  write(kBar0, hostif::kRECOVERY_ADDRESS_OFFSET, 0x1122334455667788, 8);
  std::vector<uint8_t> all(0x70);
  for (uint64_t at = 0; at < all.size(); at += 4) {
    const uint64_t v = read(kBar0, at);
    std::memcpy(&all[at], &v, 4);
  }
  faults.clear();
  for (const size_t size : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 31}) {
    for (uint64_t at = 0; at + size <= all.size(); ++at) {
      std::vector<uint8_t> some(size);
      REQUIRE(endpoint.region_read(kBar0, at, some.data(), size) == 0);
      INFO("offset " << at << ", " << size << " bytes");
      // Device time runs with the simulation, which stands still here.
      REQUIRE(std::memcmp(some.data(), &all[at], size) == 0);
    }
  }
}

TEST_CASE_METHOD(Bench, "writes of BAR0: whole aligned dwords, or nothing") {
  command(0x2);
  constexpr uint64_t kAt = hostif::kRECOVERY_ADDRESS_OFFSET;
  write(kBar0, kAt, 0x1122334455667788, 8);
  for (const auto& [offset, size] : std::vector<std::pair<uint64_t, size_t>>{
           {0, 1}, {1, 1}, {0, 2}, {2, 2}, {0, 3}, {1, 4}, {2, 4}, {0, 5}, {1, 8}, {0, 6}, {1, 7}}) {
    faults.clear();
    write(kBar0, kAt + offset, ~uint64_t{0}, size);
    CHECK(read(kBar0, kAt, 8) == 0x1122334455667788);
    CHECK(faults.size() == 1);
  }
  write(kBar0, kAt + 4, 0xaabbccdd);
  CHECK(read(kBar0, kAt, 8) == 0xaabbccdd55667788);
  // Several registers at once, in order.
  const uint32_t four[] = {0x1000, 0x2000, 0x3000, 0x4000};  // RECOVERY_ADDRESS, LENGTH, COMMAND
  REQUIRE(endpoint.region_write(kBar0, kAt, reinterpret_cast<const uint8_t*>(four), 16) == 0);
  CHECK(read(kBar0, kAt, 8) == 0x0000200000001000);
  CHECK(read(kBar0, hostif::kRECOVERY_LENGTH_OFFSET) == 0x3000);
}

TEST_CASE_METHOD(Bench, "where no register is: ones, a fault, an unsupported request") {
  enable();
  CHECK(read(kBar0, 0x3f0c) == 0xffffffff);
  CHECK(read(kBar0, 0xfffc) == 0xffffffff);
  CHECK(faults.size() == 2);
  CHECK(correctable() == 0x2000);  // a read is an advisory error: its requester is told
  CHECK((device_status() & 0x9) == 0x9);
  CHECK(uncorrectable() == kUr);
  CHECK(read(kConfig, 0x11c) == 0x00000001);  // a read of one dword
  CHECK(read(kConfig, 0x120) == 0x0000000f);
  CHECK(read(kConfig, 0x124) == 0x00003f0c);
  write(kConfig, 0x104, kUr);
  write(kConfig, 0x14, 0x12);  // BAR0 above 4 GiB
  write(kConfig, 0x6a, 0xf, 2);
  write(kBar0, 0x8002, 0x1234, 2);
  CHECK((device_status() & 0xf) == 0xa);  // a write is not: non-fatal
  CHECK(read(kConfig, 0x11c) == 0x60000001);
  CHECK(read(kConfig, 0x120) == 0x0000000c);
  CHECK(read(kConfig, 0x124) == 0x00000012);
  CHECK(read(kConfig, 0x128) == 0x00008000);
  // Partly answered: what answers is there.
  CHECK(read(kBar0, 0x20fc, 8) == 0xffffffff00000001);
  CHECK(machine.errors == 0);  // nothing of this is fatal
}

TEST_CASE_METHOD(Bench, "memory space off, D3hot: the BARs do not answer") {
  CHECK(read(kBar0, 0) == 0xffffffff);
  CHECK(read(kBar2, 0, 8) == ~uint64_t{0});
  command(0x6);
  CHECK(read(kBar0, 0) == 0x31554452);
  write(kBar2, 64, 0x1234, 8);
  write(kConfig, 0x44, 3);
  CHECK(read(kBar0, 0) == 0xffffffff);
  CHECK(read(kBar2, 64, 8) == ~uint64_t{0});
  write(kBar2, 64, 0x5678, 8);
  CHECK(read(kConfig, 0) == 0x40a11234);
  CHECK(firmware(hostctl::kPCI_STATUS_OFFSET) == hostctl::PCI_STATUS::D3.mask());
  write(kConfig, 0x44, 0);
  CHECK(read(kBar0, 0) == 0x31554452);
  CHECK(read(kBar2, 64, 8) == 0x1234);
}

TEST_CASE_METHOD(Bench, "MSI-X table and pending bits through BAR0") {
  command(0x2);
  write(kBar0, 0x2000 + 16 * 15, 0x1122334455667788, 8);
  CHECK(read(kBar0, 0x2000 + 16 * 15, 8) == 0x1122334455667788);
  CHECK(read(kBar0, 0x2000 + 16 * 15 + 5, 2) == 0x2233);
  CHECK(read(kBar0, 0x2000 + 12) == 1);
  write(kBar0, 0x200c, 0, 2);
  CHECK(read(kBar0, 0x200c) == 1);
  CHECK(faults.size() == 1);
  write(kBar0, 0x3000, ~uint64_t{0}, 8);
  CHECK(read(kBar0, 0x3000, 8) == 0);
  CHECK(read(kBar0, 0x2100) == 0xffffffff);
  CHECK(read(kBar0, 0x3008) == 0xffffffff);
}

// --- interrupts ---

TEST_CASE_METHOD(Bench, "an interrupt is sent when all that can hold it back lets it go, once") {
  enable();
  raise(3);
  CHECK(machine.raised == std::vector<uint32_t>{3});
  machine.raised.clear();
  const auto pends = [this](unsigned vector) {
    raise(vector);
    raise(vector);
    CHECK(machine.raised.empty());
  };
  SECTION("function mask") {
    write(kConfig, 0x4a, 0xc000, 2);
    pends(4);
    CHECK(read(kBar0, 0x3000, 8) == 1u << 4);
    write(kConfig, 0x4a, 0x8000, 2);
  }
  SECTION("mask bit of the entry") {
    write(kBar0, 0x2000 + 4 * 16 + 12, 1);
    pends(4);
    CHECK(read(kBar0, 0x3000, 8) == 1u << 4);
    raise(5);
    CHECK(machine.raised == std::vector<uint32_t>{5});
    machine.raised.clear();
    write(kBar0, 0x2000 + 4 * 16 + 12, 0);
  }
  SECTION("bus mastering") {
    command(0x2);
    pends(4);
    CHECK(read(kBar0, 0x3000, 8) == 1u << 4);
    command(0x6);
  }
  SECTION("D3hot") {
    write(kConfig, 0x44, 3);
    pends(4);
    write(kConfig, 0x44, 0);
  }
  SECTION("a vector without an eventfd: the client has not unmasked it") {
    machine.wanted.erase(4);
    pends(4);
    CHECK(read(kBar0, 0x3000, 8) == 1u << 4);
    machine.wanted.insert(4);
    endpoint.irqs_changed(vfio_user::kIrqMsix, 4, 1);
  }
  CHECK(machine.raised == std::vector<uint32_t>{4});
  CHECK(read(kBar0, 0x3000, 8) == 0);
  raise(4);
  CHECK(machine.raised == std::vector<uint32_t>{4, 4});
  CHECK(faults.empty());
}

TEST_CASE_METHOD(Bench, "a client that masks by DEVICE_SET_IRQS keeps the pending bit; the host sees it") {
  enable();
  machine.masked.insert(2);
  raise(2);
  CHECK(machine.raised.empty());
  CHECK(read(kBar0, 0x3000, 8) == 1u << 2);
}

TEST_CASE_METHOD(
    Bench, "interrupts without MSI-X go nowhere, without a vector are a fault, one can be lost on purpose") {
  enable();
  write(kConfig, 0x4a, 0, 2);
  raise(1);
  write(kConfig, 0x4a, 0x8000, 2);
  CHECK(machine.raised.empty());
  CHECK(faults.empty());
  raise(16);
  CHECK(faults.size() == 1);
  endpoint.drop_next_interrupt(6);
  raise(5);
  raise(6);
  CHECK(machine.raised == std::vector<uint32_t>{5});
  raise(6);
  CHECK(machine.raised == std::vector<uint32_t>{5, 6});
  CHECK(endpoint.statistics().interrupts == 2);
}

// --- DMA ---

TEST_CASE_METHOD(Bench, "DMA reaches what the host has mapped") {
  enable();
  uint64_t word = 0x1122334455667788;
  CHECK(dma(true, 0x100100, &word).status == TransferStatus::ok);
  word = 0;
  CHECK(dma(false, 0x100100, &word).status == TransferStatus::ok);
  CHECK(word == 0x1122334455667788);
  CHECK(endpoint.statistics().dma_bytes_read == 8);
  CHECK(endpoint.statistics().dma_bytes_written == 8);
  CHECK(faults.empty());
  CHECK(read(kBar0, hostif::kDMA_ERROR_OFFSET) == 0);
}

TEST_CASE_METHOD(Bench, "DMA that the host refuses: error registers, STATUS, AER, log, and nothing else") {
  enable();
  SECTION("a read: master abort received") {
    CHECK(dma_status(false, 0x10) == TransferStatus::access_denied);
    CHECK((status() & 0x2000) == 0x2000);
    CHECK(read(kBar0, hostif::kDMA_ERROR_OFFSET) == 0x00010011);
    CHECK(read(kConfig, 0x11c) == 0x00000002);
  }
  SECTION("a write") {
    CHECK(dma_status(true, 0x10) == TransferStatus::access_denied);
    CHECK((status() & 0x2000) == 0);
    CHECK(read(kBar0, hostif::kDMA_ERROR_OFFSET) == 0x00010013);
    CHECK(read(kConfig, 0x11c) == 0x40000002);
  }
  CHECK(read(kBar0, hostif::kDMA_ERROR_ADDRESS_OFFSET, 8) == 0x10);
  CHECK(faults.size() == 1);
  CHECK(uncorrectable() == kInternal);
  CHECK(machine.errors == 1);  // fatal by default, once software has unmasked it
  write(kConfig, 0x10c, 0);
  dma_status(true, 0x10);
  CHECK(machine.errors == 1);
  uint64_t word = 5;
  CHECK(dma(true, 0x100000, &word).status == TransferStatus::ok);
}

TEST_CASE_METHOD(Bench, "refused DMA is masked as the specification wants it, and ends nobody") {
  command(0x6);
  write(kConfig, 0x68, 0x291f, 2);  // as Linux does
  dma_status(true, 0x10);
  CHECK(uncorrectable() == kInternal);
  CHECK(read(kConfig, 0x11c) == 0);
  CHECK(machine.errors == 0);
}

TEST_CASE_METHOD(Bench, "DMA without bus mastering or in D3hot never leaves the function") {
  command(0x2);
  CHECK(dma_status(false, 0x100000) == TransferStatus::access_denied);
  CHECK(read(kBar0, hostif::kDMA_ERROR_OFFSET) == 0x00010021);
  CHECK((status() & 0x2000) == 0);
  CHECK(uncorrectable() == 0);
  CHECK(machine.reads.empty());
  REQUIRE(faults.size() == 1);
  CHECK_THAT(faults[0], Catch::Contains("bus mastering is off"));
  command(0x6);
  write(kConfig, 0x44, 3);
  CHECK(dma_status(false, 0x100000) == TransferStatus::access_denied);
  CHECK_THAT(faults.back(), Catch::Contains("D3hot"));
}

TEST_CASE_METHOD(Bench, "poisoned data ends its read with an error, and is an advisory error") {
  enable();
  command(0x46);  // parity error response
  endpoint.poison_next_dma();
  CHECK(dma_status(true, 0x100000) == TransferStatus::ok);  // only reads bring data
  CHECK(dma_status(false, 0x100008) == TransferStatus::data_error);
  CHECK(read(kBar0, hostif::kDMA_ERROR_OFFSET) == 0x00010041);
  CHECK(read(kBar0, hostif::kDMA_ERROR_ADDRESS_OFFSET, 8) == 0x100008);
  CHECK((status() & 0x8100) == 0x8100);  // detected parity error, master data parity error
  CHECK(correctable() == 0x2000);
  CHECK(uncorrectable() == kPoison);
  CHECK(read(kConfig, 0x11c) == 0x4a004002);
  CHECK((device_status() & 0xf) == 1);
  CHECK(machine.errors == 0);
  CHECK(dma_status(false, 0x100008) == TransferStatus::ok);
}

TEST_CASE_METHOD(Bench, "a failed link: a fatal error, silence, and a hot reset that brings it back") {
  enable();
  endpoint.fail_link();
  CHECK(uncorrectable() == kDlp);
  CHECK((device_status() & 4) == 4);
  CHECK(machine.errors == 1);
  CHECK(read(kBar0, 0) == 0xffffffff);
  CHECK(dma_status(true, 0x100000) == TransferStatus::access_denied);
  raise(1);
  CHECK(machine.raised.empty());
  CHECK(uncorrectable() == kDlp);   // what does not reach the function is not its error
  write(kConfig, 0x68, 0xa910, 2);  // FLR: the link is not the function's
  CHECK(endpoint.reset() == 0);
  CHECK(uncorrectable() == kDlp);  // sticky
  CHECK(device_status() == 0);
  enable();
  CHECK(read(kBar0, 0) == 0x31554452);
  CHECK(dma_status(true, 0x100000) == TransferStatus::ok);
}

TEST_CASE_METHOD(Bench, "a failed link ends nobody who has not asked to be told") {
  command(0x6);
  endpoint.fail_link();
  CHECK(machine.errors == 0);
}

// --- windows ---

TEST_CASE_METHOD(Bench, "a window shows memory: trapped, mapped and from the device the same bytes") {
  command(0x6);
  void* place =
      mmap(nullptr, WindowBar::kSize, PROT_READ | PROT_WRITE, MAP_SHARED, endpoint.region_info(kBar2).fd, 0);
  REQUIRE(place != MAP_FAILED);
  auto* const mapped = static_cast<uint8_t*>(place);
  const auto mapped_word = [&](uint64_t offset) {
    uint64_t word = 0;
    std::memcpy(&word, mapped + offset, 8);
    return word;
  };
  hbm.set_word(32 * kMiB + 64, 0x11);
  ddr.set_word(32 * kMiB + 64, 0x22);
  write(kBar0, window(0), 32 * kMiB | kHbm, 8);
  write(kBar0, window(15), 32 * kMiB | kDdr, 8);
  CHECK(read(kBar2, 64, 8) == 0x11);
  CHECK(mapped_word(64) == 0x11);
  CHECK(read(kBar2, 15 * kWindow + 64, 8) == 0x22);
  write(kBar2, 15 * kWindow + 72, 0x33, 8);
  CHECK(ddr.word(32 * kMiB + 72) == 0x33);
  CHECK(mapped_word(15 * kWindow + 72) == 0x33);
  mapped[kWindow - 1] = 0x44;
  CHECK(hbm.word(32 * kMiB + kWindow - 8) == 0x44ull << 56);
  CHECK(read(kBar2, kWindow - 1, 1) == 0x44);
  hbm.set_word(32 * kMiB + 80, 0x55);
  CHECK(mapped_word(80) == 0x55);

  // Moved on: all stays where it was written.
  write(kBar0, window(0), 34 * kMiB | kHbm, 8);
  CHECK(read(kBar2, 64, 8) == 0);
  CHECK(hbm.word(32 * kMiB + 64) == 0x11);
  CHECK(hbm.word(32 * kMiB + 80) == 0x55);
  CHECK(read(kBar2, kWindow - 2 * kMiB - 1, 1) == 0x44);
  write(kBar0, window(0), 0, 8);
  CHECK(read(kBar2, kWindow - 2 * kMiB - 1, 1) == 0);
  write(kBar2, 0, 0x66, 8);  // without memory: bytes of its own
  CHECK(mapped_word(0) == 0x66);
  write(kBar0, window(0), 32 * kMiB | kHbm, 8);
  CHECK(read(kBar2, 0, 8) == 0);
  CHECK(faults.empty());

  SECTION("resets take windows away, with what was written") {
    write(kBar2, 8, 0x77, 8);
    endpoint.reset();
    CHECK(hbm.word(32 * kMiB + 8) == 0x77);
    CHECK(mapped_word(8) == 0);
    command(0x6);
    CHECK(read(kBar0, window(0), 8) == 0);
    mapped[0] = 1;
    CHECK(hbm.word(32 * kMiB) == 0);
  }
  munmap(place, WindowBar::kSize);
}

TEST_CASE_METHOD(Bench, "windows that are refused show nothing") {
  command(0x6);
  write(kBar0, window(1), 64 * kMiB | kHbm, 8);
  const auto refused = [this](uint64_t base, const char* why) {
    faults.clear();
    write(kBar0, window(0), base, 8);
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::Contains(why));
    CHECK((read(kBar0, window(0), 8) & 3) == 0);
    CHECK(read(kBar2, 0, 8) == 0);
  };
  refused(kMiB | kHbm, "multiple");
  refused((64 * kMiB + 4096) | kHbm, "multiple");
  refused(242 * kMiB | kHbm, "behind");
  refused((uint64_t{1} << 43) | kDdr, "behind");
  refused(50 * kMiB | kHbm, "window 1");
  refused(78 * kMiB | kHbm, "window 1");
  refused(64 * kMiB | 3, "no such memory");
  ddr.trained = false;
  refused(64 * kMiB | kDdr, "not trained");
  ddr.trained = true;
  write(kBar0, window(0), 64 * kMiB | kDdr, 8);  // the other memory
  write(kBar0, window(2), 48 * kMiB | kHbm, 8);  // right beside
  write(kBar0, window(3), 80 * kMiB | kHbm, 8);
  write(kBar0, window(1), 66 * kMiB | kDdr, 8);  // runs into window 0, so this one is gone as well
  CHECK((read(kBar0, window(1), 8) & 3) == 0);
  CHECK(faults.size() == 2);
  write(kBar0, window(4), 64 * kMiB | kHbm, 8);
  CHECK(faults.size() == 2);
}

TEST_CASE_METHOD(Bench, "each host has a file of its own") {
  command(0x2);
  write(kBar0, window(0), kHbm, 8);
  void* place = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, endpoint.region_info(kBar2).fd, 0);
  REQUIRE(place != MAP_FAILED);
  endpoint.disconnected();
  command(0x2);
  write(kBar0, window(0), kHbm, 8);
  hbm.set_word(8, 0x1122);
  CHECK(read(kBar2, 8, 8) == 0x1122);
  CHECK(static_cast<uint8_t*>(place)[8] == 0);
  static_cast<uint8_t*>(place)[16] = 1;
  CHECK(hbm.word(16) == 0);
  munmap(place, 4096);
}

TEST_CASE_METHOD(Bench, "the file of the windows cannot be made shorter") {
  CHECK(ftruncate(endpoint.region_info(kBar2).fd, 4096) != 0);
  struct stat s = {};
  REQUIRE(fstat(endpoint.region_info(kBar2).fd, &s) == 0);
  CHECK(s.st_blocks == 0);
}

// --- resets ---

TEST_CASE_METHOD(Bench, "a reset drops the host's state, and work that was on its way reaches nobody") {
  enable();
  write(kBar0, hostif::kCC_OFFSET, 1);
  write(kConfig, 0x4a, 0xc000, 2);
  raise(2);
  endpoint.reset();
  CHECK(read(kConfig, 0x04, 2) == 0);
  CHECK((firmware(hostctl::kIRQ_STATUS_OFFSET) & hostctl::IRQ_STATUS::RESET.mask()) != 0);
  enable();  // the next host is quicker than the firmware
  CHECK(read(kBar0, 0x3000, 8) == 0);
  CHECK(dma_status(true, 0x100000) == TransferStatus::access_denied);
  raise(1);
  CHECK(machine.raised.empty());
  CHECK(faults.empty());
  CHECK(read(kBar0, hostif::kDMA_ERROR_OFFSET) == 0);
  firmware(hostctl::kHOST_RESET_DONE_OFFSET, 1);
  CHECK(dma_status(true, 0x100000) == TransferStatus::ok);
  raise(1);
  CHECK_FALSE(machine.raised.empty());
}

TEST_CASE_METHOD(Bench, "a host that leaves takes all with it, sticky bits too") {
  enable();
  endpoint.fail_link();
  endpoint.disconnected();
  CHECK(uncorrectable() == 0);
  CHECK(read(kConfig, 0x108) == kInternal);
  CHECK(firmware(hostctl::kPCI_STATUS_OFFSET) == 0);
}
