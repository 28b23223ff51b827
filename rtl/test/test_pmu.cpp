#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "Vrtl_pmu.h"
#include "Vrtl_pmu___024root.h"
#include "fabric/config.h"
#include "pins/coverage.h"
#include "regs/pmu.hpp"
#include "test/catch.h"
#include "test/seed.h"

// The PMU in Verilog against the formulas of its page (models/fabric/pmu/README.md): seeded random
// configurations and traffic; afterwards every packet's time, every vector's bits and time, and every token's
// time are computed from what was driven.
namespace {

using rdu::fabric::ConfigWords;
namespace regs = rdu::regs::pmu;

constexpr unsigned kBytes =
    16384;  // of the scratchpad, that are used; what follows are parameters of the verilated module
constexpr unsigned kBanks = 16;
constexpr unsigned kReadCycles = 4;
constexpr unsigned kFifoDepth = 16;
constexpr unsigned kOutputDepth = 32;
constexpr unsigned kScalarDepth = 4;

using Packet = std::array<uint8_t, 64>;
struct Arrival {
  uint64_t t;
  Packet data;
  uint16_t sequence;
};
struct Vector {
  uint64_t t;
  Packet data;
  uint64_t head;
};

/// What was on the pins in an execution; cycle 0 is the first after `start`.
struct Record {
  std::array<std::vector<Arrival>, 4> in;
  std::array<std::vector<uint64_t>, 4> taken;
  std::array<std::vector<std::pair<uint64_t, uint32_t>>, 2> scalars;
  std::array<std::vector<uint64_t>, 2> scalars_taken;
  std::array<std::vector<uint64_t>, 2> tokens_in;
  std::array<std::vector<uint64_t>, 2> tokens_out;
  std::array<std::vector<Vector>, 2> out;
  std::array<std::vector<uint64_t>, 2> credits;  // usable from then on
  std::array<std::vector<Vector>, 2> expected_out;
  std::array<unsigned, 4> corrected{}, uncorrectable{};  // words, by pipeline
  std::array<uint32_t, 4> address{};                     // of the last uncorrectable one
};

/// A pipeline's configuration, as the words say it.
struct Pipe {
  bool write = false, enabled = false;
  unsigned data = 0, address = 0, index = 0, range = 0, pred = 0, pred_level = 0;
  bool negate = false, sequence = false;
  unsigned lanes = 32, size = 2;
  int64_t lane_stride = 2, base = 0, buffer_size = 0, index_stride = 0, low = 0, high = 0;
  uint32_t fills = 1, buffers = 1, pred_value = 0;
  unsigned wait = 0, give = 0, out = 0;
  std::array<uint32_t, 6> count{};
  std::array<int64_t, 6> stride{};
  uint16_t first = 0, step = 0;
  uint64_t head = 0;

  bool indexed() const { return address == 2; }
  unsigned index_packets() const { return indexed() ? (lanes + 15) / 16 : 0; }
  uint64_t accesses() const {
    uint64_t n = 1;
    for (uint32_t c : count) n *= c == 0 ? 1 : c;
    return n;
  }
};

/// The page's formulas.
class ByThePage {
 public:
  ByThePage(const std::array<Pipe, 4>& pipes, std::array<uint8_t, kBytes>& memory, const Record& record,
            std::array<uint32_t, 8> tokens, std::array<unsigned, 2> init, unsigned shift, unsigned skew,
            bool together)
      : pipes_(pipes), memory_(memory), record_(record), shift_(shift), skew_(skew), together_(together) {
    for (unsigned n = 0; n < 8; ++n) tokens_[n].assign(tokens[n], 0);
    for (unsigned c = 0; c < 2; ++c)
      for (uint64_t t : record.tokens_in[c]) tokens_[6 + c].push_back(t);
    for (unsigned r = 0; r < 2; ++r) {
      places_[r].assign(kOutputDepth, 0);
      credits_[r].assign(init[r], 0);
      credits_[r].insert(credits_[r].end(), record.credits[r].begin(), record.credits[r].end());
    }
  }

  void run() {
    for (bool again = true; again;) {
      again = false;
      for (unsigned p = 0; p < 4; ++p)
        while (access(p)) again = true;
    }
  }

  Record expected;
  bool finished() const {
    for (unsigned p = 0; p < 4; ++p)
      if (pipes_[p].enabled && state_[p].fill != pipes_[p].fills) return false;
    return true;
  }
  unsigned conflicts = 0, dropped = 0;

 private:
  struct State {
    uint64_t fill = 0, in_fill = 0, number = 0, next = 0;
    std::array<uint32_t, 6> i{};
    int32_t scalar = 0;
  };

