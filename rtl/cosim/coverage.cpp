#include "cosim/coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/error.h"
#include "fabric/pcu/operations.h"
#include "fabric/pcu/pcu_config.h"
#include "fabric/pmu/pmu_config.h"
#include "fabric/switch/ports.h"
#include "fabric/test/pcu_reference.h"
#include "regs/pcu.hpp"
#include "regs/pmu.hpp"
#include "regs/switch.hpp"

namespace rdu::cosim {
namespace {

using fabric::PacketHead;
using fabric::PcuConfig;
using fabric::PmuConfig;
using fabric::PmuPipelineConfig;
namespace P = rdu::regs::pcu;
namespace S = rdu::regs::pcu::STAGE;
namespace W = rdu::regs::switch_;
namespace port = fabric::port;

// ---- what bins are called

struct OpName {
  uint64_t code;
  const char* name;
};
#define OP(x) \
  { S::OP_##x, #x }
constexpr OpName kOps[] = {
    OP(MOV),       OP(FADD),     OP(FSUB),     OP(FMUL),     OP(FMAX),      OP(FMIN),    OP(FMADD),
    OP(FNMADD),    OP(FABS),     OP(FNEG),     OP(FEQ),      OP(FNE),       OP(FLT),     OP(FLE),
    OP(IADD),      OP(ISUB),     OP(IMUL),     OP(IMAX),     OP(IMIN),      OP(IABS),    OP(INEG),
    OP(IEQ),       OP(INE),      OP(ILT),      OP(ILE),      OP(ULT),       OP(ULE),     OP(AND),
    OP(OR),        OP(XOR),      OP(ANDN),     OP(NOT),      OP(SHL),       OP(SHR),     OP(SAR),
    OP(SEL),       OP(I2F),      OP(F2I),      OP(F2I_ZERO), OP(F2I_FLOOR), OP(RBF16),   OP(SRBF16),
    OP(SAT8),      OP(FRED_SUM), OP(FRED_MAX), OP(FRED_MIN), OP(FARGMAX),   OP(FARGMIN), OP(FSCAN_SUM),
    OP(FSCAN_MAX), OP(IRED_SUM), OP(IRED_MAX), OP(IRED_MIN), OP(IARGMAX),   OP(IARGMIN), OP(ISCAN_SUM),
    OP(RED_AND),   OP(RED_OR),   OP(RED_XOR),  OP(BCAST),    OP(UP),        OP(DOWN)};
#undef OP

const char* name_of(uint64_t op) {
  for (const OpName& o : kOps) {
    if (o.code == op) return o.name;
  }
  return "?";
}
bool takes_floats(uint64_t op) {
  const std::string name = name_of(op);
  return name[0] == 'F' || op == S::OP_RBF16 || op == S::OP_SRBF16;
}
bool is_move(uint64_t op) {
  return op == S::OP_BCAST || op == S::OP_UP || op == S::OP_DOWN;
}

constexpr const char* kFloats[] = {"zero", "negative zero", "subnormal", "infinity", "NaN",
                                   "max",  "min",           "one",       "tiny",     "ordinary"};
const char* float_class(uint32_t x) {
  const uint32_t m = x & 0x7fffffff;
  if (m == 0) return x == 0 ? "zero" : "negative zero";
  if (m < 0x00800000) return "subnormal";
  if (m == 0x7f800000) return "infinity";
  if (m > 0x7f800000) return "NaN";
  if (m == 0x7f7fffff) return "max";
  if (m == 0x00800000) return "min";
  if (m == 0x3f800000) return "one";
  return m < 0x20000000 ? "tiny" : "ordinary";
}
constexpr const char* kIntegers[] = {"zero", "one", "minus one", "max", "min", "positive", "negative"};
const char* integer_class(uint32_t x) {
  if (x == 0) return "zero";
  if (x == 1) return "one";
  if (x == 0xffffffff) return "minus one";
  if (x == 0x7fffffff) return "max";
  if (x == 0x80000000) return "min";
  return (x >> 31) == 0 ? "positive" : "negative";
}

constexpr const char* kOperands[] = {"PREV", "IN", "S", "LANE", "CONST", "REG", "COUNT"};
const char* operand_kind(uint64_t code) {
  if (code == S::A_PREV) return "PREV";
  if (code <= S::A_IN3) return "IN";
  if (code <= S::A_S1) return "S";
  if (code == S::A_LANE) return "LANE";
  if (code <= S::A_CONST3) return "CONST";
  if (code <= S::A_REG3) return "REG";
  return "COUNT";
}
constexpr const char* kLanes[] = {"1 lane", "some lanes", "32 lanes"};
const char* lanes_class(unsigned lanes) {
  return lanes == 1 ? "1 lane" : lanes == 32 ? "32 lanes" : "some lanes";
}
constexpr const char* kManners[] = {"plainly", "predicate does not hold", "ALT", "saves", "accumulates"};
constexpr const char* kInFormats[] = {"FP32", "BF16", "INT32", "INT8"};
constexpr const char* kOutFormats[] = {"FP32", "BF16", "INT32", "INT8", "BF16_SR"};
constexpr const char* kTails[] = {"NONE", "EXP", "RECIP", "LOG", "SQRT", "RSQRT", "SIGMOID", "TANH", "ERF"};
constexpr const char* kPredicates[] = {"ALWAYS", "FIRST", "LAST", "EQ", "LT", "SCALAR"};
constexpr const char* kUsers[] = {"of a stage", "of ALT", "of an input", "of the output"};
constexpr const char* kFew[] = {"1", "2", "some", "many"};
const char* few(uint64_t n) {
  return n == 1 ? "1" : n == 2 ? "2" : n <= 8 ? "some" : "many";
}
constexpr const char* kGaps[] = {"in the cycle after", "within 8 cycles", "later"};
const char* gap_class(uint64_t cycles) {
  return cycles <= 1 ? kGaps[0] : cycles <= 8 ? kGaps[1] : kGaps[2];
}

constexpr const char* kAddresses[] = {"COUNTERS", "SEQUENCE", "SCALAR", "INDEX"};
constexpr const char* kRanges[] = {"OFF", "DROP", "ZERO"};
constexpr const char* kPreds[] = {"ALWAYS", "EQ", "LT"};
constexpr const char* kPipelines[] = {"W0", "W1", "R0", "R1"};
constexpr const char* kStrides[] = {"packed", "zero", "negative", "wide"};

const char* side_of(unsigned out) {
  static constexpr const char* kSides[] = {"north", "east", "south", "west"};
  return out < port::kMeshPorts ? kSides[out / port::kChannels] : "unit";
}

std::string text(const char* a, const char* b) {
  return std::string(a) + " " + b;
}
std::string text(const char* a, const char* b, const char* c) {
  return text(a, b) + " " + c;
}

}  // namespace

// ---- bins

Coverage::Coverage(unsigned kind) : kind_(kind) {
  switch (kind) {
    case RDU_UNIT_PCU:
      declare_pcu();
      break;
    case RDU_UNIT_PMU:
      declare_pmu();
      break;
    default:
      declare_switch();
      break;
  }
  for (const char* what : {"packets", "scalars", "tokens", "credits"}) {
    for (const char* gap : kGaps) declare("traffic", text(what, "come", gap));
  }
  for (const char* gap : kGaps) declare("traffic", text("packets leave", gap));
  for (const char* places : {"1", "2", "some", "many"}) declare("traffic", text("queue behind of", places));
  declare("traffic", "all that is configured is done");
  declare("traffic", "something is missing");
}

void Coverage::declare(const std::string& group, const std::string& bin) {
  groups_[group].emplace(bin, 0);
}

void Coverage::hit(const std::string& group, const std::string& bin) {
  const auto g = groups_.find(group);
  if (g != groups_.end()) {
    const auto b = g->second.find(bin);
    if (b != g->second.end()) {
      ++b->second;
      return;
    }
  }
  throw core::Error(core::ErrorKind::internal, "coverage", fmt::format("no bin '{}' of '{}'", bin, group));
}

void Coverage::declare_pcu() {
  static constexpr const char* kPlaces[] = {"A", "B", "C"};
  for (const OpName& op : kOps) {
    const fabric::Operation& operation = *fabric::operation(static_cast<uint32_t>(op.code));
    for (unsigned n = 0; n < operation.reads; ++n) {
      for (const char* kind : kOperands) declare("operands of operations", text(op.name, kPlaces[n], kind));
      if (is_move(op.code) && n == 1) {
        for (const char* amount : {"0", "1..31", "above 31"})
          declare("values of operands", text(op.name, "B", amount));
        continue;
      }
      if (takes_floats(op.code)) {
        for (const char* c : kFloats) declare("values of operands", text(op.name, kPlaces[n], c));
      } else {
        for (const char* c : kIntegers) declare("values of operands", text(op.name, kPlaces[n], c));
      }
    }
    for (const char* lanes : kLanes) declare("operations by lanes", text(op.name, lanes));
    for (const char* manner : kManners) declare("operations by manner", text(op.name, manner));
  }
  for (const char* format : kInFormats) {
    for (const char* how : {"taken", "kept", "in matrix mode"}) declare("formats", text("in", format, how));
  }
  for (const char* format : kOutFormats) {
    for (const char* lanes : kLanes) declare("formats", text("out", format, lanes));
    declare("formats", text("out", format, "not sent"));
    declare("formats", text("out", format, "in matrix mode"));
    if (format[0] == 'I') {
      for (const char* c : kIntegers) declare("values that leave", text(format, c));
    } else {
      for (const char* c : kFloats) declare("values that leave", text(format, c));
    }
  }
  for (const char* tail : kTails) {
    if (std::string(tail) == "NONE") continue;
    for (const char* c : kFloats) declare("tail", text(tail, "of", c));
    for (const char* format : kOutFormats) declare("tail", text(tail, "to", format));
    declare("tail", text(tail, "in matrix mode"));
    declare("tail", text(tail, "to the scalar output"));
  }
  for (const char* type : {"BF16", "INT8"}) {
    for (unsigned rows = 1; rows <= 6; ++rows) declare("matrix", fmt::format("{} with {} rows", type, rows));
    for (const char* k : kFew) declare("matrix", text(type, "with k =", k));
    for (const char* tiles : kFew) declare("matrix", text(type, "tiles:", tiles));
    for (const char* lanes : kLanes) declare("matrix", text(type, lanes));
  }
  for (unsigned depth = 0; depth <= 6; ++depth)
    declare("counters", fmt::format("{} loops that go round", depth));
  declare("counters", "a count of 0");
  declare("counters", "a count of 1 between others");
  for (const char* user : kUsers) {
    for (const char* kind : kPredicates) {
      declare("predicates", text(kind, user));
      declare("predicates", text("NOT", kind, user));
    }
  }
  for (const char* what : {"one program", "two programs", "matrix"}) declare("programs", what);
  for (const char* what : {"a gap before the first stage", "both send vectors", "one sends scalars",
                           "the second has the tail", "the second has the network"})
    declare("programs", what);
  for (unsigned level = 0; level < 6; ++level) {
    for (const char* what : {"takes a token", "sends a token", "takes a scalar"})
      declare("control", fmt::format("{} at level {}", what, level));
  }
  for (const char* what :
       {"sequence ids", "no sequence ids", "dynamic", "matrix takes tokens", "matrix sends tokens"})
    declare("control", what);
  for (unsigned flow = 0; flow < 7; ++flow) declare("control", fmt::format("flow {}", flow));
}

void Coverage::declare_pmu() {
  for (unsigned i = 0; i < 4; ++i) {
    const bool is_read = i >= 2;
    const char* name = kPipelines[i];
    for (unsigned a = 0; a < 4; ++a) {
      if (a == (is_read ? 1u : 2u)) continue;
      for (unsigned r = 0; r < (is_read ? 3u : 2u); ++r)
        declare("addresses by ranges", text(name, kAddresses[a], kRanges[r]));
      for (const char* element : {"bytes", "halves", "words"})
        declare("addresses by elements", text(name, kAddresses[a], element));
      for (const char* pred : kPreds) declare("addresses by predicates", text(name, kAddresses[a], pred));
    }
    for (const char* pred : {"EQ", "LT"}) declare("predicates", text(name, "NOT", pred));
    for (unsigned level = 0; level < 6; ++level)
      declare("predicates", fmt::format("{} at level {}", name, level));
    for (const char* lanes :
         {"1 lane", "some lanes", "all lanes", "16 lanes or fewer by index", "more than 16 lanes by index"})
      declare("lanes", text(name, lanes));
    for (const char* stride : kStrides) declare("lanes", text(name, "lane stride", stride));
    for (const char* n : {"1", "2", "3"}) declare("buffers", text(name, "buffers:", n));
    for (const char* n : {"1", "some"}) declare("buffers", text(name, "fills:", n));
    for (const char* what : {"waits", "does not wait", "gives", "does not give", "waits for another unit",
                             "sends to another unit"})
      declare("tokens", text(name, what));
    for (const char* turns : {"takes turns", "has every cycle"}) declare("banks", text(name, turns));
    if (!is_read) continue;
    for (const char* what : {"sequence ids", "no sequence ids", "dynamic", "static"})
      declare("heads", text(name, what));
  }
  for (const char* what : {"index inside", "index outside", "negative index", "sequence id inside",
                           "sequence id outside", "scalar inside", "scalar outside"})
    declare("out of range", what);
  for (const char* what : {"no skew", "skew", "shift 2", "other shift", "TOGETHER"}) declare("banks", what);
  for (const char* what : {"writer and reader", "two pairs", "two readers of one writer",
                           "two writers before a reader", "readers alone"})
    declare("shapes", what);
  for (const char* what : {"empty scratchpad", "filled scratchpad"}) declare("shapes", what);
}

void Coverage::declare_switch() {
  for (const char* network : {"vectors", "scalars"}) {
    for (unsigned width = 1; width <= 4; ++width)
      declare("multicast", fmt::format("{} to {}", network, width));
    const bool v = network[0] == 'v';
    for (unsigned in = 0; in < (v ? port::kInputs : port::kScalarInputs); ++in) {
      for (unsigned flow = 0; flow < (v ? RDU_FLOWS : RDU_SCALAR_FLOWS); ++flow)
        declare("inputs", fmt::format("{} {} flow {}", network, in, flow));
    }
    for (unsigned out = 0; out < (v ? port::kOutputs : port::kScalarOutputs); ++out) {
      declare("outputs", fmt::format("{} {}", network, out));
      const bool mesh = out < (v ? port::kMeshPorts : port::kScalarMeshPorts);
      declare("outputs",
              fmt::format("{} {} {}", network, out, mesh ? "shared by flows" : "shared by queues"));
    }
    for (const char* what : {"same flow id", "another flow id"}) declare("flow ids", text(network, what));
    for (const char* c : {"1", "2", "some"}) declare("credits", text(network, "at the start:", c));
  }
  for (unsigned streams = 2; streams <= 5; ++streams) declare("joins", fmt::format("of {} streams", streams));
  for (unsigned n = 0; n < 10; ++n) declare("joins", fmt::format("at output {}", port::kMeshPorts + n));
  for (const char* way : {"north", "east", "south", "west", "unit"}) {
    for (const char* from : {"from the mesh", "from a unit"}) declare("dynamic", text(way, from));
  }
  for (unsigned interval = 0; interval <= 6; ++interval)
    declare("throttles", fmt::format("interval {}", interval));
  for (unsigned n = 0; n < 5; ++n) declare("throttles", fmt::format("of input {}", port::kMeshPorts + n));
  declare("throttles", "with the dynamic flow");
  for (unsigned in = 0; in < port::kControlInputs; ++in) declare("tokens", fmt::format("input {}", in));
  for (unsigned out = 0; out < port::kControlOutputs; ++out) declare("tokens", fmt::format("wire {}", out));
  for (const char* what : {"to several wires", "several in a cycle"}) declare("tokens", what);
}

// ---- what was used

void Coverage::add(const Stimulus& stimulus, const Log& log) {
  ++stimuli_;
  switch (kind_) {
    case RDU_UNIT_PCU:
      add_pcu(stimulus);
      break;
    case RDU_UNIT_PMU:
      add_pmu(stimulus, log);
      break;
    default:
      add_switch(stimulus, log);
      break;
  }
  add_traffic(stimulus, log);
}

void Coverage::add_traffic(const Stimulus& stimulus, const Log& log) {
  const auto gaps = [&](const char* what, const auto& list, auto cycle_of) {
    for (size_t i = 1; i < list.size(); ++i)
      hit("traffic", text(what, "come", gap_class(cycle_of(list[i]) - cycle_of(list[i - 1]))));
  };
  const auto its_cycle = [](const auto& item) { return item.cycle; };
  const auto itself = [](uint64_t t) { return t; };
  for (const auto& list : stimulus.packets) gaps("packets", list, its_cycle);
  for (const auto& list : stimulus.scalars) gaps("scalars", list, its_cycle);
  for (const auto& list : stimulus.tokens) gaps("tokens", list, itself);
  for (const auto* all : {&stimulus.credits, &stimulus.scalar_credits}) {
    for (const Stimulus::Credits& credits : *all) {
      if (credits.at_start == 0) continue;
      gaps("credits", credits.back, itself);
      hit("traffic", text("queue behind of", few(credits.at_start)));
    }
  }
  std::map<unsigned, uint64_t> last;
  for (const Log::Packet& packet : log.packets) {
    const auto before = last.find(packet.port);
    if (before != last.end()) hit("traffic", text("packets leave", gap_class(packet.cycle - before->second)));
    last[packet.port] = packet.cycle;
  }
}

/// Sees a program's firings.
class PcuWatch : public fabric::test::PcuObserver {
 public:
  PcuWatch(Coverage& coverage, const Stimulus& stimulus, const PcuConfig& config, unsigned number)
      : coverage_(coverage), stimulus_(stimulus), config_(config), program_(config.programs[number]) {}

