#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "native_view.h"

using namespace rdu::firmware;

TEST_CASE("boot: trains, reports, becomes ready") {
  Device d;
  CHECK(boot_stage(d.chip) == RDU_SYSCTL_BOOT_STAGE_STAGE_READY);
  CHECK(csts(d.chip) == kFw);
  CHECK(d.chip.console.find("fw: RDU-VP management firmware 0.1.0\n") == 0);
  CHECK(d.chip.console.find("fw: HBM trained: 64 MiB, 4 channels, 100 GB/s\n") != std::string::npos);
  CHECK(d.chip.console.find("fw: DDR trained: 128 MiB, 4 channels, 100 GB/s\n") != std::string::npos);
  CHECK(d.chip.console.find("fw: ready\n") != std::string::npos);
  CHECK(d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_FW_VERSION) == 0x000100);
}

TEST_CASE("boot: failed training is a boot error, and the end") {
  const auto [control, way, error, text] = GENERATE(
      std::tuple<uint64_t, unsigned, uint32_t, std::string>{RDU_BASE_HBM_CTL, 1, RDU_BOOT_HBM_TRAINING,
                                                            "HBM training failed, 3 attempts, channels 0x2"},
      std::tuple<uint64_t, unsigned, uint32_t, std::string>{RDU_BASE_DDR_CTL, 1, RDU_BOOT_DDR_TRAINING,
                                                            "DDR training failed, 3 attempts, channels 0x2"},
      std::tuple<uint64_t, unsigned, uint32_t, std::string>{RDU_BASE_DDR_CTL, 2, RDU_BOOT_DDR_TIMEOUT,
                                                            "DDR training timed out"});
  FakeChip chip;
  chip.training[control] = way;
  CHECK_THROWS_AS(boot(), Halted);
  CHECK(boot_stage(chip) == (RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED | error << 16));
  CHECK(csts(chip) == kCfs);
  CHECK(chip.console.find("fw: error: " + text + "\n") != std::string::npos);
}

TEST_CASE("mailbox answers before any queue exists") {
  Device d;
  const auto ask = [&d](uint32_t request) {
    d.chip.request_mailbox(request);
    d.chip.run();
    return d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_MBOX_RESPONSE);
  };
  CHECK(ask(RDU_MBOX_ABI_VERSION) == RDU_ABI_VERSION);
  CHECK(ask(0xabcdef00 | RDU_MBOX_ECHO) == 0xabcdef00);
  CHECK(ask(0x77) == RDU_MBOX_UNKNOWN);
}

TEST_CASE("enable, identify, disable") {
  Device d;
  d.enable();
  CHECK(csts(d.chip) == (kFw | kRdy));
  const rdu_cqe cqe = d.call(0, RDU_ADMIN_IDENTIFY, 0, {0x1234});
  CHECK(cqe.status == RDU_STATUS_OK);
  CHECK(cqe.sq_head == 1);
  rdu_identify id;
  std::memcpy(&id, d.chip.host(0x1234), sizeof id);
  CHECK(id.abi_version == RDU_ABI_VERSION);
  CHECK(id.hbm_bytes == FakeChip::kHbmBytes);
  CHECK(id.tiles == 2);
  CHECK(id.rows == 3);
  CHECK(id.columns == 5);
  CHECK(id.agcus == 6);
  CHECK(std::string(id.model) == "RDU-VP 40a1 rev 1");
  CHECK(d.chip.interrupts == std::vector<unsigned>{0});

  const uint32_t context = d.create_context();
  CHECK(segment(d.chip, context, 1, RDU_SLB_SEGMENT_FLAGS(0)) == 7);
  d.chip.set_enable(false);
  d.chip.run();
  CHECK(csts(d.chip) == kFw);
  CHECK(segment(d.chip, context, 1, RDU_SLB_SEGMENT_FLAGS(0)) == 0);
  d.enable();
  CHECK(csts(d.chip) == (kFw | kRdy));
  CHECK(d.create_context() == context);
}

TEST_CASE("the two admin queues may differ in size, and neither need be a power of two") {
  Device d;
  const auto [submissions, completions] = GENERATE(std::pair{5u, 50u}, std::pair{50u, 3u});
  d.enable(submissions, completions);
  for (int n = 0; n < 200; ++n) CHECK(d.call(0, RDU_ADMIN_IDENTIFY, 0, {0x1000}).status == RDU_STATUS_OK);
}

