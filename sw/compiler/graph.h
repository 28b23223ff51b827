#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "compiler/container.h"
#include "compiler/error.h"

/// A program before it has a place: units, streams between them, arguments. compile() (compiler/compile.h)
/// checks it, places it, routes it and makes a Program. How to write one by hand is on the page of this
/// folder.
namespace rdu::compiler {

/// A whole number that is fixed, or follows from one argument at launch:
///
///     (argument * multiply + add) / divide * scale + offset      the quotient rounded down
///
/// Arithmetic on it keeps that form, so (rows / 6 + 3) / 4 * 24 is one Value.
class Value {
 public:
  Value(uint64_t constant = 0) { fixup_.offset = constant, fixup_.scale = 0; }  // NOLINT: numbers are Values

  bool is_constant() const { return argument_ < 0; }
  int argument() const { return argument_; }  ///< index in Graph::arguments(), or -1
  /// How the argument is used; unit and words are not set.
  const Fixup& fixup() const { return fixup_; }
  /// With the argument at `argument` (ignored for a constant). Throws Error on overflow.
  uint64_t at(uint64_t argument) const;

  friend Value operator+(Value v, uint64_t n);
  friend Value operator*(Value v, uint64_t n);
  /// Throws Error for n = 0, and after a product of a quotient that n does not divide.
  friend Value operator/(Value v, uint64_t n);

 private:
  friend class Graph;
  int argument_ = -1;
  Fixup fixup_;
};

/// One of several nested counters of an address, the first of a list being the innermost.
struct Counter {
  Value count = 1;     ///< at least 1
  int64_t stride = 0;  ///< bytes, must fit 32 bits with sign
};

/// Of vectors on the network. FP32 and INT32 are two packets, the others one; bf16_sr is an output rounded
/// stochastically.
enum class Format : uint8_t { fp32, bf16, int32, int8, bf16_sr };
enum class Element : uint8_t { half, word, byte };  ///< 2, 4 or 1 bytes
unsigned bytes_of(Element element);

/// Numbers that packets carry: packet i of an execution has sequence id first + i * step, modulo 65536.
/// Several streams that have them may end at one input, which takes them in the order of their ids, 0 first
/// (a join). A write pipeline of a PMU may take its address from them instead.
struct Sequence {
  uint16_t first = 0;
  uint16_t step = 1;
};

/// AGCU: rows of memory become packets of 64 bytes, the last of each row padded with zero. Gather: with
/// `indexed`, input 1 takes a list of INT32, 16 a packet, and row r lies index[r] * index_stride bytes
/// further.
struct Load {
  Value base;               ///< address
  uint32_t row_bytes = 64;  ///< 1 .. 65536
  std::vector<Counter> rows;
  bool indexed = false;
  int64_t index_stride = 0;  ///< bytes, must fit 32 bits with sign
  std::optional<Sequence> sequence = {};
};

/// What a store does to the words in memory, coded as in AGCU.STORE; all but `write` are atomic.
enum class MemoryOp : uint8_t { write = 0, fadd, iadd, imax, imin, bits_and, bits_or, bits_xor };

/// AGCU: packets become rows of memory, the last packet of each row cut. Scatter: as Load.
struct Store {
  Value base;
  uint32_t row_bytes = 64;
  std::vector<Counter> rows;
  bool indexed = false;
  int64_t index_stride = 0;
  MemoryOp op = MemoryOp::write;  ///< all but write: row_bytes, strides and base are multiples of 4
};

/// PMU: a scratchpad of `buffers` buffers, each filled by the write counters and then read by the read
/// counters. The common case of PatternMemory, in short.
struct Scratchpad {
  Value fills = 1;  ///< how many times a buffer is filled and read
  unsigned buffers = 1;
  uint32_t buffer_size = 0;
  unsigned write_bytes = 64;  ///< of each arriving packet
  std::vector<Counter> write;
  unsigned lanes = 32;  ///< elements of a packet that is read; lanes beyond are zero
  Element element = Element::half;
  int64_t lane_stride = 2;  ///< bytes from one lane's element to the next
  std::vector<Counter> read;
  unsigned bank_shift = 2;
  unsigned bank_skew = 0;
  std::optional<Sequence> sequence = {};  ///< of the packets that are read
};

/// Whether a firing (of a PCU) or an access (of a PMU) does something, by the counters of its unit. Level 0
/// is the innermost counter.
struct Predicate {
  enum class Kind : uint8_t { always = 0, first, last, equal, less } kind = Kind::always;
  unsigned level = 0;
  uint32_t value = 0;  ///< of equal and less, below 2^24
  bool negated = false;

