#include <cstring>
#include <string>
#include <vector>

#include "native_view.h"

using namespace rdu::firmware;

namespace {

constexpr uint64_t kPage = 0x80000;  ///< host memory that no queue lies in

/// A log page as the entries that it has.
template <class Entry>
std::vector<Entry> read_page(Device& d, uint64_t page) {
  const rdu_cqe cqe = d.call(0, RDU_ADMIN_READ_LOG, 0, {page, kPage, 0x8000, 0});
  REQUIRE(cqe.status == RDU_STATUS_OK);
  REQUIRE(cqe.result % sizeof(Entry) == 0);
  std::vector<Entry> entries(cqe.result / sizeof(Entry));
  if (!entries.empty()) std::memcpy(entries.data(), d.chip.host(kPage), cqe.result);
  return entries;
}

uint64_t table(Device& d, unsigned context) {
  return d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_HOST_TABLE_ROOT(context));
}

}  // namespace

TEST_CASE("contexts: a host page table of one's own") {
  Device d;
  d.enable();
  const auto create = [&d](uint64_t host, uint64_t table) {
    return d.call(0, RDU_ADMIN_CREATE_CONTEXT, 0, {0, 0, host, table, 77});
  };
  REQUIRE(create(RDU_HOST_TABLE_SPAN, 0x7000).result == 1);
  REQUIRE(create(4096, 0x9000).result == 2);
  REQUIRE(create(4096, 0).result == 3);
  CHECK(table(d, 1) == (0x7000 | RDU_HOSTCTL_HOST_TABLE_ROOT_VALID_MASK));
  CHECK(table(d, 2) == (0x9000 | RDU_HOSTCTL_HOST_TABLE_ROOT_VALID_MASK));
  CHECK(table(d, 3) == 0);
  CHECK(segment(d.chip, 1, 3, RDU_SLB_SEGMENT_BASE(0)) == RDU_BASE_HOST_PAGED + RDU_HOST_TABLE_SPAN);
  CHECK(segment(d.chip, 1, 3, RDU_SLB_SEGMENT_LIMIT(0)) == RDU_HOST_TABLE_SPAN);
  CHECK(segment(d.chip, 2, 3, RDU_SLB_SEGMENT_BASE(0)) == RDU_BASE_HOST_PAGED + 2 * RDU_HOST_TABLE_SPAN);
  CHECK(segment(d.chip, 2, 3, RDU_SLB_SEGMENT_LIMIT(0)) == 4096);
  CHECK(segment(d.chip, 3, 3, RDU_SLB_SEGMENT_BASE(0)) == RDU_BASE_HOST);
  CHECK(create(RDU_HOST_TABLE_SPAN + 1, 0x7000).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(4096, 0x7008).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(4096, RDU_SIZE_HOST).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(4096, ~uint64_t{0xfff}).status == RDU_STATUS_BAD_ARGUMENT);
  d.call(0, RDU_ADMIN_DELETE_CONTEXT, 1, {});
  CHECK(table(d, 1) == 0);
  d.chip.set_enable(false);
  d.chip.run();
  CHECK(table(d, 2) == 0);
}

TEST_CASE("contexts: memory is cleared before it can be seen") {
  Device d;
  d.enable();
  d.chip.cleared.clear();
  const uint32_t a = d.create_context(5000, 4096);
  CHECK(d.chip.cleared ==
        std::vector<std::pair<uint64_t, uint64_t>>{{RDU_BASE_HBM, 8192}, {RDU_BASE_DDR, 4096}});
  d.create_queue(1, a);
  std::memset(d.chip.host(kPage), 0x5a, 4096);
  REQUIRE(d.call(1, RDU_CMD_COPY, a, {hbm(0), host(kPage), 4096}).status == RDU_STATUS_OK);
  REQUIRE(d.call(1, RDU_CMD_COPY, a, {ddr(0), host(kPage), 4096}).status == RDU_STATUS_OK);
  d.call(0, RDU_ADMIN_DELETE_QUEUE, 0, {1});
  d.call(0, RDU_ADMIN_DELETE_CONTEXT, a, {});
  REQUIRE(d.create_context(8192, 8192) == a);
  d.create_queue(1, a);
  for (const uint64_t from : {hbm(0), ddr(0)}) {
    std::memset(d.chip.host(kPage), 0xff, 4096);
    REQUIRE(d.call(1, RDU_CMD_COPY, a, {host(kPage), from, 4096}).status == RDU_STATUS_OK);
    CHECK(std::vector<uint8_t>(d.chip.host(kPage), d.chip.host(kPage) + 4096) == std::vector<uint8_t>(4096));
  }
  d.chip.cleared.clear();
  d.create_context(0, 0);
  CHECK(d.chip.cleared.empty());
}

