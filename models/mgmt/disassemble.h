#pragma once

#include <cstdint>
#include <string>

#include "mgmt/decode.h"

namespace rdu::mgmt {

/// "addi a0,sp,16", "beq a0,a1,0x80001234": an instruction at `pc` as an assembler would read it, without
/// aliases and rounding modes. A compressed one is shown as what it expands to.
std::string disassemble(const Instruction& instruction, uint64_t pc);

/// Where a load, store or atomic finds its operand: at rs1, or at rs1 + imm.
enum class MemoryOperand : uint8_t { none, at_register, at_offset };
MemoryOperand memory_operand(Op op);

/// "a0", "sp": the name that the calling convention gives to x0 to x31, f0 to f31.
const char* integer_register_name(unsigned number);
const char* float_register_name(unsigned number);

}  // namespace rdu::mgmt
