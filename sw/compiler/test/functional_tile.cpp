#include "compiler/test/functional_tile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>

#include "compiler/graph.h"
#include "compiler/trace.h"
#include "compiler/unit_words.h"
#include "fabric/math/tail_tables.h"
#include "regs/agcu.h"
#include "regs/pcu.h"
#include "regs/pmu.h"
#include "regs/switch.h"

namespace rdu::compiler::test {
namespace tail = rdu::fabric::tail;
namespace {

struct Packet : std::array<uint8_t, RDU_VECTOR_BYTES> {
  uint16_t sequence = 0;
};
using Lanes = std::array<uint32_t, RDU_LANES_MAX>;
constexpr unsigned kHalfLanes = RDU_LANES_MAX / 2;

uint32_t field(uint32_t word, uint32_t mask) {
  return (word & mask) >> __builtin_ctz(mask);
}

float from_bits(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}
uint32_t to_bits(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return bits;
}

/// Configuration words of one unit after argument load.
class Words {
 public:
  Words(const Configuration& configuration, uint32_t id, const std::vector<rdu_argument_tuple>& arguments) {
    const UnitTable* table = unit_table(RDU_UNIT_KIND(id));
    for (unsigned i = 0; i < table->count; ++i) {
      const UnitRegister& reg = table->registers[i];
      words_[reg.word] = static_cast<uint32_t>(reg.reset);
      if (reg.words == 2)
        words_[static_cast<uint16_t>(reg.word + 1)] = static_cast<uint32_t>(reg.reset >> 32);
    }
    for (const auto& [word, value] : configuration.units().at(id)) words_[word] = value;
    for (const auto& a : arguments) {
      if (a.unit != id) continue;
      words_[a.word] = static_cast<uint32_t>(a.value);
      if (a.count == 2) words_[static_cast<uint16_t>(a.word + 1)] = static_cast<uint32_t>(a.value >> 32);
    }
  }
  uint32_t at(uint32_t offset, uint32_t reset = 0) const {
    const auto found = words_.find(static_cast<uint16_t>(offset / 4));
    return found == words_.end() ? reset : found->second;
  }
  uint64_t wide(uint32_t offset) const { return at(offset) | uint64_t{at(offset + 4)} << 32; }

 private:
  Configuration::Words words_;
};

/// Nested counters, 0 innermost.
class Counters {
 public:
  void add(uint32_t count, uint32_t stride) {
    levels_.push_back({count == 0 ? 1 : count, static_cast<int32_t>(stride), 0});
  }
  bool done() const { return done_; }
  int64_t offset() const {
    int64_t sum = 0;
    for (const Level& l : levels_) sum += int64_t{l.at} * l.stride;
    return sum;
  }
  void next() {
    for (Level& l : levels_) {
      if (++l.at < l.count) return;
      l.at = 0;
    }
    done_ = true;
  }
  void restart() { done_ = false; }

