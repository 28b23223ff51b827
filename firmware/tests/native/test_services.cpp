#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "native_view.h"
#define _Noreturn [[noreturn]]  // C's word
extern "C" {
#include "mgmt/event.h"
#include "mgmt/log.h"
#include "mgmt/panic_report.h"
}
#include "regs/linkctl.h"
#include "regs/memctl.h"
#include "regs/sensors.h"
#include "regs/watchdog.h"

/// Events, sensors, errors of memory, links, the watchdog, reports of panics, shutdown and restart.
using namespace rdu::firmware;

namespace {

constexpr unsigned kEventQueue = 5;

struct EventView {
  uint32_t sequence;
  unsigned type, code, severity, source;
};

EventView view(const rdu_cqe& cqe) {
  rdu_log_event event{};
  std::memcpy(&event, &cqe.result, sizeof cqe.result);
  return {event.sequence, event.type, event.code, event.severity, event.source};
}

/// Submits `count` waits for events.
void wait_for_events(Device& d, uint32_t context, int count = 1) {
  for (int n = 0; n < count; ++n) d.push(kEventQueue, RDU_CMD_EVENT, context, {});
  d.ring(kEventQueue);
  d.chip.run();
}

template <class Entry>
std::vector<Entry> log_page(Device& d, uint32_t page) {
  const rdu_cqe cqe = d.call(0, RDU_ADMIN_READ_LOG, 0, {page, 0x80000, 0x10000, 0});
  REQUIRE(cqe.status == RDU_STATUS_OK);
  REQUIRE(cqe.result % sizeof(Entry) == 0);
  std::vector<Entry> entries(cqe.result / sizeof(Entry));
  if (!entries.empty()) std::memcpy(entries.data(), d.chip.host(0x80000), cqe.result);
  return entries;
}

rdu_log_health health(Device& d) {
  return log_page<rdu_log_health>(d, RDU_LOG_HEALTH).at(0);
}

/// Three sensors: socket, HBM, tile 1.
void with_sensors(FakeChip& chip) {
  chip.reg(RDU_BASE_SENSORS + RDU_SENSORS_COUNT) = 3;
  const uint32_t kinds[] = {1, 3, 5 | 1 << 8};
  for (unsigned n = 0; n < 3; ++n) {
    chip.reg(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_INFO(n)) = kinds[n];
    chip.reg(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_TEMPERATURE(n)) = 40'000 + n;
  }
}

bool says(Device& d, const std::string& line) {
  return d.chip.console.find(line) != std::string::npos;
}

}  // namespace

// --- events ---

TEST_CASE("an event completes the command that waits for it; without one it is kept") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(kEventQueue, c);
  wait_for_events(d, c);
  CHECK(d.take(kEventQueue).empty());
  event_report(RDU_EVENT_ECC, 1, RDU_SEVERITY_ERROR, 2, 0x1234);
  d.chip.run();
  std::vector<rdu_cqe> done = d.take(kEventQueue);
  REQUIRE(done.size() == 1);
  CHECK(done[0].status == RDU_STATUS_OK);
  const EventView event = view(done[0]);
  CHECK(event.sequence == 1);
  CHECK(event.type == RDU_EVENT_ECC);
  CHECK(event.code == 1);
  CHECK(event.severity == RDU_SEVERITY_ERROR);
  CHECK(event.source == 2);

  for (int n = 0; n < 3; ++n) event_report(RDU_EVENT_LINK, 0, RDU_SEVERITY_INFO, n, 0);
  wait_for_events(d, c, 2);
  done = d.take(kEventQueue);
  REQUIRE(done.size() == 2);
  CHECK(view(done[0]).source == 0);
  CHECK(view(done[1]).source == 1);
  CHECK(d.call(kEventQueue, RDU_CMD_EVENT, c, {}).status == RDU_STATUS_OK);
}

