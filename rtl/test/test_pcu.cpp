// Bench of rtl/pcu.sv: random legal programs and traffic, every output compared in value and cycle with what
// the unit's page says. The page is followed here firing by firing (class Reference), with the arithmetic of
// models/fabric/math.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "Vrtl_pcu.h"
#include "fabric/math/cross_lane.h"
#include "fabric/math/scalar.h"
#include "fabric/math/tail.h"
#include "pins/coverage.h"
#include "regs/pcu.h"
#include "test/catch.h"
#include "test/seed.h"

namespace {

namespace scalar = rdu::fabric::scalar;

constexpr unsigned kLanes = 32;
constexpr unsigned kStages = 6;
constexpr unsigned kFifoDepth = 16;
constexpr unsigned kOutputDepth = 32;
constexpr unsigned kScalarDepth = 4;
constexpr unsigned kCrossCycles = 6;  // log2(lanes) + 1

using Vector = std::array<uint32_t, kLanes>;
using Packet = std::array<uint32_t, 16>;

// A field of a word, by the names of pcu.regs.yaml.
#define FIELD(name, value) ((static_cast<uint32_t>(value) << RDU_PCU_##name##_SHIFT) & RDU_PCU_##name##_MASK)
#define GET(name, word) (((word)&RDU_PCU_##name##_MASK) >> RDU_PCU_##name##_SHIFT)

class Words {
 public:
  Words() {
    for (unsigned p = 0; p < 2; ++p) {
      at(RDU_PCU_PROGRAM_MODE(p)) = FIELD(PROGRAM_MODE_LANES, kLanes);
      at(RDU_PCU_PROGRAM_SEQ(p)) = FIELD(PROGRAM_SEQ_STEP, 1);
    }
  }
  uint32_t& at(uint32_t offset) { return words_[offset / 4]; }
  uint32_t at(uint32_t offset) const { return words_[offset / 4]; }
  size_t size() const { return words_.size(); }

 private:
  std::array<uint32_t, 256> words_{};
};

// ---- operations ----

struct Operation {
  unsigned code;
  unsigned operands;
  uint32_t (*lane)(uint32_t a, uint32_t b, uint32_t c);
};

#define UNARY(name, f)                                                                      \
  {                                                                                         \
    RDU_PCU_STAGE_OP_##name, 1, [](uint32_t a, uint32_t, uint32_t) { return scalar::f(a); } \
  }
#define BINARY(name, f)                                                                          \
  {                                                                                              \
    RDU_PCU_STAGE_OP_##name, 2, [](uint32_t a, uint32_t b, uint32_t) { return scalar::f(a, b); } \
  }
#define TERNARY(name, f)                                                                              \
  {                                                                                                   \
    RDU_PCU_STAGE_OP_##name, 3, [](uint32_t a, uint32_t b, uint32_t c) { return scalar::f(a, b, c); } \
  }

const std::vector<Operation>& lane_operations() {
  static const std::vector<Operation> operations = {
      {RDU_PCU_STAGE_OP_MOV, 1, [](uint32_t a, uint32_t, uint32_t) { return a; }},
      BINARY(FADD, fadd),
      BINARY(FSUB, fsub),
      BINARY(FMUL, fmul),
      BINARY(FMAX, fmax),
      BINARY(FMIN, fmin),
      TERNARY(FMADD, fmadd),
      TERNARY(FNMADD, fnmadd),
      UNARY(FABS, fabs),
      UNARY(FNEG, fneg),
      BINARY(FEQ, feq),
      BINARY(FNE, fne),
      BINARY(FLT, flt),
      BINARY(FLE, fle),
      BINARY(IADD, iadd),
      BINARY(ISUB, isub),
      BINARY(IMUL, imul),
      BINARY(IMAX, imax),
      BINARY(IMIN, imin),
      UNARY(IABS, iabs),
      UNARY(INEG, ineg),
      BINARY(IEQ, ieq),
      BINARY(INE, ine),
      BINARY(ILT, ilt),
      BINARY(ILE, ile),
      BINARY(ULT, ult),
      BINARY(ULE, ule),
      BINARY(AND, bit_and),
      BINARY(OR, bit_or),
      BINARY(XOR, bit_xor),
      BINARY(ANDN, bit_andn),
      UNARY(NOT, bit_not),
      BINARY(SHL, shl),
      BINARY(SHR, shr),
      BINARY(SAR, sar),
      TERNARY(SEL, sel),
      UNARY(I2F, i2f),
      UNARY(F2I, f2i),
      UNARY(F2I_ZERO, f2i_zero),
      UNARY(F2I_FLOOR, f2i_floor),
      UNARY(RBF16, rbf16),
      UNARY(SAT8, sat8),
      {RDU_PCU_STAGE_OP_SRBF16, 1, nullptr},
  };
  return operations;
}

#undef UNARY
#undef BINARY
#undef TERNARY

struct CrossOperation {
  unsigned code;
  unsigned operands;
  void (*apply)(uint32_t* out, const uint32_t* a, const uint32_t* b, unsigned active);
};

#define CROSS(name, f)                                                                                   \
  {                                                                                                      \
    RDU_PCU_STAGE_OP_##name, 1, [](uint32_t* out, const uint32_t* a, const uint32_t*, unsigned active) { \
      rdu::fabric::scalar::f(out, a, active);                                                            \
    }                                                                                                    \
  }
#define MOVE(name, f)                                                                                      \
  {                                                                                                        \
    RDU_PCU_STAGE_OP_##name, 2, [](uint32_t* out, const uint32_t* a, const uint32_t* b, unsigned active) { \
      rdu::fabric::scalar::f(out, a, b, active);                                                           \
    }                                                                                                      \
  }

const std::vector<CrossOperation>& cross_operations() {
  static const std::vector<CrossOperation> operations = {CROSS(FRED_SUM, fred_sum),
                                                         CROSS(FRED_MAX, fred_max),
                                                         CROSS(FRED_MIN, fred_min),
                                                         CROSS(FARGMAX, fargmax),
                                                         CROSS(FARGMIN, fargmin),
                                                         CROSS(FSCAN_SUM, fscan_sum),
                                                         CROSS(FSCAN_MAX, fscan_max),
                                                         CROSS(IRED_SUM, ired_sum),
                                                         CROSS(IRED_MAX, ired_max),
                                                         CROSS(IRED_MIN, ired_min),
                                                         CROSS(IARGMAX, iargmax),
                                                         CROSS(IARGMIN, iargmin),
                                                         CROSS(ISCAN_SUM, iscan_sum),
                                                         CROSS(RED_AND, red_and),
                                                         CROSS(RED_OR, red_or),
                                                         CROSS(RED_XOR, red_xor),
                                                         MOVE(BCAST, bcast),
                                                         MOVE(UP, up),
                                                         MOVE(DOWN, down)};
  return operations;
}

