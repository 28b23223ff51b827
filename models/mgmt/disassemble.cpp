#include "mgmt/disassemble.h"

#include <fmt/format.h>

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

/// Of what computes with floating-point registers.
std::string float_operands(const Instruction& i, const std::string& name) {
  const auto x = integer_register_name;
  const auto f = float_register_name;
  const size_t dot = name.find('.');
  const std::string stem = name.substr(0, dot);
  const std::string to = name.substr(dot + 1, name.find('.', dot + 1) - dot - 1);  // the type of the result
  const bool takes_integer =
      ends(name, ".x") || ends(name, ".w") || ends(name, ".wu") || ends(name, ".l") || ends(name, ".lu");
  if (stem == "feq" || stem == "flt" || stem == "fle")
    return fmt::format("{},{},{}", x(i.rd), f(i.rs1), f(i.rs2));
  if (stem == "fclass" || (stem == "fmv" && to == "x") || (stem == "fcvt" && (to[0] == 'w' || to[0] == 'l')))
    return fmt::format("{},{}", x(i.rd), f(i.rs1));
  if ((stem == "fmv" || stem == "fcvt") && takes_integer) return fmt::format("{},{}", f(i.rd), x(i.rs1));
  if (stem == "fcvt" || stem == "fsqrt") return fmt::format("{},{}", f(i.rd), f(i.rs1));
  if (is_one_of(stem, {"fmadd", "fmsub", "fnmsub", "fnmadd"}))
    return fmt::format("{},{},{},{}", f(i.rd), f(i.rs1), f(i.rs2), f(i.rs3));
  return fmt::format("{},{},{}", f(i.rd), f(i.rs1), f(i.rs2));
}

/// The operands that follow an operation's name. The names of the manual are regular enough to tell.
std::string operands(const Instruction& i, const std::string& name, uint64_t pc) {
  const auto x = integer_register_name;
  const uint64_t target = pc + static_cast<uint64_t>(static_cast<int64_t>(i.imm));

  if (is_one_of(name, {"ecall", "ebreak", "mret", "sret", "wfi", "fence", "fence.i"})) return {};
  if (name == "illegal") {
    return i.length == 2 ? fmt::format("{:#06x}", i.imm & 0xffff)
                         : fmt::format("{:#010x}", static_cast<uint32_t>(i.imm));
  }
  if (name == "sfence.vma") return fmt::format("{},{}", x(i.rs1), x(i.rs2));
  if (name == "lui" || name == "auipc")
    return fmt::format("{},{:#x}", x(i.rd), static_cast<uint32_t>(i.imm) >> 12);
  if (name == "jal") return fmt::format("{},{:#x}", x(i.rd), target);
  if (is_one_of(name, {"beq", "bne", "blt", "bge", "bltu", "bgeu"}))
    return fmt::format("{},{},{:#x}", x(i.rs1), x(i.rs2), target);
  if (is_one_of(name, {"jalr", "lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"}))
    return fmt::format("{},{}({})", x(i.rd), i.imm, x(i.rs1));
  if (is_one_of(name, {"sb", "sh", "sw", "sd"})) return fmt::format("{},{}({})", x(i.rs2), i.imm, x(i.rs1));
  if (name == "flw" || name == "fld")
    return fmt::format("{},{}({})", float_register_name(i.rd), i.imm, x(i.rs1));
  if (name == "fsw" || name == "fsd")
    return fmt::format("{},{}({})", float_register_name(i.rs2), i.imm, x(i.rs1));
  if (starts(name, "lr.")) return fmt::format("{},({})", x(i.rd), x(i.rs1));
  if (starts(name, "sc.") || starts(name, "amo"))
    return fmt::format("{},{},({})", x(i.rd), x(i.rs2), x(i.rs1));
  if (starts(name, "csrr")) {
    const std::string source = ends(name, "i") ? std::to_string(i.rs1) : x(i.rs1);
    return fmt::format("{},{},{}", x(i.rd), csr_name(static_cast<unsigned>(i.imm)), source);
  }
  if (is_one_of(name, {"slli", "srli", "srai", "slliw", "srliw", "sraiw", "slli.uw", "rori", "roriw", "bclri",
                       "bexti", "binvi", "bseti"}))
    return fmt::format("{},{},{:#x}", x(i.rd), x(i.rs1), i.imm);
  if (is_one_of(name, {"addi", "addiw", "slti", "sltiu", "xori", "ori", "andi"}))
    return fmt::format("{},{},{}", x(i.rd), x(i.rs1), i.imm);
  if (is_one_of(name, {"clz", "clzw", "ctz", "ctzw", "cpop", "cpopw", "sext.b", "sext.h", "zext.h", "orc.b",
                       "rev8"}))
    return fmt::format("{},{}", x(i.rd), x(i.rs1));
  if (name[0] == 'f') return float_operands(i, name);
  return fmt::format("{},{},{}", x(i.rd), x(i.rs1), x(i.rs2));
}

}  // namespace

const char* integer_register_name(unsigned number) {
  return kIntegerNames[number % 32];
}

const char* float_register_name(unsigned number) {
  return kFloatNames[number % 32];
}

std::string disassemble(const Instruction& instruction, uint64_t pc) {
  const std::string name = to_string(instruction.op);
  const std::string text = operands(instruction, name, pc);
  return text.empty() ? name : name + " " + text;
}

}  // namespace rdu::mgmt
