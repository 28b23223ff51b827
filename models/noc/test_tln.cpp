#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "core/error.h"
#include "noc/tln.h"
#include "test/catch.h"
#include "test/child.h"

using namespace rdu;
using core::Time;
using core::Transfer;
using core::TransferStatus;
using noc::Tln;
using noc::TlnParams;
using noc::TlnPortParams;

namespace {

constexpr uint64_t kBase = 0x1000000000;
constexpr uint64_t kSize = 1 << 20;

/// A memory that answers after a constant time, and remembers who came when.
struct FakeTarget : core::TransferTarget {
  explicit FakeTarget(Time latency) : latency(latency), bytes(kSize) {}

  void access(Transfer& t, uint64_t offset, Time arrive) override {
    order.push_back({t.initiator, t.cookie, arrive});
    if (refuse) {
      t.status = TransferStatus::access_denied;
    } else if (t.write) {
      std::memcpy(bytes.data() + offset, t.data, t.length);
    } else {
      std::memcpy(t.data, bytes.data() + offset, t.length);
    }
    t.done = arrive + latency;
  }
  bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) override {
    std::memcpy(write ? bytes.data() + offset : data, write ? data : bytes.data() + offset, length);
    return true;
  }

  struct Visit {
    uint32_t initiator;
    uint64_t cookie;
    Time arrive;
  };
  Time latency;
  bool refuse = false;
  std::vector<uint8_t> bytes;
  std::vector<Visit> order;
};

/// Posts what the test gives it.
struct Client : core::TransferClient {
  void completed(Transfer& t) override {
    ++answers;
    at = core::now();
    if (then) then(t);
  }
  unsigned answers = 0;
  Time at = 0;
  std::function<void(Transfer&)> then;
};

struct Bench {
  explicit Bench(const TlnParams& params = {}) : tln("tln", params) {
    tln.attach(kBase, kSize, near, "near", params.hbm);
    tln.attach(2 * kBase, kSize, far, "far", params.ddr);
  }
  Transfer make(uint64_t address, uint32_t length, bool write, Time issue, uint32_t initiator = 0) {
    Transfer t;
    t.address = address;
    t.length = length;
    t.write = write;
    t.issue = issue;
    t.initiator = initiator;
    t.client = &client;
    data.push_back(std::make_unique<std::vector<uint8_t>>(length));
    t.data = data.back()->data();
    return t;
  }

  FakeTarget near{120'000};
  FakeTarget far{95'000};
  Tln tln;
  Client client;
  std::vector<std::unique_ptr<std::vector<uint8_t>>> data;
};

core::ErrorKind kind_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const core::Error& e) {
    return e.kind();
  }
  throw std::runtime_error("nothing was thrown");
}

}  // namespace

