// The driver against a fake device: bring-up and its failures, queue rings, time-outs, a lost device, and
// that what the device sees does not depend on timing.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "regs/hostif.h"
#include "regs/sequencer.h"
#include "regs/sysctl.h"
#include "test/catch.h"
#include "user/device.h"
#include "user/errors.h"
#include "user/fake_device.h"
#include "user/range_allocator.h"
#include "user/status.h"

using namespace rdu::user;
using Catch::Matchers::Contains;

namespace {

constexpr Milliseconds kSoon{5000};

DeviceOptions quick() {
  DeviceOptions options;
  options.timeout = Milliseconds{200};
  options.command_timeout = Milliseconds{200};
  return options;
}

std::unique_ptr<Device> open(FakeDevice& fake, DeviceOptions options = {}) {
  return std::make_unique<Device>(std::make_unique<FakeBus>(fake), std::move(options));
}

std::string open_error(FakeDevice& fake) {
  try {
    open(fake, quick());
  } catch (const std::exception& error) {
    return error.what();
  }
  return "it opened";
}

rdu_sqe nop() {
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_NOP;
  return sqe;
}

uint32_t stage(uint32_t stage, uint32_t error = 0) {
  return stage << RDU_HOSTIF_CSTS_STAGE_SHIFT | error << RDU_HOSTIF_CSTS_ERROR_SHIFT;
}

}  // namespace

TEST_CASE("ranges: first fit, alignment, coalescing") {
  RangeAllocator a(0x1000, 0x1000, 0x100);
  CHECK(a.available() == 0x1000);
  CHECK(a.allocate(1) == 0x1000);
  CHECK(a.allocate(0x101) == 0x1100);
  CHECK(a.allocate(0) == 0x1300);  // an address of its own nevertheless
  CHECK(a.allocate(0xc01) == std::nullopt);
  CHECK(a.allocate(0xc00) == 0x1400);
  CHECK(a.available() == 0);
  CHECK(a.largest() == 0);
  CHECK(a.allocate(1) == std::nullopt);
  CHECK(a.allocate(~0ull) == std::nullopt);
  a.free(0x1100);
  a.free(0x1400);
  CHECK(a.largest() == 0xc00);
  CHECK(a.allocate(0x100) == 0x1100);  // the first hole that fits, not the best
  a.free(0x1100);
  a.free(0x1300);  // touches holes on both sides
  CHECK(a.largest() == 0xf00);
  a.free(0x1000);
  CHECK(a.largest() == 0x1000);
  CHECK(a.used().empty());
  CHECK_THROWS_AS(a.free(0x1000), std::logic_error);
  CHECK_THROWS_AS(RangeAllocator(0, 16, 3), std::logic_error);
}

TEST_CASE("texts name what the device means") {
  CHECK(unit_text(0x04000001) == "agcu[0][east]");
  CHECK(unit_text(0x01002003) == "pcu[2][3]");
  CHECK(address_text(RDU_VA(RDU_SEGMENT_HBM, 0x100)) == "HBM offset 0x100");
  CHECK_THAT(address_text(0x10), Contains("in no memory"));
  CHECK(status_text(RDU_CMD_LAUNCH, RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_SEGMENT,
                    RDU_VA(RDU_SEGMENT_DDR, 64)) ==
        "the kernel accessed DDR offset 0x40, outside the context's memory");
  CHECK(status_text(RDU_CMD_LAUNCH, RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_HUNG, 0x02001001) ==
        "the kernel hung: no unit can go on (unit pmu[1][1])");
  CHECK_THAT(status_text(RDU_CMD_COPY, 0x77, 0), Contains("unknown status 0x77"));
  CHECK_THAT(status_text(RDU_CMD_LAUNCH, RDU_STATUS_PROGRAM + 0x70, 0), Contains("unknown fault 0x70"));
  CHECK(boot_stage_text(3) == "TRAINING");
}

TEST_CASE("bring-up identifies the device, and going takes everything back") {
  FakeDevice fake;
  {
    auto device = open(fake);
    CHECK(std::string(device->identity().model) == "fake");
    CHECK(device->identity().rows == 6);
    CHECK(device->max_entries() == 1024);
    CHECK(device->timestamp() > 0);
    const uint32_t context = device->create_context(4096, 0);
    auto queue = device->create_queue(context, 4);
    CHECK(fake.live_queues() == 2);
    queue.reset();
    CHECK(fake.live_queues() == 1);
  }
  CHECK(fake.live_queues() == 0);
  CHECK(fake.live_contexts() == 0);
  CHECK(fake.mapped_windows() == 0);
  // And the next driver finds a device as fresh.
  open(fake);
}

