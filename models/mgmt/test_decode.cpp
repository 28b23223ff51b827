#include <fstream>

#include "mgmt/decode.h"
#include "test/catch.h"
#include "test_machine.h"

using namespace rdu::mgmt;

// All 16-bit encodings and thousands of 32-bit ones, against what the distribution's disassembler makes of
// them.
TEST_CASE("decoder agrees with objdump", "[mgmt]") {
  std::ifstream in(test::program_path("encodings.txt"));
  REQUIRE(in);
  std::string bits_text, op;
  unsigned length, rd, rs1, rs2, rs3;
  int64_t imm;
  unsigned count = 0, compressed = 0;
  std::vector<std::string> wrong;
  while (in >> bits_text >> length >> op >> rd >> rs1 >> rs2 >> rs3 >> imm) {
    const auto bits = static_cast<uint32_t>(std::stoul(bits_text, nullptr, 16));
    // What lies behind a 16-bit instruction must not matter.
    const Instruction i = decode(length == 2 ? bits | 0xabcd0000u : bits);
    ++count;
    compressed += length == 2;
    const bool same = to_string(i.op) == op && i.length == length && i.imm == imm &&
                      (op == "illegal" || (i.rd == rd && i.rs1 == rs1 && i.rs2 == rs2 && i.rs3 == rs3));
    if (!same) {
      wrong.push_back(bits_text + ": " + to_string(i.op) + " rd " + std::to_string(i.rd) + " rs1 " +
                      std::to_string(i.rs1) + " rs2 " + std::to_string(i.rs2) + " rs3 " +
                      std::to_string(i.rs3) + " imm " + std::to_string(i.imm) + ", expected " + op + " " +
                      std::to_string(rd) + " " + std::to_string(rs1) + " " + std::to_string(rs2) + " " +
                      std::to_string(rs3) + " " + std::to_string(imm));
    }
  }
  CHECK(compressed == 3 * 0x4000);
  CHECK(count > 55000);
  INFO((wrong.empty() ? std::string() : wrong.front()));
  CHECK(wrong.size() == 0);
}