  uint64_t period(unsigned p) const {
    return pipes_[p].enabled && pipes_[p ^ 1].enabled && !together_ ? 2 : 1;
  }
  uint64_t slot(unsigned p, uint64_t t) const { return period(p) == 1 || t % 2 == p % 2 ? t : t + 1; }

  /// Does the next access of a pipeline, if all that it waits for is known.
  bool access(unsigned p) {
    const Pipe& c = pipes_[p];
    State& s = state_[p];
    if (!c.enabled || s.fill == c.fills) return false;
    const uint64_t P = period(p);
    uint64_t s_min = s.next;
    const unsigned q = c.index_packets();
    std::array<int32_t, 64> index{};
    if (q != 0) {
      const size_t from = expected.taken[c.index].size();
      if (record_.in[c.index].size() < from + q) return false;
      for (unsigned k = 0; k < q; ++k)
        std::memcpy(&index[k * 16], record_.in[c.index][from + k].data.data(), 64);
    }
    const Arrival* packet = nullptr;
    if (c.write) {
      const size_t n = expected.taken[c.data].size();
      if (record_.in[c.data].size() <= n) return false;
      packet = &record_.in[c.data][n];
      s_min = std::max(s_min, packet->t);
    }
    if (s.in_fill == 0) {
      for (unsigned n = 0; n < 8; ++n)
        if (c.wait >> n & 1) {
          if (tokens_[n].size() <= s.fill) return false;
          s_min = std::max(s_min, tokens_[n][s.fill]);
        }
      if (!c.write && c.address == 1) {
        const auto& words = record_.scalars[p - 2];
        if (words.size() <= s.fill) return false;
        s_min = std::max(s_min, words[s.fill].first);
        s.scalar = static_cast<int32_t>(words[s.fill].second);
      }
    }
    // What it does.
    int64_t offset = 0;
    for (unsigned k = 0; k < 6; ++k) offset += s.i[k] * c.stride[k];
    if (c.write && c.address == 1) offset += packet->sequence * c.index_stride;
    if (!c.write && c.address == 1) offset += s.scalar * c.index_stride;
    const uint32_t level = s.i[c.pred_level];
    const bool pred = (c.pred == 0 || (c.pred == 1 && level == c.pred_value) ||
                       (c.pred == 2 && level < c.pred_value)) != c.negate;
    const int64_t start = c.base + static_cast<int64_t>(s.fill % c.buffers) * c.buffer_size;
    std::array<int64_t, 64> lane;
    std::array<bool, 64> inside;
    for (unsigned l = 0; l < c.lanes; ++l) {
      lane[l] = offset + l * c.lane_stride + (c.indexed() ? index[l] * c.index_stride : 0);
      const int64_t x = c.indexed() ? lane[l] : offset;
      inside[l] = c.range == 0 || (c.low <= x && x < c.high);
    }
    const bool sends = !c.write && pred && (inside[0] || c.range == 2 || c.indexed());
    uint64_t place = 0;
    if (sends) {
      if (places_[p - 2].size() <= placed_[p - 2]) return false;
      place = places_[p - 2][placed_[p - 2]];
    }
    // When.
    if (q != 0) {
      const size_t from = expected.taken[c.index].size();
      uint64_t earliest = s.next;
      for (unsigned k = 0; k + 1 < q; ++k) {
        const uint64_t x = slot(p, std::max(earliest, record_.in[c.index][from + k].t));
        expected.taken[c.index].push_back(x);
        earliest = x + P;
      }
      s_min = std::max({s_min, earliest, record_.in[c.index][from + q - 1].t});
    }
    const uint64_t t = slot(p, std::max(s_min, place));
    std::map<uint64_t, std::vector<uint64_t>> words;
    for (unsigned l = 0; l < c.lanes; ++l) {
      if (!pred || !inside[l]) continue;
      const auto a = static_cast<uint64_t>(start + lane[l]) & ~uint64_t{3};
      auto& bank = words[((a >> shift_) + (skew_ != 0 ? a >> skew_ : 0)) % kBanks];
      if (std::find(bank.begin(), bank.end(), a) == bank.end()) bank.push_back(a);
    }
    uint64_t cost = 1;
    for (const auto& [bank, list] : words) cost = std::max<uint64_t>(cost, list.size());
    conflicts += cost > 1;
    dropped += words.empty();
    if (q != 0) expected.taken[c.index].push_back(t);
    if (c.write) {
      expected.taken[c.data].push_back(t);
      if (pred)
        for (unsigned l = 0; l < c.lanes; ++l)
          if (inside[l])
            std::memcpy(&memory_.at(static_cast<size_t>(start + lane[l])), &packet->data[l * c.size], c.size);
    }
    if (s.in_fill == 0 && !c.write && c.address == 1) expected.scalars_taken[p - 2].push_back(t);
    if (sends) {
      Packet vector{};
      for (unsigned l = 0; l < c.lanes; ++l)
        if (inside[l])
          std::memcpy(&vector[l * c.size], &memory_.at(static_cast<size_t>(start + lane[l])), c.size);
      const unsigned r = p - 2;
      ++placed_[r];
      uint64_t o = t + (cost - 1) * P + kReadCycles;
      if (!expected.out[r].empty()) o = std::max(o, expected.out[r].back().t + 1);
      const size_t n = expected.out[r].size();
      o = std::max(o, n < credits_[r].size() ? credits_[r][n] : ~uint64_t{0} / 2);
      expected.out[r].push_back(
          {o, vector, c.head | (c.sequence ? static_cast<uint16_t>(c.first + s.number * c.step) : 0)});
      places_[r].push_back(o + 1);
    }
    s.next = t + cost * P;
    ++s.number;
    ++s.in_fill;
    for (unsigned k = 0; k < 6; ++k) {
      if (++s.i[k] < (c.count[k] == 0 ? 1 : c.count[k])) break;
      s.i[k] = 0;
    }
    if (s.in_fill == c.accesses()) {
      const uint64_t end = t + (cost - 1) * P + 1;
      for (unsigned n = 0; n < 8; ++n)
        if (c.give >> n & 1) tokens_[n].push_back(end);
      for (unsigned n = 0; n < 2; ++n)
        if (c.out >> n & 1) expected.tokens_out[n].push_back(end);
      s.in_fill = 0;
      ++s.fill;
    }
    return true;
  }

