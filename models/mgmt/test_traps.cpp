#include <fmt/format.h>

#include "test/catch.h"
#include "test_machine.h"

using namespace rdu;
using namespace rdu::mgmt;

namespace {

bool any_fault_says(const test::Machine& m, const std::string& text) {
  for (const core::GuestFault& f : m.faults) {
    if (f.text.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("each exception has its cause, value and address", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.execute("traps.elf");
  const uint64_t word = m.symbol("word");
  const uint64_t unmapped = 0x40000000;
  const uint64_t uart = regs::map::UART0.base;
  struct {
    const char* where;
    uint64_t cause, value;
    bool at_value = false;  // mepc is mtval: the fetch failed there, not at the jump
  } const expected[] = {
      {"at_ecall", 11, 0},
      {"at_ebreak", 3, m.symbol("at_ebreak")},
      {"at_illegal", 2, 0xffffffff},
      {"at_csr_unknown", 2, 0x5c002573},
      {"at_csr_read_only", 2, 0xf1451073},
      {"at_dret", 2, 0x7b200073},
      {"at_load_misaligned", 4, word + 2},
      {"at_load_half", 4, word + 1},
      {"at_store_misaligned", 6, word + 4},
      {"at_lr_misaligned", 4, word + 2},
      {"at_amo_misaligned", 6, word + 2},
      {"at_load_unmapped", 5, unmapped + 8},
      {"at_store_unmapped", 7, unmapped + 9},
      {"at_store_rom", 7, 0x1000},
      {"at_amo_device", 7, uart},
      {"at_lr_device", 5, uart},
      {"at_wrong_size", 5, uart},
      {"at_fetch_unmapped", 1, unmapped, true},
      {"at_c_ebreak", 3, m.symbol("at_c_ebreak")},
      {"at_c_illegal", 2, 0},
  };
  unsigned i = 0;
  for (const auto& e : expected) {
    INFO(e.where);
    CHECK(m.result(i++) == e.cause);
    CHECK(m.result(i++) == e.value);
    CHECK(m.result(i++) == (e.at_value ? e.value : m.symbol(e.where)));
  }
  CHECK(m.word(word - test::kRam) == 0x8877665544332211u);  // nothing was stored

  // Accesses that nothing answers are reported, by the hart with its place in the program and by the device.
  CHECK(any_fault_says(m, "load access fault: address 0x40000008, pc " +
                              fmt::format("{:#x}", m.symbol("at_load_unmapped")) + " (at_load_unmapped)"));
  CHECK(any_fault_says(m, "store access fault: address 0x1000"));
  CHECK(any_fault_says(m, "instruction access fault: address 0x40000000, pc 0x40000000"));
  CHECK(any_fault_says(m, "no register answers a read of 4 bytes at offset 0x0"));
  CHECK_FALSE(any_fault_says(m, "illegal"));
}

TEST_CASE("a hart whose trap handler cannot run is stopped, says why, and starts again at a reset",
          "[mgmt]") {
  auto& m = test::Machine::plain();
  const auto start = [&](uint64_t part) {
    m.load("misc.elf");
    m.set_word(test::kOperands, part);
    test::pass(200 * core::kMicrosecond);
  };

  start(0);
  CHECK(m.management.hart().parked());
  CHECK(any_fault_says(m, "stopped: the trap handler at 0x0 cannot run (instruction access fault)"));
  CHECK(any_fault_says(m, fmt::format("illegal instruction at pc {:#x}", m.symbol("no_handler_pc"))));
  // It does nothing from now on, and wants nothing from the kernel.
  const HartStatistics before = m.management.hart_statistics();
  CHECK_FALSE(sc_core::sc_pending_activity());
  test::pass(core::kMillisecond);
  CHECK(m.management.hart_statistics().cycles == before.cycles);
  CHECK(m.management.hart_statistics().instructions == before.instructions);

  start(1);
  CHECK(m.management.hart().parked());
  CHECK(any_fault_says(m, fmt::format("the trap handler at {:#x}", m.symbol("handler_that_faults"))));
  CHECK(any_fault_says(m, "store access fault at pc"));

  start(2);
  CHECK(m.management.hart().parked());
  CHECK(any_fault_says(m, "10000 times and no return from the handler"));

  m.execute("code.elf");
  CHECK_FALSE(m.management.hart().parked());
}

TEST_CASE("a fault that repeats does not flood the log", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.load("misc.elf");
  m.set_word(test::kOperands, 7);
  REQUIRE(m.run());
  CHECK(m.faults.size() == 5);  // the first, second, fourth, eighth and sixteenth of twenty
  CHECK(m.faults.back().text.find("(16 times)") != std::string::npos);
}

TEST_CASE("misaligned accesses in hardware, if asked for", "[mgmt]") {
  auto& m = test::Machine::other();
  m.load("misc.elf");
  m.set_word(test::kOperands, 4);
  m.set_word(0x100ff8, 0x0706050403020100);
  m.set_word(0x101000, 0x0f0e0d0c0b0a0908);
  REQUIRE(m.run());
  CHECK(m.result(0) == 0x0c0b0a0908070605u);
  CHECK(m.result(1) == 0x1122334455667788u);
  CHECK(m.result(2) == 0x6677u);
  CHECK(m.result(3) == 4);  // a device: misaligned load
  CHECK(m.word(0x101000) == 0x0f0e0d1122334455u);
}

TEST_CASE("code that changes, crosses pages and jumps far", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.execute("code.elf");
  const uint64_t expected[] = {1, 2, 2, 1234, 17, 0, 0};
  for (unsigned i = 0; i < std::size(expected); ++i) {
    INFO("result " << i);
    CHECK(m.result(i) == expected[i]);
  }
  CHECK(m.faults.empty());
}

TEST_CASE("flash is read in place and cannot be written", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.load("misc.elf");
  m.set_word(test::kOperands, 10);
  REQUIRE(m.run());
  CHECK(m.result(0) == 0x464c457f);  // "\x7fELF"
  CHECK(m.result(1) == ~uint64_t{0});
  CHECK(m.result(2) == 7);
}

TEST_CASE("firmware restarts the hart through SYSCTL", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.load("misc.elf");
  m.set_word(test::kOperands, 3);
  REQUIRE(m.run());
  auto& regs = m.management.sysctl().registers();
  CHECK(m.read(regs, 0x44, 4) == 2);  // boots
  CHECK(m.result(0) == 1);            // the second one's reason: software
  CHECK(m.result(1) == 0);            // nothing runs behind the store that restarts
  CHECK(m.result(2) == 0);            // BOOT_STAGE
  m.load("code.elf");
  CHECK(m.read(regs, 0x24, 4) == 2);  // now the host's
  REQUIRE(m.run());
}