TEST_CASE("contexts: others' commands go on while memory is cleared, and take their turn") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  for (unsigned q = 1; q <= 4; ++q) d.create_queue(q, c, 16);
  d.chip.copies.clear();
  d.chip.cleared.clear();
  for (unsigned q = 1; q <= 4; ++q) {
    for (int n = 0; n < 10; ++n) d.push(q, RDU_CMD_COPY, c, {hbm(q * 0x1000), hbm(0), 1});
    d.ring(q);
  }
  for (int n = 0; n < 12; ++n) {  // until all channels are busy, and one queue waits
    service();
    d.chip.step();
  }
  const size_t earlier = d.chip.copies.size();
  REQUIRE(earlier < 12);
  d.push(0, RDU_ADMIN_CREATE_CONTEXT, 0, {4096, 4096, 0});
  d.ring(0);
  size_t before = 0;
  do {
    service();
    if (d.chip.cleared.size() < 2) before = d.chip.copies.size();
  } while (d.chip.step());
  CHECK(d.take(0).at(0).status == RDU_STATUS_OK);
  for (unsigned q = 1; q <= 4; ++q) CHECK(d.take(q).size() == 10);
  CHECK(d.chip.copies.size() == 40);
  CHECK(before >= earlier + 4);  // some were before it,
  CHECK(before <= 30);           // and it did not have to wait for all
}

TEST_CASE("contexts: the host may leave, disable the device or shut it down while memory is cleared") {
  const int moment = GENERATE(range(0, 8));
  const int how = GENERATE(range(0, 4));
  CAPTURE(moment, how);
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  for (unsigned q = 1; q <= 3; ++q) {  // all channels busy, at some of the moments
    d.create_queue(q, c);
    d.push(q, RDU_CMD_COPY, c, {hbm(0), hbm(64), 1});
    d.ring(q);
  }
  d.push(0, RDU_ADMIN_CREATE_CONTEXT, 0, {1 << 20, 1 << 20, 0});
  d.ring(0);
  for (int n = 0; n < moment; ++n) {
    service();
    d.chip.step();
  }
  service();
  if (how == 0) d.chip.reset_by_host();
  if (how == 1) d.chip.set_enable(false);
  if (how >= 2) d.chip.shut_down(how == 3);
  d.chip.run();
  if (how >= 2) {
    CHECK((csts(d.chip) & RDU_HOSTCTL_CSTS_SHST_MASK) >> RDU_HOSTCTL_CSTS_SHST_SHIFT ==
          RDU_HOSTCTL_CSTS_SHST_DONE);
    for (const rdu_cqe& cqe : d.take(0)) {
      if (cqe.status == RDU_STATUS_OK) continue;
      CHECK(cqe.status == RDU_STATUS_ABORTED);
      CHECK(how == 3);
      CHECK(segment(d.chip, c + 1, 1, RDU_SLB_SEGMENT_FLAGS(0)) == 0);
    }
    d.chip.set_enable(false);
    d.chip.run();
  }
  CHECK(csts(d.chip) == kFw);
  for (unsigned n = 1; n < RDU_MAX_CONTEXTS; ++n) CHECK(segment(d.chip, n, 1, RDU_SLB_SEGMENT_FLAGS(0)) == 0);
  d.enable();
  CHECK(d.create_context(FakeChip::kHbmBytes, FakeChip::kDdrBytes) == 1);  // nothing was kept
}

