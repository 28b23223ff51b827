#include <sodium.h>

#include <random>

#include "mgmt/bus.h"
#include "mgmt/crypto.h"
#include "mgmt/flash_ctl.h"
#include "mgmt/fuses.h"
#include "test/catch.h"
#include "test_machine.h"

using namespace rdu;
using namespace rdu::mgmt;
using Catch::Matchers::Contains;

/// What secure boot is made of: CRYPTO, FUSES and FLASH_CTL, alone on a bus with a flash and a RAM.
namespace {

namespace creg = regs::crypto;
namespace freg = regs::flash_ctl;

constexpr uint64_t kFlashBase = 0x100000, kRamBase = 0x200000, kSector = 4096;

FuseParams fuse_params() {
  FuseParams p;
  p.serial = 0x1122334455667788;
  p.firmware_rollback = 3;
  return p;
}
FlashParams flash_params() {
  FlashParams p;
  p.size = 8 * kSector;
  return p;
}

struct Bench : sc_core::sc_module, core::InterruptSink {
  bool level[2] = {};
  Bus bus{"bus"};
  Ram ram{"boot_bench.ram", 4 * kPage, core::kNanosecond};
  Memory flash{"boot_bench.flash", Memory::Kind::read_only, flash_params().size, Memory::Beyond::all_ones};
  FlashCtl flash_ctl{"flash_ctl", flash_params(), flash};
  Crypto crypto{"crypto", CryptoParams{}};
  Fuses fuses{"boot_bench.fuses", fuse_params()};
  tlm_utils::simple_initiator_socket<Bench> initiator{"initiator"};

  explicit Bench(const sc_core::sc_module_name& name) : sc_module(name) {
    bus.attach("flash", kFlashBase, 0x10000, flash.socket);
    bus.attach("ram", kRamBase, ram.size(), ram.memory().socket);
    bus.attach("flash_ctl", 0x1000, 0x1000, flash_ctl.socket());
    bus.attach("crypto", 0x2000, 0x1000, crypto.socket());
    bus.attach("fuses", 0x3000, 0x1000, fuses.socket());
    bus.connect(crypto.bus);
    bus.connect(initiator);
    crypto.interrupt.connect(*this, 0);
    flash_ctl.interrupt.connect(*this, 1);
  }
  void set_interrupt(unsigned number, bool value) override { level[number] = value; }

  static Bench& instance() {
    static Bench bench("boot_bench");
    return bench;
  }
  static Bench& get() {
    test::elaborate();
    test::faults_everywhere().clear();
    return instance();
  }
  static std::vector<std::string> faults() {
    std::vector<std::string> texts;
    for (const core::GuestFault& fault : test::faults_everywhere()) texts.push_back(fault.text);
    return texts;
  }
};

[[maybe_unused]] const bool registered = [] {
  test::before_first_use([] { Bench::instance(); });
  return true;
}();

uint64_t get(core::RegisterFile& regs, uint64_t offset, unsigned length = 4) {
  uint64_t value = 0;
  REQUIRE(regs.access(false, offset, length, reinterpret_cast<uint8_t*>(&value)));
  return value;
}
void put(core::RegisterFile& regs, uint64_t offset, uint64_t value, unsigned length = 4) {
  REQUIRE(regs.access(true, offset, length, reinterpret_cast<uint8_t*>(&value)));
}
void put_bytes(core::RegisterFile& regs, uint64_t offset, const uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; i += 4) {
    uint32_t word;
    std::memcpy(&word, bytes + i, 4);
    put(regs, offset + i, word);
  }
}

/// Runs a command to its end; gives STATUS.
uint64_t run(Bench& b, uint64_t op, uint64_t source, uint64_t length) {
  auto& regs = b.crypto.registers();
  put(regs, creg::kSOURCE_OFFSET, source, 8);
  put(regs, creg::kLENGTH_OFFSET, length, 8);
  put(regs, creg::kCOMMAND_OFFSET, op);
  for (int i = 0; i < 1000 && creg::STATUS::BUSY.get(get(regs, creg::kSTATUS_OFFSET)); ++i)
    test::pass(10 * core::kMicrosecond);
  return get(regs, creg::kSTATUS_OFFSET);
}