  void stage(unsigned number, bool active, bool alternative, const Vector& a, const Vector& b,
             const Vector& c) override {
    const uint64_t at = P::kSTAGE_OFFSET + number * P::kSTAGE_STRIDE;
    const auto get = [&](core::Field field) { return stimulus_.words.get(at, field); };
    const uint32_t op = get(S::OP);
    const char* name = name_of(op);
    const auto manner = [&](const char* how) { coverage_.hit("operations by manner", text(name, how)); };
    if (!active) return manner("predicate does not hold");
    const fabric::Operation& operation = *fabric::operation(op);
    const uint64_t sources[] = {get(S::A), get(S::B), get(S::C)};
    const Vector* values[] = {&a, &b, &c};
    static constexpr const char* kPlaces[] = {"A", "B", "C"};
    for (unsigned n = 0; n < operation.reads; ++n) {
      // B is what C says under ALT; nothing more is known about where it comes from.
      if (!alternative || n != 1)
        coverage_.hit("operands of operations", text(name, kPlaces[n], operand_kind(sources[n])));
      if (is_move(op) && n == 1) {
        const uint32_t amount = b[0];
        coverage_.hit("values of operands", text(name, "B",
                                                 amount == 0   ? "0"
                                                 : amount < 32 ? "1..31"
                                                               : "above 31"));
        continue;
      }
      std::set<const char*> classes;
      for (unsigned lane = 0; lane < program_.lanes; ++lane) {
        const uint32_t x = (*values[n])[lane];
        classes.insert(takes_floats(op) ? float_class(x) : integer_class(x));
      }
      for (const char* value : classes) coverage_.hit("values of operands", text(name, kPlaces[n], value));
    }
    coverage_.hit("operations by lanes", text(name, lanes_class(program_.lanes)));
    const uint64_t own = S::A_REG0 + get(S::REG);
    bool accumulates = false;
    for (unsigned n = 0; n < operation.reads; ++n) accumulates |= sources[n] == own;
    if (alternative) manner("ALT");
    if (get(S::SAVE) != 0) manner(accumulates ? "accumulates" : "saves");
    if (get(S::SAVE) == 0 && get(S::PRED) == 0 && get(S::ALT) == 0) manner("plainly");
  }
  void input(unsigned number, bool takes) override {
    const auto format = static_cast<unsigned>(config_.inputs[number].format);
    coverage_.hit("formats", text("in", kInFormats[format], takes ? "taken" : "kept"));
  }
  void result(bool sends, const Vector& vector) override {
    const char* format = kOutFormats[static_cast<unsigned>(program_.format)];
    if (!sends) return coverage_.hit("formats", text("out", format, "not sent"));
    const char* tail = kTails[static_cast<unsigned>(program_.tail)];
    const bool has_tail = program_.tail != PcuConfig::Tail::none;
    const bool is_integer = format[0] == 'I';
    if (has_tail && program_.scalar_out) coverage_.hit("tail", text(tail, "to the scalar output"));
    if (!program_.scalar_out) {
      coverage_.hit("formats", text("out", format, lanes_class(program_.lanes)));
      if (has_tail) coverage_.hit("tail", text(tail, "to", format));
    }
    for (unsigned lane = 0; lane < program_.lanes; ++lane) {
      const uint32_t x = vector[lane];
      if (has_tail) coverage_.hit("tail", text(tail, "of", float_class(x)));
      if (has_tail || program_.scalar_out) continue;
      coverage_.hit("values that leave", text(format, is_integer ? integer_class(x) : float_class(x)));
    }
  }

