#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "core/trace.h"
#include "mgmt/uart_console.h"
#include "test/catch.h"
#include "test_machine.h"

using namespace rdu;
using namespace rdu::mgmt;

namespace {
constexpr uint64_t kInterrupt = uint64_t{1} << 63;
}

TEST_CASE("timer, software and external interrupts, direct and vectored; WFI waits without activity",
          "[mgmt]") {
  auto& m = test::Machine::plain();
  m.load("interrupts.elf");
  CHECK_FALSE(m.run(300 * core::kMicrosecond));  // waits for a byte that has not come
  CHECK(m.management.hart().asleep());
  CHECK_FALSE(sc_core::sc_pending_activity());

  unsigned i = 0;
  // The timer ended the WFI at its deadline to the tick.
  CHECK(m.result(i++) == (kInterrupt | 7));
  const uint64_t first_time = m.result(i++);
  i++;  // mepc
  CHECK(m.result(i++) == first_time);
  // It broke into the loop at its deadline.
  CHECK(m.result(i++) == (kInterrupt | 7));
  const uint64_t second_time = m.result(i++);
  const uint64_t at = m.result(i++);
  CHECK(at >= m.symbol("spin_begin"));
  CHECK(at < m.symbol("spin_end"));
  CHECK(m.result(i++) == second_time);
  // The software interrupt came right behind the store.
  CHECK(m.result(i++) == (kInterrupt | 3));
  i++;  // time
  CHECK(m.result(i++) == m.symbol("after_msip"));
  // WFI with mstatus.MIE off: pending, not taken.
  CHECK(m.result(i++) == 1 << 3);
  CHECK(m.result(i++) == 0);
  CHECK(m.result(i++) == 0x333);

  // A byte at the UART: through the PLIC to the hart.
  const HartStatistics before = m.management.hart_statistics();
  const core::Time sent = core::now();
  m.management.uart().push('x');
  REQUIRE(m.run(100 * core::kMicrosecond));
  CHECK(m.result(i++) == (kInterrupt | 11));
  CHECK(m.result(i++) - (sent - m.reset_at) / Clint::kTick <= 1);  // at once: the same tick or the next
  CHECK(m.result(i++) == m.symbol("waiting") + 4);
  CHECK(m.result(i++) == 10);  // claimed source
  CHECK(m.result(i++) == 'x');
  CHECK(m.result(i++) == 0);  // mip
  CHECK(m.result(i++) == 0);  // second claim
  CHECK(m.result(i) == 0);
  CHECK(m.management.hart_statistics().interrupts == before.interrupts + 1);
  CHECK(m.faults.empty());
}

TEST_CASE("CSRs hold what they may hold, and instructions take the documented cycles", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.execute("csrs.elf");
  const uint64_t misa = 0x800000000014112fu;  // MXL 64, ABCDFIMSU
  const uint64_t lengths = 0xa00000000;       // mstatus.SXL and UXL: 64
  const HartTiming t;
  const uint64_t csr = 1 + t.csr;
  const uint64_t expected[] = {
      misa, 0, lengths, 0xaaa, ~uint64_t{2}, ~uint64_t{1}, misa, lengths, 0, 0xf0, 0xfc, 0xc0, 21, 31, 30, 0,
      3, 1000, 5000 + csr,
      // From reading mcycle to reading it again: the first CSR instruction and what stands between.
      csr + 1, csr + 10, csr + 10 * 2 + 9 * t.branch_taken, csr + 1 + t.multiply, csr + 1 + t.divide,
      csr + 1 + t.load, csr + 1, csr + 1 + t.atomic, csr + 1 + t.csr, csr + 1 + t.bus,
      csr + 1 + t.branch_taken};
  for (unsigned i = 0; i < std::size(expected); ++i) {
    INFO("result " << i);
    CHECK(m.result(i) == expected[i]);
  }
}