TEST_CASE("a bad admin queue is refused") {
  Device d;
  uint64_t aqa = 7 | 7 << 16, asq = 0x8000, acq = 0xc000;
  SECTION("one entry") {
    aqa = 0 | 7 << 16;
  }
  SECTION("too many entries") {
    aqa = 7 | 1024 << 16;
  }
  SECTION("not aligned") {
    asq = 0x8100;
  }
  SECTION("beyond host memory") {
    acq = ~uint64_t{0xfff};
  }
  d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_AQA) = aqa;
  d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_ASQ) = asq;
  d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_ACQ) = acq;
  d.chip.set_enable(true);
  d.chip.run();
  CHECK(csts(d.chip) == (kFw | kCfs));
  d.chip.set_enable(false);
  d.chip.run();
  CHECK(csts(d.chip) == kFw);
}

TEST_CASE("contexts: memory is given, protected, given back") {
  Device d;
  d.enable();
  const uint32_t a = d.create_context(1000, 0, 4096);
  CHECK(a == 1);
  CHECK(segment(d.chip, a, 0, RDU_SLB_SEGMENT_FLAGS(0)) == 0);
  CHECK(segment(d.chip, a, 1, RDU_SLB_SEGMENT_BASE(0)) == RDU_BASE_HBM);
  CHECK(segment(d.chip, a, 1, RDU_SLB_SEGMENT_LIMIT(0)) == 1000);
  CHECK(segment(d.chip, a, 2, RDU_SLB_SEGMENT_FLAGS(0)) == 0);
  CHECK(segment(d.chip, a, 3, RDU_SLB_SEGMENT_BASE(0)) == RDU_BASE_HOST);
  CHECK(segment(d.chip, a, 3, RDU_SLB_SEGMENT_LIMIT(0)) == 4096);
  const uint32_t b = d.create_context(FakeChip::kHbmBytes - 4096, FakeChip::kDdrBytes, 0);
  CHECK(segment(d.chip, b, 1, RDU_SLB_SEGMENT_BASE(0)) == RDU_BASE_HBM + 4096);
  CHECK(d.call(0, RDU_ADMIN_CREATE_CONTEXT, 0, {1, 0, 0}).status == RDU_STATUS_NO_MEMORY);
  CHECK(d.call(0, RDU_ADMIN_CREATE_CONTEXT, 0, {0, 1, 0}).status == RDU_STATUS_NO_MEMORY);
  CHECK(d.call(0, RDU_ADMIN_CREATE_CONTEXT, 0, {0, 0, ~uint64_t{0}}).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(0, RDU_ADMIN_DELETE_CONTEXT, b, {}).status == RDU_STATUS_OK);
  CHECK(d.call(0, RDU_ADMIN_DELETE_CONTEXT, b, {}).status == RDU_STATUS_BAD_CONTEXT);
  CHECK(d.call(0, RDU_ADMIN_DELETE_CONTEXT, 0, {}).status == RDU_STATUS_BAD_CONTEXT);
  CHECK(d.call(0, RDU_ADMIN_DELETE_CONTEXT, ~0u, {}).status == RDU_STATUS_BAD_CONTEXT);
  for (unsigned n = 2; n < RDU_MAX_CONTEXTS; ++n) d.create_context(4096, 4096, 0);
  CHECK(d.call(0, RDU_ADMIN_CREATE_CONTEXT, 0, {0, 0, 0}).status == RDU_STATUS_NO_RESOURCE);
}

