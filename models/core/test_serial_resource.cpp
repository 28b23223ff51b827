#include "core/serial_resource.h"
#include "test/catch.h"

using namespace rdu::core;

TEST_CASE("a serial resource passes bytes at its rate and queues what comes early") {
  SerialResource r(400'000'000'000);  // 2.5 ps a byte
  SerialResource::Slot s = r.take(1000, 256);
  CHECK(s.begin == 1000);
  CHECK(s.end == 1640);
  s = r.take(1200, 2);
  CHECK(s.begin == 1640);
  CHECK(s.end == 1645);
  s = r.take(5000, 1);  // idle in between
  CHECK(s.begin == 5000);
  CHECK(s.end == 5003);  // 2.5 ps, rounded up
  s = r.take(5000, 1);
  CHECK(s.begin == 5002);  // 5002.5, rounded down
  CHECK(s.end == 5005);    // nothing was lost by rounding
}

TEST_CASE("any number of requests takes the time of one of their sum") {
  // 1e12 / 999,999,999,989 ps a byte: no two requests end on the same fraction.
  SerialResource many(999'999'999'989);
  SerialResource one(999'999'999'989);
  Time end = 0;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < 200'000; ++i) {
    const uint64_t bytes = 1 + i * 7919 % 4096;
    sum += bytes;
    end = many.take(0, bytes).end;
  }
  CHECK(end == one.take(0, sum).end);
}

TEST_CASE("a share of a rate is exact although the quotient is no integer") {
  SerialResource r(200'000'000'000, 6);
  CHECK(r.take(0, 1).end == 30);
  CHECK(r.take(0, 255).end == 256 * 30);
}

TEST_CASE("products beyond 64 bits are exact") {
  SerialResource r(7);                       // 1e12 / 7 ps a byte
  const uint64_t bytes = uint64_t{1} << 26;  // 2^26 * 1e12 > 2^64
  CHECK(r.take(0, bytes).end == 9'586'980'571'428'571'429u);
}