TEST_CASE("every queue gets every event, and nobody takes another's") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(kEventQueue, c);
  event_report(RDU_EVENT_ECC, 0, 0, 1, 0);
  d.create_queue(1, c);
  const auto next = [&](unsigned queue) { return view(d.call(queue, RDU_CMD_EVENT, c, {})).sequence; };
  CHECK(next(1) == 1);  // nobody has got it
  d.create_queue(2, c);
  event_report(RDU_EVENT_ECC, 0, 0, 1, 0);
  CHECK(next(2) == 2);  // the one before was somebody's
  CHECK(next(1) == 2);
  CHECK(next(kEventQueue) == 1);
  CHECK(next(kEventQueue) == 2);
  for (const unsigned queue : {1u, 2u}) {
    d.push(queue, RDU_CMD_EVENT, c, {});
    d.ring(queue);
  }
  d.chip.run();
  event_report(RDU_EVENT_LINK, 0, 0, 5, 0);
  d.chip.run();
  for (const unsigned queue : {1u, 2u}) CHECK(view(d.take(queue).at(0)).source == 5);
  for (unsigned n = 0; n < RDU_EVENTS_KEPT + 5; ++n) event_report(RDU_EVENT_ECC, 0, 0, 1, n);
  const uint32_t oldest = 3 + 5 + 1;
  for (const unsigned queue : {1u, 2u, static_cast<unsigned>(kEventQueue)}) CHECK(next(queue) == oldest);
  CHECK(health(d).events_lost == 5);
}

TEST_CASE("of too many events that nobody takes the oldest are dropped and counted") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(kEventQueue, c);
  for (uint64_t n = 1; n <= RDU_EVENTS_KEPT + 10; ++n) event_report(RDU_EVENT_ECC, 0, 0, 1, n);
  CHECK(view(d.call(kEventQueue, RDU_CMD_EVENT, c, {})).sequence == 11);
  CHECK(health(d).events == RDU_EVENTS_KEPT + 10);
  CHECK(health(d).events_lost == 10);
  const auto kept = log_page<rdu_log_event>(d, RDU_LOG_EVENTS);
  REQUIRE(kept.size() == RDU_EVENTS_KEPT);
  for (uint32_t n = 0; n < RDU_EVENTS_KEPT; ++n) {
    CHECK(kept[n].sequence == n + 11);
    CHECK(kept[n].value == n + 11);
  }
}

TEST_CASE("waits for events end with their queue, with the host, and are no command of the admin queue") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(kEventQueue, c);
  CHECK(d.call(0, RDU_CMD_EVENT, 0, {}).status == RDU_STATUS_BAD_OPCODE);
  wait_for_events(d, c);
  CHECK(d.call(0, RDU_ADMIN_DELETE_QUEUE, 0, {kEventQueue}).status == RDU_STATUS_OK);
  CHECK(d.take(kEventQueue).at(0).status == RDU_STATUS_ABORTED);
  d.create_queue(kEventQueue, c);
  wait_for_events(d, c);
  d.chip.set_enable(false);
  d.chip.run();
  CHECK(csts(d.chip) == kFw);
  event_report(RDU_EVENT_ECC, 0, 0, 1, 0);  // nobody waits any more
  d.enable();
  const uint32_t again = d.create_context();
  d.create_queue(kEventQueue, again);
  CHECK(view(d.call(kEventQueue, RDU_CMD_EVENT, again, {})).type == RDU_EVENT_ECC);
}

// --- sensors ---