 private:
  struct Level {
    uint32_t count;
    int32_t stride;
    uint32_t at;
  };
  std::vector<Level> levels_;
  bool done_ = false;
};

float bf16_lane(const Packet& p, unsigned lane) {
  uint16_t bits;
  std::memcpy(&bits, p.data() + 2 * lane, 2);
  return from_bf16(bits);
}

// --- the PCU's arithmetic, as its page says
constexpr uint32_t kNan = 0x7fc00000;

bool is_nan(uint32_t x) {
  return (x & 0x7fffffff) > 0x7f800000;
}
/// Subnormals are zeros of their sign.
float flushed(uint32_t x) {
  return from_bits((x & 0x7f800000) == 0 ? x & 0x80000000 : x);
}
/// Of a result, and of what leaves as FP32.
uint32_t settled(uint32_t x) {
  return is_nan(x) ? kNan : to_bits(flushed(x));
}
int32_t saturated(uint32_t x) {
  return std::min(127, std::max(-128, static_cast<int32_t>(x)));
}
uint32_t truth(bool holds) {
  return holds ? ~uint32_t{0} : 0;
}
uint32_t to_integer(double x) {
  if (std::isnan(x)) return 0;
  if (x >= 0x1p31) return 0x7fffffff;
  return x < -0x1p31 ? 0x80000000 : static_cast<uint32_t>(static_cast<int32_t>(x));
}
uint32_t extreme(uint32_t a, uint32_t b, bool largest) {
  if (is_nan(a) || is_nan(b)) return kNan;
  const float x = flushed(a), y = flushed(b);
  if (x == y) return to_bits(std::signbit(x) == largest ? y : x);
  return to_bits((x > y) == largest ? x : y);
}

uint32_t lane_result(uint32_t op, uint32_t a, uint32_t b, uint32_t c) {
  const float x = flushed(a), y = flushed(b), z = flushed(c);
  const auto i = static_cast<int32_t>(a), j = static_cast<int32_t>(b);
  const unsigned shift = b & 31;
  switch (static_cast<Op>(op)) {
    case Op::mov:
      return a;
    case Op::fadd:
      return settled(to_bits(x + y));
    case Op::fsub:
      return settled(to_bits(x - y));
    case Op::fmul:
      return settled(to_bits(x * y));
    case Op::fmax:
      return extreme(a, b, true);
    case Op::fmin:
      return extreme(a, b, false);
    case Op::fmadd:
      return settled(to_bits(std::fma(x, y, z)));
    case Op::fnmadd:
      return settled(to_bits(std::fma(-x, y, z)));
    case Op::fabs:
      return is_nan(a) ? kNan : a & 0x7fffffff;
    case Op::fneg:
      return is_nan(a) ? kNan : a ^ 0x80000000;
    case Op::feq:
      return truth(x == y);
    case Op::fne:
      return truth(x != y);
    case Op::flt:
      return truth(x < y);
    case Op::fle:
      return truth(x <= y);
    case Op::iadd:
      return a + b;
    case Op::isub:
      return a - b;
    case Op::imul:
      return a * b;
    case Op::imax:
      return i > j ? a : b;
    case Op::imin:
      return i < j ? a : b;
    case Op::iabs:
      return i < 0 ? 0 - a : a;
    case Op::ineg:
      return 0 - a;
    case Op::ieq:
      return truth(a == b);
    case Op::ine:
      return truth(a != b);
    case Op::ilt:
      return truth(i < j);
    case Op::ile:
      return truth(i <= j);
    case Op::ult:
      return truth(a < b);
    case Op::ule:
      return truth(a <= b);
    case Op::bit_and:
      return a & b;
    case Op::bit_or:
      return a | b;
    case Op::bit_xor:
      return a ^ b;
    case Op::bit_andn:
      return a & ~b;
    case Op::bit_not:
      return ~a;
    case Op::shl:
      return a << shift;
    case Op::shr:
      return a >> shift;
    case Op::sar:
      return static_cast<uint32_t>(i >> shift);
    case Op::sel:
      return a != 0 ? b : c;
    case Op::i2f:
      return to_bits(static_cast<float>(i));
    case Op::f2i:
      return to_integer(std::nearbyint(double{x}));
    case Op::f2i_zero:
      return to_integer(std::trunc(double{x}));
    case Op::f2i_floor:
      return to_integer(std::floor(double{x}));
    case Op::rbf16:
      return uint32_t{to_bf16(from_bits(settled(a)))} << 16;
    case Op::sat8:
      return static_cast<uint32_t>(saturated(a));
    default:
      throw Error(fmt::format("operation {}", op));
  }
}

Lanes across(uint32_t op, const Lanes& a, const Lanes& b, unsigned lanes) {
  Lanes x = a;
  const auto reduce = [&](Op each, uint32_t identity) {
    std::fill(x.begin() + lanes, x.end(), identity);
    for (size_t half = x.size() / 2; half >= 1; half /= 2) {
      const Lanes before = x;
      for (size_t i = 0; i < x.size(); ++i)
        x[i] = lane_result(static_cast<uint32_t>(each), before[i], before[i ^ half], 0);
    }
  };
  const auto scan = [&](Op each) {
    for (size_t d = 1; d < x.size(); d *= 2) {
      const Lanes before = x;
      for (size_t i = d; i < x.size(); ++i)
        x[i] = lane_result(static_cast<uint32_t>(each), before[i - d], before[i], 0);
    }
  };
  /// better(y, x): y takes x's place.
  const auto argument = [&](auto better) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < lanes; ++i) {
      if (better(a[i], a[best])) best = i;
    }
    x.fill(best);
  };
  const auto beats = [](uint32_t y, uint32_t x, bool largest) {
    if (is_nan(x) || is_nan(y)) return !is_nan(x);
    return flushed(y) == flushed(x)
               ? std::signbit(flushed(x)) != std::signbit(flushed(y)) && std::signbit(flushed(y)) != largest
               : (flushed(y) > flushed(x)) == largest;
  };
  const unsigned n = b[0] & 31;
  switch (static_cast<Op>(op)) {
    case Op::fred_sum:
      reduce(Op::fadd, 0);
      break;
    case Op::fred_max:
      reduce(Op::fmax, 0xff800000);
      break;
    case Op::fred_min:
      reduce(Op::fmin, 0x7f800000);
      break;
    case Op::ired_sum:
      reduce(Op::iadd, 0);
      break;
    case Op::ired_max:
      reduce(Op::imax, 0x80000000);
      break;
    case Op::ired_min:
      reduce(Op::imin, 0x7fffffff);
      break;
    case Op::red_and:
      reduce(Op::bit_and, ~uint32_t{0});
      break;
    case Op::red_or:
      reduce(Op::bit_or, 0);
      break;
    case Op::red_xor:
      reduce(Op::bit_xor, 0);
      break;
    case Op::fscan_sum:
      scan(Op::fadd);
      break;
    case Op::fscan_max:
      scan(Op::fmax);
      break;
    case Op::iscan_sum:
      scan(Op::iadd);
      break;
    case Op::fargmax:
      argument([&](uint32_t y, uint32_t best) { return beats(y, best, true); });
      break;
    case Op::fargmin:
      argument([&](uint32_t y, uint32_t best) { return beats(y, best, false); });
      break;
    case Op::iargmax:
      argument(
          [](uint32_t y, uint32_t best) { return static_cast<int32_t>(y) > static_cast<int32_t>(best); });
      break;
    case Op::iargmin:
      argument(
          [](uint32_t y, uint32_t best) { return static_cast<int32_t>(y) < static_cast<int32_t>(best); });
      break;
    case Op::bcast:
      x.fill(n < lanes ? a[n] : 0);
      break;
    case Op::up:
      for (unsigned i = 0; i < x.size(); ++i) x[i] = i >= n && i - n < lanes ? a[i - n] : 0;
      break;
    case Op::down:
      for (unsigned i = 0; i < x.size(); ++i) x[i] = i + n < lanes ? a[i + n] : 0;
      break;
    default:
      throw Error(fmt::format("operation {}", op));
  }
  return x;
}

/// For stochastic rounding.
class Generator {
 public:
  explicit Generator(uint32_t seed) {
    for (uint32_t l = 0; l < state_.size(); ++l) {
      state_[l] = seed ^ (0x9e3779b9u * (l + 1));
      if (state_[l] == 0) state_[l] = 1;
    }
  }
  void step() {
    for (uint32_t& s : state_) s ^= s << 13, s ^= s >> 17, s ^= s << 5;
  }
  uint16_t round(uint32_t x, unsigned lane) const {
    x = settled(x);
    const bool is_finite = (x & 0x7f800000) != 0x7f800000;
    return static_cast<uint16_t>((x + (is_finite ? state_[lane] & 0xffff : 0)) >> 16);
  }

 private:
  Lanes state_;
};

// --- the tail, as the page of models/fabric/math says
/// A segment's polynomial at w / 2^23, in units of 2^-30.
int64_t poly(int64_t segment, int64_t w) {
  const int32_t* c = tail::kSegments[segment];
  int64_t y = c[3];
  for (int i = 2; i >= 0; --i) y = c[i] + ((y * w) >> 23);
  return y;
}

int64_t shifted(int64_t x, int right) {
  return right > 62 ? 0 : x >> right;
}

/// (-1)^s * magnitude * 2^q, rounded to 24 bits; then what is too large is infinity, too small zero.
uint32_t rounded(bool s, int64_t magnitude, int q) {
  int exponent = 0;
  const auto significand = static_cast<float>(std::frexp(static_cast<double>(magnitude), &exponent));
  double value = std::ldexp(double{significand}, exponent + q);
  if (value < 0x1p-126) value = 0;
  if (value >= 0x1p128) value = INFINITY;
  return to_bits(static_cast<float>(s ? -value : value));
}

/// e^x for e <= 6: y * 2^(n - 30).
std::pair<int, int64_t> power(bool s, int e, int64_t m) {
  const auto product = static_cast<int64_t>(static_cast<uint64_t>(m) * tail::kLog2E);
  int64_t t = shifted(product, 31 - e);
  if (s) t = -t;
  return {static_cast<int>(t >> 29), poly(tail::kExp + (t >> 23 & 63), t & 0x7fffff)};
}