TEST_CASE("queues: arguments are checked") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  const auto create = [&d](uint32_t context, std::vector<uint64_t> args) {
    return d.call(0, RDU_ADMIN_CREATE_QUEUE, context, std::move(args)).status;
  };
  CHECK(create(c, {0, 0x10000, 0x14000, 8, 0}) == RDU_STATUS_BAD_QUEUE);
  CHECK(create(c, {16, 0x10000, 0x14000, 8, 0}) == RDU_STATUS_BAD_QUEUE);
  CHECK(create(c, {uint64_t{1} << 32 | 1, 0x10000, 0x14000, 8, 0}) == RDU_STATUS_BAD_QUEUE);
  CHECK(create(0, {1, 0x10000, 0x14000, 8, 0}) == RDU_STATUS_BAD_CONTEXT);
  CHECK(create(c + 1, {1, 0x10000, 0x14000, 8, 0}) == RDU_STATUS_BAD_CONTEXT);
  CHECK(create(c, {1, 0x10000, 0x14000, 0, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(c, {1, 0x10000, 0x14000, 1, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(c, {1, 0x10000, 0x14000, 12, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(c, {1, 0x10000, 0x14000, 2048, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(c, {1, 0x10800, 0x14000, 8, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(c, {1, 0x10000, 0x14001, 8, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(c, {1, 0x10000, uint64_t{1} << 44, 8, 0}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(create(c, {1, 0x10000, 0x14000, 8, 16}) == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.create_queue(1, c).status == RDU_STATUS_OK);
  CHECK(d.call(0, RDU_ADMIN_DELETE_CONTEXT, c, {}).status == RDU_STATUS_IN_USE);
  CHECK(create(c, {1, 0x10000, 0x14000, 8, 0}) == RDU_STATUS_IN_USE);
  CHECK(d.call(0, RDU_ADMIN_DELETE_QUEUE, 0, {0}).status == RDU_STATUS_BAD_QUEUE);
  CHECK(d.call(0, RDU_ADMIN_DELETE_QUEUE, 0, {2}).status == RDU_STATUS_BAD_QUEUE);
  CHECK(d.call(0, RDU_ADMIN_DELETE_QUEUE, 0, {1}).status == RDU_STATUS_OK);
  CHECK(d.call(0, RDU_ADMIN_DELETE_CONTEXT, c, {}).status == RDU_STATUS_OK);
  CHECK(d.call(0, 0x55, 0, {}).status == RDU_STATUS_BAD_OPCODE);
  CHECK(d.call(0, RDU_CMD_NOP, 0, {}).status == RDU_STATUS_BAD_OPCODE);
}

TEST_CASE("copies move data, and their faults are told") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context(1 << 20, 1 << 20, FakeChip::kHostBytes);
  d.create_queue(1, c);
  std::memcpy(d.chip.host(0x100), "hello", 6);
  CHECK(d.call(1, RDU_CMD_NOP, c, {}).status == RDU_STATUS_OK);
  CHECK(d.call(1, RDU_CMD_COPY, c, {hbm(64), host(0x100), 6}).status == RDU_STATUS_OK);
  CHECK(d.call(1, RDU_CMD_COPY, c, {ddr(0), hbm(64), 6}).status == RDU_STATUS_OK);
  CHECK(d.call(1, RDU_CMD_COPY, c, {host(0x200), ddr(0), 6}).status == RDU_STATUS_OK);
  CHECK(std::string(reinterpret_cast<char*>(d.chip.host(0x200))) == "hello");
  rdu_cqe cqe = d.call(1, RDU_CMD_COPY, c, {hbm(0), hbm(1 << 20), 1});
  CHECK(cqe.status == RDU_STATUS_COPY_SEGMENT);
  CHECK(cqe.result == hbm(1 << 20));
  CHECK(d.call(1, RDU_CMD_COPY, c, {hbm(0), 0, 1}).status == RDU_STATUS_COPY_SEGMENT);
  CHECK(d.call(1, RDU_CMD_COPY, c + 1, {hbm(0), hbm(64), 1}).status == RDU_STATUS_BAD_CONTEXT);
  CHECK(d.call(1, RDU_CMD_COPY, 0, {hbm(0), hbm(64), 1}).status == RDU_STATUS_BAD_CONTEXT);
  CHECK(d.call(1, RDU_ADMIN_IDENTIFY, c, {0}).status == RDU_STATUS_BAD_OPCODE);

  rdu_log_memory page;
  cqe = d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_MEMORY, 0x300, sizeof page, 0});
  CHECK(cqe.result == sizeof page);
  std::memcpy(&page, d.chip.host(0x300), sizeof page);
  CHECK(page.host_written > page.host_read / 4);
}

TEST_CASE("queues wrap, phases flip, a full completion queue waits for room") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  const uint32_t entries = GENERATE(2u, 8u, 64u);
  d.create_queue(1, c, entries);
  d.chip.interrupts.clear();
  std::mt19937 random(entries);
  uint16_t next = 0, expected = 0;
  uint32_t outstanding = 0; /* pushed, completion not yet seen */
  for (int round = 0; round < 400; ++round) {
    rdu_sqe nop{};
    nop.opcode = RDU_CMD_NOP;
    nop.context = c;
    for (uint32_t n = random() % entries; n > 0 && outstanding < entries - 1; --n, ++outstanding) {
      nop.command_id = next++;
      d.push(1, nop);
    }
    d.ring(1);
    d.chip.run();
    const bool silent = random() % 3 == 0;  // not telling what was consumed fills the queue sooner or later
    for (const rdu_cqe& cqe : d.take(1, silent)) {
      REQUIRE(cqe.status == RDU_STATUS_OK);
      REQUIRE(cqe.command_id == expected++);
      --outstanding;
    }
  }
  d.take(1);
  d.chip.run();
  for (const rdu_cqe& cqe : d.take(1)) REQUIRE(cqe.command_id == expected++);
  CHECK(expected == next);
  CHECK(next > 100);
  CHECK(std::set<unsigned>(d.chip.interrupts.begin(), d.chip.interrupts.end()) == std::set<unsigned>{1});
  CHECK(csts(d.chip) == (kFw | kRdy));
}

TEST_CASE("a nonsensical completion head is ignored") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(1, c, 4);
  d.chip.ring_completion(1, 3);
  d.chip.run();
  d.chip.ring_completion(1, 0x1234);
  d.chip.run();
  for (int n = 0; n < 10; ++n) CHECK(d.call(1, RDU_CMD_NOP, c, {}).status == RDU_STATUS_OK);
}

TEST_CASE("programs load and launch on tiles; a context's program is its own") {
  Device d;
  d.enable();
  const uint32_t a = d.create_context(), b = d.create_context();
  d.create_queue(1, a);
  d.create_queue(2, b);
  const auto no_program = RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_NO_PROGRAM;
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 0}).status == no_program);
  rdu_cqe cqe = d.call(1, RDU_CMD_LOAD_PROGRAM, a, {hbm(0), 64, 0});
  CHECK(cqe.status == RDU_STATUS_OK);
  CHECK(cqe.result == 111);
  cqe = d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 0});
  CHECK(cqe.status == RDU_STATUS_OK);
  CHECK(cqe.result == 222);
  CHECK(cqe.end_ns == cqe.start_ns + 1000);
  CHECK(d.chip.reg(RDU_BASE_SEQUENCER0 + RDU_SEQUENCER_TAG) == (1u << 16 | 2) + 1);
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 1}).status == no_program);
  CHECK(d.call(2, RDU_CMD_LAUNCH, b, {hbm(0), 1, 0}).status == no_program);
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 0, 0}).status == RDU_STATUS_OK);
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), uint64_t{1} << 32, 0}).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 2}).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(1, RDU_CMD_LOAD_PROGRAM, a, {hbm(0), 64, uint64_t{1} << 40}).status ==
        RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(1, RDU_CMD_LOAD_PROGRAM, a, {hbm(0), 0, 0}).status == RDU_STATUS_BAD_ARGUMENT);
  d.chip.kernel_fault = RDU_SEQUENCER_FAULT_CODE_SEGMENT;
  cqe = d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 0});
  CHECK(cqe.status == RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_SEGMENT);
  CHECK(cqe.result == 0x100000001234);
  d.chip.kernel_fault = RDU_SEQUENCER_FAULT_CODE_BAD_CONFIG;
  cqe = d.call(1, RDU_CMD_LOAD_PROGRAM, a, {hbm(0), 64, 0});
  CHECK(cqe.status == RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_BAD_CONFIG);
  CHECK(cqe.result == 0x01002003);
  d.chip.kernel_fault = 0;
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 0}).status == no_program);
  CHECK(d.call(1, RDU_CMD_LOAD_PROGRAM, a, {hbm(0), 64, 1}).status == RDU_STATUS_OK);
  d.call(0, RDU_ADMIN_DELETE_QUEUE, 0, {1});
  d.call(0, RDU_ADMIN_DELETE_CONTEXT, a, {});
  CHECK(d.create_context() == a);
  d.create_queue(1, a);
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 1}).status == no_program);
}

