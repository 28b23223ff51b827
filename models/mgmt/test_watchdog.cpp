#include <vector>

#include "core/error.h"
#include "mgmt/watchdog.h"
#include "test/bus.h"
#include "test/catch.h"
#include "test/child.h"

using namespace rdu;
namespace r = regs::watchdog;
using core::kMicrosecond;

namespace {

struct Sink : core::InterruptSink {
  void set_interrupt(unsigned, bool level) override { high = level; }
  bool high = false;
};

struct Bench {
  Bench() {
    bus.connect(dog.registers.socket);
    dog.interrupt.connect(sink, 0);
    dog.on_expiry([this] { expired.push_back(core::now() / kMicrosecond); });
    core::set_guest_fault_sink([this](const core::GuestFault& f) { faults.push_back(f.text); });
  }
  ~Bench() { core::set_guest_fault_sink({}); }
  void write(uint64_t offset, uint32_t value) { test::write32(dog.registers, offset, value); }
  uint32_t read(uint64_t offset) { return static_cast<uint32_t>(test::read32(dog.registers, offset)); }
  void kick() { write(r::kKICK_OFFSET, r::KICK::VALUE_KEY); }
  void start(uint32_t timeout, uint32_t pretimeout = 0, uint64_t more = 0) {
    write(r::kTIMEOUT_OFFSET, timeout);
    write(r::kPRETIMEOUT_OFFSET, pretimeout);
    write(r::kCTRL_OFFSET, static_cast<uint32_t>(r::CTRL::ENABLE.mask() | more));
  }

  test::Bus bus{"bus", 1};
  mgmt::Watchdog dog{"watchdog"};
  Sink sink;
  std::vector<uint64_t> expired;  ///< us
  std::vector<std::string> faults;
};

}  // namespace

TEST_CASE("expires a time-out after the last kick, and is off afterwards") {
  test::in_child([] {
    Bench b;
    b.start(100);
    test::run_past(60 * kMicrosecond);
    REQUIRE(b.read(r::kCOUNT_OFFSET) == 40);
    b.kick();
    test::run_past(99 * kMicrosecond);
    REQUIRE(b.expired.empty());
    test::run_past(2 * kMicrosecond);
    REQUIRE(b.expired == std::vector<uint64_t>{160});
    REQUIRE(b.read(r::kCTRL_OFFSET) == 0);
    REQUIRE(b.read(r::kCOUNT_OFFSET) == 0);
    REQUIRE_FALSE(sc_core::sc_pending_activity());
  });
}

TEST_CASE("stands still while the core sleeps, and then has nothing scheduled") {
  test::in_child([] {
    Bench b;
    b.start(100);
    test::run_past(30 * kMicrosecond);
    b.dog.set_core_awake(false);
    REQUIRE_FALSE(sc_core::sc_pending_activity());
    test::run_past(10'000 * kMicrosecond);
    REQUIRE(b.read(r::kCOUNT_OFFSET) == 70);
    b.dog.set_core_awake(true);
    test::run_past(69 * kMicrosecond);
    REQUIRE(b.expired.empty());
    test::run_past(2 * kMicrosecond);
    REQUIRE(b.expired == std::vector<uint64_t>{10'100});
  });
}

TEST_CASE("with IN_SLEEP it counts always") {
  test::in_child([] {
    Bench b;
    b.start(100, 0, r::CTRL::IN_SLEEP.mask());
    b.dog.set_core_awake(false);
    test::run_past(101 * kMicrosecond);
    REQUIRE(b.expired == std::vector<uint64_t>{100});
  });
}

TEST_CASE("a kick with WAIT counts in sleep until the next kick") {
  test::in_child([] {
    Bench b;
    b.write(r::kWAIT_TIMEOUT_OFFSET, 500);
    b.start(100, 0, r::CTRL::LOCK.mask());
    b.write(r::kWAIT_TIMEOUT_OFFSET, 9000);
    REQUIRE(b.faults.size() == 1);
    b.write(r::kKICK_OFFSET, r::KICK::VALUE_WAIT);
    b.dog.set_core_awake(false);
    test::run_past(400 * kMicrosecond);
    REQUIRE(b.read(r::kCOUNT_OFFSET) == 100);
    b.dog.set_core_awake(true);
    b.kick();
    REQUIRE(b.read(r::kCOUNT_OFFSET) == 100);
    b.dog.set_core_awake(false);
    REQUIRE_FALSE(sc_core::sc_pending_activity());
    test::run_past(10'000 * kMicrosecond);
    REQUIRE(b.expired.empty());
    b.dog.set_core_awake(true);
    b.write(r::kKICK_OFFSET, r::KICK::VALUE_WAIT);
    b.dog.set_core_awake(false);
    test::run_past(501 * kMicrosecond);
    REQUIRE(b.expired == std::vector<uint64_t>{10'900});
    REQUIRE_FALSE(sc_core::sc_pending_activity());
  });
}

TEST_CASE("the pre-time-out is latched, interrupts if enabled, once a count") {
  test::in_child([] {
    Bench b;
    b.start(100, 30, r::CTRL::PRETIMEOUT_IRQ.mask());
    test::run_past(69 * kMicrosecond);
    REQUIRE_FALSE(b.sink.high);
    test::run_past(2 * kMicrosecond);
    REQUIRE(b.sink.high);
    REQUIRE(b.read(r::kSTATUS_OFFSET) == 1);
    b.write(r::kSTATUS_OFFSET, 1);
    REQUIRE_FALSE(b.sink.high);
    b.kick();
    test::run_past(71 * kMicrosecond);
    REQUIRE(b.sink.high);
    test::run_past(30 * kMicrosecond);
    REQUIRE(b.expired.size() == 1);
    REQUIRE_FALSE(b.sink.high);
  });
}

TEST_CASE("a kick inside the window expires it at once; a wrong key does nothing") {
  test::in_child([] {
    Bench b;
    b.write(r::kWINDOW_OFFSET, 20);
    b.start(100);
    test::run_past(25 * kMicrosecond);
    b.write(r::kKICK_OFFSET, 1);
    REQUIRE(b.faults.size() == 1);
    REQUIRE(b.read(r::kCOUNT_OFFSET) == 75);
    b.kick();
    test::run_past(10 * kMicrosecond);
    REQUIRE(b.expired.empty());
    b.kick();
    REQUIRE(b.expired.size() == 1);
    REQUIRE(b.faults.back() == "expired: it was kicked inside its window");
  });
}

TEST_CASE("a locked watchdog can only be kicked") {
  test::in_child([] {
    Bench b;
    b.start(100, 0, r::CTRL::LOCK.mask());
    b.write(r::kCTRL_OFFSET, 0);
    b.write(r::kTIMEOUT_OFFSET, 5000);
    REQUIRE(b.faults.size() == 2);
    REQUIRE(b.read(r::kTIMEOUT_OFFSET) == 100);
    REQUIRE(b.read(r::kCTRL_OFFSET) == (r::CTRL::ENABLE.mask() | r::CTRL::LOCK.mask()));
    test::run_past(101 * kMicrosecond);
    REQUIRE(b.expired.size() == 1);
  });
}