std::string digest(Bench& b, unsigned bytes) {
  std::string hex;
  for (unsigned i = 0; i < 64; ++i) {
    const auto byte = get(b.crypto.registers(), creg::kDIGEST_OFFSET + i / 4 * 4) >> 8 * (i % 4) & 0xff;
    if (i < bytes) {
      hex += "0123456789abcdef"[byte >> 4];
      hex += "0123456789abcdef"[byte & 15];
    } else {
      CHECK(byte == 0);
    }
  }
  return hex;
}

uint64_t error_of(uint64_t status) {
  return creg::STATUS::ERROR.get(status);
}

/// One operation of the flash, to its end; gives STATUS.ERROR.
uint64_t operate(Bench& b, uint64_t op, uint64_t address, uint64_t length = 0) {
  auto& regs = b.flash_ctl.registers();
  put(regs, freg::kADDRESS_OFFSET, address);
  put(regs, freg::kLENGTH_OFFSET, length);
  put(regs, freg::kCOMMAND_OFFSET, op);
  for (int i = 0; i < 100 && freg::STATUS::BUSY.get(get(regs, freg::kSTATUS_OFFSET)); ++i)
    test::pass(core::kMillisecond);
  const uint64_t status = get(regs, freg::kSTATUS_OFFSET);
  CHECK(freg::STATUS::DONE.get(status) == 1);
  return freg::STATUS::ERROR.get(status);
}

}  // namespace

