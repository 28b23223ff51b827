#include <cstdint>
#include <deque>
#include <random>

#include "Vrtl_common.h"
#include "pins/coverage.h"
#include "test/catch.h"
#include "test/seed.h"

// The small modules that units are made of, each against a few lines of C++, on random inputs.
namespace {

struct Bench {
  VerilatedContext context;
  Vrtl_common top{&context};
  std::mt19937_64 random{test_seed()};

  Bench() {
    context.randReset(2);
    context.randSeed(static_cast<int>(test_seed()));
    top.rst_n = 0;
    clock();
    top.rst_n = 1;
    top.start = 1;
    top.init = 3;
    top.tokens_init = 5;
    clock();
    top.start = 0;
  }
  ~Bench() { rdu::rtl::save_coverage(context); }
  void clock() {
    top.clk = 0;
    top.eval();
    top.clk = 1;
    top.eval();
  }
  void settle() {
    top.clk = 0;
    top.eval();
  }
  bool coin() { return random() & 1; }
};

}  // namespace

TEST_CASE("a queue keeps its words, and says when one is lost") {
  Bench bench;
  std::deque<uint16_t> model;
  bool was_full = false, was_lost = false;
  for (int i = 0; i < 2000; ++i) {
    bench.settle();
    REQUIRE(bench.top.valid == !model.empty());
    REQUIRE(bench.top.count == model.size());
    if (!model.empty()) REQUIRE(bench.top.data_out == model.front());
    bench.top.take = !model.empty() && bench.coin();
    bench.top.put = bench.coin();
    bench.top.data_in = static_cast<uint16_t>(bench.random());
    bench.settle();
    const bool lost = bench.top.put && !bench.top.take && model.size() == 5;
    REQUIRE(bench.top.overflow == lost);
    was_lost |= lost;
    if (bench.top.take) model.pop_front();
    if (bench.top.put && !lost) model.push_back(bench.top.data_in);
    was_full |= model.size() == 5;
    bench.clock();
  }
  REQUIRE(was_full);
  REQUIRE(was_lost);
}

TEST_CASE("an output sends what is ready as far as credits reach, and frees its place a cycle later") {
  Bench bench;
  std::deque<uint16_t> model;
  unsigned taken = 0;  // places
  unsigned owed = 0;   // of these, words that are not ready yet
  unsigned credits = 3, sent = 0;
  for (int i = 0; i < 3000; ++i) {
    bench.settle();
    REQUIRE(bench.top.free == 6 - taken);
    REQUIRE(bench.top.out_empty == (taken == 0));
    const bool leaves = !model.empty() && credits != 0;
    REQUIRE(bench.top.out_valid == leaves);
    if (leaves) REQUIRE(bench.top.out_data == model.front());
    const unsigned takes = std::min<unsigned>(6 - taken, bench.random() % 3);
    bench.top.take_places = takes;
    bench.top.out_put = owed != 0 && bench.coin();
    bench.top.out_put_data = static_cast<uint16_t>(bench.random());
    bench.top.credit = credits < 3 && bench.random() % 3 == 0;
    if (leaves) model.pop_front();
    if (bench.top.out_put) model.push_back(bench.top.out_put_data);
    owed += takes - bench.top.out_put;
    taken += takes - leaves;
    credits += bench.top.credit;
    credits -= leaves;
    sent += leaves;
    bench.clock();
  }
  REQUIRE(sent > 500);
}

TEST_CASE("counters nest, know their ends, and add up strides") {
  Bench bench;
  for (int round = 0; round < 50; ++round) {
    uint32_t count[3], stride[3];
    for (int l = 0; l < 3; ++l) {
      bench.top.counts[l] = count[l] = static_cast<uint32_t>(bench.random() % 4);
      bench.top.strides[l] = stride[l] = static_cast<uint32_t>(bench.random());
      if (count[l] == 0) count[l] = 1;
    }
    bench.top.start = 1;
    bench.clock();
    bench.top.start = 0;
    for (int twice = 0; twice < 2; ++twice) {
      for (uint32_t c = 0; c < count[2]; ++c)
        for (uint32_t b = 0; b < count[1]; ++b)
          for (uint32_t a = 0; a < count[0]; ++a) {
            bench.top.step = 0;
            if (bench.coin()) bench.clock();
            bench.settle();
            REQUIRE(bench.top.index[0] == a);
            REQUIRE(bench.top.index[1] == b);
            REQUIRE(bench.top.index[2] == c);
            REQUIRE(bench.top.offset == a * stride[0] + b * stride[1] + c * stride[2]);
            const bool first[3] = {a == 0, b == 0, c == 0};
            const bool last[3] = {a + 1 == count[0], b + 1 == count[1], c + 1 == count[2]};
            REQUIRE(bench.top.first ==
                    (first[0] | (first[0] && first[1]) << 1 | (first[0] && first[1] && first[2]) << 2));
            REQUIRE(bench.top.last ==
                    (last[0] | (last[0] && last[1]) << 1 | (last[0] && last[1] && last[2]) << 2));
            bench.top.step = 1;
            bench.clock();
          }
    }
    bench.top.step = 0;
  }
}

TEST_CASE("tokens are counted, several a cycle, and too many are noticed") {
  Bench bench;
  unsigned model = 5;
  bool overflowed = false;
  for (int i = 0; i < 4000 && !overflowed; ++i) {
    bench.settle();
    REQUIRE(bench.top.tokens == model);
    bench.top.give = static_cast<uint8_t>(bench.random() % 8);
    bench.top.taken = model >= 2 ? static_cast<uint8_t>(bench.random() % 4) : 0;
    bench.settle();
    model += __builtin_popcount(bench.top.give);
    model -= __builtin_popcount(bench.top.taken);
    overflowed = model > 255;
    REQUIRE(bench.top.token_overflow == overflowed);
    bench.clock();
  }
  REQUIRE(overflowed);
}