#undef CROSS
#undef MOVE

struct TailFunction {
  unsigned cycles;
  float (*lane)(float x);
};
/// By the codes of MODE.TAIL.
const std::vector<TailFunction>& tail_functions() {
  static const std::vector<TailFunction> functions = {{1, [](float x) { return x; }},
                                                      {8, scalar::exp},
                                                      {6, scalar::recip},
                                                      {8, scalar::log},
                                                      {8, scalar::sqrt},
                                                      {8, scalar::rsqrt},
                                                      {8, scalar::sigmoid},
                                                      {8, scalar::tanh},
                                                      {8, scalar::erf}};
  return functions;
}

bool crosses(unsigned op) {
  return op >= RDU_PCU_STAGE_OP_FRED_SUM;
}
unsigned operands_of(unsigned op) {
  for (const Operation& o : lane_operations()) {
    if (o.code == op) return o.operands;
  }
  for (const CrossOperation& o : cross_operations()) {
    if (o.code == op) return o.operands;
  }
  return 0;
}

// ---- what happens on the pins ----

/// In order, each with its cycle.
template <class T>
struct Event {
  uint64_t cycle;
  T value;
};

struct Sent {
  Packet data;
  uint64_t head;
  friend bool operator==(const Sent& a, const Sent& b) { return a.data == b.data && a.head == b.head; }
};

struct Record {
  // what the bench did; the cycle is that of arrival, or in which a credit can be used
  std::array<std::vector<Event<Packet>>, 4> in;
  std::array<std::vector<Event<uint32_t>>, 2> scalars;
  std::array<std::vector<uint64_t>, 2> tokens;
  std::array<std::vector<uint64_t>, 2> credits;
  std::vector<uint64_t> scalar_credits;
  std::array<unsigned, 2> init{};
  unsigned scalar_init = 0;
  // what the unit did
  std::array<std::vector<Event<Sent>>, 2> out;
  std::vector<Event<uint64_t>> scalar_out;  // flow << 32 | word
  std::array<std::vector<uint64_t>, 2> tokens_out;
  std::array<std::vector<uint64_t>, 4> taken;  // cycles of in_credit
  std::array<std::vector<uint64_t>, 2> scalars_taken;
};

// ---- the page ----

class Reference {
 public:
  explicit Reference(const Words& words) : words_(words) {}

  bool uses(unsigned program, unsigned input) const {
    if (is_matrix()) return program == 0 && input < 2;
    if (mode(program) != RDU_PCU_PROGRAM_MODE_MODE_SIMD) return false;
    const unsigned first = GET(PROGRAM_MODE_FIRST, words_.at(RDU_PCU_PROGRAM_MODE(program)));
    const unsigned stages = GET(PROGRAM_MODE_STAGES, words_.at(RDU_PCU_PROGRAM_MODE(program)));
    for (unsigned k = first; k < first + stages; ++k) {
      const uint32_t word = words_.at(RDU_PCU_STAGE(k));
      const unsigned op = GET(STAGE_OP, word);
      if (op == RDU_PCU_STAGE_OP_NOP) continue;
      const unsigned n = operands_of(op);
      const unsigned in = RDU_PCU_STAGE_A_IN0 + input;
      if (GET(STAGE_A, word) == in || (n >= 2 && GET(STAGE_B, word) == in) ||
          ((n >= 3 || GET(STAGE_ALT, word) != 0) && GET(STAGE_C, word) == in)) {
        return true;
      }
    }
    return false;
  }
  const TailFunction& tail(unsigned p) const {
    return tail_functions()[GET(PROGRAM_MODE_TAIL, words_.at(RDU_PCU_PROGRAM_MODE(p)))];
  }
  void apply_tail(unsigned p, Vector& v) const {
    if (GET(PROGRAM_MODE_TAIL, words_.at(RDU_PCU_PROGRAM_MODE(p))) == RDU_PCU_PROGRAM_MODE_TAIL_NONE) return;
    for (uint32_t& x : v) x = scalar::bits_of(tail(p).lane(scalar::from_bits(x)));
  }
  bool is_matrix() const { return mode(0) == RDU_PCU_PROGRAM_MODE_MODE_MATRIX; }
  unsigned mode(unsigned p) const { return GET(PROGRAM_MODE_MODE, words_.at(RDU_PCU_PROGRAM_MODE(p))); }
  unsigned packets_in(unsigned input) const {
    const unsigned format = GET(INPUT_FORMAT, words_.at(RDU_PCU_INPUT(input)));
    return format == RDU_PCU_INPUT_FORMAT_FP32 || format == RDU_PCU_INPUT_FORMAT_INT32 ? 2 : 1;
  }
  unsigned packets_out(unsigned p) const {
    const unsigned format = GET(PROGRAM_OUT_FORMAT, words_.at(RDU_PCU_PROGRAM_OUT(p)));
    return format == RDU_PCU_PROGRAM_OUT_FORMAT_FP32 || format == RDU_PCU_PROGRAM_OUT_FORMAT_INT32 ? 2 : 1;
  }

  /// What the unit has to do, given what the bench did; `out`, `scalar_out`, `tokens_out`, `taken` of the
  /// result.
  Record run(const Record& bench) {
    Record r;
    for (unsigned p = 0; p < 2; ++p) {
      if (mode(p) == RDU_PCU_PROGRAM_MODE_MODE_SIMD) simd(p, bench, r);
      if (mode(p) == RDU_PCU_PROGRAM_MODE_MODE_MATRIX) matrix(bench, r);
    }
    return r;
  }

  /// How many packets (words, tokens) the programs take in all.
  struct Needs {
    std::array<uint64_t, 4> packets{};
    std::array<uint64_t, 2> scalars{};
    std::array<uint64_t, 2> tokens{};
  };

  /// The counters of a program, as they step.
  class Counters {
   public:
    Counters(const Words& words, unsigned p) {
      for (unsigned l = 0; l < 6; ++l) count_[l] = std::max(1u, words.at(RDU_PCU_PROGRAM_COUNT(p, l)));
    }
    bool first(unsigned level) const {
      for (unsigned l = 0; l <= level; ++l) {
        if (index_[l] != 0) return false;
      }
      return true;
    }
    bool last(unsigned level) const {
      for (unsigned l = 0; l <= level; ++l) {
        if (index_[l] != count_[l] - 1) return false;
      }
      return true;
    }
    uint32_t at(unsigned level) const { return index_[level]; }
    bool step() {
      for (unsigned l = 0; l < 6; ++l) {
        if (++index_[l] < count_[l]) return true;
        index_[l] = 0;
      }
      return false;
    }

