#include "mgmt/meter.h"

#include <random>

#include "test/catch.h"

using rdu::mgmt::Meter;

TEST_CASE("a meter counts what two counters would") {
  std::mt19937_64 random(1);
  for (int run = 0; run < 200; ++run) {
    const auto budget = static_cast<int64_t>(random() % Meter::kMost) >> random() % 30;
    Meter meter(budget);
    int64_t cycles = 0, instructions = 0;
    for (int i = 0; i < 500; ++i) {
      const uint64_t cost = random() % 8 ? random() % 30 : random() % 1001;
      meter.spend(Meter::Cost(cost));
      meter.retire();
      cycles += 1 + static_cast<int64_t>(cost);
      ++instructions;
      REQUIRE(meter.left() == budget - cycles);
      REQUIRE(meter.over() == (budget - cycles <= 0));
      REQUIRE(meter.cycles() == static_cast<uint64_t>(cycles));
      REQUIRE(meter.instructions() == static_cast<uint64_t>(instructions));
    }
    meter.restart();
    CHECK(meter.left() == budget - cycles);
    CHECK(meter.cycles() == 0);
    CHECK(meter.instructions() == 0);
  }
}

TEST_CASE("a meter is exhausted by whole turns, at least one") {
  for (const int64_t budget :
       {int64_t{-5}, int64_t{0}, int64_t{1}, int64_t{2}, int64_t{3}, int64_t{1000001}, Meter::kMost}) {
    for (const int64_t cost : {0, 1, 2, 1000}) {
      Meter meter(budget);
      meter.exhaust(Meter::Cost(static_cast<uint64_t>(cost)));
      CHECK(meter.over());
      const int64_t turns = budget <= 0 ? 1 : (budget + cost) / (cost + 1);
      CHECK(meter.instructions() == static_cast<uint64_t>(turns));
      CHECK(meter.cycles() == static_cast<uint64_t>(turns * (cost + 1)));
    }
  }
}
