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

/// A route that forks, switch by switch: a queue of `switch_depth` packets in each, of which the first goes
/// every way as soon as there is a place, and leaves when it has gone all.
struct PlainTree {
  struct Node {
    int parent;  ///< -1: the source
    bool is_sink;
    uint64_t interval, open;     ///< of a sink
    std::vector<uint64_t> left;  ///< a switch: the packet has gone all ways; a sink: it is taken
  };
  uint64_t hop, switch_depth, fifo_depth;
  std::vector<Node> nodes;  ///< parents first
  std::vector<uint64_t> sent;

  uint64_t credit(const Node& node, size_t i) const {
    const uint64_t depth = node.is_sink ? fifo_depth : switch_depth;
    return i < depth ? 0 : node.left[i - depth] + hop;
  }
  void send(uint64_t ready) {
    const size_t i = sent.size();
    sent.push_back(std::max({ready, i == 0 ? 0 : sent.back() + 1, credit(nodes[0], i)}));
    std::vector<uint64_t> first(nodes.size());  // from when on the packet stands first
    for (size_t n = 0; n < nodes.size(); ++n) {
      Node& node = nodes[n];
      const uint64_t from =
          node.parent < 0 ? sent.back() : std::max(first[static_cast<size_t>(node.parent)], credit(node, i));
      if (node.parent >= 0) {
        uint64_t& left = nodes[static_cast<size_t>(node.parent)].left[i];
        left = std::max(left, from);
      }
      first[n] = std::max(from + hop, i == 0 ? 0 : node.left.back() + 1);
      if (node.is_sink)
        first[n] = std::max(from + hop, i == 0 ? node.open : node.left.back() + node.interval);
      node.left.push_back(node.is_sink ? first[n] : 0);
    }
  }
};

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

TEST_CASE("routes that fork have the times of the switches one by one") {
  std::mt19937_64 random(test_seed());
  unsigned held = 0;
  for (int round = 0; round < 300; ++round) {
    FabricParams params;
    params.hop_cycles = 1 + random() % 2;
    params.fifo_depth = 2 * params.hop_cycles + random() % 6;
    params.switch_depth = 2 * params.hop_cycles + random() % 3;
    params.max_burst = 1 + random() % 20;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    Context context(params);
    Source source(context);
    std::vector<std::unique_ptr<Sink>> sinks;
    std::vector<Unit*> units{&source};
    PlainTree tree{params.hop_cycles, params.switch_depth, params.fifo_depth, {}, {}};
    // Of every switch: how many lie before it, it included, and the last fork up to it.
    struct Grown {
      size_t node;
      uint64_t switches;
      int fork;
    };
    std::deque<Grown> growing{{0, 1, -1}};
    tree.nodes.push_back({-1, false, 0, 0, {}});
    while (!growing.empty()) {
      Grown at = growing.front();
      growing.pop_front();
      const uint64_t ways = tree.nodes.size() > 12 ? 1 : 1 + random() % 3;
      if (ways > 1) {
        at.fork = source.output.add_fork(at.fork, at.switches * params.hop_cycles,
                                         at.switches * params.switch_depth);
      }
      for (uint64_t way = 0; way < ways; ++way) {
        const bool is_sink = tree.nodes.size() > 12 || random() % 2;
        tree.nodes.push_back({static_cast<int>(at.node), is_sink, 1 + random() % 4, random() % 40, {}});
        if (!is_sink) {
          growing.push_back({tree.nodes.size() - 1, at.switches + 1, at.fork});
          continue;
        }
        sinks.push_back(std::make_unique<Sink>(context));
        sinks.back()->interval = tree.nodes.back().interval;
        sinks.back()->open = tree.nodes.back().open;
        source.output.connect(sinks.back()->input, (at.switches + 1) * params.hop_cycles,
                              params.fifo_depth + at.switches * params.switch_depth, at.fork);
        units.push_back(sinks.back().get());
      }
    }
    uint64_t t = 0;
    source.packets = numbered(1 + random() % 60);
    for (size_t i = 0; i < source.packets.size(); ++i) source.ready.push_back(t += random() % 4);
    run_all(context, units);
    for (const uint64_t ready : source.ready) tree.send(ready);
    size_t s = 0;
    for (const PlainTree::Node& node : tree.nodes) {
      if (!node.is_sink) continue;
      REQUIRE(sinks[s]->times == node.left);
      REQUIRE(sinks[s]->packets == source.packets);
      ++s;
    }
    REQUIRE(source.output.last_sent() == tree.sent.back());
    held += tree.sent != source.ready;
  }
  REQUIRE(held > 100);
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
