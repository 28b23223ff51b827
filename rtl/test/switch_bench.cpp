#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fabric/stream/pins.h"
#include "fabric/test/random_switch.h"
#include "test/catch.h"
#include "test/seed.h"
#include "test/switch_bench.h"

namespace {

using rdu::fabric::ConfigWords;
using rdu::fabric::PinCounts;
using rdu::fabric::PinCredits;
using rdu::fabric::PinInputs;
using rdu::fabric::PinModel;
using rdu::fabric::PinOutputs;

constexpr unsigned kDepth = 2;        // parameters of the verilated module
constexpr unsigned kScalarDepth = 4;  // ...

using rdu::fabric::test::NetworkRoutes;
using rdu::fabric::test::NetworkSize;
using rdu::fabric::test::RandomNetwork;
using rdu::fabric::test::switch_words;
using rdu::fabric::test::SwitchItem;

/// What the pins show in a cycle.
struct Shown {
  std::vector<bool> valid;
  std::vector<SwitchItem> item;
  std::vector<std::vector<bool>> credit;  // by input and flow
  bool idle = true;
};
struct Driven {
  std::vector<bool> valid;
  std::vector<SwitchItem> item;
  std::vector<std::vector<bool>> credit;  // by output and flow
};

/// The page's pseudo-code.
class ByThePage {
 public:
  ByThePage(const NetworkSize& shape, const NetworkRoutes& routes) : s_(shape), r_(routes) {
    const unsigned queues = s_.in * s_.flows;
    q_.resize(queues);
    done_.assign(queues, 0);
    credits_ = routes.init;
    rr_.assign(s_.out, 0);
    expected_.assign(s_.out, 0);
    hold_.assign(s_.in, 0);
    given_.assign(s_.in, true);
    room_.assign(s_.in, s_.depth - 1);
    flow_.assign(s_.in, 0);
  }

  /// Pins in this cycle; then the clock, with what is driven in it.
  Shown show() const { return ByThePage(*this).go(nullptr); }
  void clock(const Driven& driven) { go(&driven); }

  unsigned contended = 0, joined = 0;

 private:
  uint32_t outputs(unsigned q) const {
    const SwitchItem& head = q_[q].front();
    if (!s_.dynamic || head.flow != s_.flows - 1) return r_.out[q];
    if (head.column > r_.column) return 1u << 4;
    if (head.column < r_.column) return 1u << 12;
    if (head.row < r_.row) return 1u << 0;
    if (head.row > r_.row) return 1u << 8;
    return 1u << head.port;
  }
  unsigned next(unsigned q) const {
    return s_.dynamic && q % s_.flows == s_.flows - 1 ? s_.flows - 1 : r_.next[q];
  }
  unsigned slot(unsigned o, unsigned f) const { return o < s_.sides ? f : 0; }
  bool throttled(unsigned p) const { return p >= s_.sides && r_.interval[p - s_.sides] > 1; }

