#include "mgmt/disassemble.h"

#include <fmt/format.h>

#include <array>
#include <set>

#include "mgmt/csr_names.h"

namespace rdu::mgmt {

namespace {

constexpr const char* kIntegerNames[32] = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
    "a6",   "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
constexpr const char* kFloatNames[32] = {"ft0", "ft1", "ft2",  "ft3",  "ft4", "ft5", "ft6",  "ft7",
                                         "fs0", "fs1", "fa0",  "fa1",  "fa2", "fa3", "fa4",  "fa5",
                                         "fa6", "fa7", "fs2",  "fs3",  "fs4", "fs5", "fs6",  "fs7",
                                         "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11"};

bool starts(const std::string& name, const char* prefix) {
  return name.rfind(prefix, 0) == 0;
}
bool ends(const std::string& name, const char* suffix) {
  const std::string s = suffix;
  return name.size() >= s.size() && name.compare(name.size() - s.size(), s.size(), s) == 0;
}
bool is_one_of(const std::string& name, const std::set<std::string>& names) {
  return names.count(name) != 0;
}

/// How operands are written.
enum class Format : uint8_t {
  none,
  encoding,  ///< of an illegal one
  upper,     ///< rd,imm >> 12
  jump,      ///< rd,target
  branch,    ///< rs1,rs2,target
  load,      ///< rd,imm(rs1)
  store,     ///< rs2,imm(rs1)
  float_load,
  float_store,
  reserved_load,  ///< rd,(rs1)
  atomic,         ///< rd,rs2,(rs1)
  csr,            ///< rd,csr,rs1
  csr_immediate,  ///< rd,csr,5 bits
  shift,          ///< rd,rs1,0xdistance
  immediate,      ///< rd,rs1,imm
  one,            ///< rd,rs1
  two,            ///< rd,rs1,rs2
  fence,          ///< rs1,rs2
  float_one,      ///< fd,fs1
  float_two,      ///< fd,fs1,fs2
  float_three,    ///< fd,fs1,fs2,fs3
  float_compare,  ///< rd,fs1,fs2
  from_float,     ///< rd,fs1
  to_float,       ///< fd,rs1
};

/// Of what computes with floating-point registers.
Format float_format(const std::string& name) {
  const size_t dot = name.find('.');
  const std::string stem = name.substr(0, dot);
  const std::string to = name.substr(dot + 1, name.find('.', dot + 1) - dot - 1);  // the type of the result
  const bool takes_integer =
      ends(name, ".x") || ends(name, ".w") || ends(name, ".wu") || ends(name, ".l") || ends(name, ".lu");
  if (is_one_of(stem, {"feq", "flt", "fle"})) return Format::float_compare;
  if (stem == "fclass" || (stem == "fmv" && to == "x") || (stem == "fcvt" && (to[0] == 'w' || to[0] == 'l')))
    return Format::from_float;
  if ((stem == "fmv" || stem == "fcvt") && takes_integer) return Format::to_float;
  if (stem == "fcvt" || stem == "fsqrt") return Format::float_one;
  return is_one_of(stem, {"fmadd", "fmsub", "fnmsub", "fnmadd"}) ? Format::float_three : Format::float_two;
}

/// The names of the manual are regular enough to tell.
Format format_of(const std::string& name) {
  if (is_one_of(name, {"ecall", "ebreak", "mret", "sret", "wfi", "fence", "fence.i"})) return Format::none;
  if (name == "illegal") return Format::encoding;
  if (name == "sfence.vma") return Format::fence;
  if (name == "lui" || name == "auipc") return Format::upper;
  if (name == "jal") return Format::jump;
  if (is_one_of(name, {"beq", "bne", "blt", "bge", "bltu", "bgeu"})) return Format::branch;
  if (is_one_of(name, {"jalr", "lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"})) return Format::load;
  if (is_one_of(name, {"sb", "sh", "sw", "sd"})) return Format::store;
  if (name == "flw" || name == "fld") return Format::float_load;
  if (name == "fsw" || name == "fsd") return Format::float_store;
  if (starts(name, "lr.")) return Format::reserved_load;
  if (starts(name, "sc.") || starts(name, "amo")) return Format::atomic;
  if (starts(name, "csrr")) return ends(name, "i") ? Format::csr_immediate : Format::csr;
  if (is_one_of(name, {"slli", "srli", "srai", "slliw", "srliw", "sraiw", "slli.uw", "rori", "roriw", "bclri",
                       "bexti", "binvi", "bseti"}))
    return Format::shift;
  if (is_one_of(name, {"addi", "addiw", "slti", "sltiu", "xori", "ori", "andi"})) return Format::immediate;
  if (is_one_of(name, {"clz", "clzw", "ctz", "ctzw", "cpop", "cpopw", "sext.b", "sext.h", "zext.h", "orc.b",
                       "rev8"}))
    return Format::one;
  return name[0] == 'f' ? float_format(name) : Format::two;
}

/// What is known of an operation, looked up once.
struct Known {
  std::string name;
  Format format;
  MemoryOperand memory;
};

const Known& known(Op op) {
  static const auto kTable = [] {
    std::array<Known, kOperations> table;
    for (unsigned i = 0; i < kOperations; ++i) {
      Known& k = table[i];
      k.name = to_string(static_cast<Op>(i));
      k.format = format_of(k.name);
      const bool is_atomic = k.format == Format::atomic || k.format == Format::reserved_load;
      const bool is_plain = k.format == Format::store || k.format == Format::float_store ||
                            k.format == Format::float_load || (k.format == Format::load && k.name != "jalr");
      k.memory = is_atomic  ? MemoryOperand::at_register
                 : is_plain ? MemoryOperand::at_offset
                            : MemoryOperand::none;
    }
    return table;
  }();
  return kTable[static_cast<unsigned>(op)];
}

std::string operands(const Instruction& i, Format format, uint64_t pc) {
  const auto x = integer_register_name;
  const auto f = float_register_name;
  const uint64_t target = pc + static_cast<uint64_t>(int64_t{i.imm});
  switch (format) {
    case Format::none:
      break;
    case Format::encoding:
      return i.length == 2 ? fmt::format("{:#06x}", i.imm & 0xffff)
                           : fmt::format("{:#010x}", static_cast<uint32_t>(i.imm));
    case Format::upper:
      return fmt::format("{},{:#x}", x(i.rd), static_cast<uint32_t>(i.imm) >> 12);
    case Format::jump:
      return fmt::format("{},{:#x}", x(i.rd), target);
    case Format::branch:
      return fmt::format("{},{},{:#x}", x(i.rs1), x(i.rs2), target);
    case Format::load:
      return fmt::format("{},{}({})", x(i.rd), i.imm, x(i.rs1));
    case Format::store:
      return fmt::format("{},{}({})", x(i.rs2), i.imm, x(i.rs1));
    case Format::float_load:
      return fmt::format("{},{}({})", f(i.rd), i.imm, x(i.rs1));
    case Format::float_store:
      return fmt::format("{},{}({})", f(i.rs2), i.imm, x(i.rs1));
    case Format::reserved_load:
      return fmt::format("{},({})", x(i.rd), x(i.rs1));
    case Format::atomic:
      return fmt::format("{},{},({})", x(i.rd), x(i.rs2), x(i.rs1));
    case Format::csr:
      return fmt::format("{},{},{}", x(i.rd), csr_name(static_cast<unsigned>(i.imm)), x(i.rs1));
    case Format::csr_immediate:
      return fmt::format("{},{},{}", x(i.rd), csr_name(static_cast<unsigned>(i.imm)), i.rs1);
    case Format::shift:
      return fmt::format("{},{},{:#x}", x(i.rd), x(i.rs1), i.imm);
    case Format::immediate:
      return fmt::format("{},{},{}", x(i.rd), x(i.rs1), i.imm);
    case Format::one:
      return fmt::format("{},{}", x(i.rd), x(i.rs1));
    case Format::two:
      return fmt::format("{},{},{}", x(i.rd), x(i.rs1), x(i.rs2));
    case Format::fence:
      return fmt::format("{},{}", x(i.rs1), x(i.rs2));
    case Format::float_one:
      return fmt::format("{},{}", f(i.rd), f(i.rs1));
    case Format::float_two:
      return fmt::format("{},{},{}", f(i.rd), f(i.rs1), f(i.rs2));
    case Format::float_three:
      return fmt::format("{},{},{},{}", f(i.rd), f(i.rs1), f(i.rs2), f(i.rs3));
    case Format::float_compare:
      return fmt::format("{},{},{}", x(i.rd), f(i.rs1), f(i.rs2));
    case Format::from_float:
      return fmt::format("{},{}", x(i.rd), f(i.rs1));
    case Format::to_float:
      return fmt::format("{},{}", f(i.rd), x(i.rs1));
  }
  return {};
}

}  // namespace

const char* integer_register_name(unsigned number) {
  return kIntegerNames[number % 32];
}

const char* float_register_name(unsigned number) {
  return kFloatNames[number % 32];
}

MemoryOperand memory_operand(Op op) {
  return known(op).memory;
}

std::string disassemble(const Instruction& instruction, uint64_t pc) {
  const Known& k = known(instruction.op);
  const std::string text = operands(instruction, k.format, pc);
  return text.empty() ? k.name : k.name + " " + text;
}

}  // namespace rdu::mgmt