TEST_CASE("tiles are cleared for the first program of another context, and only then") {
  Device d;
  d.enable();
  const uint32_t a = d.create_context(), b = d.create_context();
  d.create_queue(1, a);
  d.create_queue(2, b);
  const auto scrubs = [&d](unsigned queue, uint32_t context, uint64_t tile) {
    d.chip.commands.clear();
    d.call(queue, RDU_CMD_LOAD_PROGRAM, context, {hbm(0), 64, tile});
    REQUIRE(d.chip.commands.size() == 1);
    return (d.chip.commands[0] & RDU_SEQUENCER_CONTROL_SCRUB_MASK) != 0;
  };
  CHECK(scrubs(1, a, 0));  // power-on leaves anything there
  CHECK_FALSE(scrubs(1, a, 0));
  CHECK(scrubs(1, a, 1));
  CHECK(scrubs(2, b, 0));
  CHECK_FALSE(scrubs(2, b, 0));
  CHECK(scrubs(1, a, 0));
  d.chip.kernel_fault = RDU_SEQUENCER_FAULT_CODE_BAD_CRC;
  CHECK(scrubs(2, b, 0));  // it fails, but has cleared
  d.chip.kernel_fault = 0;
  CHECK_FALSE(scrubs(2, b, 0));
  // The same number, and another context.
  d.call(0, RDU_ADMIN_DELETE_QUEUE, 0, {2});
  d.call(0, RDU_ADMIN_DELETE_CONTEXT, b, {});
  REQUIRE(d.create_context() == b);
  d.create_queue(2, b);
  CHECK(scrubs(2, b, 0));
  CHECK_FALSE(scrubs(1, a, 1));
  // A host that left and came back.
  d.chip.set_enable(false);
  d.chip.run();
  d.enable();
  REQUIRE(d.create_context() == a);
  d.create_queue(1, a);
  CHECK(scrubs(1, a, 1));
  // A load that was aborted may have cleared or not.
  d.push(1, RDU_CMD_LOAD_PROGRAM, a, {hbm(0), 64, 0});
  d.ring(1);
  service();
  d.chip.step();  // the submission arrives
  service();      // and begins
  command_abort(&queues[1]);
  d.chip.run();
  CHECK(d.take(1).at(0).status == RDU_STATUS_ABORTED);
  CHECK(scrubs(1, a, 0));
}

TEST_CASE("log page: contexts and what they have used") {
  Device d;
  d.enable();
  CHECK(read_page<rdu_log_context>(d, RDU_LOG_CONTEXTS).empty());
  const uint32_t a = d.create_context(8192, 4096);
  REQUIRE(d.call(0, RDU_ADMIN_CREATE_CONTEXT, 0, {4096, 100, 0, 0, 4711}).status == RDU_STATUS_OK);
  d.create_queue(1, a);
  d.create_queue(2, a);
  d.call(1, RDU_CMD_NOP, a, {});
  d.call(1, RDU_CMD_COPY, a, {hbm(0), host(0), 1000});
  d.call(2, RDU_CMD_COPY, a, {hbm(0), host(0), 24});
  d.call(2, RDU_CMD_COPY, a, {hbm(0), 0, 24});  // fails
  d.call(2, RDU_CMD_LOAD_PROGRAM, a, {hbm(0), 64, 0});
  d.call(2, RDU_CMD_LAUNCH, a, {hbm(0), 1, 0});
  std::vector<rdu_log_context> page = read_page<rdu_log_context>(d, RDU_LOG_CONTEXTS);
  REQUIRE(page.size() == 2);
  CHECK(page[0].id == a);
  CHECK(page[0].queues == 2);
  CHECK(page[0].owner == 0);
  CHECK(page[0].hbm_bytes == 8192);
  CHECK(page[0].hbm_base == 0);
  CHECK(page[0].commands == 6);
  CHECK(page[0].copied_bytes == 1024);
  CHECK(page[0].copy_ns == 3000);  // a step is 1 us
  CHECK(page[0].tile_ns == 2000);
  CHECK(page[1].id == a + 1);
  CHECK(page[1].owner == 4711);
  CHECK(page[1].hbm_base == 8192);
  CHECK(page[1].ddr_bytes == 100);
  CHECK(page[1].ddr_base == 4096);
  CHECK(page[1].commands == 0);
  // The number's next context begins from nothing.
  for (const uint64_t q : {1, 2}) d.call(0, RDU_ADMIN_DELETE_QUEUE, 0, {q});
  d.call(0, RDU_ADMIN_DELETE_CONTEXT, a, {});
  REQUIRE(d.create_context() == a);
  page = read_page<rdu_log_context>(d, RDU_LOG_CONTEXTS);
  REQUIRE(page.size() == 2);
  CHECK(page[0].commands == 0);
  CHECK(page[0].tile_ns == 0);
}