TEST_CASE("schedules bring their programs, run on tiles, and are ended by an abort") {
  Device d;
  d.enable();
  const uint32_t a = d.create_context(), b = d.create_context();
  d.create_queue(1, a);
  d.create_queue(2, b);
  const auto no_program = RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_NO_PROGRAM;
  const auto control = [&] { return d.chip.reg(RDU_BASE_SEQUENCER0 + RDU_SEQUENCER_CONTROL); };
  rdu_cqe cqe = d.call(1, RDU_CMD_SCHEDULE, a, {hbm(64), 96, 0});
  CHECK(cqe.status == RDU_STATUS_OK);
  CHECK(cqe.result == 222);
  CHECK(d.chip.reg(RDU_BASE_SEQUENCER0 + RDU_SEQUENCER_SCHEDULE_SIZE) == 96);
  CHECK((control() & RDU_SEQUENCER_CONTROL_SCHEDULE_MASK) != 0);
  CHECK((control() & RDU_SEQUENCER_CONTROL_SCRUB_MASK) != 0);  // whose data was there, nobody knows
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 0}).status == RDU_STATUS_OK);  // what it has loaded last
  CHECK(d.call(2, RDU_CMD_LAUNCH, b, {hbm(0), 1, 0}).status == no_program);
  d.call(1, RDU_CMD_SCHEDULE, a, {hbm(64), 96, 0});
  CHECK((control() & RDU_SEQUENCER_CONTROL_SCRUB_MASK) == 0);
  d.call(2, RDU_CMD_SCHEDULE, b, {hbm(64), 96, 0});
  CHECK((control() & RDU_SEQUENCER_CONTROL_SCRUB_MASK) != 0);
  CHECK(d.call(1, RDU_CMD_LAUNCH, a, {hbm(0), 1, 0}).status == no_program);
  CHECK(d.call(1, RDU_CMD_SCHEDULE, a, {hbm(0), 0, 0}).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(1, RDU_CMD_SCHEDULE, a, {hbm(0), uint64_t{1} << 32, 0}).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(1, RDU_CMD_SCHEDULE, a, {hbm(0), 32, 0xfffffffe}).status == RDU_STATUS_BAD_ARGUMENT);
  d.chip.kernel_fault = RDU_SEQUENCER_FAULT_CODE_BAD_SCHEDULE;
  cqe = d.call(1, RDU_CMD_SCHEDULE, a, {hbm(0), 32, 0});
  CHECK(cqe.status == RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_BAD_SCHEDULE);
  CHECK(cqe.result == 33);
}

