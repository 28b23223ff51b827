#include "fabric/test/pcu_reference.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "regs/pcu.hpp"

namespace rdu::fabric::test {
namespace {

namespace P = rdu::regs::pcu;
namespace S = rdu::regs::pcu::STAGE;
using Vector = std::array<uint32_t, 32>;
using Wide = __float128;

constexpr uint32_t kNan = 0x7fc00000;
constexpr uint32_t kMinus = 0x80000000;

float as_float(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
uint32_t bits_of(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}
bool nan(uint32_t x) {
  return (x & 0x7fffffff) > 0x7f800000;
}
bool inf(uint32_t x) {
  return (x & 0x7fffffff) == 0x7f800000;
}
uint32_t flushed(uint32_t x) {
  return (x & 0x7f800000) == 0 ? x & kMinus : x;
}
bool zero(uint32_t x) {
  return (flushed(x) & 0x7fffffff) == 0;
}
Wide wide(uint32_t x) {
  return as_float(flushed(x));
}
Wide magnitude(Wide x) {
  return x < 0 ? -x : x;
}

/// x + error, where |error| is less than x's last place, to FP32. Not zero.
uint32_t rounded(Wide x, Wide error = 0) {
  const Wide least = Wide(0x1p-126) - Wide(0x1p-151);
  const Wide size = magnitude(x);
  if (size < least || (size == least && (x < 0 ? error > 0 : error < 0))) return x < 0 ? kMinus : 0;
  float near = static_cast<float>(x);
  if (Wide(near) != x && error != 0 && std::isfinite(near)) {
    const float infinity = std::numeric_limits<float>::infinity();
    const float other = std::nextafterf(near, x > Wide(near) ? infinity : -infinity);
    if (magnitude(x - Wide(near)) == magnitude(Wide(other) - x)) {
      near = error > 0 ? std::max(near, other) : std::min(near, other);
    }
  }
  return bits_of(near);
}

uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c) {
  if (nan(a) || nan(b) || nan(c)) return kNan;
  const uint32_t sign = (a ^ b) & kMinus;
  if (inf(a) || inf(b)) {
    if (zero(a) || zero(b)) return kNan;
    if (inf(c) && (c & kMinus) != sign) return kNan;
    return sign | 0x7f800000;
  }
  if (inf(c)) return c;
  const Wide product = wide(a) * wide(b);
  const Wide addend = wide(c);
  const Wide sum = product + addend;
  const Wide larger = magnitude(product) > magnitude(addend) ? product : addend;
  const Wide smaller = magnitude(product) > magnitude(addend) ? addend : product;
  const Wide error = smaller - (sum - larger);
  if (sum != 0) return rounded(sum, error);
  return product == 0 && addend == 0 && sign == (c & kMinus) ? sign : 0;
}
uint32_t plus(uint32_t a, uint32_t b) {
  return multiply_add(a, 0x3f800000, b);
}
uint32_t times(uint32_t a, uint32_t b) {
  return multiply_add(a, b, (a ^ b) & kMinus);
}
uint32_t larger(uint32_t a, uint32_t b) {
  if (nan(a) || nan(b)) return kNan;
  a = flushed(a);
  b = flushed(b);
  if (zero(a) && zero(b)) return a & b;
  return as_float(a) > as_float(b) ? a : b;
}
uint32_t negative(uint32_t a) {
  return nan(a) ? kNan : a ^ kMinus;
}
uint32_t smaller(uint32_t a, uint32_t b) {
  const uint32_t x = larger(a ^ kMinus, b ^ kMinus);
  return nan(x) ? kNan : x ^ kMinus;
}
uint32_t all(bool holds) {
  return holds ? 0xffffffff : 0;
}
uint32_t to_integer(uint32_t a, double (*round)(double)) {
  if (nan(a)) return 0;
  const double x = round(static_cast<double>(as_float(flushed(a))));
  if (x >= 2147483648.0) return 0x7fffffff;
  if (x < -2147483648.0) return 0x80000000;
  return static_cast<uint32_t>(static_cast<int64_t>(x));
}
double to_even(double x) {
  const double down = std::floor(x);
  if (x - down != 0.5) return std::floor(x + 0.5);
  return std::fmod(down, 2.0) == 0 ? down : down + 1;
}
double to_zero(double x) {
  return x < 0 ? -std::floor(-x) : std::floor(x);
}
double down(double x) {
  return std::floor(x);
}
uint32_t half_of(uint32_t a) {
  if (nan(a)) return 0x7fc0;
  const uint32_t x = flushed(a);
  const uint32_t rest = x & 0xffff;
  uint32_t upper = x >> 16;
  if (rest > 0x8000 || (rest == 0x8000 && upper % 2 == 1)) ++upper;
  return upper;
}
uint32_t clamp8(uint32_t a) {
  const auto x = static_cast<int32_t>(a);
  return static_cast<uint32_t>(std::min(127, std::max(-128, x)));
}

/// A number for each FP32 value that orders them.
int64_t rank(uint32_t x) {
  x = flushed(x);
  return x & kMinus ? -static_cast<int64_t>(x & 0x7fffffff) - 1 : static_cast<int64_t>(x);
}

Vector across(uint64_t op, const Vector& a, const Vector& b, unsigned n) {
  Vector x = a;
  const auto reduce = [&](uint64_t each, uint32_t identity) {
    for (unsigned i = n; i < 32; ++i) x[i] = identity;
    for (unsigned half = 16; half != 0; half /= 2) {
      Vector next;
      for (unsigned i = 0; i < 32; ++i) next[i] = reference_operation(each, x[i], x[i ^ half], 0);
      x = next;
    }
  };
  const auto scan = [&](uint64_t each) {
    for (unsigned d = 1; d < 32; d *= 2) {
      Vector next = x;
      for (unsigned i = d; i < 32; ++i) next[i] = reference_operation(each, x[i - d], x[i], 0);
      x = next;
    }
  };
  const auto extreme = [&](auto beats) {
    unsigned best = 0;
    for (unsigned i = 1; i < n; ++i) {
      if (beats(a[i], a[best])) best = i;
    }
    x.fill(best);
  };
  const unsigned d = b[0] % 32;
  switch (op) {
    case S::OP_FRED_SUM:
      reduce(S::OP_FADD, 0);
      break;
    case S::OP_FRED_MAX:
      reduce(S::OP_FMAX, 0xff800000);
      break;
    case S::OP_FRED_MIN:
      reduce(S::OP_FMIN, 0x7f800000);
      break;
    case S::OP_IRED_SUM:
      reduce(S::OP_IADD, 0);
      break;
    case S::OP_IRED_MAX:
      reduce(S::OP_IMAX, 0x80000000);
      break;
    case S::OP_IRED_MIN:
      reduce(S::OP_IMIN, 0x7fffffff);
      break;
    case S::OP_RED_AND:
      reduce(S::OP_AND, 0xffffffff);
      break;
    case S::OP_RED_OR:
      reduce(S::OP_OR, 0);
      break;
    case S::OP_RED_XOR:
      reduce(S::OP_XOR, 0);
      break;
    case S::OP_FSCAN_SUM:
      scan(S::OP_FADD);
      break;
    case S::OP_FSCAN_MAX:
      scan(S::OP_FMAX);
      break;
    case S::OP_ISCAN_SUM:
      scan(S::OP_IADD);
      break;
    case S::OP_FARGMAX:
      extreme([](uint32_t y, uint32_t x) { return !nan(x) && (nan(y) || rank(y) > rank(x)); });
      break;
    case S::OP_FARGMIN:
      extreme([](uint32_t y, uint32_t x) { return !nan(x) && (nan(y) || rank(y) < rank(x)); });
      break;
    case S::OP_IARGMAX:
      extreme([](uint32_t y, uint32_t x) { return static_cast<int32_t>(y) > static_cast<int32_t>(x); });
      break;
    case S::OP_IARGMIN:
      extreme([](uint32_t y, uint32_t x) { return static_cast<int32_t>(y) < static_cast<int32_t>(x); });
      break;
    case S::OP_BCAST:
      x.fill(d < n ? a[d] : 0);
      break;
    case S::OP_UP:
      for (unsigned i = 0; i < 32; ++i) x[i] = i >= d && i - d < n ? a[i - d] : 0;
      break;
    case S::OP_DOWN:
      for (unsigned i = 0; i < 32; ++i) x[i] = i + d < n ? a[i + d] : 0;
      break;
    default:
      std::abort();
  }
  return x;
}

/// Operands that an operation reads.
unsigned reads(uint64_t op) {
  switch (op) {
    case S::OP_FMADD:
    case S::OP_FNMADD:
    case S::OP_SEL:
      return 3;
    case S::OP_MOV:
    case S::OP_FABS:
    case S::OP_FNEG:
    case S::OP_IABS:
    case S::OP_INEG:
    case S::OP_NOT:
      return 1;
    case S::OP_BCAST:
    case S::OP_UP:
    case S::OP_DOWN:
      return 2;
    default:
      return op >= S::OP_I2F ? 1 : 2;
  }
}

struct Generator {
  Vector state;
  explicit Generator(uint32_t seed) {
    for (uint32_t lane = 0; lane < 32; ++lane) {
      state[lane] = seed ^ (0x9e3779b9u * (lane + 1));
      if (state[lane] == 0) state[lane] = 1;
    }
  }
  void advance() {
    for (uint32_t& v : state) {
      v ^= v << 13;
      v ^= v >> 17;
      v ^= v << 5;
    }
  }
  uint32_t half(uint32_t x, unsigned lane) const {
    if (nan(x)) return 0x7fc0;
    if (inf(x)) return x >> 16;
    return (flushed(x) + (state[lane] & 0xffff)) >> 16;
  }
};

}  // namespace

uint32_t reference_operation(uint64_t op, uint32_t a, uint32_t b, uint32_t c) {
  const auto ia = static_cast<int32_t>(a);
  const auto ib = static_cast<int32_t>(b);
  const float fa = as_float(flushed(a));
  const float fb = as_float(flushed(b));
  switch (op) {
    case S::OP_MOV:
      return a;
    case S::OP_FADD:
      return plus(a, b);
    case S::OP_FSUB:
      return plus(a, b ^ kMinus);
    case S::OP_FMUL:
      return times(a, b);
    case S::OP_FMAX:
      return larger(a, b);
    case S::OP_FMIN:
      return smaller(a, b);
    case S::OP_FMADD:
      return multiply_add(a, b, c);
    case S::OP_FNMADD:
      return multiply_add(a ^ kMinus, b, c);
    case S::OP_FABS:
      return nan(a) ? kNan : a & 0x7fffffff;
    case S::OP_FNEG:
      return negative(a);
    case S::OP_FEQ:
      return all(fa == fb);
    case S::OP_FNE:
      return all(!(fa == fb));
    case S::OP_FLT:
      return all(fa < fb);
    case S::OP_FLE:
      return all(fa <= fb);
    case S::OP_IADD:
      return a + b;
    case S::OP_ISUB:
      return a - b;
    case S::OP_IMUL:
      return static_cast<uint32_t>(int64_t{ia} * ib);
    case S::OP_IMAX:
      return static_cast<uint32_t>(std::max(ia, ib));
    case S::OP_IMIN:
      return static_cast<uint32_t>(std::min(ia, ib));
    case S::OP_IABS:
      return static_cast<uint32_t>(std::abs(int64_t{ia}));
    case S::OP_INEG:
      return static_cast<uint32_t>(-int64_t{ia});
    case S::OP_IEQ:
      return all(a == b);
    case S::OP_INE:
      return all(a != b);
    case S::OP_ILT:
      return all(ia < ib);
    case S::OP_ILE:
      return all(ia <= ib);
    case S::OP_ULT:
      return all(a < b);
    case S::OP_ULE:
      return all(a <= b);
    case S::OP_AND:
      return a & b;
    case S::OP_OR:
      return a | b;
    case S::OP_XOR:
      return a ^ b;
    case S::OP_ANDN:
      return a & ~b;
    case S::OP_NOT:
      return ~a;
    case S::OP_SHL:
      return static_cast<uint32_t>(uint64_t{a} << b % 32);
    case S::OP_SHR:
      return a >> b % 32;
    case S::OP_SAR:
      return static_cast<uint32_t>(
          std::floor(std::ldexp(static_cast<double>(ia), -static_cast<int>(b % 32))));
    case S::OP_SEL:
      return a != 0 ? b : c;
    case S::OP_I2F:
      return ia == 0 ? 0 : rounded(Wide(ia));
    case S::OP_F2I:
      return to_integer(a, to_even);
    case S::OP_F2I_ZERO:
      return to_integer(a, to_zero);
    case S::OP_F2I_FLOOR:
      return to_integer(a, down);
    case S::OP_RBF16:
      return half_of(a) << 16;
    case S::OP_SAT8:
      return clamp8(a);
    default:
      std::abort();
  }
}

PcuSent reference_pcu(const ConfigWords& words, unsigned program, const PcuArrivals& arrivals,
                      const FabricParams& params, PcuObserver* observer) {
  const auto at = [&](uint64_t offset) { return words.at(program * P::kPROGRAM_STRIDE + offset); };
  const auto get = [&](uint64_t offset, core::Field f) { return static_cast<uint32_t>(f.get(at(offset))); };
  const auto mode = [&](core::Field f) { return get(P::kPROGRAM_MODE_OFFSET, f); };
  const auto out = [&](core::Field f) { return get(P::kPROGRAM_OUT_OFFSET, f); };
  const auto stage_field = [&](unsigned i, core::Field f) {
    return words.get(P::kSTAGE_OFFSET + i * P::kSTAGE_STRIDE, f);
  };
  const auto input_field = [&](unsigned i, core::Field f) {
    return words.get(P::kINPUT_OFFSET + i * P::kINPUT_STRIDE, f);
  };
  const unsigned first_stage = mode(P::PROGRAM_MODE::FIRST);
  const unsigned stages = mode(P::PROGRAM_MODE::STAGES);
  const unsigned lanes = mode(P::PROGRAM_MODE::LANES);
  const uint32_t format = out(P::PROGRAM_OUT::FORMAT);
  const bool scalar = out(P::PROGRAM_OUT::SCALAR) != 0;
  const auto packets_of = [](uint32_t f) { return f == 0 || f == 2 ? 2u : 1u; };

  // Which inputs are used, and what the pipeline's latency is.
  bool used[4] = {};
  bool crosses = false;
  for (unsigned i = first_stage; i < first_stage + stages; ++i) {
    const uint64_t op = stage_field(i, S::OP);
    if (op == S::OP_NOP) continue;
    crosses |= op >= S::OP_FRED_SUM;
    const auto use = [&](uint64_t code) {
      if (code >= S::A_IN0 && code <= S::A_IN3) used[code - S::A_IN0] = true;
    };
    use(stage_field(i, S::A));
    if (reads(op) >= 2) use(stage_field(i, S::B));
    if (reads(op) == 3 || stage_field(i, S::ALT) != 0) use(stage_field(i, S::C));
  }
  unsigned header = 1;
  for (unsigned i = 0; i < 4; ++i) {
    if (used[i]) header = std::max(header, packets_of(input_field(i, P::INPUT::FORMAT)));
  }
  const uint64_t latency = header + stages + (crosses ? 6 : 0) + 1;

  PcuSent sent;
  Generator generator(at(P::kPROGRAM_SEED_OFFSET));
  uint64_t counts[6], counters[6] = {};
  for (unsigned l = 0; l < 6; ++l) counts[l] = std::max(1u, at(P::kPROGRAM_COUNT_OFFSET + 4 * l));
  Vector in[4] = {}, registers[4] = {};
  uint32_t s[2] = {};
  size_t words_taken[2] = {}, tokens_taken = 0;
  uint64_t earliest = 0;
  std::vector<uint64_t> free_at;  // by packet: when its place is free again
  uint32_t sequence = get(P::kPROGRAM_SEQ_OFFSET, P::PROGRAM_SEQ::FIRST);

  const auto first = [&](unsigned level) {
    for (unsigned l = 0; l <= level; ++l) {
      if (counters[l] != 0) return false;
    }
    return true;
  };
  const auto last = [&](unsigned level) {
    for (unsigned l = 0; l <= level; ++l) {
      if (counters[l] != counts[l] - 1) return false;
    }
    return true;
  };

  for (bool more = true; more;) {
    uint64_t when = earliest;
    uint64_t cost = 1;
    for (unsigned n = 0; n < 2; ++n) {
      const uint64_t offset = P::kPROGRAM_SCALAR_IN_OFFSET + 4 * n;
      if (get(offset, P::PROGRAM_SCALAR_IN::ENABLE) == 0 || !first(get(offset, P::PROGRAM_SCALAR_IN::LEVEL)))
        continue;
      if (words_taken[n] == arrivals.scalars[n].size()) return sent;
      s[n] = arrivals.scalars[n][words_taken[n]].word;
      when = std::max(when, arrivals.scalars[n][words_taken[n]++].cycle);
    }
    if (get(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT) != 0 &&
        first(get(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT_LEVEL))) {
      const auto& tokens = arrivals.tokens[get(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::WAIT_INPUT)];
      if (tokens_taken == tokens.size()) return sent;
      when = std::max(when, tokens[tokens_taken++]);
    }
    bool p[4] = {true, true, true, true};
    for (unsigned n = 1; n < 4; ++n) {
      const uint64_t offset = P::kPROGRAM_PRED_OFFSET + 4 * (n - 1);
      const uint32_t l = get(offset, P::PROGRAM_PRED::LEVEL);
      const uint32_t value = get(offset, P::PROGRAM_PRED::VALUE);
      switch (get(offset, P::PROGRAM_PRED::KIND)) {
        case P::PROGRAM_PRED::KIND_FIRST:
          p[n] = first(l);
          break;
        case P::PROGRAM_PRED::KIND_LAST:
          p[n] = last(l);
          break;
        case P::PROGRAM_PRED::KIND_EQ:
          p[n] = counters[l] == value;
          break;
        case P::PROGRAM_PRED::KIND_LT:
          p[n] = counters[l] < value;
          break;
        case P::PROGRAM_PRED::KIND_SCALAR:
          p[n] = s[l] != 0;
          break;
      }
      p[n] ^= get(offset, P::PROGRAM_PRED::NOT) != 0;
    }
    for (unsigned i = 0; i < 4; ++i) {
      if (observer && used[i]) observer->input(i, p[input_field(i, P::INPUT::PRED)]);
      if (!used[i] || !p[input_field(i, P::INPUT::PRED)]) continue;
      const uint32_t f = input_field(i, P::INPUT::FORMAT);
      const unsigned n = packets_of(f);
      cost = std::max<uint64_t>(cost, n);
      const auto& from = arrivals.inputs[i];
      if (sent.taken[i] + n > from.packets.size()) return sent;
      for (unsigned q = 0; q < n; ++q) {
        const Packet& packet = from.packets[sent.taken[i] + q];
        when = std::max(when, from.cycles[sent.taken[i] + q] - q);
        for (unsigned b = 0; b < 64; ++b) {
          if (f == P::INPUT::FORMAT_BF16) {
            if (b % 2 == 1) in[i][b / 2] = uint32_t{packet[b]} << 24 | uint32_t{packet[b - 1]} << 16;
          } else if (f == P::INPUT::FORMAT_INT8) {
            if (b < 32) in[i][b] = static_cast<uint32_t>(packet[b] < 128 ? packet[b] : packet[b] - 256);
          } else {
            uint32_t& lane = in[i][16 * q + b / 4];
            lane = lane >> 8 | uint32_t{packet[b]} << 24;
          }
        }
      }
      sent.taken[i] += n;
    }

    Vector prev{};
    for (unsigned i = first_stage; i < first_stage + stages; ++i) {
      const uint64_t op = stage_field(i, S::OP);
      if (op == S::OP_NOP) continue;
      if (!p[stage_field(i, S::PRED)]) {
        if (observer) observer->stage(i, false, false, {}, {}, {});
        continue;
      }
      const auto operand = [&](uint64_t code) {
        Vector v{};
        if (code == S::A_PREV) return prev;
        if (code <= S::A_IN3) return in[code - S::A_IN0];
        if (code == S::A_LANE) {
          for (unsigned lane = 0; lane < 32; ++lane) v[lane] = lane;
        } else if (code <= S::A_S1) {
          v.fill(s[code - S::A_S0]);
        } else if (code <= S::A_CONST3) {
          v.fill(words.at(P::kCONST_OFFSET + 4 * (code - S::A_CONST0)));
        } else if (code <= S::A_REG3) {
          return registers[code - S::A_REG0];
        } else {
          v.fill(static_cast<uint32_t>(counters[code - S::A_COUNT0]));
        }
        return v;
      };
      const Vector a = operand(stage_field(i, S::A));
      Vector b{}, c{}, result{};
      if (reads(op) >= 2) b = operand(stage_field(i, S::B));
      if (reads(op) == 3) c = operand(stage_field(i, S::C));
      const uint32_t alt = stage_field(i, S::ALT);
      if (alt != 0 && p[alt]) {
        if (op == S::OP_FMADD || op == S::OP_FNMADD) {
          c.fill(0);
        } else {
          b = operand(stage_field(i, S::C));
        }
      }
      if (observer) observer->stage(i, true, alt != 0 && p[alt], a, b, c);
      if (op >= S::OP_FRED_SUM) {
        result = across(op, a, b, lanes);
      } else if (op == S::OP_SRBF16) {
        generator.advance();
        for (unsigned lane = 0; lane < 32; ++lane) result[lane] = generator.half(a[lane], lane) << 16;
      } else {
        for (unsigned lane = 0; lane < 32; ++lane) {
          result[lane] = reference_operation(op, a[lane], b[lane], c[lane]);
        }
      }
      prev = result;
      if (stage_field(i, S::SAVE) != 0) registers[stage_field(i, S::REG)] = prev;
    }

    const unsigned n = scalar ? 1 : packets_of(format);
    const bool sends = p[out(P::PROGRAM_OUT::PRED)];
    if (observer) observer->result(sends, prev);
    if (sends) {
      cost = std::max<uint64_t>(cost, n);
      for (unsigned q = 0; q < n; ++q) {
        const size_t m = sent.packets.size() + q;
        if (m >= params.output_depth) when = std::max(when, free_at[m - params.output_depth] - q);
      }
      for (unsigned lane = lanes; lane < 32; ++lane) prev[lane] = 0;
      if (!scalar && format == P::PROGRAM_OUT::FORMAT_BF16_SR) generator.advance();
      for (unsigned q = 0; q < n; ++q) {
        Packet packet{};
        const auto put = [&](size_t byte, uint32_t value, unsigned size) {
          for (unsigned b = 0; b < size; ++b) packet[byte + b] = static_cast<uint8_t>(value >> 8 * b);
        };
        if (scalar) {
          put(0, prev[0], 4);
        } else {
          for (unsigned lane = 0; lane < 32; ++lane) {
            const uint32_t x = prev[lane];
            if (format == P::PROGRAM_OUT::FORMAT_BF16) put(2 * lane, half_of(x), 2);
            if (format == P::PROGRAM_OUT::FORMAT_BF16_SR) put(2 * lane, generator.half(x, lane), 2);
            if (format == P::PROGRAM_OUT::FORMAT_INT8) put(lane, clamp8(x), 1);
            if (n == 1 || lane / 16 != q) continue;
            put(4 * (lane % 16), format == P::PROGRAM_OUT::FORMAT_INT32 ? x : nan(x) ? kNan : flushed(x), 4);
          }
        }
        const uint64_t ready = when + latency + q;
        sent.cycles.push_back(sent.cycles.empty() ? ready : std::max(ready, sent.cycles.back() + 1));
        free_at.push_back(sent.cycles.back() + 1);
        sent.packets.push_back(packet);
        sent.sequence.push_back(out(P::PROGRAM_OUT::SEQUENCE) != 0 ? sequence & 0xffff : 0);
        sequence += get(P::kPROGRAM_SEQ_OFFSET, P::PROGRAM_SEQ::STEP);
      }
    }
    if (get(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL) != 0 &&
        last(get(P::kPROGRAM_TOKEN_OFFSET, P::PROGRAM_TOKEN::SIGNAL_LEVEL))) {
      sent.tokens.push_back(when + latency);
    }
    ++sent.firings;
    sent.busy += cost;
    earliest = when + cost;
    more = false;
    for (unsigned l = 0; l < 6 && !more; ++l) {
      more = ++counters[l] < counts[l];
      if (!more) counters[l] = 0;
    }
  }
  return sent;
}

}  // namespace rdu::fabric::test