  Shown go(const Driven* driven) {
    const unsigned queues = s_.in * s_.flows;
    Shown shown;
    shown.valid.assign(s_.out, false);
    shown.item.resize(s_.out);
    shown.credit.assign(s_.in, std::vector<bool>(s_.flows, false));
    for (const auto& queue : q_) shown.idle &= queue.empty();
    for (unsigned p = s_.sides; p < s_.in; ++p) shown.idle &= !throttled(p) || given_[p];
    std::vector<uint32_t> done = done_;
    for (unsigned o = 0; o < s_.out; ++o) {
      int winner = -1;
      unsigned candidates = 0;
      for (unsigned i = 0; i < queues; ++i) {
        const unsigned q = (rr_[o] + i) % queues;
        if (q_[q].empty() || (outputs(q) >> o & 1) == 0 || (done_[q] >> o & 1) != 0) continue;
        if (credits_[o][slot(o, next(q))] == 0) continue;
        if (o >= s_.sides && s_.dynamic && r_.join[o - s_.sides] && q_[q].front().sequence != expected_[o])
          continue;
        if (winner < 0) winner = static_cast<int>(q);
        ++candidates;
      }
      contended += candidates > 1;
      if (winner < 0) continue;
      const auto q = static_cast<unsigned>(winner);
      shown.valid[o] = true;
      shown.item[o] = q_[q].front();
      shown.item[o].flow = next(q);
      if (driven) {
        --credits_[o][slot(o, next(q))];
        rr_[o] = (q + 1) % queues;
        if (o >= s_.sides) {
          expected_[o] = (expected_[o] + 1) & 0xffff;
          joined += s_.dynamic && r_.join[o - s_.sides];
        }
      }
      done[q] |= 1u << o;
    }
    std::vector<unsigned> room = room_;
    std::vector<bool> leaves(queues, false);
    for (unsigned q = 0; q < queues; ++q) {
      if (q_[q].empty() || done[q] != outputs(q)) continue;
      leaves[q] = true;
      const unsigned p = q / s_.flows;
      if (throttled(p))
        ++room[p];
      else
        shown.credit[p][q % s_.flows] = true;
    }
    std::vector<bool> given = given_;
    for (unsigned p = s_.sides; p < s_.in; ++p) {
      if (!throttled(p) || given_[p] || hold_[p] != 0 || room[p] == 0) continue;
      shown.credit[p][flow_[p]] = true;
      given[p] = true;
      --room[p];
    }
    if (!driven) return shown;
    for (unsigned q = 0; q < queues; ++q) {
      if (leaves[q]) q_[q].pop_front();
      done_[q] = leaves[q] ? 0 : done[q];
    }
    room_ = room;
    given_ = given;
    for (unsigned p = s_.sides; p < s_.in; ++p) {
      if (!throttled(p)) continue;
      if (driven->valid[p]) {
        given_[p] = false;
        hold_[p] = r_.interval[p - s_.sides] - 2;
        flow_[p] = driven->item[p].flow;
      } else if (hold_[p] > 0) {
        --hold_[p];
      }
    }
    for (unsigned o = 0; o < s_.out; ++o)
      for (unsigned f = 0; f < s_.flows; ++f) credits_[o][f] += driven->credit[o][f];
    for (unsigned p = 0; p < s_.in; ++p)
      if (driven->valid[p]) q_[p * s_.flows + driven->item[p].flow].push_back(driven->item[p]);
    return shown;
  }

  NetworkSize s_;
  NetworkRoutes r_;
  std::vector<std::deque<SwitchItem>> q_;
  std::vector<uint32_t> done_;
  std::vector<std::vector<unsigned>> credits_;
  std::vector<unsigned> rr_, expected_, hold_, room_, flow_;
  std::vector<bool> given_;
};

/// Producers before and consumers behind a network: legal traffic with random stalls.
class Traffic : public RandomNetwork {
 public:
  Traffic(const NetworkSize& shape, std::mt19937_64& random)
      : RandomNetwork(shape, random), s_(shape), random_(random) {
    pace_ = 1 + dice(8);
    drain_ = 1 + dice(8);
    held_.assign(s_.out, std::vector<unsigned>(s_.flows, 0));
    credits_.assign(s_.in, std::vector<unsigned>(s_.flows, s_.depth));
    for (unsigned p = s_.sides; p < s_.in; ++p)
      if (routes.interval[p - s_.sides] > 1) credits_[p].assign(s_.flows, 1);
  }

  Driven drive() {
    Driven d;
    d.valid.assign(s_.in, false);
    d.item.resize(s_.in);
    d.credit.assign(s_.out, std::vector<bool>(s_.flows, false));
    for (unsigned o = 0; o < s_.out; ++o)
      for (unsigned f = 0; f < s_.flows; ++f)
        if (held_[o][f] != 0 && dice(drain_) == 0) {
          d.credit[o][f] = true;
          --held_[o][f];
        }
    for (unsigned p = 0; p < s_.in; ++p) {
      if (dice(pace_) != 0) continue;
      const unsigned first = dice(s_.flows);
      for (unsigned i = 0; i < s_.flows && !d.valid[p]; ++i) {
        const unsigned f = (first + i) % s_.flows;
        auto& queue = to_send[p * s_.flows + f];
        if (queue.empty() || credits_[p][f] == 0) continue;
        d.valid[p] = true;
        d.item[p] = queue.front();
        queue.pop_front();
        --credits_[p][f];
        // A throttled unit has one credit, whichever flow it uses it for.
        if (p >= s_.sides && routes.interval[p - s_.sides] > 1) credits_[p].assign(s_.flows, 0);
      }
    }
    return d;
  }
  void see(const Shown& shown) {
    for (unsigned o = 0; o < s_.out; ++o)
      if (shown.valid[o]) {
        ++held_[o][o < s_.sides ? shown.item[o].flow : 0];
        ++arrived;
      }
    for (unsigned p = 0; p < s_.in; ++p)
      for (unsigned f = 0; f < s_.flows; ++f)
        if (shown.credit[p][f]) {
          if (p >= s_.sides && routes.interval[p - s_.sides] > 1)
            credits_[p].assign(s_.flows, 1);
          else
            ++credits_[p][f];
        }
  }
  bool sent_all() const {
    return std::all_of(to_send.begin(), to_send.end(), [](const auto& queue) { return queue.empty(); });
  }

