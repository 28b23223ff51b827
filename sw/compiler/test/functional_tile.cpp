#include "compiler/test/functional_tile.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>

#include "compiler/trace.h"
#include "compiler/unit_words.h"
#include "fabric/math/tail_tables.h"
#include "regs/agcu.h"
#include "regs/pcu.h"
#include "regs/pmu.h"

namespace rdu::compiler::test {
namespace tail = rdu::fabric::tail;
namespace {

using Packet = std::array<uint8_t, RDU_VECTOR_BYTES>;
using Vector = std::array<float, RDU_LANES_MAX>;
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

void send_vector(const Vector& v, bool bf16, std::deque<Packet>* out) {
  if (bf16) {
    Packet p;
    for (unsigned i = 0; i < RDU_LANES_MAX; ++i) {
      const uint16_t bits = to_bf16(v[i]);
      std::memcpy(p.data() + 2 * i, &bits, 2);
    }
    out->push_back(p);
    return;
  }
  for (unsigned half = 0; half < 2; ++half) {
    Packet p;
    std::memcpy(p.data(), v.data() + half * kHalfLanes, p.size());
    out->push_back(p);
  }
}

// The tail's polynomial of a segment at w / 2^23, in units of 2^-30, rounded to FP32.
float cubic(int64_t segment, int64_t w) {
  const int32_t* c = tail::kSegments[segment];
  int64_t y = c[3];
  for (int i = 2; i >= 0; --i) y = c[i] + ((y * w) >> 23);
  return static_cast<float>(y);
}

float bf16_lane(const Packet& p, unsigned lane) {
  uint16_t bits;
  std::memcpy(&bits, p.data() + 2 * lane, 2);
  return from_bf16(bits);
}

}  // namespace

float exp_of(float x) {
  if (std::fabs(x) >= 128) return x < 0 ? 0 : INFINITY;
  // x log2(e) in units of 2^-29: 24 bits times 38 bits, rounded towards zero.
  int exponent = 0;
  const auto significand = static_cast<uint64_t>(std::ldexp(std::frexp(std::fabs(x), &exponent), 24));
  const int shift = 32 - exponent;
  auto t = static_cast<int64_t>(shift > 63 ? 0 : (significand * tail::kLog2E) >> shift);
  if (x < 0) t = -t;
  const float y = cubic(tail::kExp + (t >> 23 & 63), t & 0x7fffff);
  return std::ldexp(y, static_cast<int>(t >> 29) - 30);
}

float recip_of(float x) {
  if (x == 0 || std::isinf(x)) return 1 / x;
  const uint32_t fraction = to_bits(x) & 0x7fffff;
  const float y = cubic(tail::kRecip + (fraction >> 17), (fraction & 0x1ffff) << 6);
  return std::copysign(std::ldexp(y, -std::ilogb(x) - 30), x);
}

uint16_t to_bf16(float x) {
  const uint32_t bits = to_bits(x);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float from_bf16(uint16_t bits) {
  return from_bits(uint32_t{bits} << 16);
}

/// A unit with input FIFOs and one output.
class FunctionalTile::Unit {
 public:
  virtual ~Unit() = default;
  /// Does what it can; true if anything moved.
  virtual bool step() = 0;
  /// Something that is not finished, or nothing.
  virtual std::string unfinished() const = 0;

  /// Sends one packet if all sinks have room.
  bool flush(unsigned fifo_packets) {
    if (out.empty()) return false;
    for (const auto& sink : sinks) {
      if (sink.first->in[sink.second].size() >= fifo_packets) return false;
    }
    for (const auto& sink : sinks) sink.first->in[sink.second].push_back(out.front());
    out.pop_front();
    return true;
  }
  Packet take(unsigned input) {
    const Packet p = in[input].front();
    in[input].pop_front();
    return p;
  }

  std::string name;
  std::array<std::deque<Packet>, 4> in;
  std::deque<Packet> out;  ///< a few, before they leave
  std::vector<std::pair<Unit*, unsigned>> sinks;
};

class FunctionalTile::Agcu : public Unit {
 public:
  Agcu(const Words& w, uint64_t base, std::vector<uint8_t>* memory) : memory_base_(base), memory_(memory) {
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
    if (load_.row_bytes != 0 && !load_.rows.done() && out.empty() && has_index(&load_)) {
      Packet p{};
      move(&load_, [&](uint8_t* at, size_t n) { std::memcpy(p.data(), at, n); });
      out.push_back(p);
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

class FunctionalTile::Pmu : public Unit {
 public:
  explicit Pmu(const Words& w)
      : fills_(w.at(RDU_PMU_WRITE_FILLS(0))),
        buffers_(at(w, RDU_PMU_WRITE_BUFFERS(0))),
        size_(w.at(RDU_PMU_WRITE_BUFFER_SIZE(0))),
        bytes_(bytes(at(w, RDU_PMU_WRITE_SHAPE(0)))),
        lanes_(field(at(w, RDU_PMU_READ_SHAPE(0)), RDU_PMU_READ_SHAPE_LANES_MASK)),
        element_(1u << field(at(w, RDU_PMU_READ_SHAPE(0)), RDU_PMU_READ_SHAPE_ELEMENT_MASK)),
        stride_(static_cast<int32_t>(at(w, RDU_PMU_READ_LANE_STRIDE(0)))),
        memory_(size_t{buffers_} * size_, 0xee) {
    for (unsigned i = 0; i < RDU_PMU_WRITE_COUNT_ENTRIES; ++i) {
      write_.add(w.at(RDU_PMU_WRITE_COUNT(0, i)), w.at(RDU_PMU_WRITE_STRIDE(0, i)));
    }
    for (unsigned i = 0; i < RDU_PMU_READ_COUNT_ENTRIES; ++i) {
      read_.add(w.at(RDU_PMU_READ_COUNT(0, i)), w.at(RDU_PMU_READ_STRIDE(0, i)));
    }
  }
  bool step() override {
    bool moved = false;
    if (written_ < fills_ && written_ - passed_ < buffers_ && !in[0].empty()) {
      const Packet p = take(0);
      std::memcpy(&memory_.at(at(written_) + static_cast<size_t>(write_.offset())), p.data(), bytes_);
      write_.next();
      if (write_.done()) write_.restart(), ++written_;
      moved = true;
    }
    if (passed_ < written_ && out.empty()) {
      Packet p{};
      for (unsigned i = 0; i < lanes_; ++i) {
        const int64_t from = static_cast<int64_t>(at(passed_)) + read_.offset() + int64_t{stride_} * i;
        std::memcpy(p.data() + i * element_, &memory_.at(static_cast<size_t>(from)), element_);
      }
      out.push_back(p);
      read_.next();
      if (read_.done()) read_.restart(), ++passed_;
      moved = true;
    }
    return moved;
  }
  std::string unfinished() const override {
    return passed_ == fills_ ? "" : fmt::format("fill {} of {}", passed_, fills_);
  }

 private:
  static uint32_t at(const Words& w, uint32_t offset) {
    return w.at(offset, static_cast<uint32_t>(unit_register(RDU_UNIT_PMU, offset / 4)->reset));
  }
  static uint32_t bytes(uint32_t shape) {
    return field(shape, RDU_PMU_WRITE_SHAPE_LANES_MASK) << field(shape, RDU_PMU_WRITE_SHAPE_ELEMENT_MASK);
  }
  size_t at(uint32_t fill) const { return size_t{fill % buffers_} * size_; }

  uint32_t fills_, buffers_, size_, bytes_;
  unsigned lanes_, element_;
  int32_t stride_;
  std::vector<uint8_t> memory_;
  Counters write_, read_;
  uint32_t written_ = 0, passed_ = 0;
};

class FunctionalTile::MatrixPcu : public Unit {
 public:
  explicit MatrixPcu(const Words& w)
      : lanes_(field(w.at(RDU_PCU_PROGRAM_MODE(0)), RDU_PCU_PROGRAM_MODE_LANES_MASK)),
        bf16_(field(w.at(RDU_PCU_PROGRAM_OUT(0)), RDU_PCU_PROGRAM_OUT_FORMAT_MASK) ==
              RDU_PCU_PROGRAM_OUT_FORMAT_BF16),
        tiles_(w.at(RDU_PCU_PROGRAM_COUNT(0, 0))),
        k_(field(w.at(RDU_PCU_PROGRAM_MATRIX(0)), RDU_PCU_PROGRAM_MATRIX_K_MASK)),
        rows_(field(w.at(RDU_PCU_PROGRAM_MATRIX(0)), RDU_PCU_PROGRAM_MATRIX_ROWS_MASK)) {}
  bool step() override {
    if (done_ == tiles_ || !out.empty() || in[0].empty() || in[1].empty()) return false;
    const Packet lane_side = take(0);
    const Packet row_side = take(1);
    for (unsigned r = 0; r < rows_; ++r) {
      for (unsigned l = 0; l < lanes_; ++l) {
        sums_[r][l] = std::fma(bf16_lane(row_side, r), bf16_lane(lane_side, l), sums_[r][l]);
      }
    }
    if (++at_ < k_) return true;
    for (unsigned r = 0; r < rows_; ++r) send_vector(sums_[r], bf16_, &out);
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
  bool bf16_;
  uint32_t tiles_, k_;
  unsigned rows_;
  uint32_t at_ = 0, done_ = 0;
  std::array<Vector, 8> sums_{};
};

class FunctionalTile::SimdPcu : public Unit {
 public:
  explicit SimdPcu(const Words& w)
      : lanes_(field(w.at(RDU_PCU_PROGRAM_MODE(0)), RDU_PCU_PROGRAM_MODE_LANES_MASK)),
        bf16_(field(w.at(RDU_PCU_PROGRAM_OUT(0)), RDU_PCU_PROGRAM_OUT_FORMAT_MASK) ==
              RDU_PCU_PROGRAM_OUT_FORMAT_BF16),
        tail_(field(w.at(RDU_PCU_PROGRAM_MODE(0)), RDU_PCU_PROGRAM_MODE_TAIL_MASK)),
        vectors_(w.at(RDU_PCU_PROGRAM_COUNT(0, 0))) {
    for (unsigned i = 0; i < formats_.size(); ++i) {
      formats_[i] = field(w.at(RDU_PCU_INPUT(i)), RDU_PCU_INPUT_FORMAT_MASK);
    }
    for (unsigned i = 0; i < stages_.size(); ++i) {
      stages_[i] = w.at(RDU_PCU_STAGE(i));
      if (field(stages_[i], RDU_PCU_STAGE_OP_MASK) == RDU_PCU_STAGE_OP_NOP) continue;
      for (uint32_t mask : {RDU_PCU_STAGE_A_MASK, RDU_PCU_STAGE_B_MASK}) {
        const uint32_t operand = field(stages_[i], mask);
        if (operand >= RDU_PCU_STAGE_A_IN0 && operand <= RDU_PCU_STAGE_A_IN3) used_ |= 1u << (operand - 1);
      }
    }
    for (unsigned i = 0; i < constants_.size(); ++i) constants_[i] = from_bits(w.at(RDU_PCU_CONST(i)));
  }
  bool step() override {
    if (done_ == vectors_ || !out.empty()) return false;
    for (unsigned i = 0; i < 4; ++i) {
      if ((used_ >> i & 1) != 0 && in[i].size() < packets(i)) return false;
    }
    std::array<Vector, 4> inputs{};
    for (unsigned i = 0; i < 4; ++i) {
      if ((used_ >> i & 1) != 0) inputs[i] = receive(i);
    }
    std::array<Vector, 4> saved{};
    Vector prev{};
    for (uint32_t stage : stages_) {
      const uint32_t op = field(stage, RDU_PCU_STAGE_OP_MASK);
      if (op != RDU_PCU_STAGE_OP_NOP) {
        prev = operate(op, operand(field(stage, RDU_PCU_STAGE_A_MASK), inputs, saved, prev),
                       operand(field(stage, RDU_PCU_STAGE_B_MASK), inputs, saved, prev));
      }
      if ((stage & RDU_PCU_STAGE_SAVE_MASK) != 0) saved[field(stage, RDU_PCU_STAGE_REG_MASK)] = prev;
    }
    for (unsigned l = 0; l < RDU_LANES_MAX; ++l) {
      if (l >= lanes_) {
        prev[l] = 0;
      } else if (tail_ == RDU_PCU_PROGRAM_MODE_TAIL_EXP) {
        prev[l] = exp_of(prev[l]);
      } else if (tail_ == RDU_PCU_PROGRAM_MODE_TAIL_RECIP) {
        prev[l] = recip_of(prev[l]);
      }
    }
    send_vector(prev, bf16_, &out);
    ++done_;
    return true;
  }
  std::string unfinished() const override {
    return done_ == vectors_ ? "" : fmt::format("vector {} of {}", done_, vectors_);
  }

 private:
  bool is_bf16(unsigned input) const { return formats_[input] == RDU_PCU_INPUT_FORMAT_BF16; }
  size_t packets(unsigned input) const { return is_bf16(input) ? 1 : 2; }
  Vector receive(unsigned input) {
    Vector v;
    const Packet first = take(input);
    if (is_bf16(input)) {
      for (unsigned l = 0; l < v.size(); ++l) v[l] = bf16_lane(first, l);
      return v;
    }
    const Packet second = take(input);
    std::memcpy(v.data(), first.data(), first.size());
    std::memcpy(v.data() + kHalfLanes, second.data(), second.size());
    return v;
  }
  Vector operand(uint32_t code, const std::array<Vector, 4>& inputs, const std::array<Vector, 4>& saved,
                 const Vector& prev) const {
    if (code == RDU_PCU_STAGE_A_PREV) return prev;
    if (code <= RDU_PCU_STAGE_A_IN3) return inputs[code - RDU_PCU_STAGE_A_IN0];
    if (code >= RDU_PCU_STAGE_A_REG0) return saved[code - RDU_PCU_STAGE_A_REG0];
    Vector v;
    v.fill(constants_.at(code - RDU_PCU_STAGE_A_CONST0));
    return v;
  }
  Vector operate(uint32_t op, const Vector& a, const Vector& b) const {
    Vector result;
    if (op == RDU_PCU_STAGE_OP_FRED_SUM) {
      Vector x = a;
      for (unsigned l = lanes_; l < x.size(); ++l) x[l] = 0;
      for (size_t half = x.size() / 2; half >= 1; half /= 2) {
        for (size_t i = 0; i < half; ++i) x[i] = x[i] + x[i + half];
      }
      result.fill(x[0]);
      return result;
    }
    if (op == RDU_PCU_STAGE_OP_FRED_MAX) {
      float most = a[0];
      for (unsigned l = 1; l < lanes_; ++l) most = std::max(most, a[l]);
      result.fill(most);
      return result;
    }
    for (unsigned l = 0; l < result.size(); ++l) {
      switch (op) {
        case RDU_PCU_STAGE_OP_MOV:
          result[l] = a[l];
          break;
        case RDU_PCU_STAGE_OP_FADD:
          result[l] = a[l] + b[l];
          break;
        case RDU_PCU_STAGE_OP_FSUB:
          result[l] = a[l] - b[l];
          break;
        case RDU_PCU_STAGE_OP_FMUL:
          result[l] = a[l] * b[l];
          break;
        case RDU_PCU_STAGE_OP_FMAX:
          result[l] = a[l] > b[l] ? a[l] : b[l];
          break;
        case RDU_PCU_STAGE_OP_FMIN:
          result[l] = a[l] < b[l] ? a[l] : b[l];
          break;
        default:
          throw Error(fmt::format("{}: operation {}", name, op));
      }
    }
    return result;
  }

  unsigned lanes_;
  bool bf16_;
  uint32_t tail_, vectors_;
  std::array<uint32_t, RDU_PCU_INPUT_COUNT> formats_{};
  std::array<uint32_t, RDU_PCU_STAGE_COUNT> stages_{};
  std::array<float, RDU_PCU_CONST_COUNT> constants_{};
  unsigned used_ = 0;
  uint32_t done_ = 0;
};

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
      by_id.at(route.source)->sinks.emplace_back(by_id.at(sink.unit), sink.input);
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
