#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "core/systemc.h"
#include "pcie/host_port.h"
#include "platform/simulation.h"
#include "test/bus.h"
#include "test/catch.h"
#include "test/child.h"

using namespace rdu;
using namespace rdu::platform;
using pcie::vfio_user::Request;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// The coupling alone: an endpoint, a scripted host, and a device that has a timer or none.
namespace {

/// Asks for TIMESTAMP of BAR0 (or for nothing at all) when the test says so. Thread-safe.
class ScriptedHost : public pcie::HostPort {
 public:
  void ask() {
    const std::lock_guard lock(mutex_);
    Request::Content content;
    content.kind = Request::Kind::kRegionRead;
    content.region = pcie::vfio_user::kRegionConfig;
    content.size = 4;
    waiting_.push_back(content);
  }
  unsigned answered() const { return answered_; }
  /// Simulated time of the last answer.
  core::Time answered_at() const { return answered_at_; }

  std::optional<Request> next() override {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return std::nullopt;
    std::optional<Request> request(waiting_.front());
    waiting_.pop_front();
    return request;
  }
  int perform(Request&) override { return 0; }
  void answer(Request&, int, const uint8_t*) override {
    answered_at_ = core::now();
    ++answered_;
  }
  int dma_read(core::Time, uint64_t, uint8_t*, size_t) override { return 0; }
  int dma_write(core::Time, uint64_t, const uint8_t*, size_t) override { return 0; }
  bool interrupt(uint32_t, uint32_t) override { return true; }
  bool pending(uint32_t, uint32_t) const override { return false; }
  bool peek(uint64_t, uint8_t*, size_t) override { return false; }
  bool poke(uint64_t, const uint8_t*, size_t) override { return false; }
  bool wait(milliseconds timeout) override {
    const auto end = Clock::now() + timeout;
    do {
      {
        const std::lock_guard lock(mutex_);
        if (!waiting_.empty()) return true;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    } while (Clock::now() < end);
    return false;
  }
  void hang_up() override {}
  bool connected() const override { return false; }

 private:
  std::mutex mutex_;
  std::deque<Request::Content> waiting_;
  std::atomic<unsigned> answered_{0};
  std::atomic<core::Time> answered_at_{0};
};

/// Something that happens each millisecond, and tells how often it has.
struct Timer : sc_core::sc_module {
  SC_HAS_PROCESS(Timer);
  explicit Timer(const sc_core::sc_module_name& name) : sc_module(name) { SC_THREAD(run); }
  void run() {
    for (;;) {
      wait(1, sc_core::SC_MS);
      ++ticks;
    }
  }
  std::atomic<unsigned> ticks{0};
};

struct Bench {
  Bench(const std::string& mode, bool with_timer) : params{mode} {
    endpoint.plug_in(host);
    bus.connect(endpoint.host_interface().firmware().socket);
    if (with_timer) timer = std::make_unique<Timer>("timer");
  }
  /// Runs the simulation here, and the test's script, which stops it, beside it.
  void run(const std::function<void()>& script) {
    std::thread other([&] {
      script();
      while (running) {  // once to settle, and again if it was paused or has a timer
        simulation.stop();
        sleep(milliseconds(20));
      }
    });
    std::string error;
    Simulation::End end = Simulation::End::killed;
    try {
      end = simulation.run({});
    } catch (const std::exception& e) {
      error = e.what();
    }
    running = false;
    other.join();
    REQUIRE(error == "");
    REQUIRE(end == Simulation::End::stopped);
  }
  std::atomic<bool> running{true};
  void sleep(milliseconds time) { std::this_thread::sleep_for(time); }
  /// True if the host is answered within that time.
  bool answers(milliseconds most) {
    const unsigned before = host.answered();
    host.ask();
    const auto end = Clock::now() + most;
    while (host.answered() == before && Clock::now() < end && running) sleep(milliseconds(1));
    return host.answered() != before;
  }
  core::Time time_of_access() { return answers(milliseconds(20'000)) ? host.answered_at() : core::kNever; }

  const CouplingParams params;
  ScriptedHost host;
  pcie::Endpoint endpoint{"pcie", {}, {[] { return 0u; }, [] {}}};
  test::Bus bus{"bus", 1};
  std::unique_ptr<Timer> timer;
  Simulation simulation{endpoint, &host, params, nullptr};
};

constexpr core::Time kMs = core::kMillisecond;

/// Results of the script's thread, which must not throw there.
struct Seen {
  std::vector<core::Time> times;
  std::vector<unsigned> counts;
  std::vector<bool> truths;
};

}  // namespace

TEST_CASE("lockstep: while a settled device's host is silent no time passes") {
  test::in_child([] {
    Bench b("lockstep", false);
    Seen seen;
    b.run([&] {
      for (int n = 0; n < 3; ++n) {
        seen.times.push_back(b.time_of_access());
        b.sleep(milliseconds(50));
      }
    });
    REQUIRE(seen.times[2] < kMs);
    REQUIRE(seen.times[2] - seen.times[1] == seen.times[1] - seen.times[0]);  // the way of an access, no more
  });
}

TEST_CASE("lockstep: a device with a timer goes on by itself, and still serves its host") {
  test::in_child([] {
    Bench b("lockstep", true);
    Seen seen;
    b.run([&] {
      for (int n = 0; n < 5; ++n) seen.times.push_back(b.time_of_access());
      seen.counts.push_back(b.timer->ticks);
      b.sleep(milliseconds(50));
      seen.counts.push_back(b.timer->ticks);
    });
    for (int n = 1; n < 5; ++n) REQUIRE(seen.times[n] > seen.times[n - 1]);
    REQUIRE(seen.counts[1] > seen.counts[0] + 1000);  // it is skipped through as fast as it goes
  });
}

TEST_CASE("free: time follows the host's clock, with a timer or without") {
  const bool with_timer = GENERATE(false, true);
  test::in_child([with_timer] {
    Bench b("free", with_timer);
    Seen seen;
    b.run([&] {
      seen.times.push_back(b.time_of_access());
      if (with_timer) seen.counts.push_back(b.timer->ticks);
      b.sleep(milliseconds(400));
      seen.times.push_back(b.time_of_access());
      if (with_timer) seen.counts.push_back(b.timer->ticks);
      seen.times.push_back(b.time_of_access());
    });
    // A busy machine may make it longer: time is only behind the clock, never ahead of it, and by 0.1 s at
    // most.
    REQUIRE(seen.times[1] - seen.times[0] >= 300 * kMs);
    REQUIRE(seen.times[2] - seen.times[1] < 20'000 * kMs);
    if (!with_timer) return;
    REQUIRE(seen.counts[1] - seen.counts[0] >= 300);
    REQUIRE(seen.counts[1] <= seen.times[2] / kMs);
  });
}

TEST_CASE("paused: no time passes, accesses wait, and it does not jump afterwards") {
  const std::string mode = GENERATE("lockstep", "free");
  const bool with_timer = GENERATE(false, true);
  test::in_child([mode, with_timer] {
    Bench b(mode, with_timer);
    Seen seen;
    b.run([&] {
      Simulation& s = b.simulation;
      b.time_of_access();
      seen.truths.push_back(s.paused());
      s.pause();
      s.pause();
      seen.truths.push_back(s.wait_paused(true, milliseconds(20'000)));
      seen.times.push_back(core::now());
      if (with_timer) seen.counts.push_back(b.timer->ticks);
      seen.truths.push_back(b.answers(milliseconds(300)));
      seen.times.push_back(core::now());
      if (with_timer) seen.counts.push_back(b.timer->ticks);
      const unsigned before = b.host.answered();
      s.resume();
      seen.truths.push_back(s.wait_paused(false, milliseconds(20'000)));
      const auto end = Clock::now() + milliseconds(20'000);
      while (b.host.answered() == before && Clock::now() < end) b.sleep(milliseconds(1));
      seen.truths.push_back(b.host.answered() == before + 1);  // the access that has waited
      seen.times.push_back(b.host.answered_at());
    });
    REQUIRE(seen.truths == std::vector<bool>{false, true, false, true, true});
    REQUIRE(seen.times[1] == seen.times[0]);
    if (with_timer) REQUIRE(seen.counts[1] == seen.counts[0]);
    // Of the 300 ms nothing is made up for.
    REQUIRE(seen.times[2] - seen.times[1] < (mode == "free" ? 200 : 2) * kMs);
  });
}

TEST_CASE("a paused simulation can be stopped") {
  test::in_child([] {
    Bench b("free", true);
    b.run([&] {
      b.simulation.pause();
      b.simulation.wait_paused(true, milliseconds(20'000));
    });
  });
}