  unsigned arrived = 0;

 private:
  unsigned dice(unsigned n) { return static_cast<unsigned>(random_() % n); }

  NetworkSize s_;
  std::mt19937_64& random_;
  std::vector<std::vector<unsigned>> credits_, held_;
  unsigned pace_ = 1, drain_ = 1;
};

constexpr NetworkSize kVectors = NetworkSize::vectors(kDepth);
constexpr NetworkSize kScalars = NetworkSize::scalars(kScalarDepth);

/// A switch on its pins: driven, and compared with what the page expects.
class Bench {
 public:
  explicit Bench(PinModel& model) : model_(model) {
    for (unsigned o = 0; o < 26; ++o) out_.data[o] = sent_[o].data();
  }
  void start(const ConfigWords& words, const NetworkRoutes& vectors, const NetworkRoutes& scalars,
             bool reset) {
    if (reset) model_.reset();
    model_.configure(words);
    PinCredits credits;
    for (unsigned o = 0; o < 26; ++o)
      for (unsigned f = 0; f < 8; ++f) credits.out[o][f] = static_cast<uint16_t>(vectors.init[o][f]);
    for (unsigned o = 0; o < 14; ++o)
      for (unsigned f = 0; f < 4; ++f) credits.scalar_out[o][f] = static_cast<uint16_t>(scalars.init[o][f]);
    out_.clear();
    model_.start(credits, out_);
  }
  void clock(const Driven& v, const Driven& s, uint32_t tokens) {
    PinInputs in;
    in.clear();
    std::array<std::array<uint32_t, 16>, 21> data;
    for (unsigned p = 0; p < 21; ++p) {
      if (!v.valid[p]) continue;
      in.valid |= 1u << p;
      for (unsigned w = 0; w < 16; ++w) data[p][w] = v.item[p].word(w);
      in.data[p] = reinterpret_cast<const uint8_t*>(data[p].data());
      in.head[p] = v.item[p].head();
    }
    for (unsigned o = 0; o < 26; ++o) {
      in.out_credit[o] = mask(v.credit[o]);
      in.credit |= (in.out_credit[o] != 0 ? 1u : 0) << o;
    }
    for (unsigned p = 0; p < 11; ++p) {
      if (!s.valid[p]) continue;
      in.scalar_valid |= 1u << p;
      in.scalar[p] = s.item[p].word(0);
      in.scalar_flow[p] = static_cast<uint8_t>(s.item[p].flow);
    }
    for (unsigned o = 0; o < 14; ++o) {
      in.sout_credit[o] = mask(s.credit[o]);
      in.scalar_credit |= (in.sout_credit[o] != 0 ? 1u : 0) << o;
    }
    in.tokens = tokens;
    out_.clear();
    model_.tick(in, out_);
  }
  /// Empty if the pins show what is expected, else the first that does not.
  std::string difference(const Shown& v, const Shown& s, uint32_t tokens) const {
    for (unsigned o = 0; o < 26; ++o) {
      const std::string at = " of vector output " + std::to_string(o);
      if ((out_.valid >> o & 1) != v.valid[o]) return "valid" + at;
      if (!v.valid[o]) continue;
      if (out_.head[o] != v.item[o].head()) return "head" + at;
      for (unsigned w = 0; w < 16; ++w) {
        const uint32_t word = v.item[o].word(w);
        if (std::memcmp(&sent_[o][4 * w], &word, 4) != 0) return "data" + at;
      }
    }
    for (unsigned p = 0; p < 21; ++p)
      if ((out_.credit >> p & 1 ? out_.in_credit[p] : 0) != mask(v.credit[p]))
        return "credit of vector input " + std::to_string(p);
    for (unsigned o = 0; o < 14; ++o) {
      const std::string at = " of scalar output " + std::to_string(o);
      if ((out_.scalar_valid >> o & 1) != s.valid[o]) return "valid" + at;
      if (!s.valid[o]) continue;
      if (out_.scalar[o] != s.item[o].word(0)) return "data" + at;
      if (out_.scalar_flow[o] != s.item[o].flow) return "flow" + at;
    }
    for (unsigned p = 0; p < 11; ++p)
      if ((out_.scalar_credit >> p & 1 ? out_.sin_credit[p] : 0) != mask(s.credit[p]))
        return "credit of scalar input " + std::to_string(p);
    if (out_.tokens != tokens) return "tokens";
    const bool done = v.idle && s.idle && tokens == 0;
    if (out_.done != done) return "done";
    if (done && !out_.idle) return "idle";
    return "";
  }

