#include "tools/objdump/decode.h"

#include <fmt/format.h>

#include <cstring>

#include "compiler/graph.h"
#include "regs/agcu.h"
#include "regs/pcu.h"
#include "regs/pmu.h"
#include "regs/switch.h"

namespace rdu::tools {

using namespace compiler;

namespace {

constexpr unsigned kPortsPerSide = RDU_PORT_CHANNELS;
constexpr unsigned kMeshPorts = RDU_PORT_MESH;
const char* const kSides[] = {"north", "east", "south", "west"};

uint32_t field(uint32_t word, uint32_t mask) {
  return (word & mask) >> __builtin_ctz(mask);
}

std::string mesh_text(unsigned port) {
  return fmt::format("{} {}", kSides[port / kPortsPerSide], port % kPortsPerSide);
}

/// A field's value by its name in the register description.
std::string field_name(uint32_t kind, unsigned word, const char* name, uint64_t value) {
  const UnitRegister* reg = unit_register(kind, word);
  for (unsigned i = 0; reg && i < reg->field_count; ++i) {
    if (std::strcmp(reg->fields[i].name, name) != 0) continue;
    const char* text = reg->fields[i].name_of(value);
    if (text) return text;
  }
  return fmt::format("{}", value);
}

float to_float(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

/// A constant as what it probably is: small numbers of either sign are integers.
std::string constant_text(uint32_t bits) {
  const uint32_t exponent = bits >> 23 & 0xff;
  if (bits != 0 && (exponent == 0 || exponent == 255) && (bits & 0x7fffffff) != 0x7f800000) {
    return fmt::format("{}", static_cast<int32_t>(bits));
  }
  return fmt::format("{}", to_float(bits));
}

}  // namespace

std::string formula(const Argument& argument, const Fixup& f) {
  std::string text = argument.name;
  bool sum = false;
  if (f.multiply != 1) text = fmt::format("{} * {}", text, f.multiply);
  if (f.add != 0) text = fmt::format("{} + {}", text, f.add), sum = true;
  if (f.divide != 1) {
    if (sum) text = "(" + text + ")";
    text = fmt::format("{} / {}", text, f.divide), sum = false;
  }
  if (f.scale != 1) {
    if (sum) text = "(" + text + ")";
    text = fmt::format("{} * {}", text, f.scale);
  }
  if (f.offset != 0) text = fmt::format("{} + {}", text, f.offset);
  return text;
}

std::string input_port_text(unsigned port) {
  if (port < kMeshPorts) return mesh_text(port);
  if (port < RDU_PORT_FROM_PMU) return fmt::format("PCU output {}", port - RDU_PORT_FROM_PCU);
  if (port < RDU_PORT_FROM_AGCU) return fmt::format("PMU output {}", port - RDU_PORT_FROM_PMU);
  return port < RDU_PORT_INPUTS ? "AGCU" : fmt::format("port {}", port);
}

std::string output_port_text(unsigned port) {
  if (port < kMeshPorts) return mesh_text(port);
  if (port < RDU_PORT_TO_PMU) return fmt::format("PCU input {}", port - RDU_PORT_TO_PCU);
  if (port < RDU_PORT_TO_AGCU) return fmt::format("PMU input {}", port - RDU_PORT_TO_PMU);
  if (port < RDU_PORT_OUTPUTS) return fmt::format("AGCU input {}", port - RDU_PORT_TO_AGCU);
  return fmt::format("port {}", port);
}

std::string output_ports_text(uint32_t mask) {
  std::string text;
  for (unsigned port = 0; port < 32; ++port) {
    if ((mask >> port & 1) != 0) text += (text.empty() ? "" : ", ") + output_port_text(port);
  }
  return text.empty() ? "nowhere" : text;
}

std::string input_wire_text(unsigned wire) {
  if (wire < kMeshPorts) return mesh_text(wire);
  if (wire < RDU_WIRE_FROM_PMU) return fmt::format("PCU {}", wire - RDU_WIRE_FROM_PCU);
  if (wire < RDU_WIRE_FROM_AGCU) return fmt::format("PMU {}", wire - RDU_WIRE_FROM_PMU);
  return wire == RDU_WIRE_FROM_AGCU ? "load" : "store";
}

std::string output_wire_text(unsigned wire) {
  if (wire < kMeshPorts) return mesh_text(wire);
  if (wire < RDU_WIRE_TO_PMU) return fmt::format("PCU token input {}", wire - RDU_WIRE_TO_PCU);
  if (wire < RDU_WIRE_TO_AGCU) return fmt::format("PMU token input {}", wire - RDU_WIRE_TO_PMU);
  return fmt::format("AGCU token input {}", wire - RDU_WIRE_TO_AGCU);
}

Decoder::Decoder(const Program& program) : program_(program) {
  for (const Argument& a : program.arguments()) {
    for (const Fixup& f : a.fixups) {
      formulas_[{f.unit, f.word}] = formula(a, f);
    }
  }
}

std::vector<DecodedRegister> Decoder::registers(uint32_t unit) const {
  std::vector<DecodedRegister> result;
  const auto& units = program_.configuration().units();
  const auto found = units.find(unit);
  if (found == units.end()) return result;
  const uint32_t kind = RDU_UNIT_KIND(unit);
  // Registers of which a word is set, or is set by an argument.
  Configuration::Words words = found->second;
  const auto add = [&](unsigned word) {
    const UnitRegister* reg = unit_register(kind, word);
    if (reg) words.emplace(reg->word, static_cast<uint32_t>(reg->reset));
  };
  for (const auto& entry : found->second) add(entry.first);
  for (const auto& entry : formulas_) {
    if (entry.first.first == unit) add(entry.first.second);
  }
  for (const auto& [word, value] : words) {
    const UnitRegister* reg = unit_register(kind, word);
    if (!reg || word != reg->word) continue;  // the second word of a register goes with its first
    DecodedRegister d;
    d.reg = reg;
    d.value = value;
    if (reg->words == 2)
      d.value |=
          uint64_t{
              program_.configuration().get(unit, word + 1u).value_or(static_cast<uint32_t>(reg->reset >> 32))}
          << 32;
    d.text = register_text(*reg, d.value);
    if (kind == RDU_UNIT_SWITCH) {
      const unsigned control = RDU_SWITCH_CONTROL(0) / 4;
      if (word < RDU_SWITCH_SCALAR(0) / 4) {
        d.text = fmt::format("from {}, flow {}: to {}, flow {}", input_port_text(word / RDU_FLOWS),
                             word % RDU_FLOWS, output_ports_text(field(value, RDU_SWITCH_ROUTE_OUT_MASK)),
                             field(value, RDU_SWITCH_ROUTE_NEXT_FLOW_MASK));
      } else if (word >= control && word < control + RDU_WIRE_INPUTS) {
        std::string to;
        for (unsigned i = 0; i < RDU_WIRE_OUTPUTS; ++i) {
          if ((value >> i & 1) != 0) to += (to.empty() ? "" : ", ") + output_wire_text(i);
        }
        d.text = fmt::format("token from {}: to {}", input_wire_text(word - control), to);
      }
    } else if (kind == RDU_UNIT_PCU && word >= RDU_PCU_STAGE(0) / 4 &&
               word < RDU_PCU_STAGE(RDU_PCU_STAGE_COUNT) / 4) {
      d.text = stage(unit, program_of_stage(unit, word - RDU_PCU_STAGE(0) / 4), value);
    } else if (kind == RDU_UNIT_PCU && word >= RDU_PCU_CONST(0) / 4 &&
               word < RDU_PCU_CONST(RDU_PCU_CONST_COUNT) / 4) {
      d.text = constant_text(value);
    }
    const auto set = formulas_.find({unit, word});
    if (set != formulas_.end()) d.from = set->second;
    result.push_back(std::move(d));
  }
  return result;
}

std::string Decoder::summary(const UnitEntry& unit) const {
  switch (unit.role) {
    case Role::pcu:
      return pcu(unit.id);
    case Role::pmu:
      return pmu(unit.id);
    case Role::load:
      return load(unit.id);
    case Role::store:
      return store(unit.id);
  }
  return "";
}

uint32_t Decoder::word(uint32_t unit, uint32_t offset, uint32_t reset) const {
  return program_.configuration().get(unit, offset / 4).value_or(reset);
}

std::string Decoder::value(uint32_t unit, uint32_t offset, uint32_t reset) const {
  const auto set = formulas_.find({unit, offset / 4});
  if (set != formulas_.end()) return "[" + set->second + "]";
  return fmt::format("{}", word(unit, offset, reset));
}

std::string Decoder::address(uint32_t unit, uint32_t offset) const {
  const auto set = formulas_.find({unit, offset / 4});
  if (set != formulas_.end()) return "[" + set->second + "]";
  return fmt::format("{:#x}", word(unit, offset) | uint64_t{word(unit, offset + 4)} << 32);
}

template <class Count, class Stride>
std::string Decoder::counters(uint32_t unit, unsigned entries, Count count, Stride stride) const {
  std::string text;
  for (unsigned i = 0; i < entries; ++i) {
    if (!program_.configuration().get(unit, count(i) / 4)) continue;
    const std::string n = value(unit, count(i));
    if (n == "1") continue;
    const auto step = static_cast<int32_t>(word(unit, stride(i)));
    text += (text.empty() ? "" : ", ") + n;
    text += step == 0 ? " times" : fmt::format(" by {:+}", step);
  }
  return text.empty() ? "once" : text;
}

/// What an index list adds to an address.
static std::string by_index(uint32_t stride) {
  return fmt::format(" + index * {}", static_cast<int32_t>(stride));
}

std::string Decoder::load(uint32_t unit) const {
  const bool indexed = field(word(unit, RDU_AGCU_LOAD), RDU_AGCU_LOAD_INDEX_MASK) != 0;
  return fmt::format("rows of {} bytes from {}{}: {}", value(unit, RDU_AGCU_LOAD_ROW_BYTES),
                     address(unit, RDU_AGCU_LOAD_BASE),
                     indexed ? by_index(word(unit, RDU_AGCU_LOAD_INDEX_STRIDE)) : "",
                     counters(
                         unit, RDU_AGCU_LOAD_COUNT_COUNT, [](unsigned i) { return RDU_AGCU_LOAD_COUNT(i); },
                         [](unsigned i) { return RDU_AGCU_LOAD_STRIDE(i); }));
}

std::string Decoder::store(uint32_t unit) const {
  const uint32_t store = word(unit, RDU_AGCU_STORE);
  const bool indexed = field(store, RDU_AGCU_STORE_INDEX_MASK) != 0;
  const unsigned op = field(store, RDU_AGCU_STORE_OP_MASK);
  static constexpr const char* kOps[] = {"to",      "FADD to", "IADD to", "IMAX to",
                                         "IMIN to", "AND to",  "OR to",   "XOR to"};
  return fmt::format("rows of {} bytes {} {}{}: {}", value(unit, RDU_AGCU_STORE_ROW_BYTES),
                     op < std::size(kOps) ? kOps[op] : "to", address(unit, RDU_AGCU_STORE_BASE),
                     indexed ? by_index(word(unit, RDU_AGCU_STORE_INDEX_STRIDE)) : "",
                     counters(
                         unit, RDU_AGCU_STORE_COUNT_COUNT, [](unsigned i) { return RDU_AGCU_STORE_COUNT(i); },
                         [](unsigned i) { return RDU_AGCU_STORE_STRIDE(i); }));
}

std::string Decoder::pmu(uint32_t unit) const {
  std::vector<uint32_t> writers, readers;  // offsets of their first words
  for (unsigned n = 0; n < 2; ++n) {
    if ((word(unit, RDU_PMU_WRITE_MODE(n)) & RDU_PMU_WRITE_MODE_ENABLE_MASK) != 0)
      writers.push_back(RDU_PMU_WRITE_MODE(n));
    if ((word(unit, RDU_PMU_READ_MODE(n)) & RDU_PMU_READ_MODE_ENABLE_MASK) != 0)
      readers.push_back(RDU_PMU_READ_MODE(n));
  }
  // The common case in short: what is written is read, buffer by buffer.
  if (writers.size() == 1 && readers.size() == 1 && buffers(unit, writers[0]) == buffers(unit, readers[0])) {
    return fmt::format("{}; write {}; read {}", buffers(unit, writers[0]), accesses(unit, writers[0]),
                       accesses(unit, readers[0]));
  }
  std::string text;
  const auto add = [&](const char* kind, uint32_t mode) {
    text +=
        fmt::format("{}{} {}, {}", text.empty() ? "" : "; ", kind, buffers(unit, mode), accesses(unit, mode));
  };
  for (const uint32_t mode : writers) add("write", mode);
  for (const uint32_t mode : readers) add("read", mode);
  return text;
}

// Words of a pipeline whose MODE is at `mode`: write and read pipelines have them alike.
uint32_t Decoder::of_pipeline(uint32_t unit, uint32_t mode, uint32_t of_read) const {
  const uint32_t offset = of_read - RDU_PMU_READ_MODE(0) + mode;
  return word(unit, offset, static_cast<uint32_t>(unit_register(RDU_UNIT_PMU, offset / 4)->reset));
}

std::string Decoder::buffers(uint32_t unit, uint32_t mode) const {
  const uint32_t count = of_pipeline(unit, mode, RDU_PMU_READ_BUFFERS(0));
  const auto base = static_cast<int32_t>(of_pipeline(unit, mode, RDU_PMU_READ_BASE(0)));
  const std::string fills = value(unit, RDU_PMU_READ_FILLS(0) - RDU_PMU_READ_MODE(0) + mode);
  return fmt::format(
      "{} of {} bytes{}, filled {}", count == 1 ? "1 buffer" : fmt::format("{} buffers", count),
      of_pipeline(unit, mode, RDU_PMU_READ_BUFFER_SIZE(0)), base == 0 ? "" : fmt::format(" from {}", base),
      fills == "1" ? "once" : fills + " times");
}

std::string Decoder::accesses(uint32_t unit, uint32_t mode) const {
  const uint32_t shape = of_pipeline(unit, mode, RDU_PMU_READ_SHAPE(0));
  const unsigned n = field(shape, RDU_PMU_READ_SHAPE_LANES_MASK);
  const unsigned size = 1u << field(shape, RDU_PMU_READ_SHAPE_ELEMENT_MASK);
  const auto stride = static_cast<int32_t>(of_pipeline(unit, mode, RDU_PMU_READ_LANE_STRIDE(0)));
  std::string text = size == 1 && stride == 1 ? fmt::format("{} B", n) : fmt::format("{} x {} B", n, size);
  if (stride != static_cast<int32_t>(size)) text += fmt::format(", {} apart", stride);
  text += ": " + counters(
                     unit, RDU_PMU_READ_COUNT_ENTRIES,
                     [&](unsigned i) { return RDU_PMU_READ_COUNT(0, i) - RDU_PMU_READ_MODE(0) + mode; },
                     [&](unsigned i) { return RDU_PMU_READ_STRIDE(0, i) - RDU_PMU_READ_MODE(0) + mode; });
  const bool reads = mode >= RDU_PMU_READ_MODE(0);
  if (reads && (of_pipeline(unit, mode, RDU_PMU_READ_MODE(0)) & RDU_PMU_READ_MODE_SEQUENCE_MASK) != 0) {
    const uint32_t ids = of_pipeline(unit, mode, RDU_PMU_READ_SEQ(0));
    text += fmt::format(", ids {} by {}", field(ids, RDU_PMU_READ_SEQ_FIRST_MASK),
                        field(ids, RDU_PMU_READ_SEQ_STEP_MASK));
  }
  return text;
}

std::string Decoder::operand(uint32_t unit, uint32_t code) const {
  if (code >= RDU_PCU_STAGE_A_CONST0 && code <= RDU_PCU_STAGE_A_CONST3) {
    return constant_text(word(unit, RDU_PCU_CONST(code - RDU_PCU_STAGE_A_CONST0)));
  }
  return field_name(RDU_UNIT_PCU, RDU_PCU_STAGE(0) / 4, "A", code);
}

std::string Decoder::predicate(uint32_t unit, unsigned program, unsigned number) const {
  const uint32_t p = word(unit, RDU_PCU_PROGRAM_PRED(program, number - 1));
  const uint32_t level = field(p, RDU_PCU_PROGRAM_PRED_LEVEL_MASK);
  const uint32_t value = field(p, RDU_PCU_PROGRAM_PRED_VALUE_MASK);
  const bool negated = (p & RDU_PCU_PROGRAM_PRED_NOT_MASK) != 0;
  switch (field(p, RDU_PCU_PROGRAM_PRED_KIND_MASK)) {
    case RDU_PCU_PROGRAM_PRED_KIND_ALWAYS:
      return negated ? "never" : "always";
    case RDU_PCU_PROGRAM_PRED_KIND_FIRST:
      return fmt::format("if {}first of {}", negated ? "not " : "", level);
    case RDU_PCU_PROGRAM_PRED_KIND_LAST:
      return fmt::format("if {}last of {}", negated ? "not " : "", level);
    case RDU_PCU_PROGRAM_PRED_KIND_EQ:
      return fmt::format("if COUNT{} {} {}", level, negated ? "!=" : "=", value);
    case RDU_PCU_PROGRAM_PRED_KIND_LT:
      return fmt::format("if COUNT{} {} {}", level, negated ? ">=" : "<", value);
    case RDU_PCU_PROGRAM_PRED_KIND_SCALAR:
      return fmt::format("if S{} {} 0", level, negated ? "=" : "!=");
    default:
      return fmt::format("if predicate {:#x}", p);
  }
}

std::string Decoder::stage(uint32_t unit, unsigned program, uint32_t stage_word) const {
  const uint32_t op = field(stage_word, RDU_PCU_STAGE_OP_MASK);
  const unsigned reads = operands_of(static_cast<Op>(op));
  const uint32_t when = field(stage_word, RDU_PCU_STAGE_PRED_MASK);
  const uint32_t alt = field(stage_word, RDU_PCU_STAGE_ALT_MASK);
  const std::string c = operand(unit, field(stage_word, RDU_PCU_STAGE_C_MASK));
  std::string text = field_name(RDU_UNIT_PCU, RDU_PCU_STAGE(0) / 4, "OP", op);
  if (reads >= 1) text += " " + operand(unit, field(stage_word, RDU_PCU_STAGE_A_MASK));
  if (reads >= 2) text += ", " + operand(unit, field(stage_word, RDU_PCU_STAGE_B_MASK));
  const bool replaces_c = op == RDU_PCU_STAGE_OP_FMADD || op == RDU_PCU_STAGE_OP_FNMADD;
  if (reads >= 2 && alt != 0 && !replaces_c) {
    text += fmt::format(" ({} {})", c, predicate(unit, program, alt));
  }
  if (reads == 3) text += ", " + c;
  if (replaces_c && alt != 0) text += fmt::format(" (0 {})", predicate(unit, program, alt));
  if ((stage_word & RDU_PCU_STAGE_SAVE_MASK) != 0) {
    text += fmt::format(" -> REG{}", field(stage_word, RDU_PCU_STAGE_REG_MASK));
  }
  if (reads >= 1 && when != 0) text += " " + predicate(unit, program, when);
  return text;
}

unsigned Decoder::program_of_stage(uint32_t unit, unsigned stage) const {
  const uint32_t mode = word(unit, RDU_PCU_PROGRAM_MODE(1));
  const uint32_t first = field(mode, RDU_PCU_PROGRAM_MODE_FIRST_MASK);
  return field(mode, RDU_PCU_PROGRAM_MODE_MODE_MASK) != RDU_PCU_PROGRAM_MODE_MODE_OFF && stage >= first &&
                 stage < first + field(mode, RDU_PCU_PROGRAM_MODE_STAGES_MASK)
             ? 1
             : 0;
}

std::string Decoder::pcu(uint32_t unit) const {
  std::string text;
  for (unsigned program = 0; program < RDU_PCU_PROGRAM_ENTRIES; ++program) {
    if (field(word(unit, RDU_PCU_PROGRAM_MODE(program)), RDU_PCU_PROGRAM_MODE_MODE_MASK) ==
        RDU_PCU_PROGRAM_MODE_MODE_OFF) {
      continue;
    }
    text += (text.empty() ? "" : " | ") + pcu_program(unit, program);
  }
  return text;
}

std::string Decoder::pcu_program(uint32_t unit, unsigned program) const {
  const uint32_t mode = word(unit, RDU_PCU_PROGRAM_MODE(program));
  const unsigned lanes = field(mode, RDU_PCU_PROGRAM_MODE_LANES_MASK);
  const uint32_t out_word = word(unit, RDU_PCU_PROGRAM_OUT(program));
  std::string out = (out_word & RDU_PCU_PROGRAM_OUT_SCALAR_MASK) != 0
                        ? "the scalar output"
                        : field_name(RDU_UNIT_PCU, RDU_PCU_PROGRAM_OUT(0) / 4, "FORMAT",
                                     field(out_word, RDU_PCU_PROGRAM_OUT_FORMAT_MASK));
  const uint32_t sends = field(out_word, RDU_PCU_PROGRAM_OUT_PRED_MASK);
  if (sends != 0) out += " " + predicate(unit, program, sends);
  // Counters up to the last that the program sets.
  std::string firings;
  for (unsigned l = RDU_PCU_PROGRAM_COUNT_ENTRIES; l-- > 0;) {
    const std::string count = value(unit, RDU_PCU_PROGRAM_COUNT(program, l));
    if (firings.empty() && l != 0 && (count == "0" || count == "1")) continue;
    firings = count + (firings.empty() ? "" : " x ") + firings;
  }
  if (field(mode, RDU_PCU_PROGRAM_MODE_MODE_MASK) == RDU_PCU_PROGRAM_MODE_MODE_MATRIX) {
    const uint32_t matrix = word(unit, RDU_PCU_PROGRAM_MATRIX(program));
    return fmt::format("MATRIX {} tiles of {} x {}, K {}{}, to {}", firings,
                       field(matrix, RDU_PCU_PROGRAM_MATRIX_ROWS_MASK), lanes,
                       field(matrix, RDU_PCU_PROGRAM_MATRIX_K_MASK),
                       field(matrix, RDU_PCU_PROGRAM_MATRIX_TYPE_MASK) != 0 ? " pairs of INT8" : "", out);
  }
  std::string stages;
  const auto add = [&](const std::string& text) { stages += (stages.empty() ? "" : "; ") + text; };
  for (unsigned i = 0; i < RDU_PCU_INPUT_COUNT; ++i) {
    const uint32_t input = word(unit, RDU_PCU_INPUT(i));
    const uint32_t takes = field(input, RDU_PCU_INPUT_PRED_MASK);
    if (takes != 0 && field(input, RDU_PCU_INPUT_PROGRAM_MASK) == program) {
      add(fmt::format("take IN{} {}", i, predicate(unit, program, takes)));
    }
  }
  const unsigned first = field(mode, RDU_PCU_PROGRAM_MODE_FIRST_MASK);
  const unsigned count = field(mode, RDU_PCU_PROGRAM_MODE_STAGES_MASK);
  for (unsigned i = first; i < first + count && i < RDU_PCU_STAGE_COUNT; ++i) {
    const uint32_t s = word(unit, RDU_PCU_STAGE(i));
    if (s != 0) add(stage(unit, program, s));
  }
  const uint32_t tail = field(mode, RDU_PCU_PROGRAM_MODE_TAIL_MASK);
  if (tail != RDU_PCU_PROGRAM_MODE_TAIL_NONE) {
    add(field_name(RDU_UNIT_PCU, RDU_PCU_PROGRAM_MODE(0) / 4, "TAIL", tail));
  }
  return fmt::format("SIMD {} vectors of {} lanes: {}; to {}", firings, lanes, stages, out);
}

}  // namespace rdu::tools
