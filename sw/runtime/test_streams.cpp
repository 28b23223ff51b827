// Streams of work over both transports: order between queues, waiting for several, poll(), threads.
#include <poll.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "rdu.hpp"
#include "runtime/test/session.h"
#include "test/seed.h"

using Catch::Matchers::Contains;
using namespace rdu::runtime;
using rdu::user::FakeDevice;

namespace {

enum class Way { kUserDriver, kKernel };

// A session with a second queue, over one of the two transports.
struct Fixture {
  explicit Fixture(Way way) {
    if (way == Way::kKernel) kernel = std::make_unique<FakeKernel>(fake);
    session = kernel ? std::make_unique<Session>(*kernel) : std::make_unique<Session>(fake);
    REQUIRE(rdu_queue_create(session->context, 8, &second) == RDU_OK);
  }
  ~Fixture() {
    rdu_queue_destroy(second);
    session.reset();
  }
  rdu_queue* first() { return session->queue; }

  FakeDevice fake;
  std::unique_ptr<FakeKernel> kernel;
  std::unique_ptr<Session> session;
  rdu_queue* second = nullptr;
};

rdu_event* nop(rdu_queue* queue) {
  rdu_event* event = nullptr;
  REQUIRE(rdu_nop_async(queue, &event) == RDU_OK);
  return event;
}

uint32_t completed(rdu_event* event) {
  uint32_t done = 7;
  REQUIRE(rdu_event_query(event, &done) == RDU_OK);
  return done;
}

bool readable(int fd, int timeout = 0) {
  pollfd set{fd, POLLIN, 0};
  return ::poll(&set, 1, timeout) == 1;
}

// Lets the fake go on after a while: what the firmware has to do, such as deleting a queue, waits for that.
class LetGo {
 public:
  explicit LetGo(FakeDevice& fake)
      : thread_([&fake] {
          std::this_thread::sleep_for(Milliseconds{30});
          fake.hold(false);
        }) {}
  ~LetGo() { thread_.join(); }

 private:
  std::thread thread_;
};

template <typename Test>
void over_both(Test test) {
  SECTION("over the user-space driver") {
    Fixture f(Way::kUserDriver);
    test(f);
  }
  SECTION("over the kernel driver") {
    Fixture f(Way::kKernel);
    test(f);
  }
}

}  // namespace

TEST_CASE("asking whether a command has completed") {
  over_both([](Fixture& f) {
    f.fake.hold(true);
    rdu_event* event = nop(f.first());
    CHECK(completed(event) == 0);
    f.fake.hold(false);
    CHECK(rdu_event_wait(event, kMs) == RDU_OK);
    CHECK(completed(event) == 1);
    CHECK(rdu_queue_destroy(f.session->queue) == RDU_OK);
    f.session->queue = nullptr;
    CHECK(completed(event) == 1);
    rdu_event_release(event);
  });
}

TEST_CASE("waiting for one of several, and for all") {
  over_both([](Fixture& f) {
    f.fake.hold(true);
    rdu_event* events[3] = {nop(f.first()), nop(f.second), nop(f.second)};
    size_t index = 9;
    CHECK(rdu_event_wait_any(events, 3, 20, &index) == RDU_ERROR_TIMEOUT);
    CHECK(last() == "none of 3 commands completed within 20 ms");
    CHECK(rdu_event_wait_all(events, 3, 20) == RDU_ERROR_TIMEOUT);
    {
      const LetGo soon(f.fake);
      CHECK(rdu_event_wait_any(events, 3, kMs, &index) == RDU_OK);
      CHECK(index < 3);
    }
    CHECK(rdu_event_wait_all(events, 3, kMs) == RDU_OK);
    CHECK(rdu_event_wait_any(events, 3, 0, &index) == RDU_OK);
    CHECK(index == 0);
    CHECK(rdu_event_wait_any(events, 0, 0, &index) == RDU_ERROR_INVALID_ARGUMENT);
    CHECK(rdu_event_wait_any(nullptr, 1, 0, &index) == RDU_ERROR_INVALID_ARGUMENT);
    CHECK(rdu_event_wait_all(nullptr, 0, 0) == RDU_OK);
    for (rdu_event* event : events) rdu_event_release(event);
  });
}