TEST_CASE("two harts share memory and wake each other", "[mgmt]") {
  auto& m = test::Machine::other();
  m.load("misc.elf");
  m.set_word(test::kOperands, 5);
  REQUIRE(m.run());
  CHECK(m.result(0) >= 41);
  CHECK(m.word(0x102000) == 42);
  CHECK(m.management.hart(1).asleep());
}

TEST_CASE("LR, SC and AMO are exact between harts, and one hart's code reaches the other", "[mgmt]") {
  auto& m = test::Machine::other();
  m.execute("smp.elf");
  unsigned i = 0;
  CHECK(m.result(i++) == 6000);  // by LR and SC
  CHECK(m.result(i++) == 6000);  // by AMO
  CHECK(m.result(i++) == 1);     // SC fails: the other hart stored, although the same value
  CHECK(m.result(i++) == 0);     // nobody did
  CHECK(m.result(i++) == 1);     // the reservation is used up
  CHECK(m.result(i++) == 1);
  CHECK(m.result(i++) == 2);  // as the other hart wrote it
  CHECK(m.faults.empty());
}

TEST_CASE("a jump to itself costs little and takes its time", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.load("misc.elf");
  m.set_word(test::kOperands, 6);
  test::pass(core::kMicrosecond);
  const HartStatistics before = m.management.hart_statistics();
  const core::Time from = core::now();
  test::pass(10 * core::kMillisecond);
  const HartStatistics after = m.management.hart_statistics();
  CHECK(core::now() - from == 10 * core::kMillisecond);
  const uint64_t turn = 1 + HartTiming{}.branch_taken;
  CHECK(after.cycles - before.cycles == 10'000'000);
  CHECK(after.instructions - before.instructions == 10'000'000 / turn);
}

TEST_CASE("results and times do not depend on the quantum", "[mgmt]") {
  uint64_t result[2], cycles[2];
  unsigned i = 0;
  for (test::Machine* m : {&test::Machine::plain(), &test::Machine::other()}) {
    m->load("misc.elf");
    m->set_word(test::kOperands, 9);
    m->set_word(test::kOperands + 8, 20000);
    const uint64_t before = m->management.hart_statistics().cycles;
    REQUIRE(m->run());
    result[i] = m->result(0);
    cycles[i++] = m->management.hart_statistics().cycles - before;
  }
  CHECK(result[0] == result[1]);
  CHECK(cycles[0] == cycles[1]);
}

TEST_CASE("UART output arrives byte by byte in simulated time, and as stamped lines", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.load("uart.elf");
  const core::Time start = core::now();
  REQUIRE(m.run());
  CHECK(m.sent == "first line\r\nsecond \033 line\nrest");
  REQUIRE(m.sent_at.size() == m.sent.size());
  CHECK(std::is_sorted(m.sent_at.begin(), m.sent_at.end()));
  CHECK(m.sent_at.front() > start);
  CHECK(m.sent_at[12] - m.sent_at[11] >= 5 * core::kMicrosecond - Clint::kTick);

  std::vector<std::string> lines;
  {
    UartConsole console("fw", [&](const std::string& line) { lines.push_back(line); });
    for (const char c : m.sent) console.put(c);
    REQUIRE(lines.size() == 2);
  }
  const core::Time ns = core::now() / core::kNanosecond;
  const std::string stamp = fmt::format("[{:>6}.{:03} us] fw: ", ns / 1000, ns % 1000);
  CHECK(lines == std::vector<std::string>{stamp + "first line", stamp + "second \\x1b line", stamp + "rest"});
}

TEST_CASE("the firmware's track shows when it worked and for which command", "[mgmt]") {
  auto& m = test::Machine::plain();
  const std::string path = test::program_path("trace.json");
  core::Tracer::get().open(path);
  m.load("misc.elf");
  m.set_word(test::kOperands, 8);
  REQUIRE(m.run());
  core::Tracer::get().close();
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  CHECK(text.str().find("\"firmware\"") != std::string::npos);
  CHECK(text.str().find("\"awake\"") != std::string::npos);
  CHECK(text.str().find("\"command\":\"queue 1 #6\"") != std::string::npos);
}