   private:
    std::array<uint32_t, 6> count_{};
    std::array<uint32_t, 6> index_{};
  };

 private:
  /// An output FIFO with what leaves it.
  class Queue {
   public:
    Queue(uint64_t depth, unsigned init, const std::vector<uint64_t>& credits)
        : depth_(depth), init_(init), credits_(credits) {}
    /// First cycle in which place n is free.
    uint64_t place(uint64_t n) const { return n < depth_ ? 0 : leaves_[n - depth_] + 1; }
    uint64_t next() const { return leaves_.size(); }
    /// The next packet is ready in cycle r; returns when it leaves.
    uint64_t put(uint64_t r) {
      const uint64_t n = leaves_.size();
      uint64_t t = r;
      if (n != 0) t = std::max(t, leaves_.back() + 1);
      if (n >= init_) t = std::max(t, n - init_ < credits_.size() ? credits_[n - init_] : UINT64_MAX / 2);
      leaves_.push_back(t);
      return t;
    }

   private:
    uint64_t depth_;
    unsigned init_;
    const std::vector<uint64_t>& credits_;
    std::vector<uint64_t> leaves_;
  };

  class Generator {
   public:
    explicit Generator(uint32_t seed) {
      for (unsigned i = 0; i < kLanes; ++i) state_[i] = scalar::random_start(seed, i);
    }
    const Vector& advance() {
      for (uint32_t& s : state_) s = scalar::random_next(s);
      return state_;
    }

   private:
    Vector state_{};
  };

  uint32_t program(uint32_t offset_of_program_0, unsigned p) const {
    return words_.at(offset_of_program_0 + p * (RDU_PCU_PROGRAM_MODE(1) - RDU_PCU_PROGRAM_MODE(0)));
  }

  Vector vector_of(unsigned input, const std::vector<Event<Packet>>& packets, size_t at) const {
    const unsigned format = GET(INPUT_FORMAT, words_.at(RDU_PCU_INPUT(input)));
    Vector v{};
    for (unsigned i = 0; i < kLanes; ++i) {
      const Packet& p = packets[at].value;
      if (format == RDU_PCU_INPUT_FORMAT_BF16) {
        v[i] = (p[i / 2] >> 16 * (i % 2)) << 16;
      } else if (format == RDU_PCU_INPUT_FORMAT_INT8) {
        v[i] = scalar::from_int8(static_cast<uint8_t>(p[i / 4] >> 8 * (i % 4)));
      } else {
        v[i] = packets[at + i / 16].value[i % 16];
      }
    }
    return v;
  }

  void send(unsigned p, const Vector& value, Generator& random, uint64_t& packets, Queue& queue,
            uint64_t ready, Record& r) const {
    const uint32_t out = program(RDU_PCU_PROGRAM_OUT(0), p);
    const unsigned format = GET(PROGRAM_OUT_FORMAT, out);
    const unsigned active = GET(PROGRAM_MODE_LANES, words_.at(RDU_PCU_PROGRAM_MODE(p)));
    const Vector* state = format == RDU_PCU_PROGRAM_OUT_FORMAT_BF16_SR ? &random.advance() : nullptr;
    const uint32_t seq = program(RDU_PCU_PROGRAM_SEQ(0), p);
    for (unsigned q = 0; q < packets_out(p); ++q) {
      Sent sent{};
      for (unsigned i = 0; i < active; ++i) {
        const uint32_t x = value[i];
        switch (format) {
          case RDU_PCU_PROGRAM_OUT_FORMAT_FP32:
            if (i / 16 == q) sent.data[i % 16] = scalar::bits_of(scalar::canonical(scalar::from_bits(x)));
            break;
          case RDU_PCU_PROGRAM_OUT_FORMAT_INT32:
            if (i / 16 == q) sent.data[i % 16] = x;
            break;
          case RDU_PCU_PROGRAM_OUT_FORMAT_INT8:
            sent.data[i / 4] |= static_cast<uint32_t>(scalar::to_int8(x)) << 8 * (i % 4);
            break;
          case RDU_PCU_PROGRAM_OUT_FORMAT_BF16:
            sent.data[i / 2] |= static_cast<uint32_t>(scalar::to_bf16(scalar::from_bits(x))) << 16 * (i % 2);
            break;
          default:
            sent.data[i / 2] |=
                static_cast<uint32_t>(scalar::to_bf16_stochastic(scalar::from_bits(x), (*state)[i]))
                << 16 * (i % 2);
            break;
        }
      }
      const bool dynamic = GET(PROGRAM_OUT_DYNAMIC, out) != 0;
      const uint32_t id = GET(PROGRAM_OUT_SEQUENCE, out)
                              ? GET(PROGRAM_SEQ_FIRST, seq) + packets * GET(PROGRAM_SEQ_STEP, seq)
                              : 0;
      const uint64_t flow = dynamic ? 7 : GET(PROGRAM_OUT_FLOW, out);
      const uint64_t destination = dynamic ? program(RDU_PCU_PROGRAM_DEST(0), p) & 0x1fffff : 0;
      sent.head = flow << 37 | destination << 16 | (id & 0xffff);
      ++packets;
      r.out[p].push_back({queue.put(ready + q), sent});
    }
  }