  const std::array<Pipe, 4>& pipes_;
  std::array<uint8_t, kBytes>& memory_;
  const Record& record_;
  unsigned shift_, skew_;
  bool together_;
  std::array<State, 4> state_;
  std::array<std::vector<uint64_t>, 8> tokens_;
  std::array<std::vector<uint64_t>, 2> places_, credits_;
  std::array<size_t, 2> placed_{};
};

ConfigWords words_of(const std::array<Pipe, 4>& pipes, const std::array<uint32_t, 8>& tokens, unsigned shift,
                     unsigned skew, bool together) {
  ConfigWords w = ConfigWords::reset_of<regs::Registers>();
  for (unsigned p = 0; p < 4; ++p) {
    const Pipe& c = pipes[p];
    const uint64_t at = c.write ? regs::kWRITE_OFFSET + p * regs::kWRITE_STRIDE
                                : regs::kREAD_OFFSET + (p - 2) * regs::kREAD_STRIDE;
    namespace M = regs::WRITE_MODE;
    w.set(at, M::ENABLE, c.enabled);
    if (c.write)
      w.set(at, M::DATA, c.data);
    else
      w.set(at, regs::READ_MODE::SEQUENCE, c.sequence);
    w.set(at, M::ADDRESS, c.address);
    w.set(at, M::INDEX, c.index);
    w.set(at, M::RANGE, c.range);
    w.set(at, M::PRED, c.pred);
    w.set(at, M::NOT, c.negate);
    w.set(at, M::PRED_LEVEL, c.pred_level);
    w.set(at + regs::kWRITE_SHAPE_OFFSET, regs::WRITE_SHAPE::LANES, c.lanes);
    w.set(at + regs::kWRITE_SHAPE_OFFSET, regs::WRITE_SHAPE::ELEMENT, c.size == 1 ? 0 : c.size == 2 ? 1 : 2);
    w.set(at + regs::kWRITE_LANE_STRIDE_OFFSET, static_cast<uint32_t>(c.lane_stride));
    w.set(at + regs::kWRITE_BASE_OFFSET, static_cast<uint32_t>(c.base));
    w.set(at + regs::kWRITE_FILLS_OFFSET, c.fills);
    w.set(at + regs::kWRITE_BUFFERS_OFFSET, c.buffers);
    w.set(at + regs::kWRITE_BUFFER_SIZE_OFFSET, static_cast<uint32_t>(c.buffer_size));
    w.set(at + regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::WAIT, c.wait);
    w.set(at + regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::GIVE, c.give);
    w.set(at + regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::OUT, c.out);
    w.set(at + regs::kWRITE_INDEX_STRIDE_OFFSET, static_cast<uint32_t>(c.index_stride));
    w.set(at + regs::kWRITE_RANGE_LOW_OFFSET, static_cast<uint32_t>(c.low));
    w.set(at + regs::kWRITE_RANGE_HIGH_OFFSET, static_cast<uint32_t>(c.high));
    w.set(at + regs::kWRITE_PRED_VALUE_OFFSET, c.pred_value);
    for (unsigned k = 0; k < 6; ++k) {
      w.set(at + regs::kWRITE_COUNT_OFFSET + 4 * k, c.count[k]);
      w.set(at + regs::kWRITE_STRIDE_OFFSET + 4 * k, static_cast<uint32_t>(c.stride[k]));
    }
    if (c.write) continue;
    w.set(at + regs::kREAD_SEQ_OFFSET, uint32_t{c.first} | uint32_t{c.step} << 16);
    w.set(at + regs::kREAD_OUT_OFFSET, regs::READ_OUT::FLOW, c.head >> 37);
    if (c.head >> 37 == 7) w.set(at + regs::kREAD_OUT_OFFSET, regs::READ_OUT::DYNAMIC, 1);
    w.set(at + regs::kREAD_DEST_OFFSET, static_cast<uint32_t>(c.head >> 16 & 0x1fffff));
  }
  for (unsigned n = 0; n < 8; ++n) w.set(regs::kTOKENS_OFFSET + 4 * n, tokens[n]);
  w.set(regs::kBANK_OFFSET, regs::BANK::SHIFT, shift);
  w.set(regs::kBANK_OFFSET, regs::BANK::SKEW, skew);
  w.set(regs::kBANK_OFFSET, regs::BANK::TOGETHER, together);
  return w;
}

/// A random configuration that the page allows: writer p and reader p work on half p of the scratchpad,
/// ordered by tokens.
struct Case {
  explicit Case(std::mt19937_64& random) : r(random) {
    for (unsigned p = 0; p < 4; ++p) pipes[p].write = p < 2;
    const bool both = dice(3) != 0;
    for (unsigned h = 0; h < 2; ++h)
      if (h == 0 || both) pair(h);
    // Sometimes a shift that is no word's, so that neighbours conflict.
    shift = dice(4) == 0 ? dice(8) : 2;
    skew = dice(2) == 0 ? 0 : 6 + dice(4);
    together = dice(4) == 0;
  }
  /// A configuration made by hand.
  Case(std::mt19937_64& random, const Pipe& write, const Pipe& read) : r(random) {
    pipes[0] = write;
    pipes[2] = read;
    pipes[0].write = pipes[1].write = true;
  }