  static Predicate first(unsigned level) { return {Kind::first, level, 0, false}; }
  static Predicate last(unsigned level) { return {Kind::last, level, 0, false}; }
  static Predicate equal(unsigned level, uint32_t value) { return {Kind::equal, level, value, false}; }
  static Predicate less(unsigned level, uint32_t value) { return {Kind::less, level, value, false}; }
  Predicate operator!() const { return {kind, level, value, !negated}; }
  bool is_always() const { return kind == Kind::always && !negated; }
  bool is_never() const { return kind == Kind::always && negated; }
  friend bool operator==(const Predicate& a, const Predicate& b) {
    return a.kind == b.kind && a.level == b.level && a.value == b.value && a.negated == b.negated;
  }
};

/// What a write and a read pipeline of a PMU have in common: `fills` times, the accesses of the counters.
struct Access {
  Value fills = 1;
  unsigned buffers = 1;      ///< fill f is in buffer f modulo buffers; at most 31
  uint32_t buffer_size = 0;  ///< bytes from one buffer to the next
  int64_t base = 0;          ///< byte in the scratchpad that addresses are counted from
  unsigned lanes = 32;       ///< elements of a packet
  Element element = Element::half;
  int64_t lane_stride = 2;  ///< bytes from one lane's element to the next
  std::vector<Counter> counters;
  /// What else the address depends on: nothing; a packet's sequence id (write pipelines); a word of scalar
  /// input r a fill (read pipeline r); an index a lane, INT32, that comes by input `index_input`. It is
  /// multiplied by index_stride.
  enum class Address : uint8_t { counters = 0, sequence, scalar, index } address = Address::counters;
  int64_t index_stride = 0;
  unsigned index_input = 0;
  /// Accesses whose offset is outside low .. high - 1 are not done, or (read pipelines) give zeros. With
  /// Address::index each lane by itself.
  enum class Range : uint8_t { off = 0, drop, zero } range = Range::off;
  int64_t low = 0, high = 0;
  Predicate when = {};  ///< always, equal, less: else the access is not done
  /// Tokens (a bit each) of which a fill takes one before it begins, and gives one when it is over.
  uint8_t wait = 0, give = 0;
};
struct Writer : Access {
  unsigned input = 0;  ///< that its packets come by
};
struct Reader : Access {
  std::optional<Sequence> sequence = {};  ///< counts accesses that are not done, too
};

/// PMU with all that it has: up to two write and two read pipelines, read pipeline r sending by output r, and
/// eight tokens that order them. Pipelines that touch the same bytes, one of them writing, must be ordered by
/// tokens, as the PMU's page says; the tile refuses a program in which they are not.
struct PatternMemory {
  std::vector<Writer> writers;
  std::vector<Reader> readers;
  std::array<uint8_t, 8> tokens{};  ///< that are there at the start
  unsigned bank_shift = 2;
  unsigned bank_skew = 0;
  bool together = false;  ///< two pipelines of a kind never need the same bank: none waits for its turn
};
/// The same in full: write pipeline 0 takes a free buffer (token 0) and makes a full one (token 1), read
/// pipeline 0 the other way round.
PatternMemory in_full(const Scratchpad& pad);

/// PCU in matrix mode: input 0 is the side of the lanes, input 1 that of the rows; after k steps `rows`
/// vectors leave. With `int8` a step is two k, and `out` is int32 or int8.
struct Matrix {
  Value tiles = 1;
  uint32_t k = 1;  ///< steps
  unsigned rows = 6;
  unsigned lanes = 32;
  Format out = Format::fp32;
  bool int8 = false;
  uint32_t seed = 0;  ///< of bf16_sr
  std::optional<Sequence> sequence = {};
};

/// Operands of a SIMD stage, coded as in PCU.STAGE.
enum class Operand : uint8_t {
  prev = 0,
  in0 = 1,
  in1,
  in2,
  in3,
  lane = 7,
  const0 = 8,
  const1,
  const2,
  const3,
  reg0 = 12,
  reg1,
  reg2,
  reg3,
  count0 = 16,
  count1,
  count2,
  count3,
  count4,
  count5,
};
/// Operations of a SIMD stage, coded as in PCU.STAGE and defined on the PCU's page.
enum class Op : uint8_t {
  nop = 0,
  mov,
  fadd = 2,
  fsub,
  fmul,
  fmax,
  fmin,
  fmadd,
  fnmadd,
  fabs,
  fneg,
  feq,
  fne,
  flt,
  fle,
  iadd = 16,
  isub,
  imul,
  imax,
  imin,
  iabs,
  ineg,
  ieq,
  ine,
  ilt,
  ile,
  ult,
  ule,
  bit_and = 32,
  bit_or,
  bit_xor,
  bit_andn,
  bit_not,
  shl,
  shr,
  sar,
  sel,
  i2f = 48,
  f2i,
  f2i_zero,
  f2i_floor,
  rbf16,
  srbf16,
  sat8,
  fred_sum = 64,
  fred_max,
  fred_min,
  fargmax,
  fargmin,
  fscan_sum,
  fscan_max,
  ired_sum = 72,
  ired_max,
  ired_min,
  iargmax,
  iargmin,
  iscan_sum,
  red_and = 80,
  red_or,
  red_xor,
  bcast = 88,
  up,
  down,
};
/// Functions of the tail, coded as in PCU.PROGRAM.MODE.
enum class Tail : uint8_t { none = 0, exp, recip, log, sqrt, rsqrt, sigmoid, tanh, erf };

/// How many of A, B, C the operation reads; 0 for nop.
unsigned operands_of(Op op);
bool crosses_lanes(Op op);

struct Stage {
  Op op = Op::nop;
  Operand a = Operand::prev;
  Operand b = Operand::prev;
  int save = -1;  ///< also keep the result in this register, 0..3
  Operand c = Operand::prev;
  Predicate when = {};                 ///< else the stage passes the previous result on
  Predicate replace_b = !Predicate{};  ///< when B is taken from C (fmadd, fnmadd: C reads as +0)
};

/// 32 bits, the same in every lane.
struct Constant {
  uint32_t bits = 0;
  Constant() = default;
  Constant(float value);                                           // NOLINT: numbers are Constants
  Constant(double value) : Constant(static_cast<float>(value)) {}  // NOLINT
  Constant(int32_t value) : bits(static_cast<uint32_t>(value)) {}  // NOLINT
  Constant(uint32_t value) : bits(value) {}                        // NOLINT
};

/// PCU in SIMD mode: each firing takes one vector from each input that its stages name, and sends one, unless
/// `take` and `send` say otherwise.
struct Simd {
  Value vectors = 1;                ///< iterations of the outermost counter
  std::vector<uint32_t> inner;      ///< counters inside it, innermost first: a firing an iteration
  std::array<Format, 4> in{};       ///< formats of the inputs
  std::array<Predicate, 4> take{};  ///< firings that take a vector from the input; others see the last one
  std::vector<Stage> stages;
  Tail tail = Tail::none;
  Format out = Format::fp32;
  Predicate send{};  ///< firings that send
  unsigned lanes = 32;
  std::array<Constant, 4> constants{};
  uint32_t seed = 0;  ///< of bf16_sr or srbf16
  std::optional<Sequence> sequence = {};
};

using UnitKind = std::variant<Load, Store, Scratchpad, PatternMemory, Matrix, Simd>;

/// A handle of a unit in a Graph.
struct Node {
  size_t index = 0;
};
/// One of its outputs; a node by itself is output 0.
struct Output {
  Node node;
  unsigned number = 0;
  Output(Node n, unsigned output = 0) : node(n), number(output) {}  // NOLINT: nodes are Outputs
};

/// Row and column of a switch and the units at it, from the north-west.
struct Cell {
  uint16_t row = 0, col = 0;
};

class Graph {
 public:
  struct UnitDescription {
    std::string name;
    UnitKind kind;
    std::string note;
    std::optional<Cell> cell = {};  ///< where it has to be
  };
  /// A stream from one unit's output to inputs of others.
  struct Edge {
    size_t from = 0;
    unsigned output = 0;
    struct Sink {
      size_t unit = 0;
      unsigned input = 0;
    };
    std::vector<Sink> to;
  };