TEST_CASE("queues share an engine in the order in which they ask, others go on meanwhile") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  for (unsigned q = 1; q <= 6; ++q) d.create_queue(q, c, 16);
  d.call(1, RDU_CMD_LOAD_PROGRAM, c, {hbm(0), 64, 0});
  for (unsigned q = 1; q <= 5; ++q)
    for (int n = 0; n < 12; ++n) d.push(q, RDU_CMD_COPY, c, {hbm(q * 0x1000), hbm(0), 1});
  for (int n = 0; n < 5; ++n) d.push(6, RDU_CMD_LAUNCH, c, {hbm(0), 1, 0});
  for (unsigned q = 1; q <= 6; ++q) d.ring(q);
  d.chip.copies.clear();
  d.chip.run();
  REQUIRE(d.chip.copies.size() == 60);
  // Submissions arrive queue by queue; once all are there, each is served once in any five copies.
  std::map<uint64_t, int> done;
  for (size_t n = 0; n < 60; ++n) {
    ++done[d.chip.copies[n].first];
    int least = 12, most = 0;
    for (unsigned q = 1; q <= 5; ++q) {
      least = std::min(least, done[hbm(q * 0x1000)]);
      most = std::max(most, done[hbm(q * 0x1000)]);
    }
    if (least < 2 || most > 9) continue;
    std::set<uint64_t> next;
    for (size_t m = n + 1; m <= n + 5; ++m) next.insert(d.chip.copies[m].first);
    CHECK(next.size() == 5);
  }
  for (unsigned q = 1; q <= 6; ++q) CHECK(d.take(q).size() == (q < 6 ? 12 : 5));
}

