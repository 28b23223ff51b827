#include "compiler/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>
#include <utility>

namespace rdu::compiler {
namespace {

constexpr uint32_t kMaxRowBytes = 65536;  // AGCU rows
constexpr unsigned kAgcuCounters = 6;
constexpr unsigned kWriteCounters = 4;
constexpr unsigned kReadCounters = 6;
constexpr unsigned kMaxBuffers = 16;
constexpr unsigned kPipelines = 2;  // of a kind, in a PMU
constexpr unsigned kPipelineBuffers = 31;
constexpr unsigned kPipelineCounters = 6;
constexpr unsigned kPmuInputs = 4;
constexpr unsigned kIndicesOfPacket = RDU_VECTOR_BYTES / 4;
constexpr uint64_t kSequenceIds = 65536;
constexpr unsigned kMaxStages = 8;  // that the encoding has; a chip may have fewer
constexpr unsigned kCounters = 6;
constexpr unsigned kPredicates = 3;
constexpr uint32_t kMaxK = (1u << 24) - 1;
constexpr unsigned kSamples = 24;  // values of an argument with which the whole graph is checked

using Wide = __int128;  // products of counts and strides cannot overflow it

uint64_t checked_add(uint64_t a, uint64_t b) {
  uint64_t result;
  if (__builtin_add_overflow(a, b, &result)) throw Error(fmt::format("{} + {} is too large", a, b));
  return result;
}

uint64_t checked_multiply(uint64_t a, uint64_t b) {
  uint64_t result;
  if (__builtin_mul_overflow(a, b, &result)) throw Error(fmt::format("{} * {} is too large", a, b));
  return result;
}

template <class... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overload(Cases...) -> Overload<Cases...>;

/// Index of an input operand, or -1.
int input_of(Operand operand) {
  const int code = static_cast<int>(operand);
  return code >= static_cast<int>(Operand::in0) && code <= static_cast<int>(Operand::in3)
             ? code - static_cast<int>(Operand::in0)
             : -1;
}

int register_of(Operand operand) {
  const int code = static_cast<int>(operand);
  return code >= static_cast<int>(Operand::reg0) && code <= static_cast<int>(Operand::reg3)
             ? code - static_cast<int>(Operand::reg0)
             : -1;
}

/// Counter of an operand, or -1.
int counter_of(Operand operand) {
  const int code = static_cast<int>(operand);
  return code >= static_cast<int>(Operand::count0) ? code - static_cast<int>(Operand::count0) : -1;
}

/// The operands that a stage reads.
std::vector<Operand> operands_of(const Stage& s) {
  std::vector<Operand> list{s.a, s.b, s.c};
  list.resize(operands_of(s.op));
  if (list.size() == 2 && !s.replace_b.is_never()) list.push_back(s.c);
  return list;
}

bool is_integer(Format format) {
  return format == Format::int32 || format == Format::int8;
}

// --- one unit
// --------------------------------------------------------------------------------------------------------

/// Checks one unit by itself; throws Error with `who` in front.
class UnitCheck {
 public:
  explicit UnitCheck(std::string who) : who_(std::move(who)) {}

  void operator()(const Load& u) const { agcu(u); }
  void operator()(const Store& u) const {
    agcu(u);
    if (u.op == MemoryOp::write) return;
    const auto words = [&](const char* what, int64_t bytes) {
      if (bytes % 4 != 0)
        fail(fmt::format("{} is {}, but atomic writes are of words of 4 bytes", what, bytes));
    };
    words("bytes of a row", u.row_bytes);
    if (u.base.is_constant()) words("the address", static_cast<int64_t>(u.base.at(0)));
    for (const Counter& c : u.rows) words("a stride", c.stride);
    words("the stride of an index", u.index_stride);
  }

  void operator()(const Scratchpad& u) const {
    number("buffers", u.buffers, 1, kMaxBuffers);
    if (u.buffer_size == 0) fail("the buffer size is zero");
    number("bytes written of a packet", u.write_bytes, 1, RDU_VECTOR_BYTES);
    counters("write", u.write, kWriteCounters);
    counters("read", u.read, kReadCounters);
    const unsigned size = bytes_of(u.element);
    number("lanes", u.lanes, 1, RDU_VECTOR_BYTES / size);
    stride("lane", u.lane_stride);
    const auto aligned = [&](const char* what, int64_t bytes) {
      if (bytes % size != 0) {
        fail(fmt::format("{} stride {} is not a multiple of the element size {}", what, bytes, size));
      }
    };
    aligned("lane", u.lane_stride);
    for (const Counter& c : u.read) aligned("read", c.stride);
    aligned("buffer", u.buffer_size);
    number("bank shift", u.bank_shift, 0, 31);
    number("bank skew", u.bank_skew, 0, 31);
  }