/// TANH and ERF: the table's first segment, from which exponent on the result is 1, and how the segments of
/// 1 - f(|x|) are scaled.
struct Saturating {
  int64_t table;
  int one;
  std::array<int, 4> scale;
};

uint32_t saturating(const Saturating& f, bool s, int e, int64_t m) {
  if (e == -127) return s ? 0x80000000 : 0;
  if (e >= f.one) return to_bits(s ? -1.0f : 1.0f);
  const int64_t fraction = m & 0x7fffff;
  if (e >= 0) {
    const int scale = f.scale[static_cast<size_t>(e)];
    const int64_t y = poly(f.table + 32 * (e + 1) + (fraction >> 18), (fraction & 0x3ffff) << 5);
    return rounded(s, (int64_t{1} << (30 + scale)) - y, -30 - scale);
  }
  const int64_t t = shifted(m << 4, -1 - e);
  const int64_t y = poly(f.table + (t >> 23 & 31), t & 0x7fffff);
  return rounded(s, m * ((y + 2) >> 2), e - 51);
}

uint32_t logarithm(bool s, int e, int64_t m) {
  if (e == -127) return 0xff800000;
  if (s) return kNan;
  if (e == 128) return 0x7f800000;
  const int64_t fraction = m & 0x7fffff;
  const bool upper = (fraction >> 22) != 0;
  if (upper) ++e;
  const int64_t u = upper ? m - (1 << 24) : 2 * fraction;
  const int64_t y = poly(tail::kLog + (fraction >> 17), (fraction & 0x1ffff) << 6);
  const int64_t p = u * ((y + 2) >> 2);
  if (e == 0) return rounded(p < 0, std::abs(p), -52);
  const int64_t r = e * static_cast<int64_t>(tail::kLn2) + (p >> 12);
  return rounded(r < 0, std::abs(r), -40);
}

uint32_t sigmoid(bool s, int e, int64_t m) {
  if (e >= 7) return s ? 0 : to_bits(1.0f);
  const auto [n, y] = power(!s, e, m);
  int k = std::max(n, 0);
  int64_t d = shifted(y, k - n) + shifted(int64_t{1} << 30, k);
  if (d >= int64_t{1} << 31) d >>= 1, ++k;
  return rounded(false, poly(tail::kRecip + (d >> 24 & 63), (d >> 2 & 0x3fffff) << 1), -k - 30);
}

}  // namespace

uint32_t tail_of(Tail function, uint32_t x) {
  if (function == Tail::none) return x;
  if (is_nan(x)) return kNan;
  const bool s = x >> 31 != 0;
  const int e = static_cast<int>(x >> 23 & 255) - 127;
  const int64_t fraction = x & 0x7fffff, m = fraction + (1 << 23);
  const uint32_t sign = x & 0x80000000;
  const bool is_zero = e == -127, is_infinite = e == 128;
  const auto root = [&](int64_t table) {
    return poly(table + 32 * (e & 1) + (fraction >> 18), (fraction & 0x3ffff) << 5);
  };
  switch (function) {
    case Tail::exp: {
      if (e >= 7) return s ? 0 : 0x7f800000;
      const auto [n, y] = power(s, e, m);
      return rounded(false, y, n - 30);
    }
    case Tail::recip:
      if (is_zero) return sign | 0x7f800000;
      if (is_infinite) return sign;
      return rounded(s, poly(tail::kRecip + (fraction >> 17), (fraction & 0x1ffff) << 6), -e - 30);
    case Tail::log:
      return logarithm(s, e, m);
    case Tail::sqrt:
      if (is_zero) return sign;
      if (s) return kNan;
      return is_infinite ? x : rounded(false, root(tail::kSqrt), (e >> 1) - 30);
    case Tail::rsqrt:
      if (is_zero) return sign | 0x7f800000;
      if (s) return kNan;
      return is_infinite ? 0 : rounded(false, root(tail::kRsqrt), -(e >> 1) - 30);
    case Tail::sigmoid:
      return sigmoid(s, e, m);
    case Tail::tanh:
      return saturating({tail::kTanh, 4, {0, 2, 6, 15}}, s, e, m);
    case Tail::erf:
      return saturating({tail::kErf, 2, {0, 4, 0, 0}}, s, e, m);
    case Tail::none:
      break;
  }
  throw Error(fmt::format("tail {}", static_cast<int>(function)));
}

float exp_of(float x) {
  return from_bits(tail_of(Tail::exp, to_bits(x)));
}

float recip_of(float x) {
  return from_bits(tail_of(Tail::recip, to_bits(x)));
}