  unsigned dice(unsigned n) { return static_cast<unsigned>(r() % n); }

  void pair(unsigned h) {
    Pipe &w = pipes[h], &rd = pipes[2 + h];
    w.enabled = true;
    rd.enabled = dice(8) != 0;
    const uint32_t buffers = 1 + dice(3), fills = 1 + dice(5);
    const int64_t half = kBytes / 2, size = half / (buffers == 3 ? 4 : buffers) & ~int64_t{63};
    for (Pipe* p : {&w, &rd}) {
      p->fills = fills;
      p->buffers = buffers;
      p->buffer_size = size;
      shape(*p, size);
      p->base += h * half;
    }
    w.data = 2 * h;
    for (Pipe* p : {&w, &rd}) p->index = p == &w ? 2 * h + 1 : (w.indexed() ? 2 * h + 1 : 2 * h + 1);
    if (w.indexed() && rd.indexed()) counters_only(rd, size, h * half);  // one input for indices
    w.wait = 1u << (2 * h);
    w.give = 1u << (2 * h + 1);
    tokens[2 * h] = buffers;
    if (rd.enabled) {
      rd.wait = 1u << (2 * h + 1);
      rd.give = 1u << (2 * h);
    } else {
      tokens[2 * h] = fills;
      w.give = 0;
    }
    if (dice(2) == 0) w.wait |= 1u << (6 + h);  // from outside
    (dice(2) == 0 ? w : rd).out = 1u << h;
  }

  void counters_only(Pipe& p, int64_t size, int64_t at) {
    const unsigned index = p.index;
    const Pipe old = p;
    do {
      p.address = 0;
      p.range = 0;
      shape(p, size);
    } while (p.indexed());
    p.base += at;
    p.index = index;
    p.buffer_size = old.buffer_size;
  }