TEST_CASE("bring-up says what is wrong") {
  FakeDevice fake;
  SECTION("another device") {
    fake.magic = 0x12345678;
    CHECK(open_error(fake) == "the device is no RDU: its magic number is 0x12345678, not 0x31554452");
  }
  SECTION("a newer register interface") {
    fake.version = 2 << 16;
    CHECK(open_error(fake) == "the device's registers have version 2.0, this driver is for 1.0");
  }
  SECTION("a minor version more is fine") {
    fake.version += 3;
    CHECK(open_error(fake) == "it opened");
  }
  SECTION("another firmware interface") {
    fake.mailbox_answer = 9;
    CHECK(open_error(fake) == "the firmware speaks interface version 9, this driver 2");
  }
  SECTION("a firmware that never gets ready") {
    fake.csts = stage(RDU_SYSCTL_BOOT_STAGE_STAGE_TRAINING);
    CHECK_THAT(open_error(fake), Contains("time-out after 0.2 s") &&
                                     Contains("waiting for the firmware to be ready (boot stage: TRAINING)"));
  }
  SECTION("a firmware that failed") {
    fake.csts = stage(RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED, RDU_BOOT_BAD_IMAGE);
    CHECK(open_error(fake) ==
          "the device failed to boot: the firmware is no complete RISC-V ELF64 executable");
  }
  SECTION("a fatal error") {
    fake.csts |= RDU_HOSTIF_CSTS_CFS_MASK;
    CHECK_THAT(open_error(fake), Contains("fatal"));
  }
  SECTION("a simulator that goes away") {
    fake.lose();
    CHECK_THROWS_AS(open(fake), DeviceLost);
  }
}

TEST_CASE("a long wait reports what it waits for") {
  FakeDevice fake;
  fake.csts = stage(RDU_SYSCTL_BOOT_STAGE_STAGE_ROM);
  DeviceOptions options;
  options.timeout = Milliseconds{1150};
  std::vector<std::string> lines;
  options.log = [&](const std::string& line) { lines.push_back(line); };
  CHECK_THROWS_AS(open(fake, options), Timeout);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == "waiting for the firmware to be ready (boot stage: ROM), 1 s of 1 s");
}

TEST_CASE("commands pass the ring's end many times, in order, whatever the ring's size") {
  FakeDevice fake;
  auto device = open(fake);
  const uint32_t context = device->create_context(4096, 0);
  const uint32_t entries = GENERATE(2u, 4u, 64u);
  auto queue = device->create_queue(context, entries);
  std::vector<std::shared_ptr<Command>> commands;
  for (int i = 0; i < 300; ++i) commands.push_back(queue->submit(nop(), kSoon));
  CHECK(queue->submitted() == 300);
  uint64_t last = 0;
  for (const auto& command : commands) {
    REQUIRE(queue->wait(*command, Milliseconds{0}));
    const Completion& c = queue->completion(*command);
    CHECK(c.status == RDU_STATUS_OK);
    CHECK(c.end_ns == c.start_ns + 100);
    CHECK(c.start_ns >= last);
    last = c.end_ns;
  }
}

TEST_CASE("command ids run over 16 bits") {
  FakeDevice fake;
  auto device = open(fake);
  auto queue = device->create_queue(device->create_context(0, 0), 1024);
  std::shared_ptr<Command> last;
  for (int i = 0; i < 66000; ++i) last = queue->submit(nop(), kSoon);
  CHECK(queue->wait(*last, kSoon));
}

TEST_CASE("a full queue waits for room, and gives up in time") {
  FakeDevice fake;
  auto device = open(fake);
  auto queue = device->create_queue(device->create_context(0, 0), 4);
  fake.hold(true);
  std::shared_ptr<Command> last;
  for (int i = 0; i < 3; ++i) last = queue->submit(nop(), Milliseconds{0});
  CHECK_THROWS_AS(queue->submit(nop(), Milliseconds{20}), Timeout);
  CHECK_FALSE(queue->wait(*last, Milliseconds{20}));
  std::thread later([&] {
    std::this_thread::sleep_for(Milliseconds{20});
    fake.hold(false);
  });
  last = queue->submit(nop(), kSoon);
  CHECK(queue->wait(*last, kSoon));
  later.join();
}