TEST_CASE("deleting a queue ends what runs there") {
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(1, c);
  d.call(1, RDU_CMD_LOAD_PROGRAM, c, {hbm(0), 64, 0});
  for (int n = 0; n < 3; ++n) d.push(1, RDU_CMD_LAUNCH, c, {hbm(0), 0, 0});
  d.ring(1);
  service();
  d.chip.step();  // the submissions arrive
  service();      // the first begins
  d.push(0, RDU_ADMIN_DELETE_QUEUE, 0, {1});
  d.ring(0);
  d.chip.run();
  // Whether the kernel or the transfer of the delete came first, the queue ends cleanly.
  CHECK(d.take(0).at(0).status == RDU_STATUS_OK);
  const std::vector<rdu_cqe> ended = d.take(1);
  CHECK(ended.size() >= 1);
  CHECK(ended.size() <= 3);
  CHECK(d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_QUEUE_SIZE(1)) == 0);
  CHECK(d.create_queue(1, c).status == RDU_STATUS_OK);
  CHECK(d.call(1, RDU_CMD_NOP, c, {}).status == RDU_STATUS_OK);
}

TEST_CASE("the host may leave, or disable the device, at any moment") {
  const int moment = GENERATE(range(0, 24));
  const bool leaves = GENERATE(false, true);
  Device d;
  d.enable();
  const uint32_t c = d.create_context();
  d.create_queue(1, c);
  d.create_queue(2, c);
  d.call(1, RDU_CMD_LOAD_PROGRAM, c, {hbm(0), 64, 0});
  for (int n = 0; n < 4; ++n) {
    d.push(1, RDU_CMD_LAUNCH, c, {hbm(0), 1, 0});
    d.push(2, RDU_CMD_COPY, c, {hbm(0), ddr(0), 64});
    d.push(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_ACTIVITY, 0x80000, 0x10000, 0});
  }
  for (unsigned q = 0; q <= 2; ++q) d.ring(q);
  for (int n = 0; n < moment; ++n) n % 2 ? (void)d.chip.step() : service();
  if (leaves)
    d.chip.reset_by_host();
  else
    d.chip.set_enable(false);
  d.chip.run();
  CHECK(csts(d.chip) == kFw);
  CHECK(d.chip.reset_answers == (leaves ? 1 : 0));
  for (unsigned n = 0; n < 32; ++n) CHECK(d.chip.reg(RDU_BASE_SLB + RDU_SLB_SEGMENT_FLAGS(n)) == 0);
  for (unsigned q = 0; q < 16; ++q) CHECK(d.chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_QUEUE_SIZE(q)) == 0);
  d.enable();
  CHECK(csts(d.chip) == (kFw | kRdy));
  const uint32_t again = d.create_context();
  d.create_queue(1, again);
  CHECK(d.call(1, RDU_CMD_COPY, again, {hbm(0), ddr(0), 64}).status == RDU_STATUS_OK);
}

TEST_CASE("a queue that cannot be read or written is fatal until the host starts anew") {
  Device d;
  d.enable();
  d.chip.bus_master = false;
  d.push(0, RDU_ADMIN_IDENTIFY, 0, {0});
  d.ring(0);
  d.chip.run();
  CHECK(csts(d.chip) == (kFw | kRdy | kCfs));
  CHECK(d.chip.console.find("fw: error: queue 0: submission entries") != std::string::npos);
  d.chip.bus_master = true;
  d.chip.set_enable(false);
  d.chip.run();
  d.enable();
  CHECK(csts(d.chip) == (kFw | kRdy));
  CHECK(d.call(0, RDU_ADMIN_IDENTIFY, 0, {0}).status == RDU_STATUS_OK);
  CHECK(d.call(0, RDU_ADMIN_IDENTIFY, 0, {FakeChip::kHostBytes}).status == RDU_STATUS_COPY_DENIED);
  CHECK(d.call(0, RDU_ADMIN_IDENTIFY, 0, {~uint64_t{0}}).status == RDU_STATUS_BAD_ARGUMENT);
}