TEST_CASE("a command that is held back is rung for when it is waited for with others") {
  over_both([](Fixture& f) {
    REQUIRE(rdu_queue_begin_batch(f.first()) == RDU_OK);
    rdu_event* event = nop(f.first());
    CHECK(completed(event) == 0);
    size_t index = 9;
    CHECK(rdu_event_wait_any(&event, 1, kMs, &index) == RDU_OK);
    rdu_event_release(event);
    REQUIRE(rdu_queue_end_batch(f.first()) == RDU_OK);
  });
}

TEST_CASE("poll() in a loop of the application's own") {
  over_both([](Fixture& f) {
    CHECK(rdu_queue_acknowledge(f.first()) == RDU_ERROR_INVALID_ARGUMENT);
    int fd = -1, again = -1;
    REQUIRE(rdu_queue_get_fd(f.first(), &fd) == RDU_OK);
    REQUIRE(rdu_queue_get_fd(f.first(), &again) == RDU_OK);
    CHECK(fd == again);
    CHECK_FALSE(readable(fd));
    for (int i = 0; i < 20; ++i) {
      rdu_event* event = nop(f.first());
      while (completed(event) == 0) {
        CHECK(readable(fd, kMs));
        REQUIRE(rdu_queue_acknowledge(f.first()) == RDU_OK);
      }
      rdu_event_release(event);
    }
    // Another thread takes what completes; the loop is told all the same.
    REQUIRE(rdu_queue_acknowledge(f.first()) == RDU_OK);
    f.fake.hold(true);
    rdu_event* early = nop(f.first());
    std::thread other([&] { rdu_event_wait(early, kMs); });
    std::this_thread::sleep_for(Milliseconds{10});
    f.fake.hold(false);
    other.join();
    CHECK(readable(fd, kMs));
    rdu_event_release(early);
    // And of a device that goes.
    REQUIRE(rdu_queue_acknowledge(f.first()) == RDU_OK);
    f.fake.lose();
    CHECK(readable(fd, kMs));
    f.fake.hold(true);
  });
}

TEST_CASE("a queue waits for an event of another") {
  over_both([](Fixture& f) {
    rdu_memory* hbm = f.session->memory(RDU_TIER_HBM, 64);
    char there[8] = "new", back[8] = "";
    f.fake.hold(true);
    // first: upload. second: waits for it, downloads.
    rdu_event* uploaded = nullptr;
    REQUIRE(rdu_upload_async(f.first(), hbm, 0, there, sizeof there, &uploaded) == RDU_OK);
    REQUIRE(rdu_queue_wait_event(f.second, uploaded) == RDU_OK);
    rdu_event* downloaded = nullptr;
    REQUIRE(rdu_download_async(f.second, back, hbm, 0, sizeof back, &downloaded) == RDU_OK);
    rdu_event* behind = nop(f.second);
    rdu_event_release(uploaded);
    CHECK(rdu_event_wait(downloaded, 20) == RDU_ERROR_TIMEOUT);
    rdu_event_info info;
    CHECK(rdu_event_get_info(downloaded, &info) == RDU_ERROR_TIMEOUT);
    CHECK(rdu_queue_finish(f.second, 20) == RDU_ERROR_TIMEOUT);
    f.fake.hold(false);
    CHECK(rdu_event_wait(downloaded, kMs) == RDU_OK);
    CHECK(std::string(back) == "new");
    CHECK(rdu_event_wait(behind, kMs) == RDU_OK);
    rdu_event_info later;
    CHECK(rdu_event_get_info(downloaded, &info) == RDU_OK);
    CHECK(rdu_event_get_info(behind, &later) == RDU_OK);
    CHECK(later.start_ns >= info.end_ns);
    CHECK(rdu_queue_finish(f.second, kMs) == RDU_OK);
    // Its own events need no waiting.
    CHECK(rdu_queue_wait_event(f.second, behind) == RDU_OK);
    CHECK(rdu_queue_wait_event(f.second, nullptr) == RDU_ERROR_INVALID_ARGUMENT);
    rdu_event_release(downloaded);
    rdu_event_release(behind);
    rdu_mem_free(hbm);
  });
}

