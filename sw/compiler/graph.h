#pragma once

#include <array>
#include <cstdint>
#include <map>
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

enum class Format : uint8_t { fp32, bf16 };
enum class Element : uint8_t { half, word };  ///< 2 or 4 bytes

/// AGCU: rows of memory become packets of 64 bytes, the last of each row padded with zero. Gather: with
/// `indexed`, input 1 takes a list of INT32, 16 a packet, and row r lies index[r] * index_stride bytes
/// further.
struct Load {
  Value base;               ///< address
  uint32_t row_bytes = 64;  ///< 1 .. 65536
  std::vector<Counter> rows;
  bool indexed = false;
  int64_t index_stride = 0;  ///< bytes, must fit 32 bits with sign
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
/// counters.
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
};

/// PCU in matrix mode: input 0 is the side of the lanes, input 1 that of the rows; after k steps `rows`
/// vectors leave.
struct Matrix {
  Value tiles = 1;
  uint32_t k = 1;
  unsigned rows = 6;
  unsigned lanes = 32;
  Format out = Format::fp32;
};

/// Operands of a SIMD stage, coded as in PCU.STAGE.
enum class Operand : uint8_t {
  prev = 0,
  in0 = 1,
  in1,
  in2,
  in3,
  const0 = 8,
  const1,
  const2,
  const3,
  reg0 = 12,
  reg1,
  reg2,
  reg3,
};
/// Operations of a SIMD stage, coded as in PCU.STAGE.
enum class Op : uint8_t { nop = 0, mov = 1, add, sub, mul, max, min, red_sum = 64, red_max };
enum class Tail : uint8_t { none = 0, exp = 1, recip = 2 };

struct Stage {
  Op op = Op::nop;
  Operand a = Operand::prev;
  Operand b = Operand::prev;
  int save = -1;  ///< also keep the result in this register, 0..3
};

/// PCU in SIMD mode: takes one vector from each input that its stages name, sends one.
struct Simd {
  Value vectors = 1;
  std::array<Format, 4> in{};  ///< formats of the inputs
  std::vector<Stage> stages;
  Tail tail = Tail::none;
  Format out = Format::fp32;
  unsigned lanes = 32;
  std::array<float, 4> constants{};
};

using UnitKind = std::variant<Load, Store, Scratchpad, Matrix, Simd>;

/// A handle of a unit in a Graph.
struct Node {
  size_t index = 0;
};

class Graph {
 public:
  struct UnitDescription {
    std::string name;
    UnitKind kind;
    std::string note;
  };
  /// A stream from one unit's output to inputs of others.
  struct Edge {
    size_t from = 0;
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
  /// Connects an output with an input; more than one input: multicast. Throws Error for an input that does
  /// not exist or is connected already, and for a unit without output.
  void connect(Node from, Node to, unsigned input = 0);
  /// A fact for people and applications, kept in the container.
  void property(const std::string& name, const std::string& value) { info_.properties[name] = value; }

  const ProgramInfo& info() const { return info_; }
  const std::vector<UnitDescription>& units() const { return units_; }
  const std::vector<Edge>& edges() const { return edges_; }  ///< in order of first connection
  /// Without fixups; those follow from where the Values are used.
  const std::vector<Argument>& arguments() const { return arguments_; }

  /// Throws Error for anything about the whole graph that cannot work: inputs or outputs without a stream,
  /// streams whose ends disagree about the number of packets, counts that may become zero, scratchpad
  /// addresses outside their buffer or read without having been written.
  void check() const;

 private:
  Value declare(Argument argument);

  ProgramInfo info_;
  std::vector<UnitDescription> units_;
  std::vector<Edge> edges_;
  std::vector<Argument> arguments_;
};

/// Inputs that the unit takes packets from, a bit each.
unsigned inputs_of(const UnitKind& kind);
bool has_output(const UnitKind& kind);
Role role_of(const UnitKind& kind);

}  // namespace rdu::compiler