  void simd(unsigned p, const Record& bench, Record& r) const {
    const uint32_t mode = words_.at(RDU_PCU_PROGRAM_MODE(p));
    const unsigned first = GET(PROGRAM_MODE_FIRST, mode);
    const unsigned stages = GET(PROGRAM_MODE_STAGES, mode);
    const unsigned active = GET(PROGRAM_MODE_LANES, mode);
    const uint32_t out = program(RDU_PCU_PROGRAM_OUT(0), p);
    const uint32_t token = program(RDU_PCU_PROGRAM_TOKEN(0), p);
    const bool to_scalar = GET(PROGRAM_OUT_SCALAR, out) != 0;

    uint64_t header = 1;
    uint64_t latency = stages + tail(p).cycles;
    for (unsigned i = 0; i < 4; ++i) {
      if (uses(p, i)) header = std::max<uint64_t>(header, packets_in(i));
    }
    for (unsigned k = first; k < first + stages; ++k) {
      if (crosses(GET(STAGE_OP, words_.at(RDU_PCU_STAGE(k))))) latency += kCrossCycles;
    }
    latency += header;

    Counters counters(words_, p);
    std::array<Vector, 4> in{};
    std::array<Vector, 4> registers{};
    std::array<uint32_t, 2> s{};
    std::array<size_t, 4> packet{};
    std::array<size_t, 2> word{};
    size_t tokens = 0;
    uint64_t packets = 0;
    Generator random(program(RDU_PCU_PROGRAM_SEED(0), p));
    Queue queue(kOutputDepth, bench.init[p], bench.credits[p]);
    Queue scalar_queue(kOutputDepth, bench.scalar_init, bench.scalar_credits);
    uint64_t next = 0;
    do {
      uint64_t t = next;
      uint64_t cost = 1;
      std::array<bool, 2> takes_scalar{};
      // Scalars, token.
      for (unsigned n = 0; n < 2; ++n) {
        const uint32_t scalar_in = words_.at(RDU_PCU_PROGRAM_SCALAR_IN(p, n));
        if (!GET(PROGRAM_SCALAR_IN_ENABLE, scalar_in) ||
            !counters.first(GET(PROGRAM_SCALAR_IN_LEVEL, scalar_in)))
          continue;
        const auto& event = bench.scalars[n].at(word[n]++);
        s[n] = event.value;
        t = std::max(t, event.cycle);
        takes_scalar[n] = true;
      }
      if (GET(PROGRAM_TOKEN_WAIT, token) && counters.first(GET(PROGRAM_TOKEN_WAIT_LEVEL, token))) {
        t = std::max(t, bench.tokens[GET(PROGRAM_TOKEN_WAIT_INPUT, token)].at(tokens++));
      }
      // Predicates.
      std::array<bool, 4> pred{true};
      for (unsigned n = 1; n < 4; ++n) {
        const uint32_t w = words_.at(RDU_PCU_PROGRAM_PRED(p, n - 1));
        const unsigned level = GET(PROGRAM_PRED_LEVEL, w);
        switch (GET(PROGRAM_PRED_KIND, w)) {
          case RDU_PCU_PROGRAM_PRED_KIND_FIRST:
            pred[n] = counters.first(level);
            break;
          case RDU_PCU_PROGRAM_PRED_KIND_LAST:
            pred[n] = counters.last(level);
            break;
          case RDU_PCU_PROGRAM_PRED_KIND_EQ:
            pred[n] = counters.at(level) == GET(PROGRAM_PRED_VALUE, w);
            break;
          case RDU_PCU_PROGRAM_PRED_KIND_LT:
            pred[n] = counters.at(level) < GET(PROGRAM_PRED_VALUE, w);
            break;
          case RDU_PCU_PROGRAM_PRED_KIND_SCALAR:
            pred[n] = s[level] != 0;
            break;
          default:
            pred[n] = true;
        }
        if (GET(PROGRAM_PRED_NOT, w)) pred[n] = !pred[n];
      }
      // Inputs.
      std::array<bool, 4> takes{};
      for (unsigned i = 0; i < 4; ++i) {
        if (!uses(p, i) || !pred[GET(INPUT_PRED, words_.at(RDU_PCU_INPUT(i)))]) continue;
        takes[i] = true;
        in[i] = vector_of(i, bench.in[i], packet[i]);
        for (unsigned q = 0; q < packets_in(i); ++q) {
          const uint64_t arrival = bench.in[i].at(packet[i] + q).cycle;
          t = std::max(t, arrival > q ? arrival - q : 0);
        }
        packet[i] += packets_in(i);
        cost = std::max<uint64_t>(cost, packets_in(i));
      }
      // Places.
      const bool sends = pred[GET(PROGRAM_OUT_PRED, out)];
      if (sends && to_scalar) t = std::max(t, scalar_queue.place(scalar_queue.next()));
      if (sends && !to_scalar) {
        for (unsigned q = 0; q < packets_out(p); ++q) {
          const uint64_t place = queue.place(queue.next() + q);
          t = std::max(t, place > q ? place - q : 0);
        }
        cost = std::max<uint64_t>(cost, packets_out(p));
      }
      for (unsigned i = 0; i < 4; ++i) {
        for (unsigned q = 0; takes[i] && q < packets_in(i); ++q) r.taken[i].push_back(t + q + 1);
      }
      for (unsigned n = 0; n < 2; ++n) {
        if (takes_scalar[n]) r.scalars_taken[n].push_back(t + 1);
      }
      // Stages.
      Vector prev{};
      for (unsigned k = first; k < first + stages; ++k) {
        const uint32_t w = words_.at(RDU_PCU_STAGE(k));
        const unsigned op = GET(STAGE_OP, w);
        if (op == RDU_PCU_STAGE_OP_NOP || !pred[GET(STAGE_PRED, w)]) continue;
        const auto operand = [&](unsigned code) {
          Vector v{};
          for (unsigned i = 0; i < kLanes; ++i) {
            if (code == RDU_PCU_STAGE_A_PREV)
              v[i] = prev[i];
            else if (code <= RDU_PCU_STAGE_A_IN3)
              v[i] = in[code - RDU_PCU_STAGE_A_IN0][i];
            else if (code <= RDU_PCU_STAGE_A_S1)
              v[i] = s[code - RDU_PCU_STAGE_A_S0];
            else if (code == RDU_PCU_STAGE_A_LANE)
              v[i] = i;
            else if (code <= RDU_PCU_STAGE_A_CONST3)
              v[i] = words_.at(RDU_PCU_CONST(code - RDU_PCU_STAGE_A_CONST0));
            else if (code <= RDU_PCU_STAGE_A_REG3)
              v[i] = registers[code - RDU_PCU_STAGE_A_REG0][i];
            else
              v[i] = counters.at(code - RDU_PCU_STAGE_A_COUNT0);
          }
          return v;
        };
        const Vector a = operand(GET(STAGE_A, w));
        Vector b = operand(GET(STAGE_B, w));
        Vector c = operand(GET(STAGE_C, w));
        const unsigned alt = GET(STAGE_ALT, w);
        if (alt != 0 && pred[alt]) {
          if (op == RDU_PCU_STAGE_OP_FMADD || op == RDU_PCU_STAGE_OP_FNMADD)
            c.fill(0);
          else
            b = c;
        }
        for (const Operation& o : lane_operations()) {
          if (o.code != op) continue;
          const Vector* state = o.lane ? nullptr : &random.advance();
          for (unsigned i = 0; i < kLanes; ++i)
            prev[i] = o.lane ? o.lane(a[i], b[i], c[i]) : scalar::srbf16(a[i], (*state)[i]);
        }
        for (const CrossOperation& o : cross_operations()) {
          if (o.code == op) o.apply(prev.data(), a.data(), b.data(), active);
        }
        if (GET(STAGE_SAVE, w)) registers[GET(STAGE_REG, w)] = prev;
      }
      // Tail, output.
      apply_tail(p, prev);
      if (sends && to_scalar) {
        r.scalar_out.push_back({scalar_queue.put(t + latency),
                                static_cast<uint64_t>(GET(PROGRAM_OUT_FLOW, out)) << 32 | prev[0]});
      } else if (sends) {
        send(p, prev, random, packets, queue, t + latency, r);
      }
      if (GET(PROGRAM_TOKEN_SIGNAL, token) && counters.last(GET(PROGRAM_TOKEN_SIGNAL_LEVEL, token)))
        r.tokens_out[p].push_back(t + latency);
      next = t + cost;
    } while (counters.step());
  }