  void shape(Pipe& p, int64_t size) {
    p.size = 1u << dice(3);
    p.lanes = 1 + dice(64 / p.size);
    if (dice(3) == 0) p.lanes = 64 / p.size;
    const auto unit = static_cast<int64_t>(p.size);
    p.lane_stride = dice(3) == 0 ? unit * (static_cast<int64_t>(dice(64)) - 32) : unit;
    int64_t low = std::min<int64_t>(0, (p.lanes - 1) * p.lane_stride);
    int64_t high = std::max<int64_t>(0, (p.lanes - 1) * p.lane_stride) + unit;
    int64_t room = size - (high - low);
    p.count.fill(0);
    p.stride.fill(0);
    uint64_t accesses = 1;
    int64_t first = 0, last = 0;
    for (unsigned k = 0; k < 6; ++k) {
      const uint32_t n = 1 + dice(4);
      if (accesses * n > 40) continue;
      const int64_t most = n == 1 ? 0 : room / (n - 1) / unit;
      int64_t stride = most == 0 ? 0 : static_cast<int64_t>(r() % static_cast<uint64_t>(most + 1)) * unit;
      if (dice(2) == 0 && most >= 64 / unit) stride = 64;
      room -= stride * (n - 1);
      if (dice(3) == 0) stride = -stride;
      p.count[k] = n;
      p.stride[k] = stride;
      (stride < 0 ? first : last) += stride * (n - 1);
      accesses *= n;
    }
    p.pred = dice(4) == 0 ? 1 + dice(2) : 0;
    p.negate = p.pred != 0 && dice(2) == 0;
    p.pred_level = dice(6);
    p.pred_value = dice(4);
    p.address = dice(3) == 0 ? 1 : dice(3) == 0 ? 2 : 0;
    p.range = 0;
    p.base = -(low + first);
    if (p.address == 1) {  // SEQUENCE, SCALAR
      if (p.write) {
        p.stride.fill(0);
        p.pred = 0;
        p.negate = false;
      } else {
        p.stride.fill(0);
      }
      p.range = 1 + (p.write ? 0 : dice(2));
      p.index_stride = unit * (1 + dice(20));
      p.low = 0;
      p.high = std::max<int64_t>(unit, (size - (high - low)) / 2 / unit * unit);
      p.base = -low;
    } else if (p.address == 2) {
      p.range = p.write ? 1 : 2;
      p.index_stride = unit * (1 + dice(4));
      p.low = 0;
      p.high = size - 3 * unit;
      p.base = 0;
      p.stride.fill(0);
      p.lane_stride = dice(2) == 0 ? 0 : unit;
    } else if (dice(4) == 0) {
      p.range = p.write ? 1 : 1 + dice(2);
      p.low = first + (last - first) / 4;
      p.high = last - (last - first) / 4 + 1;
    }
    p.sequence = !p.write && dice(2) == 0;
    p.first = static_cast<uint16_t>(r());
    p.step = static_cast<uint16_t>(r());
    p.head = p.write        ? 0
             : dice(2) == 0 ? (r() & 0x1fffff) << 16 | uint64_t{7} << 37
                            : uint64_t{dice(7)} << 37;
  }

  std::mt19937_64& r;
  std::array<Pipe, 4> pipes;
  std::array<uint32_t, 8> tokens{};
  unsigned shift = 2, skew = 0;
  bool together = false;
};

class Bench {
 public:
  explicit Bench(uint64_t seed = test_seed()) {
    context.randReset(2);
    context.randSeed(static_cast<int>(seed & 0x7fffffff));
    top = std::make_unique<Vrtl_pmu>(&context);
    top->cfg_valid = top->start = top->flip_valid = 0;
    quiet();
    top->rst_n = 0;
    clock();
    clock();
    top->rst_n = 1;
    for (unsigned i = 0; i < kBytes / 4; ++i) top->rootp->pmu__DOT__memory[i] = 0;
  }
  ~Bench() { rdu::rtl::save_coverage(context); }
  void configure(const ConfigWords& words) {
    top->cfg_valid = 1;
    for (size_t i = 0; i < words.size(); ++i) {
      top->cfg_word = static_cast<uint16_t>(i);
      top->cfg_data = words.at(4 * i);
      clock();
      restless = restless || !top->idle;
    }
    top->cfg_valid = 0;
  }
  void quiet() {
    top->in_valid = top->out_credit = top->sin_valid = top->tok_in = top->sout_credit = top->sout_init = 0;
  }
  void settle() {
    top->clk = 0;
    top->eval();
  }
  void clock() {
    settle();
    top->clk = 1;
    top->eval();
  }
  void flip(unsigned word, uint64_t bits) {
    top->flip_valid = 1;
    top->flip_word = word;
    top->flip_bits = bits;
    clock();
    top->flip_valid = 0;
  }