TEST_CASE("held submissions reach the device together, by one doorbell") {
  FakeDevice fake;
  auto device = open(fake);
  auto queue = device->create_queue(device->create_context(0, 0), 8);
  const auto doorbells = [&] {
    int count = 0;
    for (const std::string& line : fake.seen()) count += line.rfind("write 0x1008 ", 0) == 0 ? 1 : 0;
    return count;
  };
  QueuePair& pair = *queue;
  pair.hold();
  std::shared_ptr<Command> last;
  for (int i = 0; i < 3; ++i) last = pair.submit(nop(), kSoon);
  CHECK_FALSE(pair.wait(*last, Milliseconds{0}));
  CHECK(doorbells() == 0);
  SECTION("released") {
    pair.release();
    CHECK(doorbells() == 1);
    CHECK(pair.wait(*last, Milliseconds{0}));
  }
  SECTION("a wait rings") {
    CHECK(pair.wait(*last, kSoon));
    CHECK(doorbells() == 1);
  }
  SECTION("a full queue rings") {
    for (int i = 0; i < 20; ++i) last = pair.submit(nop(), kSoon);
    pair.release();
    CHECK(pair.wait(*last, kSoon));
    CHECK(doorbells() < 10);
  }
}

TEST_CASE("several threads wait on one queue") {
  FakeDevice fake;
  auto device = open(fake);
  auto queue = device->create_queue(device->create_context(0, 0), 16);
  fake.hold(true);
  std::vector<std::shared_ptr<Command>> commands;
  for (int i = 0; i < 8; ++i) commands.push_back(queue->submit(nop(), kSoon));
  std::vector<std::thread> threads;
  std::atomic<int> woken{0};
  for (const auto& command : commands)
    threads.emplace_back([&, command] { woken += queue->wait(*command, kSoon) ? 1 : 0; });
  std::this_thread::sleep_for(Milliseconds{10});
  fake.hold(false);
  for (auto& thread : threads) thread.join();
  CHECK(woken == 8);
}

TEST_CASE("several threads submit to one small queue") {
  FakeDevice fake;
  auto device = open(fake);
  const uint32_t entries = GENERATE(2u, 8u);
  auto queue = device->create_queue(device->create_context(0, 0), entries);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 300; ++i) queue->submit(nop(), kSoon);
    });
  }
  for (int i = 0; i < 20; ++i) {
    fake.hold(true);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    fake.hold(false);
  }
  for (auto& thread : threads) thread.join();
  CHECK(queue->submitted() == 900);
  CHECK(queue->wait_below(900, kSoon));
}

TEST_CASE("a lost device wakes who waits for it, at once") {
  FakeDevice fake;
  auto device = open(fake);
  auto queue = device->create_queue(device->create_context(0, 0), 4);
  fake.hold(true);
  auto command = queue->submit(nop(), kSoon);
  std::thread later([&] {
    std::this_thread::sleep_for(Milliseconds{20});
    fake.lose();
  });
  const auto begin = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(queue->wait(*command, Milliseconds{60000}), DeviceLost);
  CHECK(std::chrono::steady_clock::now() - begin < kSoon);
  later.join();
  CHECK_THROWS_AS(queue->submit(nop(), kSoon), DeviceLost);
  CHECK_THROWS_AS(device->timestamp(), DeviceLost);
}

TEST_CASE("a device that breaks the queue's rules is found out") {
  FakeDevice fake;
  auto device = open(fake);
  auto queue = device->create_queue(device->create_context(0, 0), 4);
  rdu_cqe cqe{};
  cqe.command_id = 7;
  SECTION("a completion of nothing") {
    fake.complete(1, cqe);
    CHECK_THROWS_WITH(queue->wait_below(1, kSoon), Contains("command 7 that was not submitted"));
  }
  SECTION("a completion out of order") {
    fake.hold(true);
    auto command = queue->submit(nop(), kSoon);
    fake.complete(1, cqe);
    CHECK_THROWS_WITH(queue->wait(*command, kSoon), Contains("completed command 7 where 0 was next"));
    fake.hold(false);
  }
}

TEST_CASE("a firmware that stops answering is given up") {
  FakeDevice fake;
  auto device = open(fake, quick());
  fake.hold(true);
  CHECK_THROWS_WITH(device->create_context(0, 0), "the firmware did not answer CREATE_CONTEXT within 200 ms");
  CHECK_THROWS_AS(device->create_context(0, 0), DeviceError);
  fake.hold(false);
}