  void matrix(const Record& bench, Record& r) const {
    const uint32_t word = words_.at(RDU_PCU_PROGRAM_MATRIX(0));
    const uint32_t token = words_.at(RDU_PCU_PROGRAM_TOKEN(0));
    const unsigned k = GET(PROGRAM_MATRIX_K, word);
    const unsigned rows = GET(PROGRAM_MATRIX_ROWS, word);
    const bool integers = GET(PROGRAM_MATRIX_TYPE, word) == RDU_PCU_PROGRAM_MATRIX_TYPE_INT8;
    Counters counters(words_, 0);
    Generator random(words_.at(RDU_PCU_PROGRAM_SEED(0)));
    Queue queue(kOutputDepth, bench.init[0], bench.credits[0]);
    uint64_t packets = 0;
    uint64_t next = 0;
    uint64_t drain_next = 0;
    size_t step = 0;
    size_t tokens = 0;
    std::vector<uint64_t> drained;  // cycle of each tile's last packet
    do {
      std::array<Vector, 8> acc{};
      uint64_t t = 0;
      for (unsigned i = 0; i < k; ++i, ++step) {
        t = std::max({next, bench.in[0].at(step).cycle, bench.in[1].at(step).cycle});
        if (i == 0) {
          if (drained.size() >= 2) t = std::max(t, drained[drained.size() - 2] + 1);
          if (GET(PROGRAM_TOKEN_WAIT, token) && counters.first(GET(PROGRAM_TOKEN_WAIT_LEVEL, token))) {
            t = std::max(t, bench.tokens[GET(PROGRAM_TOKEN_WAIT_INPUT, token)].at(tokens++));
          }
        }
        next = t + 1;
        r.taken[0].push_back(t + 1);
        r.taken[1].push_back(t + 1);
        const auto half = [&](unsigned input, unsigned n) {
          return static_cast<uint16_t>(bench.in[input][step].value[n / 2] >> 16 * (n % 2));
        };
        for (unsigned row = 0; row < rows; ++row) {
          for (unsigned lane = 0; lane < kLanes; ++lane) {
            const uint16_t x = half(1, row);
            const uint16_t y = half(0, lane);
            uint32_t& a = acc[row][lane];
            if (integers) {
              const uint8_t xs[2] = {static_cast<uint8_t>(x), static_cast<uint8_t>(x >> 8)};
              const uint8_t ys[2] = {static_cast<uint8_t>(y), static_cast<uint8_t>(y >> 8)};
              a = scalar::matrix_int8(a, xs, ys);
            } else {
              a = scalar::bits_of(scalar::matrix_bf16(scalar::from_bits(a), x, y));
            }
          }
        }
      }
      uint64_t ready = t + 1 + 5 + kStages;
      for (unsigned row = 0; row < rows; ++row) {
        // Places are taken packet by packet, so a row's packets may be further apart than a cycle.
        std::vector<uint64_t> at;
        for (unsigned q = 0; q < packets_out(0); ++q) {
          const uint64_t n = queue.next() + q;
          uint64_t d = std::max(drain_next, ready);
          d = std::max(d, queue.place(n));
          drain_next = d + 1;
          at.push_back(d + tail(0).cycles);
        }
        apply_tail(0, acc[row]);
        Record one;
        Queue ignored(kOutputDepth, 1u << 30, {});
        send(0, acc[row], random, packets, ignored, 0, one);
        for (unsigned q = 0; q < packets_out(0); ++q)
          r.out[0].push_back({queue.put(at[q]), one.out[0][q].value});
      }
      drained.push_back(drain_next - 1);
      if (GET(PROGRAM_TOKEN_SIGNAL, token) && counters.last(GET(PROGRAM_TOKEN_SIGNAL_LEVEL, token)))
        r.tokens_out[0].push_back(drain_next - 1 + tail(0).cycles);
    } while (counters.step());
  }

  const Words& words_;
};

// ---- a random program ----

struct Made {
  Words words;
  std::array<uint64_t, 4> packets{};  // that the inputs need
  std::array<uint64_t, 2> scalars{};
  std::array<uint64_t, 2> tokens{};
};

class Maker {
 public:
  explicit Maker(std::mt19937_64& random) : random_(random) {}

  Made make() {
    Made m;
    scalar_output_taken_ = false;
    cross_taken_ = tail_taken_ = false;
    register_free_ = {true, true, true, true};
    for (unsigned n = 0; n < 4; ++n) m.words.at(RDU_PCU_CONST(n)) = value();
    for (unsigned i = 0; i < 4; ++i) {
      m.words.at(RDU_PCU_INPUT(i)) = FIELD(INPUT_FORMAT, pick(4)) | FIELD(INPUT_PRED, pick(3) ? 0 : pick(4));
    }
    if (pick(4) == 0) {
      matrix(m);
    } else {
      const unsigned programs = 1 + pick(2);
      unsigned first = 0;
      for (unsigned p = 0; p < programs; ++p) {
        const unsigned left = kStages - first - (programs - 1 - p);
        const unsigned gap = pick(4) == 0 && left > 1 ? 1 : 0;
        const unsigned stages = 1 + pick(left - gap);
        simd(m, p, first + gap, stages, programs);
        first += gap + stages;
      }
    }
    count(m);
    return m;
  }

  /// Lanes of all kinds.
  uint32_t value() {
    const auto r = static_cast<uint32_t>(random_());
    switch (random_() % 8) {
      case 0: {
        static constexpr uint32_t kSpecial[] = {
            0,          0x80000000, 1,          0x807fffff, 0x00800000, 0x80800000, 0x3f800000, 0xbf800000,
            0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7fffffff, 0xffffffff, 0x4f000000,
            0xcf000000, 0x4effffff, 0xcf000001, 0x3f000000, 0xbf000000, 0x3fc00000, 0x40200000, 0x7f7f8000};
        return kSpecial[r % (sizeof kSpecial / sizeof *kSpecial)];
      }
      case 1:
        return r;
      case 2:
        return r % 200;
      case 3:
        return -(r % 200);
      default:
        return (r & 0x807fffff) | (110 + r / 64 % 50) << 23;
    }
  }
  /// Of about the same size, and no infinities among them: the order of a sum shows.
  uint32_t moderate() {
    const auto r = static_cast<uint32_t>(random_());
    return (r & 0x807fffff) | (124 + r / 64 % 8) << 23;
  }
  Packet packet() {
    Packet p;
    const unsigned kind = pick(4);
    for (uint32_t& w : p) {
      w = kind == 3 ? moderate() : value();
      if (kind == 0) w = (w & 0xffff0000) | value() >> 16;
      if (kind == 1 && pick(2)) w = static_cast<uint32_t>(random_());
    }
    return p;
  }

