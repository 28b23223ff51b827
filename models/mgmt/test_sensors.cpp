#include <cmath>
#include <vector>

#include "mgmt/sensors.h"
#include "test/bus.h"
#include "test/catch.h"
#include "test/child.h"

using namespace rdu;
using core::kMillisecond;
using mgmt::Sensors;
namespace r = regs::sensors;
namespace status = regs::sensors::SENSOR_STATUS;

namespace {

struct Sink : core::InterruptSink {
  void set_interrupt(unsigned, bool level) override { high = level; }
  bool high = false;
};

/// A socket (30 W) of a core (0.5 W) and a tile (15 W), whose activity the test makes up.
struct Bench {
  explicit Bench(const mgmt::SensorParams& p = {})
      : params(p),
        sensors("sensors", p,
                {{Sensors::Kind::core, 0, 500, 900, [this] { return core_pj; }},
                 {Sensors::Kind::tile, 2, 15'000, 750, [this] { return tile_pj; }}}) {
    bus.connect(sensors.registers.socket);
    sensors.interrupt.connect(sink, 0);
  }
  static uint64_t at(unsigned n, uint64_t offset) {
    return r::kSENSOR_OFFSET + n * r::kSENSOR_STRIDE + offset;
  }
  int32_t read(unsigned n, uint64_t offset) {
    return static_cast<int32_t>(test::read32(sensors.registers, at(n, offset)));
  }
  void write(unsigned n, uint64_t offset, int32_t value) {
    test::write32(sensors.registers, at(n, offset), static_cast<uint32_t>(value));
  }
  int32_t temperature(unsigned n) { return read(n, r::kSENSOR_TEMPERATURE_OFFSET); }

  mgmt::SensorParams params;
  uint64_t core_pj = 0, tile_pj = 0;
  test::Bus bus{"bus", 1};
  Sensors sensors;
  Sink sink;
};

constexpr int32_t kIdleSocket = 35'000 + 45'500 * 60 / 1000;      // 37.73: 45.5 W through 0.06 K/W
constexpr int32_t kIdleTile = kIdleSocket + 15'000 * 100 / 1000;  // and 15 W through 0.1 K/W

}  // namespace

TEST_CASE("decay is the exponential, to a part in a billion") {
  for (double x : {0.0, 1e-6, 0.01, 0.5, 0.999, 1.0, 1.5, 3.0, 10.0, 20.0}) {
    const auto left =
        static_cast<double>(mgmt::decay(static_cast<core::Time>(x * 1e12), 1'000'000'000'000)) / 4294967296.0;
    CHECK(std::abs(left - std::exp(-x)) < 1e-8);
  }
  CHECK(mgmt::decay(1'000'000'000, 1) == 0);
}

TEST_CASE("an idle socket rests at its equilibrium and schedules nothing") {
  test::in_child([] {
    Bench b;
    REQUIRE(test::read32(b.sensors.registers, r::kCOUNT_OFFSET) == 3);
    REQUIRE(b.read(2, r::kSENSOR_INFO_OFFSET) == (5 | 2 << 8));
    REQUIRE(b.temperature(0) == kIdleSocket);
    REQUIRE(b.temperature(2) == kIdleTile);
    test::run_past(5000 * kMillisecond);
    REQUIRE(b.temperature(0) == kIdleSocket);
    REQUIRE(b.temperature(2) == kIdleTile);
    REQUIRE(b.read(0, r::kSENSOR_POWER_OFFSET) == 45'500);
    REQUIRE(b.read(2, r::kSENSOR_POWER_OFFSET) == 15'000);
    // 15 W at 750 mV are 20 A, through 100 uOhm 2 mV.
    REQUIRE(b.read(2, r::kSENSOR_VOLTAGE_OFFSET) == 748);
    REQUIRE(b.read(2, r::kSENSOR_ENERGY_OFFSET) == 75'000'000);  // uJ: 15 W for 5 s
    REQUIRE_FALSE(sc_core::sc_pending_activity());
  });
}

TEST_CASE("activity heats: exponentially, whatever the moments at which somebody looks") {
  const auto run = [](unsigned looks) {
    return test::ask_child([looks] {
      Bench b;
      // 100 W more in the tile, for one time constant.
      for (unsigned i = 0; i < looks; ++i) {
        b.tile_pj += 200'000'000'000'000 / looks;
        sc_core::sc_start(core::to_sc(2000 * kMillisecond / looks));
        b.temperature(2);
      }
      return std::to_string(b.temperature(2));
    });
  };
  const double rise = 100 * (0.06 + 0.1) * 1000 * (1 - std::exp(-1));  // mK
  const int once = std::stoi(run(1));
  CHECK(std::abs(once - kIdleTile - rise) < 3);
  CHECK(std::abs(std::stoi(run(100)) - once) < 3);
}

TEST_CASE("thresholds latch when passed, interrupt, and come again only after a return") {
  test::in_child([] {
    Bench b;
    b.write(2, r::kSENSOR_HIGH_OFFSET, 45'000);
    b.write(2, r::kSENSOR_IRQ_ENABLE_OFFSET, static_cast<int32_t>(status::HIGH.mask()));
    REQUIRE_FALSE(sc_core::sc_pending_activity());  // resting does not pass it
    b.tile_pj += 200'000'000'000'000;
    test::run_past(2000 * kMillisecond);
    REQUIRE_FALSE(b.sink.high);
    b.sensors.notice();
    REQUIRE(b.sink.high);
    REQUIRE(test::read32(b.sensors.registers, r::kIRQ_STATUS_OFFSET) == 4);
    REQUIRE(b.read(2, r::kSENSOR_STATUS_OFFSET) == 2);
    b.write(2, r::kSENSOR_STATUS_OFFSET, 2);
    REQUIRE_FALSE(b.sink.high);
    test::run_past(kMillisecond);
    b.sensors.notice();
    REQUIRE(b.read(2, r::kSENSOR_STATUS_OFFSET) == 0);  // still above
    test::run_past(20'000 * kMillisecond);
    b.sensors.notice();
    REQUIRE(b.temperature(2) < 45'000);
    b.tile_pj += 200'000'000'000'000;
    test::run_past(2000 * kMillisecond);
    b.sensors.notice();
    REQUIRE(b.sink.high);
  });
}

TEST_CASE("a threshold that resting passes is met at its time") {
  test::in_child([] {
    Bench b;
    b.tile_pj += 200'000'000'000'000;
    test::run_past(2000 * kMillisecond);
    REQUIRE(b.temperature(2) > 45'000);
    b.write(2, r::kSENSOR_LOW_OFFSET, 42'000);
    b.write(2, r::kSENSOR_IRQ_ENABLE_OFFSET, static_cast<int32_t>(status::LOW.mask()));
    REQUIRE(sc_core::sc_pending_activity());
    const core::Time begin = core::now();
    while (!b.sink.high && sc_core::sc_pending_activity())
      sc_core::sc_start(sc_core::sc_time_to_pending_activity());
    REQUIRE(b.sink.high);
    const double rise = 100 * (0.06 + 0.1) * (1 - std::exp(-1));
    const double wanted = 2.0 * std::log(rise / (42.0 - kIdleTile / 1000.0));
    REQUIRE(std::abs(static_cast<double>(core::now() - begin) * 1e-12 - wanted) < 0.001);
    REQUIRE_FALSE(sc_core::sc_pending_activity());
  });
}

TEST_CASE("an override reads as given and passes thresholds at once") {
  test::in_child([] {
    Bench b;
    b.write(1, r::kSENSOR_CRITICAL_OFFSET, 100'000);
    b.write(1, r::kSENSOR_LOW_OFFSET, -10'000);
    b.write(1, r::kSENSOR_IRQ_ENABLE_OFFSET, 7);
    b.write(1, r::kSENSOR_OVERRIDE_VALUE_OFFSET, 120'000);
    REQUIRE_FALSE(b.sink.high);
    b.write(1, r::kSENSOR_OVERRIDE_OFFSET, 1);
    REQUIRE(b.sink.high);
    REQUIRE(b.temperature(1) == 120'000);
    REQUIRE(b.read(1, r::kSENSOR_STATUS_OFFSET) == 4);
    b.write(1, r::kSENSOR_STATUS_OFFSET, 4);
    b.write(1, r::kSENSOR_OVERRIDE_VALUE_OFFSET, -20'000);
    REQUIRE(b.read(1, r::kSENSOR_STATUS_OFFSET) == 1);
    REQUIRE(b.temperature(1) == -20'000);
    b.write(1, r::kSENSOR_OVERRIDE_OFFSET, 0);
    REQUIRE(b.temperature(1) > 35'000);
  });
}