TEST_CASE("log pages") {
  Device d;
  d.enable();
  rdu_cqe cqe = d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_TEXT, 0x80000, 0x8000, 0});
  CHECK(cqe.status == RDU_STATUS_OK);
  const std::string text(reinterpret_cast<char*>(d.chip.host(0x80000)), cqe.result);
  CHECK(text.find("info: ready\n") != std::string::npos);
  CHECK(text.back() == '\n');
  cqe = d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_TEXT, 0x90000, 100, 50});
  CHECK(std::string(reinterpret_cast<char*>(d.chip.host(0x90000)), 100) == text.substr(50, 100));

  const uint64_t units = 3 * 5 * 3 + 6;
  cqe = d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_ACTIVITY, 0x80000, 0x8000, 0});
  CHECK(cqe.result == units * sizeof(rdu_log_activity));
  std::set<uint32_t> ids;
  for (uint64_t n = 0; n < units; ++n) {
    rdu_log_activity entry;
    std::memcpy(&entry, d.chip.host(0x80000 + n * sizeof entry), sizeof entry);
    ids.insert(entry.unit);
  }
  CHECK(ids.size() == units);
  CHECK(d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_ACTIVITY, 0x80000, 8, 1u << 31}).status == RDU_STATUS_OK);
  CHECK(d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_ACTIVITY, 0x80000, 8, ~uint64_t{0}}).status ==
        RDU_STATUS_OK);
  CHECK(d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_FAULTS + 1, 0x80000, 8, 0}).status ==
        RDU_STATUS_BAD_LOG_PAGE);
  CHECK(d.call(0, RDU_ADMIN_READ_LOG, 0, {0, ~uint64_t{0}, 8, 0}).status == RDU_STATUS_BAD_ARGUMENT);
}

TEST_CASE("submissions of random bits: each completes once, in order, and nothing breaks") {
  std::mt19937_64 random(7);
  Device d;
  d.enable(64);
  const uint32_t c = d.create_context();
  for (unsigned q = 1; q <= 3; ++q) d.create_queue(q, c, 64);
  std::map<unsigned, std::deque<uint16_t>> pending;
  for (int round = 0; round < 300; ++round) {
    for (unsigned q = 0; q <= 3; ++q) {
      for (uint64_t n = random() % 8; n > 0; --n) {
        rdu_sqe sqe;
        uint64_t words[sizeof sqe / 8];
        for (uint64_t& word : words) word = random() % 4 == 0 ? random() : random() % 8;
        std::memcpy(&sqe, words, sizeof sqe);
        if (random() % 4) sqe.opcode = static_cast<uint8_t>((q == 0 ? 1 : 0x10) + random() % 6);
        if (random() % 2) sqe.context = c;
        if (sqe.opcode == RDU_CMD_EVENT) sqe.opcode = RDU_CMD_NOP;  // waits for what may never come
        if (q == 0 && sqe.opcode == RDU_ADMIN_INJECT && sqe.arg[0] >= RDU_INJECT_PANIC) sqe.arg[0] = 99;
        // Queues 1 to 3 are this test's; and the transfers of the admin queue must not hit its own queues.
        if (q == 0 && sqe.opcode == RDU_ADMIN_DELETE_QUEUE && sqe.arg[0] <= 3) sqe.arg[0] = 9;
        if (q == 0 && sqe.opcode == RDU_ADMIN_IDENTIFY) sqe.arg[0] |= 0x80000;
        if (q == 0 && sqe.opcode == RDU_ADMIN_READ_LOG) sqe.arg[1] |= 0x80000;
        if (q > 0 && sqe.opcode == RDU_CMD_COPY) sqe.arg[0] &= ~(uint64_t{3} << 44);
        pending[q].push_back(sqe.command_id);
        d.push(q, sqe);
      }
      d.ring(q);
    }
    d.chip.run();
    for (unsigned q = 0; q <= 3; ++q) {
      for (const rdu_cqe& cqe : d.take(q)) {
        REQUIRE(!pending[q].empty());
        REQUIRE(cqe.command_id == pending[q].front());
        pending[q].pop_front();
      }
      REQUIRE(pending[q].empty());
    }
  }
  CHECK(csts(d.chip) == (kFw | kRdy));
}