uint16_t to_bf16(float x) {
  const uint32_t bits = to_bits(x);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float from_bf16(uint16_t bits) {
  return from_bits(uint32_t{bits} << 16);
}

/// A unit with input FIFOs and outputs.
class FunctionalTile::Unit {
 public:
  virtual ~Unit() = default;
  /// Does what it can; true if anything moved.
  virtual bool step() = 0;
  /// Something that is not finished, or nothing.
  virtual std::string unfinished() const = 0;

  /// Sends one packet of each output if all its sinks have room and, where they join streams, it is its turn.
  bool flush(unsigned fifo_packets) {
    bool moved = false;
    for (Out& o : outs) {
      if (o.queue.empty()) continue;
      const Packet& p = o.queue.front();
      const auto ready = [&](const auto& sink) {
        const In& i = sink.first->in[sink.second];
        return i.size() < fifo_packets && (!i.joins || i.expected == p.sequence);
      };
      if (!std::all_of(o.sinks.begin(), o.sinks.end(), ready)) continue;
      for (const auto& sink : o.sinks) {
        sink.first->in[sink.second].push_back(p);
        ++sink.first->in[sink.second].expected;
      }
      o.queue.pop_front();
      moved = true;
    }
    return moved;
  }
  Packet take(unsigned input) {
    const Packet p = in[input].front();
    in[input].pop_front();
    return p;
  }
  /// Packet n (from 0, those that were not sent included) of an output.
  void send(unsigned output, Packet p, uint64_t n) {
    Out& o = outs[output];
    if (o.numbered) p.sequence = static_cast<uint16_t>(o.first + n * o.step);
    o.queue.push_back(p);
  }
  void send(const Packet& p) { send(0, p, sent_++); }
  bool idle() const { return outs[0].queue.empty(); }

  struct In : std::deque<Packet> {
    bool joins = false;  ///< streams, in order of sequence ids
    uint16_t expected = 0;
  };
  struct Out {
    std::deque<Packet> queue;  ///< a few, before they leave
    std::vector<std::pair<Unit*, unsigned>> sinks;
    bool numbered = false;
    uint16_t first = 0, step = 1;
  };
  std::string name;
  std::array<In, 4> in;
  std::array<Out, 2> outs;

 protected:
  void number(unsigned output, uint32_t enable, uint32_t seq) {
    outs[output].numbered = enable != 0;
    outs[output].first = static_cast<uint16_t>(field(seq, RDU_PMU_READ_SEQ_FIRST_MASK));
    outs[output].step = static_cast<uint16_t>(field(seq, RDU_PMU_READ_SEQ_STEP_MASK));
  }

 private:
  uint64_t sent_ = 0;
};

class FunctionalTile::Agcu : public Unit {
 public:
  Agcu(const Words& w, uint64_t base, std::vector<uint8_t>* memory) : memory_base_(base), memory_(memory) {
    number(0, w.at(RDU_AGCU_LOAD) & RDU_AGCU_LOAD_SEQUENCE_MASK, w.at(RDU_AGCU_LOAD_SEQ));
    if ((w.at(RDU_AGCU_LOAD) & RDU_AGCU_LOAD_ENABLE_MASK) != 0) {
      load_.base = w.wide(RDU_AGCU_LOAD_BASE);
      load_.row_bytes = w.at(RDU_AGCU_LOAD_ROW_BYTES);
      load_.indexed = (w.at(RDU_AGCU_LOAD) & RDU_AGCU_LOAD_INDEX_MASK) != 0;
      load_.index_stride = static_cast<int32_t>(w.at(RDU_AGCU_LOAD_INDEX_STRIDE));
      for (unsigned i = 0; i < RDU_AGCU_LOAD_COUNT_COUNT; ++i) {
        load_.rows.add(w.at(RDU_AGCU_LOAD_COUNT(i)), w.at(RDU_AGCU_LOAD_STRIDE(i)));
      }
    }
    if ((w.at(RDU_AGCU_STORE) & RDU_AGCU_STORE_ENABLE_MASK) != 0) {
      store_.base = w.wide(RDU_AGCU_STORE_BASE);
      store_.row_bytes = w.at(RDU_AGCU_STORE_ROW_BYTES);
      store_.indexed = (w.at(RDU_AGCU_STORE) & RDU_AGCU_STORE_INDEX_MASK) != 0;
      store_.index_stride = static_cast<int32_t>(w.at(RDU_AGCU_STORE_INDEX_STRIDE));
      op_ = field(w.at(RDU_AGCU_STORE), RDU_AGCU_STORE_OP_MASK);
      for (unsigned i = 0; i < RDU_AGCU_STORE_COUNT_COUNT; ++i) {
        store_.rows.add(w.at(RDU_AGCU_STORE_COUNT(i)), w.at(RDU_AGCU_STORE_STRIDE(i)));
      }
    }
  }
  bool step() override {
    bool moved = false;
    if (load_.row_bytes != 0 && !load_.rows.done() && idle() && has_index(&load_)) {
      Packet p{};
      move(&load_, [&](uint8_t* at, size_t n) { std::memcpy(p.data(), at, n); });
      send(p);
      moved = true;
    }
    if (store_.row_bytes != 0 && !store_.rows.done() && !in[0].empty() && has_index(&store_)) {
      const Packet p = take(0);
      move(&store_, [&](uint8_t* at, size_t n) { write(at, p.data(), n); });
      moved = true;
    }
    return moved;
  }
  std::string unfinished() const override {
    if (load_.row_bytes != 0 && !load_.rows.done()) return "its load";
    return store_.row_bytes != 0 && !store_.rows.done() ? "its store" : "";
  }

 private:
  struct Generator {
    uint64_t base = 0;
    uint32_t row_bytes = 0;  ///< 0: not enabled
    uint32_t at = 0;         ///< byte in the row
    bool indexed = false;
    int64_t index_stride = 0;
    std::deque<int32_t> indices;  ///< that of the current row, and those behind it in the same packet
    Counters rows;
  };
  bool has_index(Generator* g) {
    if (!g->indexed || !g->indices.empty()) return true;
    if (in[1].empty()) return false;
    const Packet p = take(1);
    for (unsigned i = 0; i < RDU_VECTOR_BYTES / 4; ++i) {
      int32_t index;
      std::memcpy(&index, p.data() + 4 * i, 4);
      g->indices.push_back(index);
    }
    return true;
  }
  void write(uint8_t* memory, const uint8_t* data, size_t n) const {
    if (op_ == RDU_AGCU_STORE_OP_WRITE) {
      std::memcpy(memory, data, n);
      return;
    }
    for (size_t i = 0; i < n; i += 4) {
      uint32_t m, d;
      std::memcpy(&m, memory + i, 4);
      std::memcpy(&d, data + i, 4);
      const auto a = static_cast<int32_t>(m), b = static_cast<int32_t>(d);
      switch (op_) {
        case RDU_AGCU_STORE_OP_FADD:
          m = to_bits(from_bits(m) + from_bits(d));
          break;
        case RDU_AGCU_STORE_OP_IADD:
          m += d;
          break;
        case RDU_AGCU_STORE_OP_IMAX:
          m = a < b ? d : m;
          break;
        case RDU_AGCU_STORE_OP_IMIN:
          m = a > b ? d : m;
          break;
        case RDU_AGCU_STORE_OP_AND:
          m &= d;
          break;
        case RDU_AGCU_STORE_OP_OR:
          m |= d;
          break;
        default:
          m ^= d;
      }
      std::memcpy(memory + i, &m, 4);
    }
  }
  template <class Use>
  void move(Generator* g, Use use) {
    const uint32_t n = std::min<uint32_t>(g->row_bytes - g->at, RDU_VECTOR_BYTES);
    const int64_t index = g->indexed ? g->indices.front() * g->index_stride : 0;
    const uint64_t address = g->base + static_cast<uint64_t>(g->rows.offset() + index) + g->at;
    if (address < memory_base_ || address - memory_base_ + n > memory_->size()) {
      throw Error(fmt::format("{}: address {:#x} is outside the memory", name, address));
    }
    use(memory_->data() + (address - memory_base_), n);
    g->at += n;
    if (g->at != g->row_bytes) return;
    g->at = 0;
    g->rows.next();
    if (g->indexed) g->indices.pop_front();
  }

  uint64_t memory_base_;
  std::vector<uint8_t>* memory_;
  Generator load_, store_;
  uint32_t op_ = RDU_AGCU_STORE_OP_WRITE;
};

/// All of a PMU but scalars and control inputs and outputs.
class FunctionalTile::Pmu : public Unit {
 public:
  explicit Pmu(const Words& w) : memory_(kBytes, 0xee) {
    for (unsigned n = 0; n < 2; ++n) {
      if ((w.at(RDU_PMU_WRITE_MODE(n)) & RDU_PMU_WRITE_MODE_ENABLE_MASK) != 0) {
        writers_.push_back(pipeline(w, RDU_PMU_WRITE_MODE(n)));
        writers_.back().data = field(w.at(RDU_PMU_WRITE_MODE(n)), RDU_PMU_WRITE_MODE_DATA_MASK);
      }
      const uint32_t mode = w.at(RDU_PMU_READ_MODE(n));
      if ((mode & RDU_PMU_READ_MODE_ENABLE_MASK) != 0) {
        readers_.push_back(pipeline(w, RDU_PMU_READ_MODE(n)));
        readers_.back().data = n;
        number(n, mode & RDU_PMU_READ_MODE_SEQUENCE_MASK, w.at(RDU_PMU_READ_SEQ(n)));
      }
    }
    for (unsigned n = 0; n < tokens_.size(); ++n) tokens_[n] = w.at(RDU_PMU_TOKENS(n));
  }
  bool step() override {
    bool moved = false;
    for (Pipeline& p : writers_) {
      if (begins(p) && !in[p.data].empty() && has_indices(p)) write(p), moved = true;
    }
    for (Pipeline& p : readers_) {
      if (begins(p) && outs[p.data].queue.empty() && has_indices(p)) read(p), moved = true;
    }
    return moved;
  }
  std::string unfinished() const override {
    for (const Pipeline& p : writers_) {
      if (p.fill < p.fills) return fmt::format("fill {} of {}, writing", p.fill, p.fills);
    }
    for (const Pipeline& p : readers_) {
      if (p.fill < p.fills) return fmt::format("fill {} of {}, reading", p.fill, p.fills);
    }
    return "";
  }

 private:
  static constexpr size_t kBytes = 512 * 1024;
  struct Pipeline {
    uint32_t mode, fills, buffers, buffer_size, token;
    unsigned data;  ///< input of a write pipeline, output of a read pipeline
    unsigned lanes, size;
    int32_t lane_stride, base, index_stride, low, high;
    uint32_t pred_value;
    std::array<uint32_t, 6> count, at{};
    std::array<int32_t, 6> stride;
    uint32_t fill = 0;
    uint64_t access = 0;
    bool begun = false;  ///< the fill has its tokens
  };

  /// Words of a pipeline, whose MODE is at `offset`; write and read pipelines have them alike.
  static Pipeline pipeline(const Words& w, uint32_t offset) {
    const auto at = [&](uint32_t of_read) { return w.at(of_read - RDU_PMU_READ_MODE(0) + offset); };
    const auto with_sign = [&](uint32_t of_read) { return static_cast<int32_t>(at(of_read)); };
    Pipeline p{};
    p.mode = at(RDU_PMU_READ_MODE(0));
    p.lanes = field(at(RDU_PMU_READ_SHAPE(0)), RDU_PMU_READ_SHAPE_LANES_MASK);
    p.size = 1u << field(at(RDU_PMU_READ_SHAPE(0)), RDU_PMU_READ_SHAPE_ELEMENT_MASK);
    p.lane_stride = with_sign(RDU_PMU_READ_LANE_STRIDE(0));
    p.base = with_sign(RDU_PMU_READ_BASE(0));
    p.fills = at(RDU_PMU_READ_FILLS(0));
    p.buffers = field(at(RDU_PMU_READ_BUFFERS(0)), RDU_PMU_READ_BUFFERS_COUNT_MASK);
    p.buffer_size = at(RDU_PMU_READ_BUFFER_SIZE(0));
    p.token = at(RDU_PMU_READ_TOKEN(0));
    p.index_stride = with_sign(RDU_PMU_READ_INDEX_STRIDE(0));
    p.low = with_sign(RDU_PMU_READ_RANGE_LOW(0));
    p.high = with_sign(RDU_PMU_READ_RANGE_HIGH(0));
    p.pred_value = at(RDU_PMU_READ_PRED_VALUE(0));
    for (unsigned i = 0; i < p.count.size(); ++i) {
      p.count[i] = std::max(1u, at(RDU_PMU_READ_COUNT(0, i)));
      p.stride[i] = with_sign(RDU_PMU_READ_STRIDE(0, i));
    }
    return p;
  }
  bool begins(Pipeline& p) {
    if (p.fill == p.fills) return false;
    if (p.begun) return true;
    const uint32_t wait = field(p.token, RDU_PMU_READ_TOKEN_WAIT_MASK);
    for (unsigned n = 0; n < tokens_.size(); ++n) {
      if ((wait >> n & 1) != 0 && tokens_[n] == 0) return false;
    }
    for (unsigned n = 0; n < tokens_.size(); ++n) tokens_[n] -= wait >> n & 1;
    return p.begun = true;
  }
  static bool indexed(const Pipeline& p) {
    return field(p.mode, RDU_PMU_READ_MODE_ADDRESS_MASK) == RDU_PMU_READ_MODE_ADDRESS_INDEX;
  }
  static unsigned index_packets(const Pipeline& p) { return (p.lanes + 15) / 16; }
  bool has_indices(const Pipeline& p) const {
    return !indexed(p) || in[field(p.mode, RDU_PMU_READ_MODE_INDEX_MASK)].size() >= index_packets(p);
  }
  std::array<int32_t, 64> indices(const Pipeline& p) {
    std::array<int32_t, 64> list{};
    for (unsigned q = 0; indexed(p) && q < index_packets(p); ++q) {
      std::memcpy(&list[16 * q], take(field(p.mode, RDU_PMU_READ_MODE_INDEX_MASK)).data(), RDU_VECTOR_BYTES);
    }
    return list;
  }
  static int64_t offset(const Pipeline& p) {
    int64_t sum = 0;
    for (unsigned i = 0; i < p.at.size(); ++i) sum += int64_t{p.at[i]} * p.stride[i];
    return sum;
  }
  static bool holds(const Pipeline& p) {
    const uint32_t counter = p.at.at(field(p.mode, RDU_PMU_READ_MODE_PRED_LEVEL_MASK));
    const uint32_t kind = field(p.mode, RDU_PMU_READ_MODE_PRED_MASK);
    const bool holds = kind == RDU_PMU_READ_MODE_PRED_EQ   ? counter == p.pred_value
                       : kind == RDU_PMU_READ_MODE_PRED_LT ? counter < p.pred_value
                                                           : true;
    return holds != ((p.mode & RDU_PMU_READ_MODE_NOT_MASK) != 0);
  }
  /// Calls use(element, bytes in the scratchpad) for every lane that is done; false if the first one is not.
  template <class Use>
  bool each_lane(const Pipeline& p, int64_t offset, const std::array<int32_t, 64>& index, Use use) {
    const bool ranged = field(p.mode, RDU_PMU_READ_MODE_RANGE_MASK) != RDU_PMU_READ_MODE_RANGE_OFF;
    const int64_t start = int64_t{p.base} + int64_t{p.fill % p.buffers} * p.buffer_size;
    bool first = false;
    for (unsigned l = 0; l < p.lanes; ++l) {
      const int64_t lane = offset + int64_t{l} * p.lane_stride + int64_t{index[l]} * p.index_stride;
      const int64_t x = indexed(p) ? lane : offset;
      if (ranged && (x < p.low || x >= p.high)) continue;
      if (l == 0) first = true;
      use(l, &memory_.at(static_cast<size_t>(start + lane)));
    }
    return first;
  }
  void write(Pipeline& p) {
    const Packet packet = take(p.data);
    const auto index = indices(p);
    int64_t at = offset(p);
    if (field(p.mode, RDU_PMU_WRITE_MODE_ADDRESS_MASK) == RDU_PMU_WRITE_MODE_ADDRESS_SEQUENCE)
      at += int64_t{packet.sequence} * p.index_stride;
    if (holds(p)) {
      each_lane(p, at, index,
                [&](unsigned l, uint8_t* to) { std::memcpy(to, packet.data() + l * p.size, p.size); });
    }
    next(p);
  }
  void read(Pipeline& p) {
    const auto index = indices(p);
    Packet packet{};
    if (holds(p)) {
      const bool first = each_lane(p, offset(p), index, [&](unsigned l, const uint8_t* from) {
        std::memcpy(packet.data() + l * p.size, from, p.size);
      });
      if (first || indexed(p) || field(p.mode, RDU_PMU_READ_MODE_RANGE_MASK) == RDU_PMU_READ_MODE_RANGE_ZERO)
        send(p.data, packet, p.access);
    }
    next(p);
  }
  void next(Pipeline& p) {
    ++p.access;
    for (unsigned i = 0; i < p.at.size(); ++i) {
      if (++p.at[i] < p.count[i]) return;
      p.at[i] = 0;
    }
    ++p.fill;
    p.begun = false;
    const uint32_t give = field(p.token, RDU_PMU_READ_TOKEN_GIVE_MASK);
    for (unsigned n = 0; n < tokens_.size(); ++n) tokens_[n] += give >> n & 1;
  }

  std::vector<uint8_t> memory_;
  std::vector<Pipeline> writers_, readers_;
  std::array<uint32_t, 8> tokens_{};
};

/// Formats of vectors: lanes of 32 bits to packets and back.
unsigned packets_of(uint32_t format) {
  return format == RDU_PCU_PROGRAM_OUT_FORMAT_FP32 || format == RDU_PCU_PROGRAM_OUT_FORMAT_INT32 ? 2 : 1;
}

template <class Send>
void send_lanes(const Lanes& lanes, uint32_t format, Generator* generator, Send send) {
  const unsigned count = packets_of(format);
  if (format == RDU_PCU_PROGRAM_OUT_FORMAT_BF16_SR) generator->step();
  for (unsigned q = 0; q < count; ++q) {
    Packet p{};
    for (unsigned l = 0; l < RDU_LANES_MAX; ++l) {
      const uint32_t x = lanes[l];
      uint16_t half = to_bf16(from_bits(settled(x)));
      switch (format) {
        case RDU_PCU_PROGRAM_OUT_FORMAT_INT8:
          p[l] = static_cast<uint8_t>(saturated(x));
          break;
        case RDU_PCU_PROGRAM_OUT_FORMAT_BF16_SR:
          half = generator->round(x, l);
          [[fallthrough]];
        case RDU_PCU_PROGRAM_OUT_FORMAT_BF16:
          std::memcpy(p.data() + 2 * l, &half, 2);
          break;
        default: {
          const uint32_t word = format == RDU_PCU_PROGRAM_OUT_FORMAT_FP32 ? settled(x) : x;
          if (l / kHalfLanes == q) std::memcpy(p.data() + 4 * (l % kHalfLanes), &word, 4);
        }
      }
    }
    send(p);
  }
}

class FunctionalTile::MatrixPcu : public Unit {
 public:
  explicit MatrixPcu(const Words& w)
      : lanes_(field(w.at(RDU_PCU_PROGRAM_MODE(0)), RDU_PCU_PROGRAM_MODE_LANES_MASK)),
        format_(field(w.at(RDU_PCU_PROGRAM_OUT(0)), RDU_PCU_PROGRAM_OUT_FORMAT_MASK)),
        tiles_(w.at(RDU_PCU_PROGRAM_COUNT(0, 0))),
        k_(field(w.at(RDU_PCU_PROGRAM_MATRIX(0)), RDU_PCU_PROGRAM_MATRIX_K_MASK)),
        rows_(field(w.at(RDU_PCU_PROGRAM_MATRIX(0)), RDU_PCU_PROGRAM_MATRIX_ROWS_MASK)),
        int8_(field(w.at(RDU_PCU_PROGRAM_MATRIX(0)), RDU_PCU_PROGRAM_MATRIX_TYPE_MASK) != 0),
        generator_(w.at(RDU_PCU_PROGRAM_SEED(0))) {
    number(0, w.at(RDU_PCU_PROGRAM_OUT(0)) & RDU_PCU_PROGRAM_OUT_SEQUENCE_MASK, w.at(RDU_PCU_PROGRAM_SEQ(0)));
  }
  bool step() override {
    if (done_ == tiles_ || !idle() || in[0].empty() || in[1].empty()) return false;
    const Packet lane_side = take(0);
    const Packet row_side = take(1);
    for (unsigned r = 0; r < rows_; ++r) {
      for (unsigned l = 0; l < lanes_; ++l) {
        uint32_t& sum = sums_[r][l];
        if (int8_) {
          for (unsigned j = 0; j < 2; ++j) {
            sum += static_cast<uint32_t>(int{static_cast<int8_t>(row_side[2 * r + j])} *
                                         static_cast<int8_t>(lane_side[2 * l + j]));
          }
        } else {
          sum = to_bits(std::fma(bf16_lane(row_side, r), bf16_lane(lane_side, l), from_bits(sum)));
        }
      }
    }
    if (++at_ < k_) return true;
    for (unsigned r = 0; r < rows_; ++r) {
      send_lanes(sums_[r], format_, &generator_, [&](const Packet& p) { send(p); });
    }
    sums_ = {};
    at_ = 0;
    ++done_;
    return true;
  }
  std::string unfinished() const override {
    return done_ == tiles_ ? "" : fmt::format("tile {} of {}", done_, tiles_);
  }

 private:
  unsigned lanes_;
  uint32_t format_, tiles_, k_;
  unsigned rows_;
  bool int8_;
  uint32_t at_ = 0, done_ = 0;
  std::array<Lanes, 8> sums_{};
  Generator generator_;
};

/// Program 0, without scalars and tokens.
class FunctionalTile::SimdPcu : public Unit {
 public:
  explicit SimdPcu(const Words& w) : generator_(w.at(RDU_PCU_PROGRAM_SEED(0))) {
    const uint32_t mode = w.at(RDU_PCU_PROGRAM_MODE(0));
    const unsigned first = field(mode, RDU_PCU_PROGRAM_MODE_FIRST_MASK);
    const unsigned count = field(mode, RDU_PCU_PROGRAM_MODE_STAGES_MASK);
    lanes_ = field(mode, RDU_PCU_PROGRAM_MODE_LANES_MASK);
    tail_ = field(mode, RDU_PCU_PROGRAM_MODE_TAIL_MASK);
    out_ = w.at(RDU_PCU_PROGRAM_OUT(0));
    number(0, out_ & RDU_PCU_PROGRAM_OUT_SEQUENCE_MASK, w.at(RDU_PCU_PROGRAM_SEQ(0)));
    for (unsigned i = first; i < first + count; ++i) {
      const uint32_t stage = w.at(RDU_PCU_STAGE(i));
      if (field(stage, RDU_PCU_STAGE_OP_MASK) != RDU_PCU_STAGE_OP_NOP) stages_.push_back(stage);
    }
    for (unsigned i = 0; i < predicates_.size(); ++i) predicates_[i] = w.at(RDU_PCU_PROGRAM_PRED(0, i));
    for (unsigned i = 0; i < inputs_.size(); ++i) inputs_[i] = w.at(RDU_PCU_INPUT(i));
    for (unsigned i = 0; i < constants_.size(); ++i) constants_[i] = w.at(RDU_PCU_CONST(i));
    for (unsigned i = 0; i < counts_.size(); ++i)
      counts_[i] = std::max(1u, w.at(RDU_PCU_PROGRAM_COUNT(0, i)));
    for (const uint32_t stage : stages_) {
      const auto use = [&](uint32_t mask) {
        const uint32_t code = field(stage, mask);
        if (code >= RDU_PCU_STAGE_A_IN0 && code <= RDU_PCU_STAGE_A_IN3)
          used_[code - RDU_PCU_STAGE_A_IN0] = true;
      };
      const unsigned reads = operands_of(static_cast<Op>(field(stage, RDU_PCU_STAGE_OP_MASK)));
      use(RDU_PCU_STAGE_A_MASK);
      if (reads >= 2) use(RDU_PCU_STAGE_B_MASK);
      if (reads == 3 || field(stage, RDU_PCU_STAGE_ALT_MASK) != 0) use(RDU_PCU_STAGE_C_MASK);
    }
  }
  bool step() override {
    if (done_ || !idle()) return false;
    std::array<bool, 4> holds{true};
    for (unsigned n = 0; n < predicates_.size(); ++n) holds[n + 1] = predicate(predicates_[n]);
    const auto takes = [&](unsigned i) {
      return used_[i] && holds[field(inputs_[i], RDU_PCU_INPUT_PRED_MASK)];
    };
    const auto packets = [&](unsigned i) { return packets_of(field(inputs_[i], RDU_PCU_INPUT_FORMAT_MASK)); };
    for (unsigned i = 0; i < inputs_.size(); ++i) {
      if (takes(i) && in[i].size() < packets(i)) return false;
    }
    for (unsigned i = 0; i < inputs_.size(); ++i) {
      if (takes(i)) receive(i, packets(i));
    }
    Lanes prev{};
    for (const uint32_t stage : stages_) {
      if (!holds[field(stage, RDU_PCU_STAGE_PRED_MASK)]) continue;
      const Lanes a = operand(field(stage, RDU_PCU_STAGE_A_MASK), prev);
      Lanes b = operand(field(stage, RDU_PCU_STAGE_B_MASK), prev);
      Lanes c = operand(field(stage, RDU_PCU_STAGE_C_MASK), prev);
      const uint32_t op = field(stage, RDU_PCU_STAGE_OP_MASK);
      const uint32_t alt = field(stage, RDU_PCU_STAGE_ALT_MASK);
      if (alt != 0 && holds[alt]) {
        if (op == RDU_PCU_STAGE_OP_FMADD || op == RDU_PCU_STAGE_OP_FNMADD) {
          c.fill(0);
        } else {
          b = c;
        }
      }
      prev = operate(op, a, b, c);
      if ((stage & RDU_PCU_STAGE_SAVE_MASK) != 0) registers_[field(stage, RDU_PCU_STAGE_REG_MASK)] = prev;
    }
    if (holds[field(out_, RDU_PCU_PROGRAM_OUT_PRED_MASK)]) {
      for (unsigned l = 0; l < RDU_LANES_MAX; ++l) {
        prev[l] = l < lanes_ ? tail_of(static_cast<Tail>(tail_), prev[l]) : 0;
      }
      send_lanes(prev, field(out_, RDU_PCU_PROGRAM_OUT_FORMAT_MASK), &generator_,
                 [&](const Packet& p) { send(p); });
    }
    done_ = true;
    for (unsigned l = 0; l < counts_.size() && done_; ++l) {
      done_ = ++counters_[l] == counts_[l];
      if (done_) counters_[l] = 0;
    }
    return true;
  }
  std::string unfinished() const override {
    return done_ ? "" : fmt::format("firing at {}", fmt::join(counters_, " "));
  }

 private:
  bool predicate(uint32_t word) const {
    const uint32_t level = field(word, RDU_PCU_PROGRAM_PRED_LEVEL_MASK);
    const uint32_t value = field(word, RDU_PCU_PROGRAM_PRED_VALUE_MASK);
    bool holds = true;
    switch (field(word, RDU_PCU_PROGRAM_PRED_KIND_MASK)) {
      case RDU_PCU_PROGRAM_PRED_KIND_FIRST:
        for (unsigned l = 0; l <= level; ++l) holds = holds && counters_[l] == 0;
        break;
      case RDU_PCU_PROGRAM_PRED_KIND_LAST:
        for (unsigned l = 0; l <= level; ++l) holds = holds && counters_[l] + 1 == counts_[l];
        break;
      case RDU_PCU_PROGRAM_PRED_KIND_EQ:
        holds = counters_[level] == value;
        break;
      case RDU_PCU_PROGRAM_PRED_KIND_LT:
        holds = counters_[level] < value;
        break;
    }
    return holds != ((word & RDU_PCU_PROGRAM_PRED_NOT_MASK) != 0);
  }
  void receive(unsigned input, unsigned packets) {
    Lanes& lanes = vectors_[input];
    const uint32_t format = field(inputs_[input], RDU_PCU_INPUT_FORMAT_MASK);
    for (unsigned q = 0; q < packets; ++q) {
      const Packet p = take(input);
      for (unsigned l = 0; l < RDU_LANES_MAX; ++l) {
        if (format == RDU_PCU_INPUT_FORMAT_BF16) {
          lanes[l] = to_bits(bf16_lane(p, l));
        } else if (format == RDU_PCU_INPUT_FORMAT_INT8) {
          lanes[l] = static_cast<uint32_t>(int{static_cast<int8_t>(p[l])});
        } else if (l / kHalfLanes == q) {
          std::memcpy(&lanes[l], p.data() + 4 * (l % kHalfLanes), 4);
        }
      }
    }
  }
  Lanes operand(uint32_t code, const Lanes& prev) const {
    Lanes v;
    if (code == RDU_PCU_STAGE_A_PREV) return prev;
    if (code <= RDU_PCU_STAGE_A_IN3) return vectors_[code - RDU_PCU_STAGE_A_IN0];
    if (code >= RDU_PCU_STAGE_A_COUNT0) {
      v.fill(counters_.at(code - RDU_PCU_STAGE_A_COUNT0));
    } else if (code >= RDU_PCU_STAGE_A_REG0) {
      return registers_[code - RDU_PCU_STAGE_A_REG0];
    } else if (code >= RDU_PCU_STAGE_A_CONST0) {
      v.fill(constants_[code - RDU_PCU_STAGE_A_CONST0]);
    } else if (code == RDU_PCU_STAGE_A_LANE) {
      for (unsigned l = 0; l < v.size(); ++l) v[l] = l;
    } else {
      throw Error(fmt::format("{}: scalar operand", name));
    }
    return v;
  }
  Lanes operate(uint32_t op, const Lanes& a, const Lanes& b, const Lanes& c) {
    if (crosses_lanes(static_cast<Op>(op))) return across(op, a, b, lanes_);
    Lanes result;
    if (op == RDU_PCU_STAGE_OP_SRBF16) generator_.step();
    for (unsigned l = 0; l < result.size(); ++l) {
      result[l] = op == RDU_PCU_STAGE_OP_SRBF16 ? uint32_t{generator_.round(a[l], l)} << 16
                                                : lane_result(op, a[l], b[l], c[l]);
    }
    return result;
  }

  unsigned lanes_ = 0;
  uint32_t tail_ = 0, out_ = 0;
  std::vector<uint32_t> stages_;
  std::array<uint32_t, RDU_PCU_PROGRAM_PRED_ENTRIES> predicates_{};
  std::array<uint32_t, RDU_PCU_INPUT_COUNT> inputs_{};
  std::array<uint32_t, RDU_PCU_CONST_COUNT> constants_{};
  std::array<uint32_t, RDU_PCU_PROGRAM_COUNT_ENTRIES> counts_{}, counters_{};
  std::array<bool, RDU_PCU_INPUT_COUNT> used_{};
  std::array<Lanes, RDU_PCU_INPUT_COUNT> vectors_{};
  std::array<Lanes, 4> registers_{};
  Generator generator_;
  bool done_ = false;
};

namespace {

/// Whether the switch merges streams at this input.
bool joins(const Configuration& configuration, const TracedSink& sink) {
  const bool agcu = RDU_UNIT_KIND(sink.unit) == RDU_UNIT_AGCU;
  const unsigned port = sink.input + (agcu                                       ? RDU_PORT_TO_AGCU
                                      : RDU_UNIT_KIND(sink.unit) == RDU_UNIT_PCU ? RDU_PORT_TO_PCU
                                                                                 : RDU_PORT_TO_PMU);
  const unsigned column =
      agcu && RDU_UNIT_COL(sink.unit) != 0 ? configuration.shape().cols - 1u : RDU_UNIT_COL(sink.unit);
  return configuration
             .get(RDU_UNIT(RDU_UNIT_SWITCH, RDU_UNIT_ROW(sink.unit), column),
                  RDU_SWITCH_JOIN(port - RDU_PORT_MESH) / 4)
             .value_or(0) != 0;
}

}  // namespace

FunctionalTile::FunctionalTile(const Program& program, const std::vector<rdu_argument_tuple>& arguments,
                               uint64_t base, std::vector<uint8_t>* memory) {
  const Configuration& configuration = program.configuration();
  std::map<uint32_t, Unit*> by_id;
  for (const auto& entry : configuration.units()) {
    const uint32_t id = entry.first;
    const Words words(configuration, id, arguments);
    std::unique_ptr<Unit> unit;
    switch (RDU_UNIT_KIND(id)) {
      case RDU_UNIT_PCU:
        if (field(words.at(RDU_PCU_PROGRAM_MODE(0)), RDU_PCU_PROGRAM_MODE_MODE_MASK) ==
            RDU_PCU_PROGRAM_MODE_MODE_MATRIX) {
          unit = std::make_unique<MatrixPcu>(words);
        } else {
          unit = std::make_unique<SimdPcu>(words);
        }
        break;
      case RDU_UNIT_PMU:
        unit = std::make_unique<Pmu>(words);
        break;
      case RDU_UNIT_AGCU:
        unit = std::make_unique<Agcu>(words, base, memory);
        break;
      default:
        continue;
    }
    unit->name = unit_text(id);
    by_id[id] = unit.get();
    units_.push_back(std::move(unit));
  }
  for (const TracedRoute& route : trace_routes(configuration)) {
    for (const TracedSink& sink : route.sinks) {
      by_id.at(route.source)->outs[route.output].sinks.emplace_back(by_id.at(sink.unit), sink.input);
      by_id.at(sink.unit)->in[sink.input].joins = joins(configuration, sink);
    }
  }
}

FunctionalTile::~FunctionalTile() = default;

void FunctionalTile::run(unsigned fifo_packets) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& u : units_) {
      moved = u->step() || moved;
      moved = u->flush(fifo_packets) || moved;
    }
  }
  for (const auto& u : units_) {
    const std::string what = u->unfinished();
    if (!what.empty()) throw Error(fmt::format("{} hangs in {}", u->name, what));
    for (unsigned i = 0; i < u->in.size(); ++i) {
      if (!u->in[i].empty())
        throw Error(fmt::format("{} packets are left at input {} of {}", u->in[i].size(), i, u->name));
    }
  }
}

}  // namespace rdu::compiler::test