 private:
  unsigned pick(unsigned n) { return n == 0 ? 0 : static_cast<unsigned>(random_() % n); }

  void counts_and_control(Made& m, unsigned p, unsigned most) {
    unsigned product = 1;
    for (unsigned l = 0; l < 6; ++l) {
      const unsigned n = pick(3) == 0 ? 0 : 1 + pick(std::min(6u, most / product));
      m.words.at(RDU_PCU_PROGRAM_COUNT(p, l)) = n;
      product *= std::max(1u, n);
    }
    m.words.at(RDU_PCU_PROGRAM_SEED(p)) =
        pick(8) == 0 ? 0x9e3779b9 * (1 + pick(32)) : static_cast<uint32_t>(random_());
    m.words.at(RDU_PCU_PROGRAM_SEQ(p)) = static_cast<uint32_t>(random_());
    m.words.at(RDU_PCU_PROGRAM_DEST(p)) = static_cast<uint32_t>(random_()) & 0x1fffff;
    m.words.at(RDU_PCU_PROGRAM_TOKEN(p)) =
        FIELD(PROGRAM_TOKEN_WAIT, pick(3) == 0) | FIELD(PROGRAM_TOKEN_WAIT_INPUT, p) |
        FIELD(PROGRAM_TOKEN_WAIT_LEVEL, pick(6)) | FIELD(PROGRAM_TOKEN_SIGNAL, pick(3) == 0) |
        FIELD(PROGRAM_TOKEN_SIGNAL_LEVEL, pick(6));
  }

  void matrix(Made& m) {
    counts_and_control(m, 0, 6);
    const bool integers = pick(2);
    const unsigned format =
        integers ? (pick(2) ? RDU_PCU_PROGRAM_OUT_FORMAT_INT32 : RDU_PCU_PROGRAM_OUT_FORMAT_INT8)
                 : std::array<unsigned, 3>{RDU_PCU_PROGRAM_OUT_FORMAT_FP32, RDU_PCU_PROGRAM_OUT_FORMAT_BF16,
                                           RDU_PCU_PROGRAM_OUT_FORMAT_BF16_SR}[pick(3)];
    m.words.at(RDU_PCU_PROGRAM_MODE(0)) = FIELD(PROGRAM_MODE_MODE, RDU_PCU_PROGRAM_MODE_MODE_MATRIX) |
                                          FIELD(PROGRAM_MODE_LANES, pick(2) ? 32 : 1 + pick(32)) |
                                          FIELD(PROGRAM_MODE_TAIL, integers || pick(3) ? 0 : pick(9));
    m.words.at(RDU_PCU_PROGRAM_OUT(0)) =
        FIELD(PROGRAM_OUT_FORMAT, format) | FIELD(PROGRAM_OUT_SEQUENCE, pick(2)) |
        FIELD(PROGRAM_OUT_FLOW, pick(7)) | FIELD(PROGRAM_OUT_DYNAMIC, pick(2));
    m.words.at(RDU_PCU_PROGRAM_MATRIX(0)) =
        FIELD(PROGRAM_MATRIX_K, 1 + pick(pick(2) ? 4 : 40)) | FIELD(PROGRAM_MATRIX_ROWS, 1 + pick(kStages)) |
        FIELD(PROGRAM_MATRIX_TYPE,
              integers ? RDU_PCU_PROGRAM_MATRIX_TYPE_INT8 : RDU_PCU_PROGRAM_MATRIX_TYPE_BF16);
    for (unsigned i = 0; i < 2; ++i) m.words.at(RDU_PCU_INPUT(i)) = FIELD(INPUT_FORMAT, pick(4));
  }