  void operator()(const PatternMemory& u) const {
    if (u.writers.empty() && u.readers.empty()) fail("it has no pipelines");
    number("write pipelines", u.writers.size(), 0, kPipelines);
    number("read pipelines", u.readers.size(), 0, kPipelines);
    number("bank shift", u.bank_shift, 0, 31);
    number("bank skew", u.bank_skew, 0, 31);
    unsigned inputs = 0;
    const auto use = [&](unsigned input) {
      number("an input", input, 0, kPmuInputs - 1);
      if (inputs >> input & 1) fail(fmt::format("input {} has two uses", input));
      inputs |= 1u << input;
    };
    unsigned given = 0, waited = 0;
    const auto pipeline = [&](const char* kind, size_t n, const Access& a) {
      const UnitCheck check(fmt::format("{}, {} pipeline {}", who_, kind, n));
      check.access(a);
      if (a.address == Access::Address::index) use(a.index_input);
      if ((given & a.give) != 0) check.fail("it gives a token that another pipeline gives, too");
      if ((waited & a.wait) != 0) check.fail("it waits for a token that another pipeline waits for, too");
      given |= a.give;
      waited |= a.wait;
      return check;
    };
    for (size_t n = 0; n < u.writers.size(); ++n) {
      const Writer& w = u.writers[n];
      const UnitCheck check = pipeline("write", n, w);
      use(w.input);
      if (w.address == Access::Address::scalar) check.fail("only read pipelines take scalars");
      if (w.range == Access::Range::zero) check.fail("only read pipelines give zeros outside their range");
      if (w.address == Access::Address::sequence && (!w.when.is_always() || moves(w))) {
        check.fail("with addresses from sequence ids it has neither a predicate nor strides");
      }
    }
    for (size_t n = 0; n < u.readers.size(); ++n) {
      const Reader& r = u.readers[n];
      const UnitCheck check = pipeline("read", n, r);
      if (r.address == Access::Address::sequence) check.fail("only write pipelines take sequence ids");
      if (r.address == Access::Address::scalar) check.fail("scalars have no form in a graph yet");
      if (r.address == Access::Address::index && r.range != Access::Range::zero) {
        check.fail("a gather gives zeros outside its range");
      }
    }
    const unsigned lost = given & ~waited, missing = waited & ~given;
    if (lost != 0) fail(fmt::format("no pipeline waits for token {}, which one gives", __builtin_ctz(lost)));
    if (missing != 0) {
      fail(fmt::format("no pipeline gives token {}, which one waits for", __builtin_ctz(missing)));
    }
  }

  void operator()(const Matrix& u) const {
    number("k", u.k, 1, kMaxK);
    number("rows", u.rows, 1, kMaxStages);
    number("lanes", u.lanes, 1, RDU_LANES_MAX);
    if (is_integer(u.out) != u.int8) fail("int8 products leave as int32 or int8, the others as fp32 or bf16");
  }