TEST_CASE("a transfer takes the documented time") {
  test::in_child([] {
    Bench b;
    Transfer read = b.make(kBase, 1024, false, 1'000'000);
    Transfer write = b.make(kBase, 1024, true, 2'000'000);
    b.tln.post(read);
    b.tln.post(write);
    sc_core::sc_start(10, sc_core::SC_US);
    // Port of 2.048 TB/s: 16 bytes take 7.8125 ps, 1,040 bytes take 507.8125 ps, rounded up.
    REQUIRE(b.near.order[0].arrive == 1'000'000 + 12'500 + 8);
    REQUIRE(read.done == 1'000'000 + 12'500 + 8 + 120'000 + 508 + 12'500);
    REQUIRE(b.near.order[1].arrive == 2'000'000 + 12'500 + 508);
    REQUIRE(write.done == 2'000'000 + 12'500 + 508 + 120'000 + 8 + 12'500);
  });
}

TEST_CASE("ports pass their bandwidth, reads on the way back and writes on the way there") {
  test::in_child([] {
    Bench b;
    std::vector<Transfer> all;
    for (uint32_t i = 0; i < 200; ++i)
      all.push_back(b.make(2 * kBase + i * 1024, 1024, i < 100, 0, i < 100 ? 0 : 1));
    for (Transfer& t : all) b.tln.post(t);
    sc_core::sc_start(10, sc_core::SC_US);
    // 256 GB/s = 3.90625 ps a byte. 100 writes of 1,040 bytes there: 406,250 ps.
    REQUIRE(b.far.order[99].arrive == 12'500 + 406'250);
    // Read requests queue behind them, 62.5 ps each; their data queues on the way back.
    REQUIRE(b.far.order[199].arrive == 12'500 + 406'250 + 6'250);
    const Time first_answer = 12'500 + 406'250 + 63 + 95'000;
    REQUIRE(all[199].done == first_answer + 406'250 + 12'500);
  });
}

TEST_CASE("equal issue times are taken by initiator, then by posting order") {
  test::in_child([] {
    Bench b;
    std::vector<Transfer> all;
    const uint32_t initiators[] = {7, 3, 3, 9, 0, 3};
    for (uint64_t i = 0; i < 6; ++i) {
      all.push_back(b.make(kBase, 64, false, 5000, initiators[i]));
      all.back().cookie = i;
    }
    all.push_back(b.make(kBase, 64, false, 4999, 8));
    all.back().cookie = 6;
    for (Transfer& t : all) b.tln.post(t);
    REQUIRE(b.tln.pending() == 7);
    sc_core::sc_start(1, sc_core::SC_US);
    std::vector<uint64_t> order;
    for (const auto& visit : b.near.order) order.push_back(visit.cookie);
    REQUIRE(order == std::vector<uint64_t>{6, 4, 1, 2, 5, 0, 3});
  });
}

namespace {

/// A few initiators that post at random times, often equal ones, from processes of their own; each also
/// reacts to answers with further transfers. `order` is the order in which their processes are made and so
/// run.
struct Traffic : sc_core::sc_module {
  static constexpr unsigned kInitiators = 6;
  static constexpr unsigned kTransfers = 40;
  static constexpr unsigned kReactions = 10;

  /// A source of random transfers with an id of its own.
  struct Source {
    Source(Tln& tln, core::TransferClient& client, uint32_t id, unsigned most)
        : tln(tln), client(client), id(id), random(1000 + id), transfers(most), bytes(most * kLongest) {}

    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random() % bound); }
    void issue(Time at) {
      Transfer& t = transfers[posted];
      t.data = bytes.data() + posted * kLongest;
      t.length = 1 + below(kLongest);
      t.address = (1 + below(2)) * kBase + below(kSize - kLongest);
      if (below(20) == 0) t.address += 7 * kBase;  // nowhere
      t.write = below(2) != 0;
      std::memset(t.data, static_cast<int>(random() & 0xff), t.length);
      t.initiator = id;
      t.issue = at;
      t.client = &client;
      ++posted;
      tln.post(t);
    }

    static constexpr uint32_t kLongest = 4096;
    Tln& tln;
    core::TransferClient& client;
    uint32_t id;
    std::mt19937 random;
    std::vector<Transfer> transfers;
    std::vector<uint8_t> bytes;
    unsigned posted = 0;
  };

  struct Initiator : core::TransferClient {
    Initiator(Tln& tln, uint32_t id)
        : program(tln, *this, id, kTransfers), reaction(tln, *this, 100 + id, kReactions) {}

    void completed(Transfer& t) override {
      ++answered;
      if (reaction.posted < kReactions) reaction.issue(t.done + reaction.below(3) * 625);
    }
    void run() {
      for (unsigned i = 0; i < kTransfers; ++i) {
        program.issue(core::now() + program.below(4) * 625);
        if (program.below(3) == 0) sc_core::wait(core::to_sc(625 * (1 + program.below(4))));
      }
    }

    Source program;
    Source reaction;
    unsigned answered = 0;
  };

  Traffic(const sc_core::sc_module_name& name, Tln& tln, const std::vector<unsigned>& order)
      : sc_core::sc_module(name) {
    for (unsigned i = 0; i < kInitiators; ++i) initiators.push_back(std::make_unique<Initiator>(tln, i));
    for (const unsigned i : order) {
      Initiator* initiator = initiators[i].get();
      sc_core::sc_spawn([initiator] { initiator->run(); });
    }
  }

  std::vector<std::unique_ptr<Initiator>> initiators;
};

/// The traffic's outcome in words: hash, every answer, the memories' content.
std::string outcome(unsigned permutation, Time lookahead) {
  return test::ask_child([=] {
    TlnParams params;
    params.lookahead = lookahead;
    Bench b(params);
    std::vector<unsigned> order(Traffic::kInitiators);
    std::iota(order.begin(), order.end(), 0u);
    std::mt19937 random(permutation);
    std::shuffle(order.begin(), order.end(), random);
    Traffic traffic("traffic", b.tln, order);
    core::TraceHash::get().reset();
    sc_core::sc_start(100, sc_core::SC_US);
    REQUIRE(b.tln.pending() == 0);
    std::string text = fmt::format("{:x}\n", core::TraceHash::get().value());
    for (const auto& initiator : traffic.initiators) {
      REQUIRE(initiator->answered == Traffic::kTransfers + Traffic::kReactions);
      for (const auto* source : {&initiator->program, &initiator->reaction}) {
        for (const Transfer& t : source->transfers) {
          uint64_t sum = 0;
          for (uint32_t i = 0; i < t.length; ++i) sum = sum * 31 + t.data[i];
          text += fmt::format("{} {} {} {:x}\n", t.issue, t.done, static_cast<int>(t.status), sum);
        }
      }
    }
    for (const FakeTarget* target : {&b.near, &b.far}) {
      uint64_t sum = 0;
      for (const uint8_t byte : target->bytes) sum = sum * 31 + byte;
      text += fmt::format("{:x}\n", sum);
    }
    for (const auto& s : b.tln.statistics())
      text += fmt::format("{} {} {}\n", s.name, s.bytes_read, s.bytes_written);
    return text;
  });
}

}  // namespace

TEST_CASE("the order in which the simulator runs initiators never shows") {
  const std::string expected = outcome(0, 625);
  REQUIRE(expected.size() > 1000);
  for (unsigned permutation = 1; permutation < 12; ++permutation)
    CHECK(outcome(permutation, 625) == expected);
}

TEST_CASE("the lookahead changes nothing but host time") {
  const std::string expected = outcome(0, 625);
  CHECK(outcome(1, 1) == expected);
  CHECK(outcome(2, 5000) == expected);
  CHECK(outcome(3, 25'000) == expected);
}

TEST_CASE("answers come when the network decides, with times that lie ahead") {
  test::in_child([] {
    Bench b;
    Transfer t = b.make(kBase, 64, false, 10'000);
    b.tln.post(t);
    sc_core::sc_start(10'624, sc_core::SC_PS);
    REQUIRE(b.client.answers == 0);
    sc_core::sc_start(1, sc_core::SC_US);
    REQUIRE(b.client.answers == 1);
    REQUIRE(b.client.at == 10'625);
    REQUIRE(t.done > b.client.at);
    REQUIRE_FALSE(sc_core::sc_pending_activity());  // idle: no events
  });
}

TEST_CASE("an earlier transfer posted later is taken first") {
  test::in_child([] {
    Bench b;
    Transfer late = b.make(kBase, 64, false, 900'000, 1);
    Transfer early = b.make(kBase, 64, false, 1'000, 2);
    b.tln.post(late);
    b.tln.post(early);
    sc_core::sc_start(5, sc_core::SC_NS);
    REQUIRE(b.client.answers == 1);
    REQUIRE(early.done != 0);
    sc_core::sc_start(1, sc_core::SC_US);
    REQUIRE(b.client.answers == 2);
  });
}

TEST_CASE("addresses without memory get a decode error") {
  test::in_child([] {
    Bench b;
    Transfer nowhere = b.make(0, 64, false, 0);
    Transfer above = b.make(kBase + kSize, 1, true, 0);
    Transfer across = b.make(kBase + kSize - 32, 64, true, 0);
    Transfer wraps = b.make(~uint64_t{0}, 2, true, 0);
    Transfer last = b.make(kBase + kSize - 64, 64, true, 0);
    for (Transfer* t : {&nowhere, &above, &across, &wraps, &last}) b.tln.post(*t);
    sc_core::sc_start(1, sc_core::SC_US);
    for (Transfer* t : {&nowhere, &above, &across, &wraps}) {
      REQUIRE(t->status == TransferStatus::decode_error);
      REQUIRE(t->done == 25'000);
    }
    REQUIRE(last.status == TransferStatus::ok);
    REQUIRE(b.tln.decode_errors() == 4);
    REQUIRE(b.near.order.size() == 1);
  });
}

TEST_CASE("statistics and refusals") {
  test::in_child([] {
    Bench b;
    Transfer a = b.make(kBase, 100, false, 0);
    Transfer c = b.make(kBase, 50, true, 0);
    b.tln.post(a);
    b.tln.post(c);
    sc_core::sc_start(1, sc_core::SC_US);
    b.near.refuse = true;
    Transfer d = b.make(kBase, 10, false, core::now());
    b.tln.post(d);
    sc_core::sc_start(1, sc_core::SC_US);
    REQUIRE(d.status == TransferStatus::access_denied);
    const auto s = b.tln.statistics();
    REQUIRE(s.size() == 2);
    REQUIRE(s[0].name == "near");
    REQUIRE(s[0].reads == 2);
    REQUIRE(s[0].writes == 1);
    REQUIRE(s[0].bytes_read == 100);
    REQUIRE(s[0].bytes_written == 50);
    REQUIRE(s[0].refused == 1);
    REQUIRE(s[1].reads + s[1].writes == 0);
  });
}

TEST_CASE("the back door") {
  test::in_child([] {
    Bench b;
    uint8_t data[4] = {1, 2, 3, 4};
    REQUIRE(b.tln.debug(2 * kBase + 10, data, 4, true));
    REQUIRE(b.far.bytes[12] == 3);
    REQUIRE_FALSE(b.tln.debug(2 * kBase + kSize - 2, data, 4, true));
    REQUIRE_FALSE(b.tln.debug(0, data, 4, false));
  });
}

TEST_CASE("misuse by a model is an internal error, misconfiguration bad input") {
  test::in_child([] {
    Bench b;
    Transfer t = b.make(kBase, 64, false, 0);
    t.length = 0;
    REQUIRE(kind_of([&] { b.tln.post(t); }) == core::ErrorKind::internal);
    t.length = 64;
    t.client = nullptr;
    REQUIRE(kind_of([&] { b.tln.post(t); }) == core::ErrorKind::internal);
    sc_core::sc_start(1, sc_core::SC_NS);
    t.client = &b.client;
    REQUIRE(kind_of([&] { b.tln.post(t); }) == core::ErrorKind::internal);  // in the past
  });
  test::in_child([] {
    Bench b;
    FakeTarget target(1);
    const auto attach = [&](uint64_t base, uint64_t size, const TlnPortParams& port) {
      return kind_of([&] { b.tln.attach(base, size, target, "third", port); }) == core::ErrorKind::bad_input;
    };
    const TlnPortParams good{1000, 1000, 1'000'000'000};
    REQUIRE(attach(kBase + kSize - 1, 10, good));
    REQUIRE(attach(kBase - 1, 2, good));
    REQUIRE(attach(0, 0, good));
    REQUIRE(attach(~uint64_t{0}, 2, good));
    REQUIRE(attach(0, 10, {1000, 1000, 0}));
    REQUIRE(attach(0, 10, {300, 300, 1'000'000'000}));
    b.tln.attach(kBase + kSize, 10, target, "third", good);
  });
}

TEST_CASE("host time of a transfer", "[.benchmark]") {
  test::in_child([] {
    Bench b;
    constexpr unsigned kTransfers = 1'000'000;
    constexpr unsigned kAtOnce = 64;
    std::vector<Transfer> all;
    unsigned left = kTransfers;
    b.client.then = [&](Transfer& t) {
      if (left == 0) return;
      --left;
      t.issue = t.done;
      b.tln.post(t);
    };
    for (unsigned i = 0; i < kAtOnce; ++i) all.push_back(b.make(kBase + i * 64, 64, false, i * 7000, i));
    for (Transfer& t : all) b.tln.post(t);
    const auto begin = std::chrono::steady_clock::now();
    sc_core::sc_start(100, sc_core::SC_MS);
    const std::chrono::duration<double> host = std::chrono::steady_clock::now() - begin;
    REQUIRE(left == 0);
    std::cout << fmt::format("{:.0f} ns a transfer\n", 1e9 * host.count() / kTransfers);
  });
}
