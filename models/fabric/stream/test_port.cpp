#include <deque>
#include <random>

#include "fabric/test/harness.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;

namespace {

/// The stream's definition, packet by packet: leaving and taking times of one source and several sinks.
struct Plain {
  std::vector<uint64_t> left;
  std::vector<std::vector<uint64_t>> taken;
};
struct PlainSink {
  uint64_t latency, capacity, interval, open;
};
Plain plain_stream(const std::vector<uint64_t>& ready, const std::vector<PlainSink>& sinks) {
  Plain p;
  p.taken.resize(sinks.size());
  for (size_t i = 0; i < ready.size(); ++i) {
    uint64_t o = std::max(ready[i], i == 0 ? 0 : p.left.back() + 1);
    for (size_t s = 0; s < sinks.size(); ++s) {
      if (i >= sinks[s].capacity) o = std::max(o, p.taken[s][i - sinks[s].capacity] + sinks[s].latency);
    }
    p.left.push_back(o);
    for (size_t s = 0; s < sinks.size(); ++s) {
      const uint64_t earliest = i == 0 ? sinks[s].open : p.taken[s].back() + sinks[s].interval;
      p.taken[s].push_back(std::max(o + sinks[s].latency, earliest));
    }
  }
  return p;
}

std::vector<Packet> numbered(size_t n) {
  std::vector<Packet> packets(n);
  for (size_t i = 0; i < n; ++i) packets[i] = packet_of({static_cast<float>(i)});
  return packets;
}

}  // namespace

TEST_CASE("a route's length costs latency, not throughput") {
  const FabricParams params;
  Context context(params);
  Source source(context);
  Sink sink(context);
  source.output.connect(sink.input, 30, params);
  source.packets = numbered(200);
  run_all(context, {&source, &sink});
  REQUIRE(sink.times.size() == 200);
  REQUIRE(sink.times.front() == 30);
  REQUIRE(sink.times.back() == 30 + 199);
}

TEST_CASE("without places in the switches, credits limit a long route") {
  FabricParams params;
  params.switch_depth = 0;
  params.fifo_depth = 4;
  Context context(params);
  Source source(context);
  Sink sink(context);
  source.output.connect(sink.input, 6, params);
  source.packets = numbered(9);
  run_all(context, {&source, &sink});
  // Four packets leave, then four more when the credit of the first is back: 6 cycles there and 6 back.
  REQUIRE(sink.times == std::vector<uint64_t>{6, 7, 8, 9, 18, 19, 20, 21, 30});
}

TEST_CASE("a slow consumer holds its producer back") {
  FabricParams params;
  params.switch_depth = 0;
  params.fifo_depth = 2;
  Context context(params);
  Source source(context);
  Sink sink(context);
  sink.interval = 10;
  source.output.connect(sink.input, 1, params);
  source.packets = numbered(5);
  run_all(context, {&source, &sink});
  REQUIRE(sink.times == std::vector<uint64_t>{1, 11, 21, 31, 41});
  REQUIRE(source.output.last_sent() == 22);  // when the third was taken and its credit came back
  REQUIRE(source.output.stalls().output == 0 + 0 + (2 - 2) + (12 - 3) + (22 - 13));
}

TEST_CASE("a stream is its packet-by-packet definition, multicast included") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 300; ++round) {
    FabricParams params;
    params.fifo_depth = 2 + random() % 6;
    params.switch_depth = random() % 3;
    params.hop_cycles = 1 + random() % 2;
    params.max_burst = 1 + random() % 20;
    Context context(params);
    Source source(context);
    std::vector<std::unique_ptr<Sink>> sinks;
    std::vector<PlainSink> plain;
    std::vector<Unit*> units{&source};
    for (uint64_t s = 0; s <= random() % 3; ++s) {
      sinks.push_back(std::make_unique<Sink>(context));
      sinks.back()->interval = 1 + random() % 4;
      sinks.back()->open = random() % 30;
      const uint64_t hops = 1 + random() % 5;
      source.output.connect(sinks.back()->input, hops, params);
      plain.push_back({hops * params.hop_cycles, params.fifo_depth + (hops - 1) * params.switch_depth,
                       sinks.back()->interval, sinks.back()->open});
      units.push_back(sinks.back().get());
    }
    uint64_t t = 0;
    source.packets = numbered(1 + random() % 60);
    for (size_t i = 0; i < source.packets.size(); ++i) source.ready.push_back(t += random() % 5);
    run_all(context, units);
    const Plain expect = plain_stream(source.ready, plain);
    for (size_t s = 0; s < sinks.size(); ++s) {
      REQUIRE(sinks[s]->times == expect.taken[s]);
      REQUIRE(sinks[s]->packets == source.packets);
    }
    REQUIRE(source.output.last_sent() == expect.left.back());
    REQUIRE(source.finished());
  }
}

TEST_CASE("blocks are used again") {
  const FabricParams params;
  Context context(params);
  {
    Source source(context);
    Sink sink(context);
    source.output.connect(sink.input, 2, params);
    source.packets = numbered(100);
    run_all(context, {&source, &sink});
    run_all(context, {&source, &sink}, 1000);
    REQUIRE(sink.packets.size() == 200);
  }
  REQUIRE(context.blocks.allocated() <= 3);
}