TEST_CASE("what the firmware refuses, it refuses with a reason") {
  FakeDevice fake;
  auto device = open(fake);
  try {
    device->create_context(fake.memory_bytes + 1, 0);
    FAIL("it was created");
  } catch (const CommandError& error) {
    CHECK(error.status() == RDU_STATUS_NO_MEMORY);
    CHECK_THAT(error.what(), Contains("not enough device memory"));
  }
  CHECK_THROWS_AS(device->create_queue(7, 4), CommandError);
  const uint32_t context = device->create_context(0, 0);
  std::vector<std::unique_ptr<DeviceQueue>> queues;
  for (int i = 1; i < 16; ++i) queues.push_back(device->create_queue(context, 2));
  CHECK_THROWS_WITH(device->create_queue(context, 2), "all 16 queue pairs are in use");
  queues.erase(queues.begin() + 3);
  CHECK(device->create_queue(context, 2)->id() == 4);
}

TEST_CASE("a log longer than the buffer comes in pieces") {
  FakeDevice fake;
  fake.log_text.clear();
  for (int i = 0; i < 20000; ++i) fake.log_text += std::to_string(i) + "\n";
  auto device = open(fake);
  const auto bytes = device->read_log(RDU_LOG_TEXT);
  CHECK(std::string(bytes.begin(), bytes.end()) == fake.log_text);
  CHECK_THROWS_AS(device->read_log(9), CommandError);
  fake.log_text.clear();
  CHECK(device->read_log(RDU_LOG_TEXT).empty());
}

TEST_CASE("what the device sees does not depend on how fast it is") {
  const auto session = [](bool slow) {
    FakeDevice fake;
    {
      auto device = open(fake);
      auto memory = device->allocate(10000);
      auto queue = device->create_queue(device->create_context(0, 0), 8);
      std::thread thread;
      std::atomic<bool> stop{false};
      if (slow) {
        thread = std::thread([&] {
          while (!stop) {
            fake.hold(true);
            std::this_thread::sleep_for(std::chrono::microseconds(300));
            fake.hold(false);
          }
        });
      }
      std::shared_ptr<Command> command;
      for (int i = 0; i < 60; ++i) {
        command = queue->submit(nop(), kSoon);
        if (i % 7 == 0) queue->wait(*command, kSoon);
      }
      queue->wait(*command, kSoon);
      stop = true;
      if (slow) thread.join();
    }
    return fake.seen();
  };
  CHECK(session(false) == session(true));
}

TEST_CASE("a queue that is closed ends every wait, and keeps what had completed") {
  FakeDevice fake;
  auto device = open(fake);
  auto queue = device->create_queue(device->create_context(0, 0), 8);
  const auto done = queue->submit(nop(), kSoon);
  fake.hold(true);
  const auto waiting = queue->submit(nop(), kSoon);
  std::atomic<int> ended{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      try {
        queue->wait(*waiting, Milliseconds{60000});
      } catch (const QueueClosed&) {
        ++ended;
      }
    });
  std::this_thread::sleep_for(Milliseconds{20});
  // The firmware's part, deleting the queue, it does only when it is let go.
  std::thread later([&] {
    std::this_thread::sleep_for(Milliseconds{20});
    fake.hold(false);
  });
  queue->close();
  later.join();
  for (std::thread& thread : threads) thread.join();
  CHECK(ended == 3);
  CHECK(queue->wait(*done, Milliseconds{0}));
  CHECK_THROWS_AS(queue->wait(*waiting, Milliseconds{0}), QueueClosed);
  CHECK_THROWS_AS(queue->submit(nop(), kSoon), QueueClosed);
  CHECK(fake.live_queues() == 1);
}

TEST_CASE("who sleeps on descriptors is told, whoever takes the completions") {
  FakeDevice fake;
  auto device = open(fake);
  auto queue = device->create_queue(device->create_context(0, 0), 8);
  const int mine = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const auto readable = [](int fd) {
    pollfd set{fd, POLLIN, 0};
    return ::poll(&set, 1, 0) == 1;
  };
  queue->listen(mine);
  CHECK_FALSE(readable(queue->interrupt_fd()));
  auto command = queue->submit(nop(), kSoon);
  CHECK(readable(queue->interrupt_fd()));
  queue->look();
  CHECK_FALSE(readable(queue->interrupt_fd()));
  CHECK(readable(mine));
  uint64_t count = 0;
  CHECK(::read(mine, &count, sizeof count) == sizeof count);
  CHECK(queue->wait(*command, Milliseconds{0}));

  // A thread sleeps for the interrupt; another takes it away from it, and still both get on.
  fake.hold(true);
  command = queue->submit(nop(), kSoon);
  std::atomic<bool> woken{false};
  std::thread sleeper([&] { woken = queue->wait(*command, kSoon); });
  std::thread taker([&] {
    while (queue->completed() < 2) queue->look();
  });
  fake.hold(false);
  sleeper.join();
  taker.join();
  CHECK(woken);
  queue->unlisten(mine);
  ::close(mine);
}
