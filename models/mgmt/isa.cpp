#include "mgmt/isa.h"

#include <cstdint>

#include "mgmt/decode.h"

namespace rdu::mgmt {
namespace {

/// An extension and an encoding of its own.
struct Probe {
  const char* name;
  uint32_t encoding;
};

constexpr Probe kProbes[] = {
    {"i", 0x00000013},         // nop
    {"m", 0x02a50533},         // mul a0, a0, a0
    {"a", 0x00a5252f},         // amoadd.w a0, a0, (a0)
    {"f", 0x00a57553},         // fadd.s fa0, fa0, fa0
    {"d", 0x02a57553},         // fadd.d fa0, fa0, fa0
    {"c", 0x00000001},         // c.nop
    {"zicntr", 0xc0102573},    // rdtime a0
    {"zicsr", 0x34051073},     // csrw mscratch, a0
    {"zifencei", 0x0000100f},  // fence.i
    {"zba", 0x20a52533},       // sh1add a0, a0, a0
    {"zbb", 0x40a57533},       // andn a0, a0, a0
    {"zbs", 0x28a51533},       // bset a0, a0, a0
};
constexpr uint32_t kSfenceVma = 0x12000073;

bool known(uint32_t encoding) {
  return decode(encoding).op != Op::illegal;
}

}  // namespace

std::string Isa::string() const {
  std::string text = "rv64";
  for (const std::string& e : extensions) text += e.size() == 1 ? e : "_" + e;
  return text;
}

Isa isa() {
  Isa found;
  for (const Probe& p : kProbes) {
    if (known(p.encoding)) found.extensions.emplace_back(p.name);
  }
  if (known(kSfenceVma)) {
    found.extensions.emplace_back("sstc");  // supervisor mode has its own timer compare register (CsrFile)
    found.mmu = "riscv,sv48";
  }
  return found;
}

}  // namespace rdu::mgmt