 private:
  Coverage& coverage_;
  const Stimulus& stimulus_;
  const PcuConfig& config_;
  const PcuConfig::Program& program_;
};

void Coverage::add_pcu(const Stimulus& stimulus) {
  const PcuConfig config = PcuConfig::decode(stimulus.words, stimulus.params);
  fabric::test::PcuArrivals arrivals;
  for (unsigned i = 0; i < 4; ++i) {
    for (const Stimulus::Packet& packet : stimulus.packets[i]) {
      arrivals.inputs[i].packets.emplace_back();
      std::memcpy(arrivals.inputs[i].packets.back().data(), packet.data.data(), packet.data.size());
      arrivals.inputs[i].cycles.push_back(packet.cycle + 1);
    }
  }
  for (unsigned s = 0; s < 2; ++s) {
    for (const Stimulus::Word& word : stimulus.scalars[s])
      arrivals.scalars[s].push_back({word.value, word.cycle + 1});
    for (const uint64_t t : stimulus.tokens[s]) arrivals.tokens[s].push_back(t + 1);
  }
  bool all = true;
  unsigned simd = 0;
  unsigned vectors = 0;
  for (unsigned p = 0; p < PcuConfig::kPrograms; ++p) {
    const PcuConfig::Program& program = config.programs[p];
    if (program.mode == PcuConfig::Mode::off) continue;
    const uint64_t base = p * P::kPROGRAM_STRIDE;
    const auto word = [&](uint64_t offset) { return stimulus.words.at(base + offset); };
    unsigned depth = 0;
    bool ones_between = false;
    bool more_above = false;
    for (unsigned l = 6; l-- > 0;) {
      const uint32_t count = word(P::kPROGRAM_COUNT_OFFSET + 4 * l);
      if (count == 0) hit("counters", "a count of 0");
      if (count > 1) ++depth;
      ones_between = ones_between || (count == 1 && more_above);
      more_above = more_above || count > 1;
    }
    hit("counters", fmt::format("{} loops that go round", depth));
    if (ones_between) hit("counters", "a count of 1 between others");
    if (program.waits) hit("control", fmt::format("takes a token at level {}", program.wait_level));
    if (program.signals) hit("control", fmt::format("sends a token at level {}", program.signal_level));
    hit("control", program.has_sequence ? "sequence ids" : "no sequence ids");
    if (program.is_dynamic) {
      hit("control", "dynamic");
    } else if (!program.scalar_out) {
      hit("control", fmt::format("flow {}", program.flow));
    }
    for (const PcuConfig::ScalarInput& scalar : program.scalars) {
      if (scalar.enabled) hit("control", fmt::format("takes a scalar at level {}", scalar.level));
    }
    const char* format = kOutFormats[static_cast<unsigned>(program.format)];
    if (program.mode == PcuConfig::Mode::matrix) {
      const char* type = program.int8 ? "INT8" : "BF16";
      hit("programs", "matrix");
      hit("matrix", fmt::format("{} with {} rows", type, program.rows));
      hit("matrix", text(type, "with k =", few(program.k)));
      hit("matrix", text(type, "tiles:", few(program.firings)));
      hit("matrix", text(type, lanes_class(program.lanes)));
      hit("formats", text("in", type, "in matrix mode"));
      hit("formats", text("out", format, "in matrix mode"));
      if (program.tail != PcuConfig::Tail::none)
        hit("tail", text(kTails[static_cast<unsigned>(program.tail)], "in matrix mode"));
      if (program.waits) hit("control", "matrix takes tokens");
      if (program.signals) hit("control", "matrix sends tokens");
      continue;
    }
    ++simd;
    vectors += !program.scalar_out;
    if (program.scalar_out) hit("programs", "one sends scalars");
    const auto mode = [&](core::Field field) {
      return static_cast<unsigned>(field.get(word(P::kPROGRAM_MODE_OFFSET)));
    };
    if (p == 0 && mode(P::PROGRAM_MODE::FIRST) != 0) hit("programs", "a gap before the first stage");
    if (p == 1 && program.tail != PcuConfig::Tail::none) hit("programs", "the second has the tail");
    const auto predicate = [&](unsigned n, const char* user) {
      if (n == 0) return;
      const PcuConfig::Predicate& used = program.predicates[n];
      const char* name = kPredicates[static_cast<unsigned>(used.kind)];
      hit("predicates", used.negate ? text("NOT", name, user) : text(name, user));
    };
    for (unsigned i = 0; i < program.stage_count; ++i) {
      predicate(program.stages[i].predicate, kUsers[0]);
      predicate(program.stages[i].alternative, kUsers[1]);
      if (p == 1 && program.stages[i].operation->crosses_lanes) hit("programs", "the second has the network");
    }
    for (const PcuConfig::Input& input : config.inputs) {
      if (input.used && input.program == p) predicate(input.predicate, kUsers[2]);
    }
    predicate(program.out_predicate, kUsers[3]);
    PcuWatch watch(*this, stimulus, config, p);
    const auto sent = fabric::test::reference_pcu(stimulus.words, p, arrivals, stimulus.params, &watch);
    all = all && sent.firings == program.firings;
  }
  if (simd != 0) hit("programs", simd == 2 ? "two programs" : "one program");
  if (vectors == 2) hit("programs", "both send vectors");
  hit("traffic", all ? "all that is configured is done" : "something is missing");
}

void Coverage::add_pmu(const Stimulus& stimulus, const Log& log) {
  static_cast<void>(log);
  const PmuConfig config = PmuConfig::decode(stimulus.words, stimulus.params);
  const auto pipelines = config.all();
  bool all = true;
  for (unsigned i = 0; i < pipelines.size(); ++i) {
    const PmuPipelineConfig& p = *pipelines[i];
    if (!p.enabled) continue;
    const char* name = kPipelines[i];
    const char* address = kAddresses[static_cast<unsigned>(p.address)];
    const bool has_index = p.address == PmuPipelineConfig::Address::index;
    hit("addresses by ranges", text(name, address, kRanges[static_cast<unsigned>(p.range)]));
    hit("addresses by elements", text(name, address,
                                      p.element == 1   ? "bytes"
                                      : p.element == 2 ? "halves"
                                                       : "words"));
    const char* pred = kPreds[static_cast<unsigned>(p.pred)];
    hit("addresses by predicates", text(name, address, pred));
    if (p.pred != PmuPipelineConfig::Pred::always) {
      if (p.negate) hit("predicates", text(name, "NOT", pred));
      hit("predicates", fmt::format("{} at level {}", name, p.pred_level));
    }
    hit("lanes", text(name, p.lanes == 1                ? "1 lane"
                            : p.lanes == 64 / p.element ? "all lanes"
                                                        : "some lanes"));
    if (has_index)
      hit("lanes", text(name, p.lanes <= 16 ? "16 lanes or fewer by index" : "more than 16 lanes by index"));
    hit("lanes", text(name, "lane stride",
                      p.lane_stride == p.element ? "packed"
                      : p.lane_stride == 0       ? "zero"
                      : p.lane_stride < 0        ? "negative"
                                                 : "wide"));
    hit("buffers", text(name, "buffers:", p.buffers == 1 ? "1" : p.buffers == 2 ? "2" : "3"));
    hit("buffers", text(name, "fills:", p.fills == 1 ? "1" : "some"));
    hit("tokens", text(name, p.wait != 0 ? "waits" : "does not wait"));
    hit("tokens", text(name, p.give != 0 ? "gives" : "does not give"));
    if (p.wait >> 6 != 0) hit("tokens", text(name, "waits for another unit"));
    if (p.out != 0) hit("tokens", text(name, "sends to another unit"));
    hit("banks", text(name, p.period == 2 ? "takes turns" : "has every cycle"));
    if (i >= 2) {
      hit("heads", text(name, p.has_sequence ? "sequence ids" : "no sequence ids"));
      hit("heads", text(name, p.is_dynamic ? "dynamic" : "static"));
    }
    const auto look = [&](const char* what, int64_t value) {
      const int64_t at = value * p.index_stride;
      const bool inside =
          p.range == PmuPipelineConfig::Range::off || (p.range_low <= at && at < p.range_high);
      hit("out of range", text(what, inside ? "inside" : "outside"));
    };
    if (has_index) {
      for (const Stimulus::Packet& packet : stimulus.packets[p.index]) {
        for (unsigned l = 0; l < 16 && l < p.lanes; ++l) {
          int32_t index;
          std::memcpy(&index, &packet.data[4 * l], sizeof index);
          look("index", index);
          if (index < 0) hit("out of range", "negative index");
        }
      }
    }
    if (p.address == PmuPipelineConfig::Address::sequence) {
      for (const Stimulus::Packet& packet : stimulus.packets[p.data])
        look("sequence id", PacketHead::sequence(packet.head));
    }
    if (p.address == PmuPipelineConfig::Address::scalar) {
      for (const Stimulus::Word& word : stimulus.scalars[p.number])
        look("scalar", static_cast<int32_t>(word.value));
    }
    if (p.kind == PmuPipelineConfig::Kind::write)
      all = all && stimulus.packets[p.data].size() >= p.fills * p.accesses;
  }
  hit("banks", config.bank_skew == 0 ? "no skew" : "skew");
  hit("banks", config.bank_shift == 2 ? "shift 2" : "other shift");
  if (stimulus.words.get(regs::pmu::kBANK_OFFSET, regs::pmu::BANK::TOGETHER) != 0) hit("banks", "TOGETHER");
  const unsigned writers = config.write[0].enabled + config.write[1].enabled;
  const unsigned readers = config.read[0].enabled + config.read[1].enabled;
  if (writers == 1 && readers == 1) hit("shapes", "writer and reader");
  if (writers == 2 && readers == 2) hit("shapes", "two pairs");
  if (writers == 1 && readers == 2) hit("shapes", "two readers of one writer");
  if (writers == 2 && readers == 1) hit("shapes", "two writers before a reader");
  if (writers == 0) hit("shapes", "readers alone");
  hit("shapes", stimulus.scratchpad.empty() ? "empty scratchpad" : "filled scratchpad");
  hit("traffic", all ? "all that is configured is done" : "something is missing");
}

void Coverage::add_switch(const Stimulus& stimulus, const Log& log) {
  const auto route = [&](bool v, unsigned queue) {
    return v ? stimulus.words.get(W::kROUTE_OFFSET + W::kROUTE_STRIDE * queue, W::ROUTE::OUT)
             : stimulus.words.get(W::kSCALAR_OFFSET + W::kSCALAR_STRIDE * queue, W::SCALAR::OUT);
  };
  const auto next = [&](bool v, unsigned queue) {
    return v ? stimulus.words.get(W::kROUTE_OFFSET + W::kROUTE_STRIDE * queue, W::ROUTE::NEXT_FLOW)
             : stimulus.words.get(W::kSCALAR_OFFSET + W::kSCALAR_STRIDE * queue, W::SCALAR::NEXT_FLOW);
  };
  uint64_t come = 0;
  uint64_t leave = log.packets.size() + log.words.size();
  for (const bool v : {true, false}) {
    const char* network = v ? "vectors" : "scalars";
    const unsigned flows = v ? RDU_FLOWS : RDU_SCALAR_FLOWS;
    std::map<unsigned, std::set<unsigned>> users;  // of outputs: queues
    for (unsigned in = 0; in < (v ? port::kInputs : port::kScalarInputs); ++in) {
      std::vector<uint64_t> packets(flows);
      if (v) {
        for (const auto& packet : stimulus.packets[in]) {
          ++packets[packet.flow()];
          if (packet.flow() != RDU_FLOW_DYNAMIC) continue;
          const unsigned out = fabric::dynamic_output(
              PacketHead::destination(packet.head), RDU_UNIT_ROW(stimulus.unit), RDU_UNIT_COL(stimulus.unit));
          hit("dynamic", text(side_of(out), in < port::kMeshPorts ? "from the mesh" : "from a unit"));
          hit("outputs", fmt::format("{} {}", network, out));
          ++come;
        }
      } else {
        for (const auto& word : stimulus.scalars[in]) ++packets[word.flow];
      }
      for (unsigned flow = 0; flow < flows; ++flow) {
        if (packets[flow] == 0) continue;
        hit("inputs", fmt::format("{} {} flow {}", network, in, flow));
        if (v && flow == RDU_FLOW_DYNAMIC) continue;
        const uint32_t out = route(v, in * flows + flow);
        const auto width = static_cast<unsigned>(__builtin_popcount(out));
        come += packets[flow] * width;
        hit("multicast", fmt::format("{} to {}", network, width));
        hit("flow ids",
            text(network, next(v, in * flows + flow) == flow ? "same flow id" : "another flow id"));
        for (unsigned o = 0; o < 26; ++o) {
          if ((out >> o & 1) == 0) continue;
          hit("outputs", fmt::format("{} {}", network, o));
          users[o].insert(in * flows + flow);
        }
      }
    }
    const unsigned mesh = v ? port::kMeshPorts : port::kScalarMeshPorts;
    for (const auto& [out, queues] : users) {
      if (queues.size() > 1)
        hit("outputs",
            fmt::format("{} {} {}", network, out, out < mesh ? "shared by flows" : "shared by queues"));
      if (!v || out < mesh) continue;
      if (stimulus.words.get(W::kJOIN_OFFSET + W::kJOIN_STRIDE * (out - mesh), W::JOIN::ENABLE) == 0)
        continue;
      hit("joins", fmt::format("of {} streams", queues.size()));
      hit("joins", fmt::format("at output {}", out));
    }
    for (const Stimulus::Credits& credits : v ? stimulus.credits : stimulus.scalar_credits) {
      if (credits.at_start != 0)
        hit("credits", text(network, "at the start:", credits.at_start > 2 ? "some" : few(credits.at_start)));
    }
  }
  for (unsigned n = 0; n < port::kInputs - port::kMeshPorts; ++n) {
    const uint32_t interval =
        stimulus.words.get(W::kTHROTTLE_OFFSET + W::kTHROTTLE_STRIDE * n, W::THROTTLE::INTERVAL);
    const auto& packets = stimulus.packets[port::kMeshPorts + n];
    if (packets.empty()) continue;
    hit("throttles", fmt::format("interval {}", interval));
    if (interval <= 1) continue;
    hit("throttles", fmt::format("of input {}", port::kMeshPorts + n));
    if (packets.front().flow() == RDU_FLOW_DYNAMIC) hit("throttles", "with the dynamic flow");
  }
  std::map<uint64_t, unsigned> together;
  for (unsigned in = 0; in < port::kControlInputs; ++in) {
    const uint32_t wires = stimulus.words.get(W::kCONTROL_OFFSET + W::kCONTROL_STRIDE * in, W::CONTROL::OUT);
    if (stimulus.tokens[in].empty()) continue;
    hit("tokens", fmt::format("input {}", in));
    if (__builtin_popcount(wires) > 1) hit("tokens", "to several wires");
    for (unsigned w = 0; w < port::kControlOutputs; ++w) {
      if (wires >> w & 1) hit("tokens", fmt::format("wire {}", w));
    }
    for (const uint64_t t : stimulus.tokens[in]) ++together[t];
  }
  for (const auto& [cycle, n] : together) {
    if (n > 1) hit("tokens", "several in a cycle");
  }
  hit("traffic", come == leave ? "all that is configured is done" : "something is missing");
}

std::string Coverage::to_json() const {
  nlohmann::ordered_json json;
  json["unit"] = kind_ == RDU_UNIT_PCU ? "pcu" : kind_ == RDU_UNIT_PMU ? "pmu" : "switch";
  json["stimuli"] = stimuli_;
  for (const auto& [group, bins] : groups_) json["groups"][group] = bins;
  return json.dump(1) + "\n";
}

}  // namespace rdu::cosim