  VerilatedContext context;  // outlives the model
  std::unique_ptr<Vrtl_pmu> top;
  bool restless = false;  ///< something happened while it was configured
};

/// Runs an execution with random legal traffic until nothing happens any more.
Record run(Bench& bench, const Case& c, std::mt19937_64& random, std::array<unsigned, 2> init, bool& done) {
  Vrtl_pmu& top = *bench.top;
  auto dice = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  Record record;
  std::array<uint64_t, 4> packets{};
  std::array<uint64_t, 2> scalars{}, tokens{};
  std::array<const Pipe*, 4> index_of{};
  for (const Pipe& p : c.pipes) {
    if (!p.enabled) continue;
    if (p.write) packets[p.data] = p.fills * p.accesses();
    if (p.indexed()) {
      packets[p.index] = p.fills * p.accesses() * p.index_packets();
      index_of[p.index] = &p;
    }
    if (p.wait >> 6 & 1) tokens[0] = p.fills;
    if (p.wait >> 7 & 1) tokens[1] = p.fills;
  }
  for (unsigned r = 0; r < 2; ++r)
    if (c.pipes[2 + r].enabled && c.pipes[2 + r].address == 1) scalars[r] = c.pipes[2 + r].fills;
  std::array<unsigned, 4> credits;
  credits.fill(kFifoDepth);
  std::array<unsigned, 2> scalar_credits{kScalarDepth, kScalarDepth}, held{};
  const unsigned pace = 1 + dice(4), drain = 1 + dice(4);

  bench.quiet();
  for (unsigned r = 0; r < 2; ++r) top.out_init = (top.out_init & ~(0xffffu << 16 * r)) | init[r] << 16 * r;
  top.start = 1;
  bench.clock();
  top.start = 0;
  bool quiet = false;  // it was idle, and nothing was driven: nothing may happen
  for (uint64_t cycle = 0, still = 0; still < 300; ++cycle) {
    REQUIRE(cycle < 100000);
    bench.settle();
    if (quiet) REQUIRE(top.idle);
    const auto usable = credits;  // a credit can be used in the cycle after that in which it comes
    const auto scalar_usable = scalar_credits;
    const auto arrived = held;
    // What it shows.
    bool moved = !top.idle;
    for (unsigned i = 0; i < 4; ++i)
      if (top.in_credit >> i & 1) {
        record.taken[i].push_back(cycle);
        ++credits[i];
      }
    for (unsigned i = 0; i < 2; ++i) {
      if (top.sin_credit >> i & 1) {
        record.scalars_taken[i].push_back(cycle);
        ++scalar_credits[i];
      }
      if (top.tok_out >> i & 1) record.tokens_out[i].push_back(cycle);
      if (top.out_valid >> i & 1) {
        Vector v;
        v.t = cycle;
        std::memcpy(v.data.data(), &top.out_data[16 * i], 64);
        v.head = i == 0 ? top.out_head[0] | uint64_t{top.out_head[1] & 0xff} << 32
                        : uint64_t{top.out_head[1]} >> 8 | uint64_t{top.out_head[2] & 0xffff} << 24;
        record.out[i].push_back(v);
        ++held[i];
      }
    }
    if (top.idle) REQUIRE((top.in_credit | top.sin_credit | top.tok_out | top.out_valid) == 0);
    REQUIRE(top.token_overflow == 0);
    for (unsigned p = 0; p < 4; ++p) {
      record.corrected[p] += top.ecc_corrected >> 8 * p & 0xff;
      if ((top.ecc_uncorrectable >> 8 * p & 0xff) == 0) continue;
      record.uncorrectable[p] += top.ecc_uncorrectable >> 8 * p & 0xff;
      record.address[p] = top.ecc_address[p];
    }
    // What is driven.
    bench.quiet();
    for (unsigned i = 0; i < 4; ++i) {
      if (packets[i] == 0 || usable[i] == 0 || dice(pace) != 0) continue;
      Arrival a;
      a.t = cycle + 1;
      for (auto& byte : a.data) byte = static_cast<uint8_t>(random());
      a.sequence = static_cast<uint16_t>(dice(4) == 0 ? random() : dice(200));
      if (index_of[i])
        for (unsigned k = 0; k < 16; ++k) {
          const int32_t v =
              dice(8) == 0 ? static_cast<int32_t>(random()) >> 8 : static_cast<int32_t>(dice(300)) - 5;
          std::memcpy(&a.data[4 * k], &v, 4);
        }
      --packets[i];
      --credits[i];
      top.in_valid |= 1u << i;
      std::memcpy(&top.in_data[16 * i], a.data.data(), 64);
      for (unsigned b = 0; b < 16; ++b) {
        uint32_t& word = top.in_head[(40 * i + b) / 32];
        const unsigned bit = (40 * i + b) % 32;
        word = (word & ~(1u << bit)) | (a.sequence >> b & 1u) << bit;
      }
      record.in[i].push_back(a);
      moved = true;
    }
    for (unsigned i = 0; i < 2; ++i) {
      if (scalars[i] != 0 && scalar_usable[i] != 0 && dice(pace) == 0) {
        const uint32_t v = dice(40);
        --scalars[i];
        --scalar_credits[i];
        top.sin_valid |= 1u << i;
        top.sin_data = (top.sin_data & ~(uint64_t{0xffffffff} << 32 * i)) | uint64_t{v} << 32 * i;
        record.scalars[i].push_back({cycle + 1, v});
        moved = true;
      }
      if (tokens[i] != 0 && dice(8) == 0) {
        --tokens[i];
        top.tok_in |= 1u << i;
        record.tokens_in[i].push_back(cycle + 1);
        moved = true;
      }
      if (arrived[i] != 0 && dice(drain) == 0) {
        --held[i];
        top.out_credit |= 1u << i;
        record.credits[i].push_back(cycle + 1);
        moved = true;
      }
    }
    still = moved ? 0 : still + 1;
    quiet = !moved;
    done = top.done;
    bench.clock();
  }
  return record;
}

template <class T>
std::string first_difference(const std::vector<T>& got, const std::vector<T>& want, const std::string& what) {
  for (size_t i = 0; i < std::max(got.size(), want.size()); ++i) {
    const std::string at = what + " " + std::to_string(i) + ": ";
    if (i >= got.size()) return at + "missing, expected at " + std::to_string(want[i]);
    if (i >= want.size()) return at + "at " + std::to_string(got[i]) + " is not expected";
    if (got[i] != want[i])
      return at + "at " + std::to_string(got[i]) + ", expected at " + std::to_string(want[i]);
  }
  return "";
}

std::string compare(const Record& got, const Record& want) {
  for (unsigned i = 0; i < 4; ++i) {
    const auto d = first_difference(got.taken[i], want.taken[i], "packet of input " + std::to_string(i));
    if (!d.empty()) return d;
  }
  for (unsigned i = 0; i < 2; ++i) {
    const std::string n = std::to_string(i);
    auto d = first_difference(got.scalars_taken[i], want.scalars_taken[i], "scalar " + n);
    if (d.empty()) d = first_difference(got.tokens_out[i], want.tokens_out[i], "token of output " + n);
    if (!d.empty()) return d;
    for (size_t k = 0; k < std::max(got.out[i].size(), want.out[i].size()); ++k) {
      const std::string at = "vector " + std::to_string(k) + " of output " + n;
      if (k >= got.out[i].size() || k >= want.out[i].size())
        return at + ": " + std::to_string(got.out[i].size()) + " came, expected " +
               std::to_string(want.out[i].size());
      const Vector &g = got.out[i][k], &w = want.out[i][k];
      if (g.t != w.t) return at + ": at " + std::to_string(g.t) + ", expected at " + std::to_string(w.t);
      if (g.head != w.head) return at + ": head";
      if (g.data != w.data) return at + ": data";
    }
  }
  return "";
}

}  // namespace