TEST_CASE("what waits can be batched, waited for with others, and destroyed") {
  over_both([](Fixture& f) {
    f.fake.hold(true);
    rdu_event* gate = nop(f.first());
    REQUIRE(rdu_queue_wait_event(f.second, gate) == RDU_OK);
    REQUIRE(rdu_queue_begin_batch(f.second) == RDU_OK);
    rdu_event* events[2] = {nop(f.second), nop(f.second)};
    REQUIRE(rdu_queue_end_batch(f.second) == RDU_OK);
    size_t index = 9;
    CHECK(rdu_event_wait_any(events, 2, 10, &index) == RDU_ERROR_TIMEOUT);
    SECTION("until the gate opens") {
      f.fake.hold(false);
      CHECK(rdu_event_wait_any(events, 2, kMs, &index) == RDU_OK);
      CHECK(rdu_event_wait_all(events, 2, kMs) == RDU_OK);
    }
    SECTION("until its queue goes") {
      const LetGo soon(f.fake);
      CHECK(rdu_queue_destroy(f.second) == RDU_OK);
      f.second = nullptr;
      CHECK(rdu_event_wait(events[1], kMs) == RDU_ERROR_ABORTED);
      uint32_t done;
      CHECK(rdu_event_query(events[1], &done) == RDU_ERROR_ABORTED);
    }
    SECTION("until the gate's queue goes: then nothing is left to wait for") {
      const LetGo soon(f.fake);
      CHECK(rdu_queue_destroy(f.session->queue) == RDU_OK);
      f.session->queue = nullptr;
      CHECK(rdu_event_wait(gate, kMs) == RDU_ERROR_ABORTED);
      CHECK(rdu_event_wait_all(events, 2, kMs) == RDU_OK);
    }
    SECTION("until the device is lost") {
      f.fake.lose();
      CHECK(rdu_event_wait_any(events, 2, kMs, &index) == RDU_OK);
      CHECK(rdu_event_wait(events[0], kMs) == RDU_ERROR_DEVICE_LOST);
    }
    rdu_event_release(gate);
    for (rdu_event* event : events) rdu_event_release(event);
  });
}

TEST_CASE("ordinary memory is copied to and from the device") {
  over_both([](Fixture& f) {
    rdu_memory* ddr = f.session->memory(RDU_TIER_DDR, 20000);
    std::vector<uint8_t> from(20000), to(20000);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i * 13 + 1);
    CHECK(rdu_upload_async(f.first(), ddr, 0, from.data(), from.size(), nullptr) == RDU_OK);
    CHECK(rdu_download_async(f.first(), to.data(), ddr, 0, to.size(), nullptr) == RDU_OK);
    CHECK(rdu_queue_finish(f.first(), kMs) == RDU_OK);
    CHECK(from == to);
    rdu_mem_free(ddr);
  });
}

TEST_CASE("threads share queues, events and dependencies") {
  over_both([](Fixture& f) {
    const uint64_t seed = test_seed();
    constexpr int kThreads = 4, kRounds = 60;
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        std::mt19937_64 random(seed + static_cast<uint64_t>(t));
        for (int i = 0; i < kRounds; ++i) {
          rdu_queue* const a = random() % 2 ? f.first() : f.second;
          rdu_queue* const b = a == f.first() ? f.second : f.first();
          rdu_event* events[2] = {};
          failures += rdu_nop_async(a, &events[0]) != RDU_OK;
          if (random() % 2) failures += rdu_queue_wait_event(b, events[0]) != RDU_OK;
          failures += rdu_nop_async(b, &events[1]) != RDU_OK;
          size_t index = 0;
          switch (random() % 3) {
            case 0:
              failures += rdu_event_wait_any(events, 2, 60000, &index) != RDU_OK;
              break;
            case 1:
              failures += rdu_event_wait_all(events, 2, 60000) != RDU_OK;
              break;
            default:
              failures += rdu_event_wait(events[1], 60000) != RDU_OK;
              break;
          }
          for (rdu_event* event : events) rdu_event_release(event);
        }
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(failures == 0);
    CHECK(rdu_queue_finish(f.first(), 60000) == RDU_OK);
    CHECK(rdu_queue_finish(f.second, 60000) == RDU_OK);
  });
}

TEST_CASE("a queue is destroyed while others sleep in it") {
  over_both([](Fixture& f) {
    f.fake.hold(true);
    rdu_event* event = nop(f.first());
    std::atomic<int> aborted{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&] { aborted += rdu_event_wait(event, 60000) == RDU_ERROR_ABORTED; });
    std::this_thread::sleep_for(Milliseconds{20});
    const LetGo soon(f.fake);
    CHECK(rdu_queue_destroy(f.session->queue) == RDU_OK);
    f.session->queue = nullptr;
    for (std::thread& thread : threads) thread.join();
    CHECK(aborted == 3);
    rdu_event_release(event);
  });
}
