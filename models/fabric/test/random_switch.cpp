#include "fabric/test/random_switch.h"

#include <set>
#include <utility>

#include "regs/switch.hpp"

namespace rdu::fabric::test {

RandomNetwork::RandomNetwork(const NetworkSize& size, std::mt19937_64& random) : s_(size), random_(random) {
  const unsigned queues = s_.in * s_.flows;
  routes.out.assign(queues, 0);
  routes.next.assign(queues, 0);
  routes.join.assign(s_.out - s_.sides, false);
  routes.interval.assign(s_.in - s_.sides, 0);
  routes.init.assign(s_.out, std::vector<unsigned>(s_.flows, 0));
  routes.column = dice(4);
  routes.row = dice(4);
  draw();
  for (unsigned o = 0; o < s_.out; ++o)
    for (unsigned f = 0; f < s_.flows; ++f)
      if (o < s_.sides || f == 0) routes.init[o][f] = 1 + dice(4);
}

void RandomNetwork::draw() {
  const unsigned queues = s_.in * s_.flows;
  to_send.resize(queues);
  std::set<std::pair<unsigned, unsigned>> taken;  // (output, flow id)
  // A throttled output's places are shared, so its streams could hold each other up at joins: it has one.
  std::vector<unsigned> only(s_.in, s_.flows);
  for (unsigned n = 0; n < s_.in - s_.sides; ++n)
    if (s_.dynamic && dice(3) == 0) {
      routes.interval[n] = dice(7);
      if (routes.interval[n] <= 1) continue;
      only[s_.sides + n] = dice(s_.flows);
      ++throttled;
    }
  const auto allowed = [&](unsigned q) {
    const unsigned p = q / s_.flows;
    return only[p] == s_.flows || only[p] == q % s_.flows;
  };
  // Joins: a few unit outputs, each with a few streams whose ids take turns.
  std::vector<bool> used(queues, false);
  const unsigned shared = s_.flows - (s_.dynamic ? 1 : 0);  // static flow ids
  if (s_.dynamic)
    for (unsigned o = s_.sides; o < s_.out; ++o) {
      if (dice(3) != 0) continue;
      routes.join[o - s_.sides] = true;
      const unsigned streams = 2 + dice(4), packets = 5 + dice(30);
      for (unsigned k = 0; k < streams; ++k) {
        unsigned q;
        do q = dice(s_.in) * s_.flows + dice(shared);
        while (used[q] || !allowed(q));
        used[q] = true;
        routes.out[q] = 1u << o;
        routes.next[q] = dice(shared);
        for (unsigned i = 0; i < packets; ++i) add(q, k + i * streams, 1);
      }
    }
  for (unsigned q = 0; q < queues; ++q) {
    if (used[q] || dice(3) == 0) continue;
    const unsigned f = q % s_.flows, packets = dice(60);
    if (!allowed(q)) continue;
    if (s_.dynamic && f == s_.flows - 1) {
      for (unsigned i = 0; i < packets; ++i) {
        add(q, static_cast<uint32_t>(random_() & 0xffff), 1);
        SwitchItem& item = to_send[q].back();
        item.column = dice(4);
        item.row = dice(4);
        do item.port = s_.sides + dice(s_.out - s_.sides);
        while (routes.join[item.port - s_.sides]);
        ++dynamic;
      }
      continue;
    }
    const unsigned next = dice(shared);
    uint32_t out = 0;
    for (unsigned tries = 1 + dice(4); tries != 0; --tries) {
      const unsigned o = dice(s_.out);
      if (o >= s_.sides ? routes.join[o - s_.sides] : !taken.insert({o, next}).second) continue;
      out |= 1u << o;
    }
    if (out == 0) continue;
    routes.out[q] = out;
    routes.next[q] = next;
    const auto ends = static_cast<unsigned>(__builtin_popcount(out));
    multicast += ends > 1;
    for (unsigned i = 0; i < packets; ++i) add(q, static_cast<uint32_t>(random_() & 0xffff), ends);
  }
}
void RandomNetwork::add(unsigned q, uint32_t sequence, unsigned ends) {
  SwitchItem item;
  item.tag = random_();
  item.sequence = s_.dynamic ? sequence & 0xffff : 0;
  item.flow = q % s_.flows;
  to_send[q].push_back(item);
  expected += ends;
}

ConfigWords switch_words(const NetworkRoutes& vectors, const NetworkRoutes& scalars,
                         const std::array<uint32_t, 22>& wires) {
  namespace regs = rdu::regs::switch_;
  ConfigWords words = ConfigWords::reset_of<regs::Registers>();
  for (unsigned q = 0; q < 168; ++q) {
    words.set(regs::kROUTE_OFFSET + 4 * q, regs::ROUTE::OUT, vectors.out[q]);
    words.set(regs::kROUTE_OFFSET + 4 * q, regs::ROUTE::NEXT_FLOW, vectors.next[q]);
  }
  for (unsigned q = 0; q < 44; ++q) {
    words.set(regs::kSCALAR_OFFSET + 4 * q, regs::SCALAR::OUT, scalars.out[q]);
    words.set(regs::kSCALAR_OFFSET + 4 * q, regs::SCALAR::NEXT_FLOW, scalars.next[q]);
  }
  for (unsigned n = 0; n < 10; ++n) words.set(regs::kJOIN_OFFSET + 4 * n, vectors.join[n]);
  for (unsigned n = 0; n < 5; ++n) words.set(regs::kTHROTTLE_OFFSET + 4 * n, vectors.interval[n]);
  for (unsigned p = 0; p < 22; ++p) words.set(regs::kCONTROL_OFFSET + 4 * p, wires[p]);
  return words;
}

}  // namespace rdu::fabric::test