TEST_CASE("the PMU takes, makes and gives what its page says, when it says") {
  std::mt19937_64 random(test_seed());
  Bench bench;
  std::array<uint8_t, kBytes> memory{};
  unsigned conflicts = 0, dropped = 0;
  size_t vectors = 0;
  for (int round = 0; round < 120; ++round) {
    INFO("RDU_SEED " << test_seed() << " round " << round);
    const Case c(random);
    const std::array<unsigned, 2> init{1 + static_cast<unsigned>(random() % 20),
                                       1 + static_cast<unsigned>(random() % 20)};
    bench.configure(words_of(c.pipes, c.tokens, c.shift, c.skew, c.together));
    bool done = false;
    const Record record = run(bench, c, random, init, done);
    ByThePage page(c.pipes, memory, record, c.tokens, init, c.shift, c.skew, c.together);
    page.run();
    const std::string difference = compare(record, page.expected);
    if (!difference.empty()) FAIL(difference);
    for (unsigned p = 0; p < 4; ++p) REQUIRE(record.corrected[p] + record.uncorrectable[p] == 0);
    REQUIRE(page.finished());
    REQUIRE(done);
    conflicts += page.conflicts;
    dropped += page.dropped;
    vectors += record.out[0].size() + record.out[1].size();
  }
  for (unsigned i = 0; i < kBytes / 4; ++i) {
    uint32_t word;
    std::memcpy(&word, &memory[4 * i], 4);
    if (static_cast<uint32_t>(bench.top->rootp->pmu__DOT__memory[i]) != word)
      FAIL("word " << i << " of the scratchpad");
  }
  REQUIRE(conflicts > 500);
  REQUIRE(dropped > 100);
  REQUIRE(vectors > 2000);
}