TEST_CASE("thresholds: defaults, an event when passed, and the host's own") {
  Device d(with_sensors);
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(kEventQueue, c);
  const auto sensors = log_page<rdu_log_sensor>(d, RDU_LOG_SENSORS);
  REQUIRE(sensors.size() == 3);
  CHECK(sensors[2].kind == 5);
  CHECK(sensors[2].index == 1);
  CHECK(sensors[2].temperature == 40'002);
  CHECK(sensors[2].high == 85'000);
  CHECK(sensors[2].critical == 100'000);
  CHECK(sensors[2].above == 0);

  wait_for_events(d, c, 3);
  d.chip.set_temperature(2, 90'000);
  d.chip.run();
  std::vector<rdu_cqe> done = d.take(kEventQueue);
  REQUIRE(done.size() == 1);
  CHECK(view(done[0]).type == RDU_EVENT_THERMAL);
  CHECK(view(done[0]).code == RDU_THRESHOLD_HIGH);
  CHECK(view(done[0]).severity == RDU_SEVERITY_WARNING);
  CHECK(view(done[0]).source == 2);
  CHECK(says(d, "fw: warning: tile 1: 90000 m°C, above its high threshold\n"));
  CHECK(log_page<rdu_log_event>(d, RDU_LOG_EVENTS).back().value == 90'000);
  CHECK(log_page<rdu_log_sensor>(d, RDU_LOG_SENSORS)[2].above == 2);

  const auto set = [&d](uint64_t sensor, uint64_t which, int64_t value) {
    return d.call(0, RDU_ADMIN_SET_THRESHOLD, 0, {sensor, which, static_cast<uint64_t>(value)}).status;
  };
  CHECK(set(3, 0, 0) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(set(0, 3, 0) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(set(0, 0, -300'000) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(set(0, 0, int64_t{1} << 31) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(set(0, RDU_THRESHOLD_LOW, -40'000) == RDU_STATUS_OK);
  d.chip.set_temperature(0, -50'000);
  d.chip.run();
  done = d.take(kEventQueue);
  REQUIRE(done.size() == 1);
  CHECK(view(done[0]).code == RDU_THRESHOLD_LOW);
  CHECK(static_cast<int64_t>(log_page<rdu_log_event>(d, RDU_LOG_EVENTS).back().value) == -50'000);
}

TEST_CASE("above a critical temperature nothing is launched until it is below again") {
  Device d(with_sensors);
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(1, c);
  d.call(1, RDU_CMD_LOAD_PROGRAM, c, {hbm(0), 64, 0});
  d.chip.set_temperature(1, 101'000);
  d.chip.run();
  const rdu_cqe cqe = d.call(1, RDU_CMD_LAUNCH, c, {hbm(0), 1, 0});
  CHECK(cqe.status == RDU_STATUS_TOO_HOT);
  CHECK(cqe.result == 1);
  CHECK(d.call(1, RDU_CMD_COPY, c, {hbm(0), hbm(64), 8}).status == RDU_STATUS_OK);
  d.chip.set_temperature(1, 99'000);
  CHECK(d.call(1, RDU_CMD_LAUNCH, c, {hbm(0), 1, 0}).status == RDU_STATUS_OK);
}

TEST_CASE("injection of temperatures and ECC errors reaches the hardware's registers") {
  Device d(with_sensors);
  d.enable();
  const auto inject = [&d](std::vector<uint64_t> args) {
    return d.call(0, RDU_ADMIN_INJECT, 0, std::move(args)).status;
  };
  CHECK(inject({RDU_INJECT_TEMPERATURE, 1, 95'000}) == RDU_STATUS_OK);
  CHECK(d.chip.reg(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_OVERRIDE_VALUE(1)) == 95'000);
  CHECK(d.chip.reg(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_OVERRIDE(1)) == 1);
  CHECK(inject({RDU_INJECT_NO_TEMPERATURE, 1}) == RDU_STATUS_OK);
  CHECK(d.chip.reg(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_OVERRIDE(1)) == 0);
  CHECK(inject({RDU_INJECT_TEMPERATURE, 3, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(inject({RDU_INJECT_ECC_UNCORRECTABLE, RDU_SEGMENT_DDR, 0x40}) == RDU_STATUS_OK);
  CHECK(d.chip.reg(RDU_BASE_DDR_CTL + RDU_MEMCTL_ECC_INJECT) == RDU_MEMCTL_ECC_INJECT_KIND_UNCORRECTABLE);
  CHECK(d.chip.reg(RDU_BASE_DDR_CTL + RDU_MEMCTL_ECC_INJECT_ADDRESS) == 0x40);
  CHECK(inject({RDU_INJECT_ECC_CORRECTABLE, RDU_SEGMENT_HOST, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(inject({RDU_INJECT_ECC_CORRECTABLE, RDU_SEGMENT_HBM, FakeChip::kHbmBytes}) ==
        RDU_STATUS_BAD_ARGUMENT);
  CHECK(inject({99}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK_THROWS(inject({RDU_INJECT_PANIC}));
}

// --- memory ---

TEST_CASE("errors that ECC finds are counted and become events") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(kEventQueue, c);
  wait_for_events(d, c, 2);
  d.chip.find_error(RDU_BASE_HBM_CTL, true, 0x1000);
  d.chip.find_error(RDU_BASE_DDR_CTL, false, 0x2000);
  d.chip.run();
  const std::vector<rdu_cqe> done = d.take(kEventQueue);
  REQUIRE(done.size() == 2);
  CHECK(view(done[0]).source == RDU_SEGMENT_HBM);
  CHECK(view(done[0]).code == 0);
  CHECK(view(done[1]).source == RDU_SEGMENT_DDR);
  CHECK(view(done[1]).severity == RDU_SEVERITY_ERROR);
  CHECK(says(d, "fw: error: DDR: ECC could not correct an error at 0x2000 (0 corrected, 1 not, so far)\n"));
  CHECK(health(d).hbm_corrected == 1);
  CHECK(health(d).ddr_uncorrected == 1);
}

TEST_CASE("training that fails at first is tried again") {
  Device d([](FakeChip& chip) { chip.failing_trainings[RDU_BASE_HBM_CTL] = 2; });
  CHECK(boot_stage(d.chip) == RDU_SYSCTL_BOOT_STAGE_STAGE_READY);
  CHECK(says(d, "fw: warning: HBM training attempt 1 failed in phase data eye, channels 0x2\n"));
  CHECK(says(d, "fw: warning: HBM training attempt 2 failed"));
  CHECK(says(d, "fw: HBM trained: "));
}

// --- links ---

TEST_CASE("links: up, narrow, alone, failed, hanging") {
  constexpr uint32_t kUp = RDU_LINKCTL_LINK_STATUS_STATE_UP,
                     kAlone = RDU_LINKCTL_LINK_STATUS_STATE_NO_PARTNER;
  constexpr uint32_t kLanes = RDU_LINKCTL_LINK_STATUS_STATE_FAILED |
                              RDU_LINKCTL_LINK_STATUS_ERROR_LANES << RDU_LINKCTL_LINK_STATUS_ERROR_SHIFT;
  Device d([](FakeChip& chip) {
    chip.reg(RDU_BASE_LINK_CTL + RDU_LINKCTL_COUNT) = 5;
    for (unsigned n = 0; n < 5; ++n) chip.reg(RDU_BASE_LINK_CTL + RDU_LINKCTL_LINK_MAX_WIDTH(n)) = 16;
    chip.link_outcomes[0] = {kLanes, kUp | 16 << 8};
    chip.link_outcomes[1] = {kUp | 4 << 8};
    chip.link_outcomes[2] = {kAlone};
    chip.link_outcomes[3] = {kLanes, kLanes, kLanes};
    // link 4 never answers
  });
  CHECK(boot_stage(d.chip) == RDU_SYSCTL_BOOT_STAGE_STAGE_READY);
  CHECK(says(d, "fw: warning: link 0: training attempt 1 failed: too few lanes work\n"));
  CHECK(says(d, "fw: link 0 up: 16 lanes"));
  CHECK(says(d, "fw: warning: link 1: 4 of 16 lanes in use"));
  CHECK(says(d, "fw: 1 of 5 links have no partner\n"));
  CHECK(says(d, "fw: error: link 3 stays down after 3 attempts\n"));
  CHECK(says(d, "fw: warning: link 4: training attempt 3 timed out"));
  CHECK(says(d, "fw: error: link 4 stays down after 3 attempts\n"));
  d.enable();
  const auto links = log_page<rdu_log_link>(d, RDU_LOG_LINKS);
  REQUIRE(links.size() == 5);
  CHECK(links[0].attempts == 2);
  CHECK(links[1].width == 4);
  CHECK(links[3].error == RDU_LINKCTL_LINK_STATUS_ERROR_LANES);
  CHECK(links[4].state == RDU_LINKCTL_LINK_STATUS_STATE_DOWN);
  const auto events = log_page<rdu_log_event>(d, RDU_LOG_EVENTS);
  REQUIRE(events.size() == 3);
  CHECK(events[0].source == 1);
  CHECK(events[0].severity == RDU_SEVERITY_WARNING);
  CHECK(events[1].source == 3);
  CHECK(events[2].source == 4);

  d.chip.end_link(0, RDU_LINKCTL_LINK_STATUS_STATE_FAILED | RDU_LINKCTL_LINK_STATUS_ERROR_PARTNER_LOST
                                                                << RDU_LINKCTL_LINK_STATUS_ERROR_SHIFT);
  d.chip.run();
  CHECK(says(d, "fw: error: link 0 went down: partner lost\n"));
}

// --- watchdog, panic, restart ---

TEST_CASE("the watchdog runs, locked, and is kicked while training sleeps") {
  Device d;
  const uint64_t ctrl = d.chip.reg(RDU_BASE_WATCHDOG + RDU_WATCHDOG_CTRL);
  CHECK((ctrl & RDU_WATCHDOG_CTRL_ENABLE_MASK) != 0);
  CHECK((ctrl & RDU_WATCHDOG_CTRL_LOCK_MASK) != 0);
  CHECK((ctrl & RDU_WATCHDOG_CTRL_IN_SLEEP_MASK) == 0);
  CHECK(d.chip.kicks > 0);
  d.chip.reg(RDU_BASE_WATCHDOG + RDU_WATCHDOG_STATUS) = 1;
  d.chip.run();
  CHECK(says(d, "fw: warning: 15000 us of work without a pause\n"));
}

TEST_CASE("the report of a panic survives a restart, not a power cycle, and not damage") {
  {
    Device d;
    rdu_log_panic* report = panic_report_begin(RDU_PANIC_TRAP, "unexpected trap");
    report->cause = 5;
    report->registers[0] = 0x80001234;
    panic_report_seal();
    CHECK(panic_report_word(0) == RDU_PANIC_TRAP);
    CHECK(panic_report_word(sizeof *report / 4) == RDU_MBOX_UNKNOWN);
  }
  const auto restarted = [](FakeChip& chip) {
    chip.reg(RDU_BASE_SYSCTL + RDU_SYSCTL_RESET_REASON) = RDU_SYSCTL_RESET_REASON_REASON_WATCHDOG;
    chip.reg(RDU_BASE_SYSCTL + RDU_SYSCTL_RESTARTS) = 1;
  };
  {
    Device d(restarted);
    CHECK(says(d, "reset: watchdog\n"));
    CHECK(says(d, "fw: error: there is the report of a panic: unexpected trap\n"));
    d.enable();
    const auto page = log_page<rdu_log_panic>(d, RDU_LOG_PANIC);
    REQUIRE(page.size() == 1);
    CHECK(page[0].registers[0] == 0x80001234);
    CHECK(std::string(page[0].text) == "unexpected trap");
    CHECK(health(d).panics == 1);
    CHECK(health(d).reset_reason == RDU_SYSCTL_RESET_REASON_REASON_WATCHDOG);
    const auto events = log_page<rdu_log_event>(d, RDU_LOG_EVENTS);
    REQUIRE(events.size() == 2);
    CHECK(events[0].type == RDU_EVENT_RESTARTED);
    CHECK(events[0].severity == RDU_SEVERITY_ERROR);
    CHECK(events[1].type == RDU_EVENT_PANIC);
    d.chip.request_mailbox(RDU_MBOX_PANIC | 0 << 8);
    d.chip.run();
    CHECK(d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_MBOX_RESPONSE) == RDU_PANIC_TRAP);
    // A bit changes: the report is none.
    const_cast<rdu_log_panic*>(panic_report())->cause ^= 1;
  }
  {
    Device d(restarted);
    CHECK(panic_report() == nullptr);
  }
  {
    Device d;
    d.enable();
    CHECK(log_page<rdu_log_panic>(d, RDU_LOG_PANIC).empty());
  }
}

TEST_CASE("the stack is walked as far as frames can be true") {
  alignas(8) uint64_t stack[32] = {};
  const auto address = [&stack](unsigned n) { return reinterpret_cast<uint64_t>(&stack[n]); };
  const auto frame = [&](unsigned at, uint64_t caller, uint64_t returns) {
    stack[at - 2] = caller;
    stack[at - 1] = returns;
  };
  uint64_t calls[RDU_PANIC_CALLS];
  const auto walk = [&](uint64_t from) {
    return panic_report_walk(from, address(0), address(32), 1000, 2000, calls);
  };
  frame(4, address(10), 1100);
  frame(10, address(20), 1200);
  frame(20, 0, 1300);
  CHECK(walk(address(4)) == 3);
  CHECK(calls[2] == 1300);
  frame(10, address(4), 1200);  // backwards
  CHECK(walk(address(4)) == 2);
  frame(4, address(10), 3000);  // returns to nowhere
  CHECK(walk(address(4)) == 0);
  CHECK(walk(address(1)) == 0);
  CHECK(walk(address(32) + 8) == 0);
  CHECK(walk(address(4) + 1) == 0);
  for (unsigned n = 2; n <= 32; ++n) frame(n, address(n) + 8, 1500);
  stack[0] = 0;
  for (unsigned n = 2; n < 32; n += 2) frame(n, address(n + 2), 1500);
  CHECK(walk(address(2)) <= RDU_PANIC_CALLS);
}

TEST_CASE("the host asks for a restart: work is aborted, then the core is reset for the host") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(1, c);
  d.call(1, RDU_CMD_LOAD_PROGRAM, c, {hbm(0), 64, 0});
  d.push(1, RDU_CMD_LAUNCH, c, {hbm(0), 1, 0});
  d.ring(1);
  service();
  d.chip.step();
  service();  // the kernel runs
  d.chip.request_mailbox(RDU_MBOX_RESTART | 0xbeef << 8);
  CHECK_THROWS_AS(d.chip.run(), Halted);
  CHECK(d.chip.aborts == 1);
  CHECK(d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_MBOX_RESPONSE) == 0);
  CHECK(d.chip.core_resets ==
        std::vector<uint32_t>{RDU_SYSCTL_RESET_HART_MASK | RDU_SYSCTL_RESET_FOR_HOST_MASK});
}

TEST_CASE("a restart's code reaches the firmware that comes, and only that") {
  const auto by_host = [](FakeChip& chip) {
    chip.reg(RDU_BASE_SYSCTL + RDU_SYSCTL_RESET_REASON) = RDU_SYSCTL_RESET_REASON_REASON_HOST;
  };
  {
    Device d;
    d.chip.request_mailbox(RDU_MBOX_RESTART | 0x123456 << 8);
    CHECK_THROWS_AS(d.chip.run(), Halted);
  }
  {
    Device d(by_host);
    d.enable();
    CHECK(health(d).restart_code == 0x123456);
  }
  Device d(by_host);
  d.enable();
  CHECK(health(d).restart_code == 0);
}

TEST_CASE("the log goes on after a restart, and tells how many lines it has lost") {
  {
    Device d;
    log_info("before the restart");
    CHECK(log_lines_lost() == 0);
  }
  Device d([](FakeChip& chip) {
    chip.reg(RDU_BASE_SYSCTL + RDU_SYSCTL_RESET_REASON) = RDU_SYSCTL_RESET_REASON_REASON_SOFTWARE;
  });
  d.enable();
  const rdu_cqe cqe = d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_TEXT, 0x80000, 0x8000, 0});
  const std::string text(reinterpret_cast<char*>(d.chip.host(0x80000)), cqe.result);
  CHECK(text.find("info: before the restart\n") != std::string::npos);
  for (int n = 0; n < 1000; ++n) log_debug("line %d", n);
  CHECK(health(d).log_lines_lost > 300);
}

// --- shutdown ---

namespace {

void set_cc(FakeChip& chip, uint64_t cc) {
  chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_CC) = cc;
  chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_STATUS) |= RDU_HOSTCTL_IRQ_STATUS_ENABLE_CHANGED_MASK;
}
constexpr uint64_t kNormal = RDU_HOSTCTL_CC_EN_MASK | RDU_HOSTCTL_CC_SHN_NORMAL << RDU_HOSTCTL_CC_SHN_SHIFT;
constexpr uint64_t kAbrupt = RDU_HOSTCTL_CC_EN_MASK | RDU_HOSTCTL_CC_SHN_ABRUPT << RDU_HOSTCTL_CC_SHN_SHIFT;
constexpr uint64_t kDown = RDU_HOSTCTL_CSTS_SHST_DONE << RDU_HOSTCTL_CSTS_SHST_SHIFT;
constexpr uint64_t kGoingDown = RDU_HOSTCTL_CSTS_SHST_BUSY << RDU_HOSTCTL_CSTS_SHST_SHIFT;

}  // namespace

TEST_CASE("a normal shutdown finishes what was submitted and takes nothing more") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(1, c);
  d.create_queue(kEventQueue, c);
  wait_for_events(d, c, 2);
  for (int n = 0; n < 5; ++n) d.push(1, RDU_CMD_COPY, c, {hbm(0), ddr(0), 64});
  d.ring(1);
  service();
  set_cc(d.chip, kNormal);
  service();
  CHECK((csts(d.chip) & RDU_HOSTCTL_CSTS_SHST_MASK) == kGoingDown);
  d.push(1, RDU_CMD_NOP, c, {});
  d.ring(1);
  d.chip.run();
  CHECK(csts(d.chip) == (kFw | kRdy | kDown));
  const std::vector<rdu_cqe> done = d.take(1);
  REQUIRE(done.size() == 5);
  for (const rdu_cqe& cqe : done) CHECK(cqe.status == RDU_STATUS_OK);
  const std::vector<rdu_cqe> events = d.take(kEventQueue);
  REQUIRE(events.size() == 2);
  for (const rdu_cqe& cqe : events) CHECK(cqe.status == RDU_STATUS_ABORTED);
  d.chip.set_enable(false);
  d.chip.run();
  CHECK(csts(d.chip) == kFw);
  d.enable();
  CHECK(csts(d.chip) == (kFw | kRdy));
  CHECK(d.create_context() == c);
}

TEST_CASE("an abrupt shutdown aborts what runs and drops what has not begun") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(1, c);
  d.call(1, RDU_CMD_LOAD_PROGRAM, c, {hbm(0), 64, 0});
  for (int n = 0; n < 3; ++n) d.push(1, RDU_CMD_LAUNCH, c, {hbm(0), 1, 0});
  d.ring(1);
  service();
  d.chip.step();
  service();
  const bool normal_first = GENERATE(false, true);
  if (normal_first) {
    set_cc(d.chip, kNormal);
    service();
  }
  set_cc(d.chip, kAbrupt);
  d.chip.run();
  CHECK(csts(d.chip) == (kFw | kRdy | kDown));
  const std::vector<rdu_cqe> done = d.take(1);
  REQUIRE(done.size() == 1);
  CHECK(done[0].status == RDU_STATUS_ABORTED);
}

TEST_CASE("a shutdown waits for a full completion queue, and can then be made abrupt") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(1, c, 4);
  for (int n = 0; n < 3; ++n) d.push(1, RDU_CMD_NOP, c, {});
  d.ring(1);
  d.chip.run();
  d.push(1, RDU_CMD_NOP, c, {});  // no room for its completion
  d.ring(1);
  d.chip.run();
  set_cc(d.chip, kNormal);
  d.chip.run();
  CHECK(csts(d.chip) == (kFw | kRdy | kGoingDown));
  SECTION("the host consumes") {
    CHECK(d.take(1).size() == 3);
    d.chip.run();
    CHECK(d.take(1).size() == 1);
  }
  SECTION("the host has no patience") {
    set_cc(d.chip, kAbrupt);
    d.chip.run();
  }
  CHECK(csts(d.chip) == (kFw | kRdy | kDown));
}
