#include <random>
#include <vector>

#include "fabric/stream/queues.h"
#include "fabric/stream/run.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;

namespace {

/// The plain recurrence, firing by firing.
struct Plain {
  uint64_t s;
  Stalls stalls;
};
Plain fire(uint64_t earliest, const std::vector<uint64_t>& inputs, const std::vector<uint64_t>& outputs) {
  uint64_t in = 0;
  uint64_t out = 0;
  for (uint64_t t : inputs) in = std::max(in, t);
  for (uint64_t t : outputs) out = std::max(out, t);
  const uint64_t s = std::max({earliest, in, out});
  Plain plain{s, {}};
  (in == s ? plain.stalls.input : plain.stalls.output) = s - earliest;
  return plain;
}

}  // namespace

TEST_CASE("a firing's closed form is the recurrence") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 3000; ++round) {
    const uint64_t ii = 1 + random() % 3;
    const uint64_t earliest = random() % 40;
    const auto make = [&] { return Run{random() % 60, random() % 6, 1 + random() % 20}; };
    std::vector<Run> inputs(random() % 4);
    std::vector<Run> outputs(random() % 3);
    for (Run& run : inputs) run = make();
    for (Run& run : outputs) run = make();
    Firing firing(earliest, ii, 1 + random() % 25);
    for (const Run& run : inputs) firing.need(run, Cause::input);
    for (const Run& run : outputs) firing.need(run, Cause::output);
    const auto [run, stalls] = firing.solve();
    REQUIRE(run.n >= 1);
    uint64_t next = earliest;
    Stalls expect;
    for (uint64_t i = 0; i < run.n; ++i) {
      std::vector<uint64_t> in, out;
      for (const Run& r : inputs) in.push_back(r.at(i));
      for (const Run& r : outputs) out.push_back(r.at(i));
      const Plain plain = fire(next, in, out);
      REQUIRE(run.at(i) == plain.s);
      expect += plain.stalls;
      next = plain.s + ii;
    }
    REQUIRE(stalls.input == expect.input);
    REQUIRE(stalls.output == expect.output);
  }
}

TEST_CASE("a lone run is not cut") {
  Firing firing(0, 1, 1000);
  firing.need({7, 3, 100}, Cause::input);
  REQUIRE(firing.solve().run == Run{7, 3, 100});
}

TEST_CASE("grouped firings wait for the last of their packets") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 2000; ++round) {
    RunQueue queue;
    std::vector<uint64_t> times;
    uint64_t t = random() % 10;
    while (times.size() < 24) {
      const Run run{t, 1 + random() % 4, 1 + random() % 5};
      for (uint64_t i = 0; i < run.n; ++i) times.push_back(run.at(i));
      queue.push(run, 1 + random() % 6);
      t = run.last() + 1 + random() % 3;
    }
    const uint64_t per = 1 + random() % 3;
    size_t taken = 0;
    while (queue.count() >= per) {
      const Run head = queue.head(per);
      REQUIRE(head.n >= 1);
      for (uint64_t i = 0; i < head.n; ++i) {
        uint64_t expect = 0;
        for (uint64_t q = 0; q < per; ++q) {
          const uint64_t packet = times.at(taken + i * per + q);
          expect = std::max(expect, packet - std::min(packet, q));
        }
        REQUIRE(head.at(i) == expect);
      }
      const uint64_t n = 1 + random() % head.n;
      taken += n * per;
      REQUIRE(queue.pop(n * per) == times.at(taken - 1));
    }
    REQUIRE(queue.head(per).n == 0);
  }
}