TEST_CASE("log page: usage of the engines, also of what runs") {
  Device d;
  d.enable();
  const auto usage = [&d] { return read_page<rdu_log_usage>(d, RDU_LOG_USAGE).at(0); };
  const uint32_t c = d.create_context(8192, 4096);
  d.create_queue(1, c);
  const rdu_log_usage before = usage();
  CHECK(before.hbm_bytes == FakeChip::kHbmBytes);
  CHECK(before.hbm_used == 8192);
  CHECK(before.ddr_used == 4096);
  d.call(1, RDU_CMD_LOAD_PROGRAM, c, {hbm(0), 64, 1});
  d.call(1, RDU_CMD_COPY, c, {hbm(0), hbm(64), 1});
  const rdu_log_usage after = usage();
  CHECK(after.tile_ns[1] - before.tile_ns[1] == 1000);
  CHECK(after.tile_ns[0] == before.tile_ns[0]);
  CHECK(after.copy_ns[0] - before.copy_ns[0] == 1000);
  CHECK(after.time_ns > before.time_ns);
  // A kernel that does not end: the admin queue's transfers take steps, so it is not the oldest for long.
  d.push(1, RDU_CMD_LAUNCH, c, {hbm(0), 1, 1});
  d.ring(1);
  service();
  d.chip.step();
  service();
  d.chip.hold = RDU_BASE_SEQUENCER1;
  const rdu_log_usage first = usage(), second = usage();
  CHECK(second.tile_ns[1] - first.tile_ns[1] == second.time_ns - first.time_ns);
  d.chip.hold = ~uint64_t{0};
  d.chip.run();
  // Kept over a restart of the core, as the page says, and not over a power cycle.
  const rdu_log_usage last = usage();
  d.chip.reg(RDU_BASE_SYSCTL + RDU_SYSCTL_RESET_REASON) = RDU_SYSCTL_RESET_REASON_REASON_HOST;
  d.chip.set_enable(false);
  d.chip.run();
  boot();
  d.enable();
  CHECK(usage().tile_ns[1] == last.tile_ns[1]);
  d.chip.reg(RDU_BASE_SYSCTL + RDU_SYSCTL_RESET_REASON) = RDU_SYSCTL_RESET_REASON_REASON_POWER_ON;
  d.chip.set_enable(false);
  d.chip.run();
  boot();
  d.enable();
  CHECK(usage().tile_ns[1] == 0);
}

TEST_CASE("log page: how commands failed in the hardware") {
  Device d;
  d.enable();
  const auto faults = [&d] { return read_page<rdu_log_fault>(d, RDU_LOG_FAULTS); };
  CHECK(faults().empty());
  const uint32_t c = d.create_context(1 << 20, 1 << 20);
  d.create_queue(3, c);
  d.call(3, RDU_CMD_NOP, c, {});
  d.call(3, 0x77, c, {});  // no failures of the hardware
  d.call(3, RDU_CMD_LAUNCH, c, {hbm(0), 1, 9});
  CHECK(faults().empty());
  const rdu_cqe copy = d.call(3, RDU_CMD_COPY, c, {hbm(0), hbm(1 << 20), 1});
  d.call(3, RDU_CMD_LOAD_PROGRAM, c, {hbm(0), 64, 0});
  d.chip.kernel_fault = RDU_SEQUENCER_FAULT_CODE_MEMORY;
  const rdu_cqe memory = d.call(3, RDU_CMD_LAUNCH, c, {hbm(0), 1, 0});
  d.chip.kernel_fault = RDU_SEQUENCER_FAULT_CODE_HUNG;
  d.call(3, RDU_CMD_LAUNCH, c, {hbm(0), 1, 0});
  std::vector<rdu_log_fault> page = faults();
  REQUIRE(page.size() == 3);
  CHECK(page[0].status == RDU_STATUS_COPY_SEGMENT);
  CHECK(page[0].context == c);
  CHECK(page[0].queue == 3);
  CHECK(page[0].command_id == copy.command_id);
  CHECK(page[0].time_ns == copy.end_ns);
  CHECK(page[0].address == hbm(1 << 20));
  CHECK(page[0].unit == 0);
  CHECK(page[1].status == RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_MEMORY);
  CHECK(page[1].command_id == memory.command_id);
  CHECK(page[1].address == 0x100000001234);  // both, although the completion has room for one
  CHECK(page[1].unit == 0x01002003);
  CHECK(page[2].status == RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_HUNG);
  CHECK(page[2].address == 0);
  CHECK(page[2].unit == 0x01002003);
  for (unsigned n = 0; n < RDU_FAULTS_KEPT; ++n) d.call(3, RDU_CMD_COPY, c, {hbm(0), n, 1});
  page = faults();
  REQUIRE(page.size() == RDU_FAULTS_KEPT);
  CHECK(page.front().address == 0);
  CHECK(page.back().address == RDU_FAULTS_KEPT - 1);
}