TEST_CASE("between reset and start a PMU does nothing, whatever its registers held before") {
  Pipe read;
  read.enabled = true;
  read.lanes = 16;
  read.size = 4;
  read.lane_stride = 4;
  read.out = 1;
  std::array<Pipe, 4> pipes;
  pipes[0].write = pipes[1].write = true;
  pipes[2] = read;
  for (unsigned n = 0; n < 8; ++n) {
    Bench bench(test_seed() + n);
    bench.configure(words_of(pipes, {}, 2, 0, false));
    REQUIRE(!bench.restless);
    for (unsigned cycle = 0; cycle < 20; ++cycle) {
      bench.settle();
      REQUIRE(bench.top->idle);
      REQUIRE((bench.top->tok_out | bench.top->out_valid | bench.top->in_credit) == 0);
      bench.clock();
    }
  }
}

TEST_CASE("flipped bits of the scratchpad are corrected, or found") {
  std::mt19937_64 random(test_seed());
  Bench bench;
  std::array<uint8_t, kBytes> memory{};
  auto go = [&](const Pipe& write, const Pipe& read) {
    const Case c(random, write, read);
    bench.configure(words_of(c.pipes, c.tokens, 2, 0, false));
    bool done = false;
    Record record = run(bench, c, random, {20, 20}, done);
    REQUIRE(done);
    ByThePage page(c.pipes, memory, record, c.tokens, {20, 20}, 2, 0, false);
    page.run();
    record.expected_out = page.expected.out;
    return record;
  };
  // Sixteen rows of 64 bytes.
  Pipe off, write, read;
  write.write = true;
  write.enabled = read.enabled = true;
  for (Pipe* p : {&write, &read}) {
    p->lanes = 16;
    p->size = 4;
    p->lane_stride = 4;
    p->count[0] = 16;
    p->stride[0] = 64;
  }
  auto same = [](const Record& r) {
    for (size_t i = 0; i < 16; ++i)
      if (r.out[0][i].data != r.expected_out[0][i].data) return false;
    return true;
  };
  go(write, off);

  SECTION("one bit, wherever it is") {
    for (unsigned bit = 0; bit < 39; ++bit) bench.flip(3 + bit * 6, uint64_t{1} << bit);
    const Record first = go(off, read);
    REQUIRE(first.corrected[2] == 39);
    REQUIRE(first.uncorrectable[2] == 0);
    REQUIRE(same(first));
    REQUIRE(go(off, read).corrected[2] == 39);  // reading leaves the words as they are
  }
  SECTION("two bits, whichever they are") {
    unsigned word = 0;
    for (unsigned a = 0; a < 39; ++a)
      for (unsigned b = a + 1; b < 39; ++b) {
        const unsigned at = word++ % 256;
        bench.flip(at, uint64_t{1} << a | uint64_t{1} << b);
        if (word % 256 != 0 && !(a == 37 && b == 38)) continue;
        const Record r = go(off, read);
        REQUIRE(r.corrected[2] == 0);
        REQUIRE(r.uncorrectable[2] == (word - 1) % 256 + 1);
        go(write, off);  // whole words: what they held is not looked at
        REQUIRE(go(off, read).uncorrectable[2] == 0);
      }
  }
  SECTION("the lowest address is told") {
    bench.flip(37, 3);
    bench.flip(41, 6);
    const Record r = go(off, read);
    REQUIRE(r.uncorrectable[2] == 2);
    REQUIRE(r.address[2] == 4 * 37);
  }
  SECTION("a write of a part makes a word right, or finds that it cannot") {
    bench.flip(5, 1u << 20);
    bench.flip(6, 1u << 20 | 1u << 3);
    Pipe part = write;
    part.lanes = 1;
    part.size = 1;
    part.base = 4 * 5 + 1;
    part.count[0] = 2;
    part.stride[0] = 4;
    const Record r = go(part, off);
    REQUIRE(r.corrected[0] == 1);
    REQUIRE(r.uncorrectable[0] == 1);
    REQUIRE(r.address[0] == 4 * 6);
    const Record after = go(off, read);
    REQUIRE(after.corrected[2] == 0);
    REQUIRE(after.out[0][0].data[4 * 5 + 2] == after.expected_out[0][0].data[4 * 5 + 2]);
  }
}