  void simd(Made& m, unsigned p, unsigned first, unsigned stages, unsigned programs) {
    counts_and_control(m, p, 60);
    // Scalar input p, and with one program both.
    bool has_scalar[2] = {};
    for (unsigned n = 0; n < 2; ++n) {
      has_scalar[n] = (programs == 1 || n == p) && pick(2);
      m.words.at(RDU_PCU_PROGRAM_SCALAR_IN(p, n)) =
          FIELD(PROGRAM_SCALAR_IN_ENABLE, has_scalar[n]) | FIELD(PROGRAM_SCALAR_IN_LEVEL, pick(6));
    }
    for (unsigned n = 0; n < 3; ++n) {
      unsigned kind = pick(6);
      unsigned level = pick(6);
      if (kind == RDU_PCU_PROGRAM_PRED_KIND_SCALAR) {
        level = pick(2);
        if (!has_scalar[level]) kind = RDU_PCU_PROGRAM_PRED_KIND_FIRST;
      }
      m.words.at(RDU_PCU_PROGRAM_PRED(p, n)) =
          FIELD(PROGRAM_PRED_KIND, kind) | FIELD(PROGRAM_PRED_LEVEL, level) |
          FIELD(PROGRAM_PRED_NOT, pick(2)) | FIELD(PROGRAM_PRED_VALUE, pick(5));
    }
    // With two programs, inputs p and p + 2.
    for (unsigned i = 0; i < 4; ++i) {
      if (programs == 1 || i % 2 == p) m.words.at(RDU_PCU_INPUT(i)) |= FIELD(INPUT_PROGRAM, p);
    }
    bool stochastic = false;
    bool has_prev = false;
    std::vector<unsigned> registers;
    for (unsigned k = first; k < first + stages; ++k) {
      if (pick(6) == 0 && !(k + 1 == first + stages && !has_prev)) continue;  // NOP
      unsigned op;
      unsigned n;
      if (!cross_taken_ && pick(4) == 0) {
        const CrossOperation& o = cross_operations()[pick(cross_operations().size())];
        op = o.code;
        n = o.operands;
        cross_taken_ = true;
      } else {
        const Operation* o;
        do {
          o = &lane_operations()[pick(lane_operations().size())];
        } while (o->lane == nullptr && stochastic);
        stochastic |= o->lane == nullptr;
        op = o->code;
        n = o->operands;
      }
      bool save = false;
      unsigned saved = 0;
      if (pick(3) == 0) {
        saved = pick(4);
        save = register_free_[saved];
        register_free_[saved] = register_free_[saved] && !save;
      }
      const auto operand = [&]() -> unsigned {
        for (;;) {
          switch (pick(8)) {
            case 0:
              if (has_prev) return RDU_PCU_STAGE_A_PREV;
              break;
            case 1: {
              const unsigned n2 = pick(2);
              if (has_scalar[n2]) return RDU_PCU_STAGE_A_S0 + n2;
              break;
            }
            case 2:
              return pick(2) ? RDU_PCU_STAGE_A_LANE : RDU_PCU_STAGE_A_COUNT0 + pick(6);
            case 3:
              return RDU_PCU_STAGE_A_CONST0 + pick(4);
            case 4:
              if (save && !crosses(op)) return RDU_PCU_STAGE_A_REG0 + saved;
              break;
            case 5:
              if (!registers.empty()) return RDU_PCU_STAGE_A_REG0 + registers[pick(registers.size())];
              break;
            default: {
              const unsigned i = pick(4);
              if (programs == 1 || i % 2 == p) return RDU_PCU_STAGE_A_IN0 + i;
            }
          }
        }
      };
      m.words.at(RDU_PCU_STAGE(k)) = FIELD(STAGE_OP, op) | FIELD(STAGE_A, operand()) |
                                     FIELD(STAGE_B, operand()) | FIELD(STAGE_C, operand()) |
                                     FIELD(STAGE_PRED, pick(3) ? 0 : pick(4)) |
                                     FIELD(STAGE_ALT, n >= 2 && pick(3) == 0 ? pick(4) : 0) |
                                     FIELD(STAGE_SAVE, save) | FIELD(STAGE_REG, saved);
      if (save) registers.push_back(saved);
      has_prev = true;
    }
    unsigned format = pick(5);
    if (format == RDU_PCU_PROGRAM_OUT_FORMAT_BF16_SR && stochastic) format = RDU_PCU_PROGRAM_OUT_FORMAT_BF16;
    const bool to_scalar = !scalar_output_taken_ && pick(5) == 0;
    scalar_output_taken_ |= to_scalar;
    m.words.at(RDU_PCU_PROGRAM_OUT(p)) =
        FIELD(PROGRAM_OUT_FORMAT, format) | FIELD(PROGRAM_OUT_PRED, pick(3) ? 0 : pick(4)) |
        FIELD(PROGRAM_OUT_SCALAR, to_scalar) | FIELD(PROGRAM_OUT_SEQUENCE, !to_scalar && pick(2)) |
        FIELD(PROGRAM_OUT_FLOW, pick(to_scalar ? 4 : 7)) |
        FIELD(PROGRAM_OUT_DYNAMIC, !to_scalar && pick(3) == 0);
    const unsigned tail = tail_taken_ || pick(2) ? 0 : pick(9);
    tail_taken_ |= tail != 0;
    m.words.at(RDU_PCU_PROGRAM_MODE(p)) =
        FIELD(PROGRAM_MODE_MODE, RDU_PCU_PROGRAM_MODE_MODE_SIMD) | FIELD(PROGRAM_MODE_FIRST, first) |
        FIELD(PROGRAM_MODE_STAGES, stages) | FIELD(PROGRAM_MODE_LANES, pick(2) ? 32 : 1 + pick(32)) |
        FIELD(PROGRAM_MODE_TAIL, tail);
  }

  /// An upper limit of what the programs take: what is not needed is left in the FIFOs.
  void count(Made& m) {
    const Reference reference(m.words);
    for (unsigned p = 0; p < 2; ++p) {
      if (reference.mode(p) == RDU_PCU_PROGRAM_MODE_MODE_OFF) continue;
      uint64_t firings = 1;
      for (unsigned l = 0; l < 6; ++l) firings *= std::max(1u, m.words.at(RDU_PCU_PROGRAM_COUNT(p, l)));
      if (reference.is_matrix()) firings *= GET(PROGRAM_MATRIX_K, m.words.at(RDU_PCU_PROGRAM_MATRIX(0)));
      for (unsigned i = 0; i < 4; ++i) {
        if (reference.uses(p, i))
          m.packets[i] = firings * (reference.is_matrix() ? 1 : reference.packets_in(i));
      }
      for (unsigned n = 0; n < 2; ++n) {
        if (GET(PROGRAM_SCALAR_IN_ENABLE, m.words.at(RDU_PCU_PROGRAM_SCALAR_IN(p, n))))
          m.scalars[n] = firings;
      }
      const uint32_t token = m.words.at(RDU_PCU_PROGRAM_TOKEN(p));
      if (GET(PROGRAM_TOKEN_WAIT, token)) m.tokens[GET(PROGRAM_TOKEN_WAIT_INPUT, token)] = firings;
    }
  }

  std::mt19937_64& random_;
  bool scalar_output_taken_ = false;
  bool cross_taken_ = false;
  bool tail_taken_ = false;
  std::array<bool, 4> register_free_{};
};

// ---- the pins ----

class Pins {
 public:
  explicit Pins(uint64_t seed) {
    context_.randReset(2);
    context_.randSeed(static_cast<int>(seed & 0x7fffffff));
    top_ = std::make_unique<Vrtl_pcu>(&context_);
  }

