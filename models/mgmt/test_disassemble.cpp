#include <algorithm>
#include <fstream>
#include <regex>

#include "mgmt/csr_names.h"
#include "mgmt/disassemble.h"
#include "test/catch.h"
#include "test_machine.h"

using namespace rdu::mgmt;

namespace {

/// As we write it: objdump's targets have no 0x and a symbol behind them; orderings and the operands of FENCE
/// are not kept by the decoder.
std::string normalised(std::string text) {
  std::replace(text.begin(), text.end(), '\t', ' ');
  text = std::regex_replace(text, std::regex("( <.*>| # .*)$"), "");
  text = std::regex_replace(text, std::regex("\\.(aqrl|aq|rl) "), " ");
  text = std::regex_replace(text, std::regex(",(rne|rtz|rdn|rup|rmm|dyn|unknown)$"), "");
  text = std::regex_replace(text, std::regex("^fence .*"), "fence");
  text = std::regex_replace(text, std::regex("^fence.tso"), "fence");
  text = std::regex_replace(text, std::regex("^((beq|bne|blt|bge|bltu|bgeu) .*,|jal .*,)([0-9a-f]+)$"),
                            "$010x$3");
  return text;
}

}  // namespace

// The distribution's disassembler has its own opinion of each 32-bit encoding that the decoder's test uses.
TEST_CASE("disassembly reads as objdump's", "[mgmt]") {
  std::ifstream in(test::program_path("encodings.dis"));
  REQUIRE(in);
  const std::regex kLine(R"(^\s*([0-9a-f]+):\t([0-9a-f]{8})\s+\t(.*)$)");
  unsigned count = 0;
  std::vector<std::string> wrong;
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, kLine)) continue;
    const Instruction i = decode(static_cast<uint32_t>(std::stoul(match[2], nullptr, 16)));
    if (i.op == Op::illegal) continue;  // which these are is the decoder's test
    const std::string ours = disassemble(i, std::stoull(match[1], nullptr, 16));
    const std::string theirs = normalised(match[3]);
    // objdump knows the registers of extensions that the core has not.
    const bool is_csr = ours.rfind("csrr", 0) == 0;
    if (is_csr && csr_name(static_cast<unsigned>(i.imm)).rfind("0x", 0) == 0) continue;
    ++count;
    if (ours != theirs) wrong.push_back(match[2].str() + ": " + ours + ", objdump: " + theirs);
  }
  CHECK(count > 4000);
  INFO((wrong.empty() ? std::string() : wrong.front()));
  CHECK(wrong.size() == 0);
}

TEST_CASE("compressed instructions read as what they expand to", "[mgmt]") {
  CHECK(disassemble(decode(0x0505), 0) == "addi a0,a0,1");
  CHECK(disassemble(decode(0x6502), 0) == "ld a0,0(sp)");
  CHECK(disassemble(decode(0x8082), 0) == "jalr zero,0(ra)");
  CHECK(disassemble(decode(0xa001), 0x80000000) == "jal zero,0x80000000");
  CHECK(disassemble(decode(0x0000), 0) == "illegal 0x0000");
  CHECK(disassemble(decode(0xffffffff), 0) == "illegal 0xffffffff");
}

TEST_CASE("names of CSRs", "[mgmt]") {
  CHECK(csr_name(0x300) == "mstatus");
  CHECK(csr_name(0xb1f) == "mhpmcounter31");
  CHECK(csr_name(0x3ef) == "pmpaddr63");
  CHECK(csr_name(0x3ae) == "pmpcfg14");
  CHECK(csr_name(0x7c0) == "0x7c0");
  for (size_t i = 1; i < csr_names().size(); ++i) CHECK(csr_names()[i - 1].number < csr_names()[i].number);
}