  Graph(std::string kernel, std::string description);

  /// Declares an argument that is a device virtual address, a multiple of `multiple`. Throws Error for a name
  /// that is taken.
  Value address(const std::string& name, const std::string& description, uint64_t multiple = 1);
  /// Declares an argument that is a number.
  Value number(const std::string& name, const std::string& description, uint64_t minimum, uint64_t maximum,
               uint64_t multiple = 1);
  /// Adds a unit. Throws Error for a name that is taken or a configuration that no unit has.
  Node add(const std::string& name, UnitKind kind, const std::string& note = "");
  /// Connects an output with an input; more than one input: multicast; more than one output: a join. Throws
  /// Error for an input or output that does not exist, and for an input that is connected already unless all
  /// its streams have sequence ids.
  void connect(Output from, Node to, unsigned input = 0);
  /// Part of a floor plan: the unit has to be at this cell. The placer finds places for the others.
  void pin(Node node, Cell cell);
  /// A fact for people and applications, kept in the container.
  void property(const std::string& name, const std::string& value) { info_.properties[name] = value; }

  const ProgramInfo& info() const { return info_; }
  const std::vector<UnitDescription>& units() const { return units_; }
  const std::vector<Edge>& edges() const { return edges_; }  ///< in order of first connection
  /// Packets of each edge with the smallest values of all arguments.
  std::vector<uint64_t> traffic() const;
  /// From the scratchpad's beginning to behind the last byte that a PMU uses, 0 for other units. Throws Error
  /// if it would use bytes before the beginning.
  uint64_t scratchpad_bytes(const UnitDescription& unit) const;
  /// Without fixups; those follow from where the Values are used.
  const std::vector<Argument>& arguments() const { return arguments_; }

  /// Throws Error for anything about the whole graph that cannot work: inputs or outputs without a stream,
  /// streams whose ends disagree about the number of packets, counts that may become zero, scratchpad
  /// addresses outside their buffer or read without having been written, sequence ids that two streams share
  /// or that never come.
  void check() const;

 private:
  Value declare(Argument argument);

  ProgramInfo info_;
  std::vector<UnitDescription> units_;
  std::vector<Edge> edges_;
  std::vector<Argument> arguments_;
};

/// The different predicates of a unit, without the one that always holds.
std::vector<Predicate> predicates_of(const Simd& simd);
/// Inputs that the unit takes packets from, a bit each.
unsigned inputs_of(const UnitKind& kind);
/// Outputs that it sends packets by, a bit each.
unsigned outputs_of(const UnitKind& kind);
/// Sequence ids of an output's packets.
std::optional<Sequence> sequence_of(const UnitKind& kind, unsigned output);
/// Whether the input's packets are put in their places by their sequence ids, so that any order will do.
bool takes_by_sequence(const UnitKind& kind, unsigned input);
Role role_of(const UnitKind& kind);

}  // namespace rdu::compiler