  void operator()(const Simd& u) const {
    number("lanes", u.lanes, 1, RDU_LANES_MAX);
    if (u.stages.empty()) fail("it has no stages");
    number("stages", u.stages.size(), 1, kMaxStages);
    if (u.inner.size() >= kCounters)
      fail(fmt::format("{} inner counters, there are {}", u.inner.size(), kCounters - 1));
    for (const uint32_t n : u.inner) number("an inner counter", n, 1, UINT32_MAX);
    std::set<int> saved;
    bool crosses = false;
    bool rounds = u.out == Format::bf16_sr;
    for (size_t i = 0; i < u.stages.size(); ++i) {
      const Stage& s = u.stages[i];
      if (s.op == Op::nop && i == 0) fail("stage 0 passes on a result, but there is none yet");
      if (s.save < -1 || s.save > 3) fail(fmt::format("stage {} saves in register {}", i, s.save));
      if (s.op == Op::nop && s.save >= 0) fail(fmt::format("stage {} is a nop and has nothing to save", i));
      if (s.save >= 0 && !saved.insert(s.save).second) {
        fail(fmt::format("stage {} saves in register {}, as an earlier one does", i, s.save));
      }
      for (const Operand o : operands_of(s)) operand(i, o, saved, u);
      predicate(fmt::format("stage {}", i), s.when, u);
      if (!s.replace_b.is_never()) {
        if (s.replace_b.is_always())
          fail(fmt::format("stage {} always replaces B; let it read C instead", i));
        if (operands_of(s.op) < 2) fail(fmt::format("stage {} has no operand B to replace", i));
        predicate(fmt::format("stage {}", i), s.replace_b, u);
      }
      if (crosses_lanes(s.op)) {
        if (std::exchange(crosses, true))
          fail("more than one stage has a cross-lane operation; the unit has one network");
        for (const Operand o : operands_of(s)) {
          if (s.save >= 0 && register_of(o) == s.save) {
            fail(fmt::format("stage {} has a cross-lane operation and reads the register that it saves", i));
          }
        }
      }
      if (s.op == Op::srbf16 && std::exchange(rounds, true)) {
        fail("it rounds stochastically in two places; it has one generator");
      }
    }
    if (inputs_of(u) == 0) fail("its stages read no input, so nothing would make it fire");
    for (unsigned i = 0; i < u.in.size(); ++i) {
      if (u.in[i] == Format::bf16_sr) fail(fmt::format("input {} cannot be rounded; its format is bf16", i));
      predicate(fmt::format("input {}", i), u.take[i], u);
    }
    predicate("its output", u.send, u);
    if (predicates_of(u).size() > kPredicates) {
      fail(fmt::format("{} different predicates, there are {}", predicates_of(u).size(), kPredicates));
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(who_ + ": " + what); }

  void number(const char* what, uint64_t value, uint64_t low, uint64_t high) const {
    if (value < low || value > high) {
      fail(fmt::format("{} is {}, it must be {} to {}", what, value, low, high));
    }
  }
  void stride(const char* what, int64_t bytes) const {
    if (bytes < INT32_MIN || bytes > INT32_MAX) {
      fail(fmt::format("{} stride {} does not fit 32 bits", what, bytes));
    }
  }
  void counters(const char* what, const std::vector<Counter>& list, size_t most) const {
    if (list.size() > most) fail(fmt::format("{} {} counters, there are {}", list.size(), what, most));
    for (const Counter& c : list) {
      stride(what, c.stride);
      if (c.count.is_constant()) number(what, c.count.at(0), 1, UINT32_MAX);
    }
  }
  static bool moves(const Access& a) {
    return std::any_of(a.counters.begin(), a.counters.end(), [](const Counter& c) {
      return c.stride != 0 && !(c.count.is_constant() && c.count.at(0) == 1);
    });
  }
  /// What write and read pipelines of a PMU have in common.
  void access(const Access& a) const {
    number("buffers", a.buffers, 1, kPipelineBuffers);
    if (a.buffers > 1 && a.buffer_size == 0) fail("the buffer size is zero");
    counters("nested", a.counters, kPipelineCounters);
    const unsigned size = bytes_of(a.element);
    number("lanes", a.lanes, 1, RDU_VECTOR_BYTES / size);
    stride("lane", a.lane_stride);
    stride("index", a.index_stride);
    const auto aligned = [&](const char* what, int64_t bytes) {
      if (bytes % size != 0)
        fail(fmt::format("{} {} is not a multiple of the element size {}", what, bytes, size));
    };
    aligned("the base", a.base);
    if (a.lanes > 1) aligned("the lane stride", a.lane_stride);
    if (a.buffers > 1) aligned("the buffer size", a.buffer_size);
    for (const Counter& c : a.counters) aligned("a stride", c.stride);
    if (a.address != Access::Address::counters) {
      aligned("the index stride", a.index_stride);
      if (a.range == Access::Range::off) fail("addresses that depend on data need a range");
    }
    if (a.range != Access::Range::off && a.low >= a.high) {
      fail(fmt::format("the range from {} to {} is empty", a.low, a.high));
    }
    const Predicate& p = a.when;
    if (p.kind == Predicate::Kind::first || p.kind == Predicate::Kind::last) {
      fail("a pipeline knows the predicates equal and less only");
    }
    if (p.is_never()) fail("no access would be done");
    if (p.kind != Predicate::Kind::always && p.level >= kPipelineCounters) {
      fail(fmt::format("its predicate looks at counter {}, there are {}", p.level, kPipelineCounters));
    }
  }
  template <class Generator>
  void agcu(const Generator& u) const {
    number("bytes of a row", u.row_bytes, 1, kMaxRowBytes);
    counters("row", u.rows, kAgcuCounters);
    stride("index", u.index_stride);
  }
  void predicate(const std::string& user, const Predicate& p, const Simd& u) const {
    if (p.kind == Predicate::Kind::always) return;
    if (p.level > u.inner.size()) {
      fail(fmt::format("{} looks at counter {}, but there are {}", user, p.level, u.inner.size() + 1));
    }
    if (p.value >= 1u << 24)
      fail(fmt::format("{} compares a counter with {}, that is 2^24 or more", user, p.value));
  }
  void operand(size_t stage, Operand operand, const std::set<int>& saved, const Simd& u) const {
    if (operand == Operand::prev && stage == 0)
      fail("stage 0 reads the stage before it, which does not exist");
    const int reg = register_of(operand);
    if (reg >= 0 && saved.count(reg) == 0) {
      fail(fmt::format("stage {} reads register {}, which no earlier stage saves", stage, reg));
    }
    const int counter = counter_of(operand);
    if (counter > static_cast<int>(u.inner.size())) {
      fail(fmt::format("stage {} reads counter {}, but there are {}", stage, counter, u.inner.size() + 1));
    }
  }

  std::string who_;
};

// --- how many packets
// ------------------------------------------------------------------------------------------------

/// Values of all arguments in one check.
class Sample {
 public:
  Sample(const std::vector<Argument>& arguments, unsigned index) {
    for (const Argument& a : arguments) {
      const uint64_t low = checked_add(a.minimum, a.multiple - 1) / a.multiple * a.multiple;
      const uint64_t high = a.maximum / a.multiple * a.multiple;
      const uint64_t step = checked_multiply(a.multiple, index);
      values_.push_back(high - low > step ? low + step : high);
    }
  }
  uint64_t operator()(const Value& v) const {
    return v.at(v.is_constant() ? 0 : values_[static_cast<size_t>(v.argument())]);
  }
  uint64_t argument(size_t index) const { return values_[index]; }
  uint64_t product(const std::vector<Counter>& counters) const {
    uint64_t n = 1;
    for (const Counter& c : counters) n = checked_multiply(n, (*this)(c.count));
    return n;
  }