  /// Drives the unit with random traffic until it is done. Speeds: how often a packet comes, a credit goes
  /// back.
  Record run(const Made& m, std::mt19937_64& random, Maker& maker) {
    Record r;
    const unsigned come = random() % 3 == 0 ? 100 : 5 + random() % 90;
    const unsigned leave = random() % 3 == 0 ? 100 : 5 + random() % 90;
    r.init = {1 + static_cast<unsigned>(random() % 40), 1 + static_cast<unsigned>(random() % 40)};
    r.scalar_init = 1 + random() % 8;

    top_->rst_n = 0;
    top_->start = top_->cfg_valid = 0;
    quiet();
    clock();
    top_->rst_n = 1;
    for (unsigned w = 0; w < m.words.size(); ++w) {
      top_->cfg_valid = 1;
      top_->cfg_word = w;
      top_->cfg_data = m.words.at(4 * w);
      clock();
    }
    top_->cfg_valid = 0;
    top_->start = 1;
    top_->out_init = r.init[0] | r.init[1] << 16;
    top_->sout_init = r.scalar_init;
    clock();
    top_->start = 0;

    std::array<unsigned, 4> held{};
    std::array<unsigned, 2> scalar_held{};
    std::array<uint64_t, 2> token_held{};
    std::array<unsigned, 2> owed{};
    unsigned scalar_owed = 0;
    unsigned after = 0;
    for (uint64_t t = 0; after < 60; ++t) {
      if (t > 200'000) {
        FAIL("the unit is not done");
      }
      quiet();
      settle();
      // What the unit shows in cycle t.
      for (unsigned i = 0; i < 4; ++i) {
        if (top_->in_credit >> i & 1) {
          r.taken[i].push_back(t);
          --held[i];
        }
      }
      for (unsigned i = 0; i < 2; ++i) {
        if (top_->sin_credit >> i & 1) {
          r.scalars_taken[i].push_back(t);
          --scalar_held[i];
        }
        if (top_->tok_out >> i & 1) r.tokens_out[i].push_back(t);
        if (top_->out_valid >> i & 1) {
          Sent s{};
          for (unsigned w = 0; w < 16; ++w) s.data[w] = top_->out_data[16 * i + w];
          s.head = head(i);
          r.out[i].push_back({t, s});
          ++owed[i];
        }
      }
      if (top_->sout_valid) {
        r.scalar_out.push_back({t, static_cast<uint64_t>(top_->sout_flow) << 32 | top_->sout_data});
        ++scalar_owed;
      }
      const bool was_idle = top_->idle;
      after = top_->done ? after + 1 : 0;
      // What the bench does in it.
      bool something = false;
      const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
      for (unsigned i = 0; i < 4; ++i) {
        if (r.in[i].size() == m.packets[i] || held[i] == kFifoDepth || !chance(come)) continue;
        const Packet p = maker.packet();
        top_->in_valid |= 1u << i;
        for (unsigned w = 0; w < 16; ++w) top_->in_data[16 * i + w] = p[w];
        r.in[i].push_back({t + 1, p});
        ++held[i];
        something = true;
      }
      for (unsigned i = 0; i < 2; ++i) {
        if (r.scalars[i].size() != m.scalars[i] && scalar_held[i] != kScalarDepth && chance(come)) {
          const uint32_t word = random() % 3 == 0 ? 0 : maker.value();
          top_->sin_valid |= 1u << i;
          top_->sin_data = (top_->sin_data & ~(0xffffffffull << 32 * i)) | static_cast<uint64_t>(word)
                                                                               << 32 * i;
          r.scalars[i].push_back({t + 1, word});
          ++scalar_held[i];
          something = true;
        }
        if (r.tokens[i].size() != m.tokens[i] && token_held[i] < 200 && chance(come)) {
          top_->tok_in |= 1u << i;
          r.tokens[i].push_back(t + 1);
          ++token_held[i];
          something = true;
        }
        if (owed[i] != 0 && chance(leave)) {
          top_->out_credit |= 1u << i;
          r.credits[i].push_back(t + 1);
          --owed[i];
          something = true;
        }
      }
      if (scalar_owed != 0 && chance(leave)) {
        top_->sout_credit = 1;
        r.scalar_credits.push_back(t + 1);
        --scalar_owed;
        something = true;
      }
      // The clock may be stopped while nothing can change.
      if (!was_idle || something || random() % 2) clock();
    }
    top_->final();
    rdu::rtl::save_coverage(context_);
    return r;
  }

 private:
  void quiet() { top_->in_valid = top_->sin_valid = top_->tok_in = top_->out_credit = top_->sout_credit = 0; }
  void settle() {
    top_->clk = 0;
    top_->eval();
  }
  void clock() {
    settle();
    top_->clk = 1;
    top_->eval();
  }
  uint64_t head(unsigned i) const {
    const auto bit = [&](unsigned n) { return static_cast<uint64_t>(top_->out_head[n / 32] >> n % 32 & 1); };
    uint64_t h = 0;
    for (unsigned b = 0; b < 40; ++b) h |= bit(40 * i + b) << b;
    return h;
  }

  VerilatedContext context_;
  std::unique_ptr<Vrtl_pcu> top_;
};

/// What differs first, or nothing.
template <class T>
std::string difference(const char* what, unsigned n, const std::vector<T>& got,
                       const std::vector<T>& wanted) {
  const auto text = [&](size_t i, const std::string& how) {
    return std::string(what) + "[" + std::to_string(n) + "] number " + std::to_string(i) + ": " + how;
  };
  for (size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (got[i] != wanted[i])
        return text(i, "cycle " + std::to_string(got[i]) + ", not " + std::to_string(wanted[i]));
    } else {
      if (got[i].cycle != wanted[i].cycle)
        return text(i, "cycle " + std::to_string(got[i].cycle) + ", not " + std::to_string(wanted[i].cycle));
      if (!(got[i].value == wanted[i].value)) {
        if constexpr (std::is_same_v<T, Event<Sent>>) {
          char line[200];
          for (unsigned w = 0; w < 16; ++w) {
            if (got[i].value.data[w] == wanted[i].value.data[w]) continue;
            std::snprintf(line, sizeof line, "word %u is %08x, not %08x", w, got[i].value.data[w],
                          wanted[i].value.data[w]);
            return text(i, line);
          }
          std::snprintf(line, sizeof line, "head is %010llx, not %010llx",
                        static_cast<unsigned long long>(got[i].value.head),
                        static_cast<unsigned long long>(wanted[i].value.head));
          return text(i, line);
        }
        return text(i, "another value");
      }
    }
  }
  if (got.size() != wanted.size())
    return text(std::min(got.size(), wanted.size()),
                std::to_string(got.size()) + " in all, not " + std::to_string(wanted.size()));
  return {};
}

std::string describe(const Words& words) {
  std::string text;
  for (unsigned w = 0; w < words.size(); ++w) {
    char line[40];
    if (words.at(4 * w) == 0) continue;
    std::snprintf(line, sizeof line, "%03x=%08x ", 4 * w, words.at(4 * w));
    text += line;
  }
  return text;
}

}  // namespace

TEST_CASE("PCU: random programs and traffic, value by value and cycle by cycle") {
  const char* text = std::getenv("RDU_ROUNDS");
  const unsigned rounds = text ? static_cast<unsigned>(std::atoi(text)) : 150;
  uint64_t packets = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    const uint64_t seed = test_seed() * 1'000'003 + round;
    std::mt19937_64 random(seed);
    Maker maker(random);
    const Made made = maker.make();
    Pins pins(seed);
    const Record got = pins.run(made, random, maker);
    const Record wanted = Reference(made.words).run(got);
    INFO("round " << round << ": " << describe(made.words));
    std::string wrong;
    const auto check = [&](const std::string& d) {
      if (wrong.empty()) wrong = d;
    };
    for (unsigned i = 0; i < 4; ++i) check(difference("in_credit", i, got.taken[i], wanted.taken[i]));
    for (unsigned p = 0; p < 2; ++p) {
      check(difference("out", p, got.out[p], wanted.out[p]));
      check(difference("tok_out", p, got.tokens_out[p], wanted.tokens_out[p]));
      check(difference("sin_credit", p, got.scalars_taken[p], wanted.scalars_taken[p]));
      packets += got.out[p].size();
    }
    check(difference("sout", 0, got.scalar_out, wanted.scalar_out));
    REQUIRE(wrong == "");
  }
  std::printf("%u programs, %llu packets\n", rounds, static_cast<unsigned long long>(packets));
}