TEST_CASE("CRYPTO: the digests of FIPS 180-4's examples", "[mgmt]") {
  Bench& b = Bench::get();
  b.crypto.reset();
  std::memcpy(b.ram.data() + 5, "abc", 3);
  REQUIRE(error_of(run(b, creg::COMMAND::OP_SHA256, kRamBase + 5, 3)) == 0);
  CHECK(digest(b, 32) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  REQUIRE(error_of(run(b, creg::COMMAND::OP_SHA384, kRamBase + 5, 3)) == 0);
  CHECK(digest(b, 48) ==
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  REQUIRE(error_of(run(b, creg::COMMAND::OP_SHA512, kRamBase + 5, 3)) == 0);
  CHECK(digest(b, 64) ==
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  REQUIRE(error_of(run(b, creg::COMMAND::OP_SHA256, 0xdead0000, 0)) == 0);  // of nothing, wherever
  CHECK(digest(b, 32) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Bench::faults().empty());
}

TEST_CASE("CRYPTO: Ed25519 verifies what was signed and nothing else", "[mgmt]") {
  Bench& b = Bench::get();
  b.crypto.reset();
  // RFC 8032, section 7.1, test 2: the one-byte message 0x72.
  const uint8_t key[32] = {0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a,
                           0xa7, 0x4d, 0x1b, 0x7e, 0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4,
                           0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c};
  const uint8_t signature[64] = {0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f,
                                 0x64, 0x25, 0x40, 0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76,
                                 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda, 0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99,
                                 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c, 0x38, 0x7b, 0x2e, 0xae,
                                 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00};
  auto& regs = b.crypto.registers();
  put_bytes(regs, creg::kKEY_OFFSET, key, 32);
  put_bytes(regs, creg::kSIGNATURE_OFFSET, signature, 64);
  b.flash.data()[77] = 0x72;
  b.flash.data()[78] = 0x73;
  const auto valid = [&](uint64_t at, uint64_t length) {
    const uint64_t status = run(b, creg::COMMAND::OP_ED25519_VERIFY, kFlashBase + at, length);
    CHECK(error_of(status) == 0);
    return creg::STATUS::VALID.get(status) == 1;
  };
  CHECK(valid(77, 1));
  CHECK_FALSE(valid(78, 1));
  CHECK_FALSE(valid(77, 2));
  CHECK_FALSE(valid(77, 0));
  put(regs, creg::kSIGNATURE_OFFSET + 20, get(regs, creg::kSIGNATURE_OFFSET + 20) ^ 1);
  CHECK_FALSE(valid(77, 1));
  put_bytes(regs, creg::kSIGNATURE_OFFSET, signature, 64);
  put(regs, creg::kKEY_OFFSET, get(regs, creg::kKEY_OFFSET) ^ 0x100);
  CHECK_FALSE(valid(77, 1));
}

TEST_CASE("CRYPTO: takes its time, interrupts, refuses", "[mgmt]") {
  Bench& b = Bench::get();
  b.crypto.reset();
  auto& regs = b.crypto.registers();
  const auto status = [&] { return get(regs, creg::kSTATUS_OFFSET); };
  put(regs, creg::kIRQ_ENABLE_OFFSET, 1);
  put(regs, creg::kSOURCE_OFFSET, kRamBase, 8);
  put(regs, creg::kLENGTH_OFFSET, 1000, 8);
  put(regs, creg::kCOMMAND_OFFSET, creg::COMMAND::OP_SHA256);
  // 20 + 1000 cycles of 1 ns
  test::pass(1019 * core::kNanosecond);
  CHECK(status() == creg::STATUS::BUSY.mask());
  put(regs, creg::kCOMMAND_OFFSET, creg::COMMAND::OP_SHA512);  // ignored
  CHECK(Bench::faults() == std::vector<std::string>{"COMMAND written while busy; ignored"});
  CHECK_FALSE(b.level[0]);
  test::pass(2 * core::kNanosecond);
  CHECK(status() == creg::STATUS::DONE.mask());
  CHECK(b.level[0]);
  put(regs, creg::kSTATUS_OFFSET, creg::STATUS::DONE.mask());
  CHECK_FALSE(b.level[0]);
  put(regs, creg::kCOMMAND_OFFSET, creg::COMMAND::OP_ED25519_VERIFY);
  test::pass((20 + 1064 + 100'000 - 1) * core::kNanosecond);
  CHECK(creg::STATUS::BUSY.get(status()) == 1);
  test::pass(2 * core::kNanosecond);
  CHECK(creg::STATUS::DONE.get(status()) == 1);

  // Nothing there; runs over the end; wraps; a device; too long; no command.
  const auto code = [&](uint64_t op, uint64_t from, uint64_t length) {
    return error_of(run(b, op, from, length));
  };
  CHECK(code(1, 0x500000, 4) == creg::STATUS::ERROR_BAD_ADDRESS);
  CHECK(code(1, kRamBase + 4 * kPage - 3, 4) == creg::STATUS::ERROR_BAD_ADDRESS);
  CHECK(code(1, kRamBase + 4 * kPage - 4, 4) == creg::STATUS::ERROR_NONE);
  CHECK(code(1, kFlashBase + flash_params().size, 1) == creg::STATUS::ERROR_BAD_ADDRESS);
  CHECK(code(1, ~uint64_t{0}, 2) == creg::STATUS::ERROR_BAD_ADDRESS);
  CHECK(code(4, 0x2000, 4) == creg::STATUS::ERROR_BAD_ADDRESS);
  CHECK(creg::STATUS::VALID.get(status()) == 0);
  CHECK(code(1, kRamBase, CryptoParams{}.max_length + 1) == creg::STATUS::ERROR_BAD_LENGTH);
  CHECK(code(1, kRamBase, ~uint64_t{0}) == creg::STATUS::ERROR_BAD_LENGTH);
  CHECK(code(0, kRamBase, 4) == creg::STATUS::ERROR_BAD_COMMAND);
  CHECK(code(5, kRamBase, 4) == creg::STATUS::ERROR_BAD_COMMAND);

  // A reset drops what runs.
  put(regs, creg::kCOMMAND_OFFSET, creg::COMMAND::OP_SHA256);
  b.crypto.reset();
  test::pass(core::kMillisecond);
  CHECK(status() == 0);
}

TEST_CASE("FLASH_CTL: erases to ones, programs to zeros, in its time", "[mgmt]") {
  Bench& b = Bench::get();
  b.flash_ctl.reset();
  auto& regs = b.flash_ctl.registers();
  CHECK(get(regs, freg::kSIZE_OFFSET) == 8 * kSector);
  std::memset(b.flash.data(), 0x55, b.flash.capacity());
  CHECK(operate(b, freg::COMMAND::OP_ERASE_SECTOR, 2 * kSector + 17) == 0);
  for (uint64_t i = 0; i < b.flash.capacity(); ++i)
    REQUIRE(b.flash.data()[i] == (i / kSector == 2 ? 0xff : 0x55));

  const uint8_t bytes[6] = {0xf0, 1, 2, 3, 4, 5};
  put_bytes(regs, freg::kBUFFER_OFFSET, bytes, 4);
  put(regs, freg::kBUFFER_OFFSET + 4, 0x0504);
  CHECK(operate(b, freg::COMMAND::OP_PROGRAM_PAGE, 2 * kSector + 250, 6) == 0);
  CHECK(std::memcmp(b.flash.data() + 2 * kSector + 250, bytes, 6) == 0);
  CHECK(b.flash.data()[2 * kSector + 249] == 0xff);
  CHECK(b.flash.data()[2 * kSector + 256] == 0xff);
  put(regs, freg::kBUFFER_OFFSET, 0xffffff0f);  // bits are cleared, never set
  CHECK(operate(b, freg::COMMAND::OP_PROGRAM_PAGE, 2 * kSector + 250, 1) == 0);
  CHECK(b.flash.data()[2 * kSector + 250] == 0);

  // The time, and the interrupt.
  put(regs, freg::kIRQ_ENABLE_OFFSET, 1);
  put(regs, freg::kSTATUS_OFFSET, freg::STATUS::DONE.mask());
  put(regs, freg::kADDRESS_OFFSET, 0);
  put(regs, freg::kCOMMAND_OFFSET, freg::COMMAND::OP_ERASE_SECTOR);
  test::pass(45 * core::kMillisecond - core::kNanosecond);
  CHECK(get(regs, freg::kSTATUS_OFFSET) == freg::STATUS::BUSY.mask());
  CHECK(b.flash.data()[0] == 0x55);
  put(regs, freg::kCOMMAND_OFFSET, freg::COMMAND::OP_ERASE_SECTOR);
  CHECK(Bench::faults().size() == 1);
  CHECK_FALSE(b.level[1]);
  // A reset of the core does not stop the flash.
  b.flash_ctl.reset();
  put(regs, freg::kIRQ_ENABLE_OFFSET, 1);
  CHECK(get(regs, freg::kSTATUS_OFFSET) == freg::STATUS::BUSY.mask());
  test::pass(2 * core::kNanosecond);
  CHECK(b.flash.data()[0] == 0xff);
  CHECK(b.level[1]);
  put(regs, freg::kSTATUS_OFFSET, freg::STATUS::DONE.mask());
  CHECK_FALSE(b.level[1]);
}

TEST_CASE("FLASH_CTL: refuses what makes no sense and what is protected", "[mgmt]") {
  Bench& b = Bench::get();
  b.flash_ctl.reset();
  auto& regs = b.flash_ctl.registers();
  const auto erase = [&](uint64_t at) { return operate(b, freg::COMMAND::OP_ERASE_SECTOR, at); };
  const auto program = [&](uint64_t at, uint64_t length) {
    return operate(b, freg::COMMAND::OP_PROGRAM_PAGE, at, length);
  };
  std::memset(b.flash.data(), 0xff, b.flash.capacity());
  put(regs, freg::kBUFFER_OFFSET, 0);
  CHECK(operate(b, 0, 0) == freg::STATUS::ERROR_BAD_COMMAND);
  CHECK(operate(b, 3, 0) == freg::STATUS::ERROR_BAD_COMMAND);
  CHECK(erase(8 * kSector) == freg::STATUS::ERROR_BAD_ADDRESS);
  CHECK(erase(0xffffffff) == freg::STATUS::ERROR_BAD_ADDRESS);
  CHECK(program(8 * kSector, 1) == freg::STATUS::ERROR_BAD_ADDRESS);
  CHECK(program(0, 0) == freg::STATUS::ERROR_BAD_LENGTH);
  CHECK(program(0, 257) == freg::STATUS::ERROR_BAD_LENGTH);
  CHECK(program(255, 2) == freg::STATUS::ERROR_BAD_LENGTH);
  CHECK(program(0, 0xffffffff) == freg::STATUS::ERROR_BAD_LENGTH);

  const uint64_t range = freg::kPROTECT_OFFSET + freg::kPROTECT_STRIDE;
  put(regs, range, 2 * kSector);
  put(regs, range + 4, 2 * kSector);
  CHECK(erase(2 * kSector) == 0);
  put(regs, range + 8, 1);
  CHECK(erase(kSector) == 0);
  CHECK(erase(2 * kSector) == freg::STATUS::ERROR_PROTECTED);
  CHECK(erase(3 * kSector) == freg::STATUS::ERROR_PROTECTED);
  CHECK(erase(4 * kSector) == 0);
  CHECK(program(2 * kSector - 4, 4) == 0);
  CHECK(program(2 * kSector, 4) == freg::STATUS::ERROR_PROTECTED);
  CHECK(program(4 * kSector - 4, 4) == freg::STATUS::ERROR_PROTECTED);
  CHECK(program(4 * kSector, 4) == 0);
  put(regs, range + 8, 0);
  CHECK(program(2 * kSector, 4) == 0);
  // Locked, it stays as it is until the core restarts.
  put(regs, range + 8, 3);
  put(regs, range + 8, 0);
  put(regs, range, 0);
  put(regs, range + 4, 0);
  CHECK(Bench::faults().size() == 3);
  CHECK(get(regs, range) == 2 * kSector);
  CHECK(get(regs, range + 4) == 2 * kSector);
  CHECK(get(regs, range + 8) == 3);
  CHECK(erase(2 * kSector) == freg::STATUS::ERROR_PROTECTED);
  b.flash_ctl.reset();
  CHECK(erase(2 * kSector) == 0);
}

TEST_CASE("FUSES: counters go up, until they are locked", "[mgmt]") {
  Bench& b = Bench::get();
  auto& regs = b.fuses.registers();
  CHECK(get(regs, regs::fuses::kSERIAL_OFFSET, 8) == 0x1122334455667788);
  CHECK(get(regs, regs::fuses::kSECURITY_OFFSET) == 1);
  const auto key = Fuses::public_key("development");
  for (unsigned i = 0; i < 32; ++i)
    REQUIRE((get(regs, regs::fuses::kKEY_OFFSET + i / 4 * 4) >> 8 * (i % 4) & 0xff) == key[i]);
  const uint64_t counter = regs::fuses::kROLLBACK_OFFSET;
  CHECK(get(regs, counter) == 3);
  CHECK(get(regs, counter + 4) == 0);
  put(regs, counter, 5);
  put(regs, counter, 5);
  CHECK(Bench::faults().empty());
  put(regs, counter, 4);
  CHECK(get(regs, counter) == 5);
  CHECK_THAT(Bench::faults().at(0), Contains("fuses cannot be restored"));
  put(regs, regs::fuses::kLOCK_OFFSET, 1);
  put(regs, regs::fuses::kLOCK_OFFSET, 0);
  CHECK(get(regs, regs::fuses::kLOCK_OFFSET) == 1);
  put(regs, counter, 6);
  put(regs, counter + 4, 1);
  CHECK(get(regs, counter) == 5);
  CHECK(get(regs, counter + 4) == 0);
  CHECK(Bench::faults().size() == 3);
  b.fuses.reset();
  CHECK(get(regs, counter) == 5);  // blown for good
  put(regs, counter, 6);
  CHECK(get(regs, counter) == 6);
}

TEST_CASE("FUSES: a key is 64 hexadecimal digits", "[mgmt]") {
  CHECK(Fuses::public_key(std::string(62, '0') + "fF")[31] == 0xff);
  for (const std::string& bad : {std::string(), std::string("developmant"), std::string(63, '0'),
                                 std::string(65, '0'), std::string(63, '0') + "g"})
    CHECK_THROWS_WITH(Fuses::public_key(bad), Contains("sign-firmware keygen"));
}