 private:
  std::vector<uint64_t> values_;
};

uint64_t packets_of(Format format) {
  return format == Format::fp32 || format == Format::int32 ? 2 : 1;
}

/// In how many iterations of nested counters the predicate holds.
uint64_t iterations_of(const std::vector<uint64_t>& counts, const Predicate& p) {
  uint64_t all = 1;
  for (const uint64_t n : counts) all = checked_multiply(all, n);
  uint64_t held = all;
  switch (p.kind) {
    case Predicate::Kind::always:
      break;
    case Predicate::Kind::first:
    case Predicate::Kind::last:
      for (unsigned l = 0; l <= p.level; ++l) held /= std::max<uint64_t>(counts[l], 1);
      break;
    case Predicate::Kind::equal:
      if (p.level >= counts.size()) return (p.value == 0) != p.negated ? all : 0;  // a counter of one
      held = p.value < counts[p.level] ? all / counts[p.level] : 0;
      break;
    case Predicate::Kind::less:
      if (p.level >= counts.size()) return (p.value > 0) != p.negated ? all : 0;
      held = all / std::max<uint64_t>(counts[p.level], 1) * std::min<uint64_t>(p.value, counts[p.level]);
      break;
  }
  return p.negated ? all - held : held;
}

uint64_t firings_of(const Simd& u, const Predicate& p, const Sample& at) {
  std::vector<uint64_t> counts(u.inner.begin(), u.inner.end());
  counts.push_back(at(u.vectors));
  return iterations_of(counts, p);
}

/// Accesses of a fill that are done, by predicate and range.
uint64_t accesses_done(const Access& a, const Sample& at) {
  std::vector<uint64_t> counts;
  for (const Counter& c : a.counters) counts.push_back(at(c.count));
  if (a.range != Access::Range::drop || a.address != Access::Address::counters) {
    return iterations_of(counts, a.when);
  }
  // One by one over the counters that matter, times the others.
  const bool chooses = a.when.kind != Predicate::Kind::always;
  uint64_t times = 1;
  for (size_t l = 0; l < counts.size(); ++l) {
    const bool matters = a.counters[l].stride != 0 || (chooses && l == a.when.level);
    if (!matters) times = checked_multiply(times, std::exchange(counts[l], 1));
  }
  std::vector<uint64_t> i(counts.size());
  uint64_t done = 0;
  while (true) {
    Wide offset = 0;
    for (size_t l = 0; l < i.size(); ++l) offset += static_cast<Wide>(i[l]) * a.counters[l].stride;
    const uint64_t counter = chooses && a.when.level < i.size() ? i[a.when.level] : 0;
    const bool holds =
        !chooses || (a.when.kind == Predicate::Kind::equal ? counter == a.when.value
                                                           : counter < a.when.value) != a.when.negated;
    done += holds && a.low <= offset && offset < a.high;
    size_t l = 0;
    while (l < i.size() && ++i[l] == counts[l]) i[l++] = 0;
    if (l == i.size()) return checked_multiply(done, times);
  }
}

uint64_t packets_of_row(uint32_t bytes) {
  return (bytes + RDU_VECTOR_BYTES - 1) / RDU_VECTOR_BYTES;
}

uint64_t packets_of_indices(uint64_t rows) {
  return rows / kIndicesOfPacket + (rows % kIndicesOfPacket != 0 ? 1 : 0);
}

uint64_t packets_sent(const UnitKind& kind, unsigned output, const Sample& at) {
  return std::visit(
      Overload{
          [&](const Load& u) { return checked_multiply(packets_of_row(u.row_bytes), at.product(u.rows)); },
          [&](const Store&) { return uint64_t{0}; },
          [&](const Scratchpad& u) { return checked_multiply(at(u.fills), at.product(u.read)); },
          [&](const PatternMemory& u) {
            const Reader& r = u.readers[output];
            return checked_multiply(at(r.fills), accesses_done(r, at));
          },
          [&](const Matrix& u) { return checked_multiply(at(u.tiles), u.rows * packets_of(u.out)); },
          [&](const Simd& u) { return checked_multiply(firings_of(u, u.send, at), packets_of(u.out)); }},
      kind);
}

uint64_t packets_taken(const UnitKind& kind, unsigned input, const Sample& at) {
  return std::visit(
      Overload{[&](const Load& u) { return packets_of_indices(at.product(u.rows)); },
               [&](const Store& u) {
                 const uint64_t rows = at.product(u.rows);
                 return input == 0 ? checked_multiply(packets_of_row(u.row_bytes), rows)
                                   : packets_of_indices(rows);
               },
               [&](const Scratchpad& u) { return checked_multiply(at(u.fills), at.product(u.write)); },
               [&](const PatternMemory& u) {
                 const auto accesses = [&](const Access& a) {
                   return checked_multiply(at(a.fills), at.product(a.counters));
                 };
                 const auto indices = [&](const Access& a) {
                   return a.address == Access::Address::index && a.index_input == input
                              ? checked_multiply(accesses(a), packets_of_indices(a.lanes))
                              : 0;
                 };
                 uint64_t taken = 0;
                 for (const Writer& w : u.writers) taken += w.input == input ? accesses(w) : indices(w);
                 for (const Reader& r : u.readers) taken += indices(r);
                 return taken;
               },
               [&](const Matrix& u) { return checked_multiply(at(u.tiles), u.k); },
               [&](const Simd& u) {
                 return checked_multiply(firings_of(u, u.take[input], at), packets_of(u.in[input]));
               }},
      kind);
}

template <class Visit>
void for_each_access(const PatternMemory& u, Visit visit) {
  for (const Writer& w : u.writers) visit(static_cast<const Access&>(w));
  for (const Reader& r : u.readers) visit(static_cast<const Access&>(r));
}

/// Every count that the unit takes from an argument must be at least one: hardware reads a count of zero as
/// one.
void check_counts(const std::string& who, const UnitKind& kind, const Sample& at) {
  const auto positive = [&](const Value& v, const char* what) {
    const uint64_t n = at(v);
    if (n == 0) throw Error(fmt::format("{}: {} can become zero", who, what));
    if (n > UINT32_MAX) throw Error(fmt::format("{}: {} can become {}", who, what, n));
  };
  const auto all = [&](const std::vector<Counter>& counters, const char* what) {
    for (const Counter& c : counters) positive(c.count, what);
  };
  std::visit(Overload{[&](const Load& u) { all(u.rows, "a row count"); },
                      [&](const Store& u) { all(u.rows, "a row count"); },
                      [&](const Scratchpad& u) {
                        positive(u.fills, "the number of fills");
                        all(u.write, "a write count");
                        all(u.read, "a read count");
                      },
                      [&](const PatternMemory& u) {
                        for_each_access(u, [&](const Access& a) {
                          positive(a.fills, "the number of fills");
                          all(a.counters, "a count");
                        });
                      },
                      [&](const Matrix& u) { positive(u.tiles, "the number of tiles"); },
                      [&](const Simd& u) { positive(u.vectors, "the number of vectors"); }},
             kind);
}

// --- scratchpad addresses
// --------------------------------------------------------------------------------------------

/// Calls visit(address) for every address that the counters make; counters that do not move it are left out.
template <class Visit>
void each_address(const std::vector<Counter>& counters, const Sample& at, Visit visit, size_t level = 0,
                  int64_t address = 0) {
  if (level == counters.size()) {
    visit(address);
    return;
  }
  const Counter& c = counters[level];
  const uint64_t count = c.stride == 0 ? 1 : at(c.count);
  for (uint64_t i = 0; i < count; ++i) {
    each_address(counters, at, visit, level + 1, address + static_cast<int64_t>(i) * c.stride);
  }
}

/// Lowest and highest address, `extra` bytes from its lowest to its highest further byte.
void check_extent(const std::string& who, const char* what, const std::vector<Counter>& counters,
                  const Sample& at, Wide low, Wide high, uint32_t size) {
  for (const Counter& c : counters) {
    const Wide reach = static_cast<Wide>(at(c.count) - 1) * c.stride;
    (reach < 0 ? low : high) += reach;
  }
  if (low < 0 || high >= size) {
    throw Error(fmt::format("{}: {} addresses go from {} to {}, its buffer has {} bytes", who, what,
                            static_cast<int64_t>(low), static_cast<int64_t>(high), size));
  }
}

void check_addresses(const std::string& who, const Scratchpad& u, const Sample& at) {
  const int64_t element = bytes_of(u.element);
  const int64_t last_lane = u.lane_stride * static_cast<int64_t>(u.lanes - 1);
  check_extent(who, "write", u.write, at, 0, u.write_bytes - 1, u.buffer_size);
  check_extent(who, "read", u.read, at, std::min<int64_t>(last_lane, 0),
               std::max<int64_t>(last_lane, 0) + element - 1, u.buffer_size);
  std::vector<bool> written(u.buffer_size);
  each_address(u.write, at,
               [&](int64_t address) { std::fill_n(written.begin() + address, u.write_bytes, true); });
  each_address(u.read, at, [&](int64_t address) {
    for (unsigned lane = 0; lane < u.lanes; ++lane) {
      const int64_t first = address + lane * u.lane_stride;
      for (int64_t byte = first; byte < first + element; ++byte) {
        if (written[static_cast<size_t>(byte)]) continue;
        throw Error(fmt::format("{}: byte {} of a buffer is read but never written", who, byte));
      }
    }
  });
}

/// What a pipeline may touch: from the first byte to behind the last one.
std::pair<Wide, Wide> extent(const Access& a, const Sample& at) {
  Wide low = 0, high = 0;
  if (a.address == Access::Address::counters) {
    for (const Counter& c : a.counters) {
      const Wide reach = static_cast<Wide>(at(c.count) - 1) * c.stride;
      (reach < 0 ? low : high) += reach;
    }
    if (a.range != Access::Range::off) {
      low = std::max<Wide>(low, a.low);
      high = std::min<Wide>(high, a.high - 1);
    }
  } else {
    low = a.low;
    high = a.high - 1;
  }
  if (a.address != Access::Address::index) {
    const int64_t last_lane = a.lane_stride * static_cast<int64_t>(a.lanes - 1);
    (last_lane < 0 ? low : high) += last_lane;
  }
  high += static_cast<Wide>(a.buffers - 1) * a.buffer_size;
  return {a.base + low, a.base + high + bytes_of(a.element)};
}

// --- sequence ids
// ----------------------------------------------------------------------------------------------------

struct Numbered {
  std::string unit;
  Sequence sequence;
  uint64_t packets;
};

/// Several streams at one input: no two packets have the same id, and with `joined` every id comes.
void check_sequences(const std::string& where, const std::vector<Numbered>& streams, bool joined) {
  uint64_t total = 0;
  for (size_t i = 0; i < streams.size(); ++i) {
    total += streams[i].packets;
    for (size_t j = 0; j < i; ++j) {
      const Sequence &a = streams[i].sequence, &b = streams[j].sequence;
      const uint64_t apart = std::gcd(std::gcd(uint64_t{a.step}, uint64_t{b.step}), kSequenceIds);
      if (a.first % apart != b.first % apart) continue;
      throw Error(fmt::format("{}: packets of '{}' and '{}' may have the same sequence id", where,
                              streams[j].unit, streams[i].unit));
    }
  }
  if (!joined) return;
  // Ids differ, so if none is too large all come.
  for (const Numbered& s : streams) {
    const uint64_t last = s.sequence.first + checked_multiply(s.packets - 1, s.sequence.step);
    if (s.packets == 0 || last < total) continue;
    throw Error(
        fmt::format("{}: '{}' numbers its packets up to {}, but there are {} in all, so some id never comes",
                    where, s.unit, last, total));
  }
}

}  // namespace

// --- Value
// -----------------------------------------------------------------------------------------------------------

uint64_t Value::at(uint64_t argument) const {
  uint64_t result;
  if (!fixup_.apply(is_constant() ? 0 : argument, &result)) {
    throw Error(fmt::format("a number that follows from argument value {} is too large", argument));
  }
  return result;
}

Value operator+(Value v, uint64_t n) {
  v.fixup_.offset = checked_add(v.fixup_.offset, n);
  return v;
}

Value operator*(Value v, uint64_t n) {
  v.fixup_.scale = checked_multiply(v.fixup_.scale, n);
  v.fixup_.offset = checked_multiply(v.fixup_.offset, n);
  return v;
}

Value operator/(Value v, uint64_t n) {
  if (n == 0) throw Error("division by zero");
  Fixup& f = v.fixup_;
  if (v.is_constant()) {
    f.offset /= n;
  } else if (f.divide == 1) {  // (x s + o) / n
    f.multiply = checked_multiply(f.multiply, f.scale);
    f.add = checked_add(checked_multiply(f.add, f.scale), f.offset);
    f.divide = n, f.scale = 1, f.offset = 0;
  } else if (f.scale == 1) {  // (x / d + o) / n = (x + o d) / (d n), both rounded down
    f.add = checked_add(f.add, checked_multiply(f.offset, f.divide));
    f.divide = checked_multiply(f.divide, n), f.offset = 0;
  } else if (f.scale % n == 0 && f.offset % n == 0) {
    f.scale /= n, f.offset /= n;
  } else {
    throw Error(fmt::format("a quotient that was multiplied by {} cannot be divided by {}", f.scale, n));
  }
  return v;
}

// --- operations
// ---------------------------------------------------------------------------------------------------------

unsigned operands_of(Op op) {
  switch (op) {
    case Op::nop:
      return 0;
    case Op::fmadd:
    case Op::fnmadd:
    case Op::sel:
      return 3;
    case Op::mov:
    case Op::fabs:
    case Op::fneg:
    case Op::iabs:
    case Op::ineg:
    case Op::bit_not:
      return 1;
    case Op::bcast:
    case Op::up:
    case Op::down:
      return 2;
    default:
      return op >= Op::i2f ? 1 : 2;
  }
}

bool crosses_lanes(Op op) {
  return op >= Op::fred_sum;
}

unsigned bytes_of(Element element) {
  switch (element) {
    case Element::byte:
      return 1;
    case Element::half:
      return 2;
    case Element::word:
      return 4;
  }
  return 0;
}

PatternMemory in_full(const Scratchpad& pad) {
  constexpr uint8_t kFree = 1, kFull = 2;
  Writer w;
  w.fills = pad.fills;
  w.buffers = pad.buffers;
  w.buffer_size = pad.buffer_size;
  w.lanes = pad.write_bytes;
  w.element = Element::byte;
  w.lane_stride = 1;
  w.counters = pad.write;
  w.wait = kFree;
  w.give = kFull;
  Reader r;
  r.fills = pad.fills;
  r.buffers = pad.buffers;
  r.buffer_size = pad.buffer_size;
  r.lanes = pad.lanes;
  r.element = pad.element;
  r.lane_stride = pad.lane_stride;
  r.counters = pad.read;
  r.wait = kFull;
  r.give = kFree;
  r.sequence = pad.sequence;
  PatternMemory memory;
  memory.writers = {w};
  memory.readers = {r};
  memory.tokens[0] = static_cast<uint8_t>(pad.buffers);
  memory.bank_shift = pad.bank_shift;
  memory.bank_skew = pad.bank_skew;
  return memory;
}

Constant::Constant(float value) {
  std::memcpy(&bits, &value, sizeof bits);
}

std::vector<Predicate> predicates_of(const Simd& u) {
  std::vector<Predicate> list;
  const auto add = [&](const Predicate& p) {
    if (!p.is_always() && std::find(list.begin(), list.end(), p) == list.end()) list.push_back(p);
  };
  for (const Stage& s : u.stages) {
    if (s.op == Op::nop) continue;
    add(s.when);
    if (!s.replace_b.is_never()) add(s.replace_b);
  }
  for (unsigned i = 0; i < u.take.size(); ++i) {
    if (inputs_of(u) >> i & 1) add(u.take[i]);
  }
  add(u.send);
  return list;
}

// --- properties of units
// ---------------------------------------------------------------------------------------------

unsigned inputs_of(const UnitKind& kind) {
  return std::visit(
      Overload{[](const Load& u) { return u.indexed ? 2u : 0u; },
               [](const Store& u) { return u.indexed ? 3u : 1u; }, [](const Scratchpad&) { return 1u; },
               [](const PatternMemory& u) {
                 unsigned inputs = 0;
                 for (const Writer& w : u.writers) inputs |= 1u << w.input;
                 for_each_access(u, [&](const Access& a) {
                   if (a.address == Access::Address::index) inputs |= 1u << a.index_input;
                 });
                 return inputs;
               },
               [](const Matrix&) { return 3u; },
               [](const Simd& u) {
                 unsigned inputs = 0;
                 const auto add = [&](Operand operand) {
                   if (input_of(operand) >= 0) inputs |= 1u << input_of(operand);
                 };
                 for (const Stage& s : u.stages) {
                   for (const Operand operand : operands_of(s)) add(operand);
                 }
                 return inputs;
               }},
      kind);
}

unsigned outputs_of(const UnitKind& kind) {
  if (const auto* memory = std::get_if<PatternMemory>(&kind)) return (1u << memory->readers.size()) - 1;
  return std::holds_alternative<Store>(kind) ? 0 : 1;
}

std::optional<Sequence> sequence_of(const UnitKind& kind, unsigned output) {
  return std::visit(Overload{[](const Store&) { return std::optional<Sequence>(); },
                             [&](const PatternMemory& u) { return u.readers.at(output).sequence; },
                             [](const auto& u) { return u.sequence; }},
                    kind);
}

bool takes_by_sequence(const UnitKind& kind, unsigned input) {
  const auto* memory = std::get_if<PatternMemory>(&kind);
  return memory != nullptr &&
         std::any_of(memory->writers.begin(), memory->writers.end(), [&](const Writer& w) {
           return w.input == input && w.address == Access::Address::sequence;
         });
}

Role role_of(const UnitKind& kind) {
  return std::visit(
      Overload{[](const Load&) { return Role::load; }, [](const Store&) { return Role::store; },
               [](const Scratchpad&) { return Role::pmu; }, [](const PatternMemory&) { return Role::pmu; },
               [](const Matrix&) { return Role::pcu; }, [](const Simd&) { return Role::pcu; }},
      kind);
}

// --- Graph
// -----------------------------------------------------------------------------------------------------------

uint64_t Graph::scratchpad_bytes(const UnitDescription& unit) const {
  if (const auto* pad = std::get_if<Scratchpad>(&unit.kind)) return uint64_t{pad->buffers} * pad->buffer_size;
  Wide most = 0;
  if (const auto* memory = std::get_if<PatternMemory>(&unit.kind)) {
    const Sample at(arguments_, kSamples - 1);
    for_each_access(*memory, [&](const Access& a) {
      const auto [low, high] = extent(a, at);
      if (low < 0) {
        throw Error(fmt::format("unit '{}': a pipeline goes {} bytes below the scratchpad", unit.name,
                                static_cast<int64_t>(-low)));
      }
      most = std::max(most, high);
    });
  }
  return static_cast<uint64_t>(most);
}

Graph::Graph(std::string kernel, std::string description) {
  check_name(kernel, "the kernel");
  check_text(description, "the kernel's description");
  info_.kernel = std::move(kernel);
  info_.description = std::move(description);
}

Value Graph::declare(Argument argument) {
  const std::string who = "argument '" + argument.name + "'";
  check_name(argument.name, "an argument");
  check_text(argument.description, who);
  for (const Argument& a : arguments_) {
    if (a.name == argument.name) throw Error(who + " is declared twice");
  }
  if (argument.multiple == 0) throw Error(who + " must be a multiple of zero");
  const uint64_t low = checked_add(argument.minimum, argument.multiple - 1) / argument.multiple;
  if (low > argument.maximum / argument.multiple) throw Error(who + " has no possible value");
  arguments_.push_back(std::move(argument));
  Value v;
  v.argument_ = static_cast<int>(arguments_.size() - 1);
  v.fixup_ = {};
  return v;
}

Value Graph::address(const std::string& name, const std::string& description, uint64_t multiple) {
  Argument a;
  a.name = name;
  a.description = description;
  a.address = true;
  a.multiple = multiple;
  a.maximum = UINT64_MAX / 2;  // any device address, and an offset can be added without overflow
  return declare(std::move(a));
}

Value Graph::number(const std::string& name, const std::string& description, uint64_t minimum,
                    uint64_t maximum, uint64_t multiple) {
  Argument a;
  a.name = name;
  a.description = description;
  a.minimum = minimum;
  a.maximum = maximum;
  a.multiple = multiple;
  return declare(std::move(a));
}

Node Graph::add(const std::string& name, UnitKind kind, const std::string& note) {
  check_name(name, "a unit");
  check_text(note, "unit '" + name + "'");
  for (const UnitDescription& u : units_) {
    if (u.name == name) throw Error("unit '" + name + "' is added twice");
  }
  std::visit(UnitCheck("unit '" + name + "'"), kind);
  units_.push_back({name, std::move(kind), note, {}});
  return {units_.size() - 1};
}

void Graph::pin(Node node, Cell cell) {
  if (node.index >= units_.size()) throw Error("a place for a unit of another graph");
  units_[node.index].cell = cell;
}

void Graph::connect(Output from, Node to, unsigned input) {
  if (from.node.index >= units_.size() || to.index >= units_.size())
    throw Error("connecting a unit of another graph");
  const UnitDescription& source = units_[from.node.index];
  const UnitDescription& sink = units_[to.index];
  if (outputs_of(source.kind) == 0) throw Error(fmt::format("unit '{}' has no output", source.name));
  if (from.number >= 32 || (outputs_of(source.kind) >> from.number & 1) == 0) {
    throw Error(fmt::format("unit '{}' has no output {}", source.name, from.number));
  }
  if (input >= 32 || (inputs_of(sink.kind) >> input & 1) == 0) {
    throw Error(fmt::format("unit '{}' does not use an input {}", sink.name, input));
  }
  for (const Edge& e : edges_) {
    for (const Edge::Sink& s : e.to) {
      if (s.unit != to.index || s.input != input) continue;
      const bool again = e.from == from.node.index && e.output == from.number;
      if (!again && sequence_of(source.kind, from.number) && sequence_of(units_[e.from].kind, e.output))
        continue;
      throw Error(fmt::format("input {} of unit '{}' is connected to '{}' already", input, sink.name,
                              units_[e.from].name));
    }
  }
  auto edge = std::find_if(edges_.begin(), edges_.end(), [&](const Edge& e) {
    return e.from == from.node.index && e.output == from.number;
  });
  if (edge == edges_.end()) edge = edges_.insert(edges_.end(), Edge{from.node.index, from.number, {}});
  edge->to.push_back({to.index, input});
}

std::vector<uint64_t> Graph::traffic() const {
  const Sample at(arguments_, 0);
  std::vector<uint64_t> packets;
  for (const Edge& e : edges_) packets.push_back(packets_sent(units_[e.from].kind, e.output, at));
  return packets;
}

namespace {

/// All streams that end at one input: together they bring what it takes, in an order that it can tell.
void check_input(const Graph& graph, size_t unit, unsigned input, const Sample& at) {
  const auto& units = graph.units();
  const Graph::UnitDescription& sink = units[unit];
  std::vector<Numbered> streams;
  uint64_t sent = 0;
  for (const Graph::Edge& e : graph.edges()) {
    const auto here = [&](const Graph::Edge::Sink& s) { return s.unit == unit && s.input == input; };
    if (std::none_of(e.to.begin(), e.to.end(), here)) continue;
    const UnitKind& kind = units[e.from].kind;
    const uint64_t packets = packets_sent(kind, e.output, at);
    streams.push_back({units[e.from].name, sequence_of(kind, e.output).value_or(Sequence{}), packets});
    sent = checked_add(sent, packets);
    if (takes_by_sequence(sink.kind, input) && !sequence_of(kind, e.output)) {
      throw Error(fmt::format(
          "input {} of unit '{}' takes addresses from sequence ids, but packets of '{}' have none", input,
          sink.name, units[e.from].name));
    }
  }
  const uint64_t taken = packets_taken(sink.kind, input, at);
  if (sent != taken) {
    std::string with;
    for (const Argument& a : graph.arguments()) {
      if (a.address) continue;
      with +=
          fmt::format(" {} = {}", a.name, at.argument(static_cast<size_t>(&a - graph.arguments().data())));
    }
    std::string who = fmt::format("unit '{}' sends", streams.front().unit);
    if (streams.size() > 1) {
      who = fmt::format("the {} units from '{}' to '{}' send", streams.size(), streams.front().unit,
                        streams.back().unit);
    }
    throw Error(fmt::format("{} {} packets, but input {} of '{}' takes {}{}{}", who, sent, input, sink.name,
                            taken, with.empty() ? "" : ", for", with));
  }
  if (streams.size() > 1) {
    check_sequences(fmt::format("input {} of unit '{}'", input, sink.name), streams,
                    !takes_by_sequence(sink.kind, input));
  }
}

}  // namespace

void Graph::check() const {
  if (units_.empty()) throw Error(fmt::format("kernel '{}' has no units", info_.kernel));
  std::vector<unsigned> connected(units_.size());
  std::vector<unsigned> sends(units_.size());
  for (const Edge& e : edges_) {
    sends[e.from] |= 1u << e.output;
    for (const Edge::Sink& s : e.to) connected[s.unit] |= 1u << s.input;
  }
  bool stores = false;
  for (size_t i = 0; i < units_.size(); ++i) {
    const UnitDescription& u = units_[i];
    stores = stores || std::holds_alternative<Store>(u.kind);
    const unsigned missing = inputs_of(u.kind) & ~connected[i];
    if (missing != 0) {
      throw Error(fmt::format("input {} of unit '{}' is not connected", __builtin_ctz(missing), u.name));
    }
    const unsigned idle = outputs_of(u.kind) & ~sends[i];
    if (idle == 0) continue;
    const unsigned output = static_cast<unsigned>(__builtin_ctz(idle));
    throw Error(fmt::format("output {}of unit '{}' goes nowhere",
                            output == 0 ? "" : fmt::format("{} ", output), u.name));
  }
  if (!stores) throw Error(fmt::format("kernel '{}' stores nothing, so it would never end", info_.kernel));

  for (unsigned index = 0; index < kSamples; ++index) {
    const Sample at(arguments_, index);
    for (const UnitDescription& u : units_) {
      const std::string who = "unit '" + u.name + "'";
      check_counts(who, u.kind, at);
      // The addresses do not depend on most arguments; the two ends are enough.
      const auto* pad = std::get_if<Scratchpad>(&u.kind);
      if (pad && (index == 0 || index == kSamples - 1)) check_addresses(who, *pad, at);
    }
    for (size_t u = 0; u < units_.size(); ++u) {
      for (unsigned input = 0; input < 32; ++input) {
        if (connected[u] >> input & 1) check_input(*this, u, input, at);
      }
    }
  }
  // Once with the largest values, without looking at every address.
  for (const UnitDescription& u : units_) {
    const auto moving = [&](const std::vector<Counter>& counters) {
      for (const Counter& c : counters) {
        if (!c.count.is_constant() && c.stride != 0) {
          throw Error(fmt::format("unit '{}': a scratchpad address may not depend on argument '{}'", u.name,
                                  arguments_[static_cast<size_t>(c.count.argument())].name));
        }
      }
    };
    if (const auto* pad = std::get_if<Scratchpad>(&u.kind)) {
      moving(pad->write);
      moving(pad->read);
    } else if (const auto* memory = std::get_if<PatternMemory>(&u.kind)) {
      for_each_access(*memory, [&](const Access& a) { moving(a.counters); });
    }
  }
  for (size_t i = 0; i < arguments_.size(); ++i) {
    const auto uses = [&](const Value& v) { return v.argument() == static_cast<int>(i); };
    const auto any = [&](const std::vector<Counter>& counters) {
      return std::any_of(counters.begin(), counters.end(), [&](const Counter& c) { return uses(c.count); });
    };
    const bool used = std::any_of(units_.begin(), units_.end(), [&](const UnitDescription& u) {
      return std::visit(
          Overload{[&](const Load& x) { return uses(x.base) || any(x.rows); },
                   [&](const Store& x) { return uses(x.base) || any(x.rows); },
                   [&](const Scratchpad& x) { return uses(x.fills) || any(x.write) || any(x.read); },
                   [&](const PatternMemory& x) {
                     bool found = false;
                     for_each_access(
                         x, [&](const Access& a) { found = found || uses(a.fills) || any(a.counters); });
                     return found;
                   },
                   [&](const Matrix& x) { return uses(x.tiles); },
                   [&](const Simd& x) { return uses(x.vectors); }},
          u.kind);
    });
    if (!used) throw Error(fmt::format("argument '{}' is used nowhere", arguments_[i].name));
  }
}

}  // namespace rdu::compiler