 private:
  static uint8_t mask(const std::vector<bool>& bits) {
    uint8_t value = 0;
    for (size_t i = 0; i < bits.size(); ++i) value = static_cast<uint8_t>(value | (bits[i] ? 1u : 0u) << i);
    return value;
  }

  PinModel& model_;
  PinOutputs out_;
  std::array<std::array<uint8_t, 64>, 26> sent_;
};

}  // namespace

namespace rdu::rtl::test {

void hold_against_the_page(
    bool restarts, const std::function<std::unique_ptr<PinModel>(unsigned row, unsigned column)>& make) {
  std::mt19937_64 random(test_seed());
  unsigned contended = 0, joined = 0, multicast = 0, dynamic = 0, throttled = 0;
  std::unique_ptr<PinModel> model;
  unsigned row = 0, column = 0;
  for (int round = 0; round < 6; ++round) {
    Traffic vectors(kVectors, random), scalars(kScalars, random);
    // A switch stays for three rounds.
    const bool is_new = round % 3 == 0;
    if (is_new) {
      row = vectors.routes.row;
      column = vectors.routes.column;
      model = make(row, column);
    }
    vectors.routes.row = row;
    vectors.routes.column = column;
    ByThePage vector_page(kVectors, vectors.routes), scalar_page(kScalars, scalars.routes);
    std::array<uint32_t, 22> wires{};
    for (unsigned w = 0; w < 28; ++w)
      if (random() % 2) wires[random() % 22] |= 1u << w;
    Bench bench(*model);
    bench.start(switch_words(vectors.routes, scalars.routes, wires), vectors.routes, scalars.routes,
                !restarts || is_new);

    uint32_t tokens = 0;
    for (unsigned cycle = 0, quiet = 0; quiet < 100; ++cycle) {
      REQUIRE(cycle < 20000);
      const Shown v = vector_page.show(), s = scalar_page.show();
      const std::string difference = bench.difference(v, s, tokens);
      if (!difference.empty())
        FAIL("RDU_SEED " << test_seed() << " round " << round << " cycle " << cycle << ": " << difference);
      // What comes in a cycle can be answered, and a credit be used, in the next.
      const Driven dv = vectors.drive(), ds = scalars.drive();
      vectors.see(v);
      scalars.see(s);
      const uint32_t pulses = vectors.sent_all() ? 0 : static_cast<uint32_t>(random() & random() & 0x3fffff);
      vector_page.clock(dv);
      scalar_page.clock(ds);
      tokens = 0;
      for (unsigned p = 0; p < 22; ++p)
        if (pulses >> p & 1) tokens |= wires[p];
      bench.clock(dv, ds, pulses);
      quiet = vectors.sent_all() && scalars.sent_all() ? quiet + 1 : 0;
      if (vectors.arrived != vectors.expected || scalars.arrived != scalars.expected) quiet = 0;
    }
    contended += vector_page.contended + scalar_page.contended;
    joined += vector_page.joined;
    multicast += vectors.multicast + scalars.multicast;
    dynamic += vectors.dynamic;
    throttled += vectors.throttled;
  }
  // The traffic was what it was meant to be.
  REQUIRE(contended > 1000);
  REQUIRE(joined > 300);
  REQUIRE(multicast > 50);
  REQUIRE(dynamic > 1000);
  REQUIRE(throttled > 3);
}

}  // namespace rdu::rtl::test
