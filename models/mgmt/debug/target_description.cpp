#include "mgmt/debug/target_description.h"

#include <fmt/format.h>

namespace rdu::mgmt::debug {

std::string target_description(const std::vector<RegisterInfo>& registers) {
  std::string out =
      "<?xml version=\"1.0\"?>\n"
      "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
      "<target version=\"1.0\">\n"
      "<architecture>riscv:rv64</architecture>\n"
      // No operating system stands between gdb and the hart; for Linux it would step by breakpoints of its
      // own, which end behind a WFI only when that ends.
      "<osabi>none</osabi>\n";
  std::string feature;
  for (const RegisterInfo& r : registers) {
    if (r.feature != feature) {
      if (!feature.empty()) out += "</feature>\n";
      feature = r.feature;
      out += fmt::format("<feature name=\"{}\">\n", feature);
    }
    out += fmt::format("<reg name=\"{}\" bitsize=\"{}\" regnum=\"{}\" type=\"{}\" group=\"{}\"{}/>\n", r.name,
                       r.bits, r.number, r.type, r.group,
                       // A call from gdb must not write back what it did not change: CSRs act when written.
                       r.group == "csr" ? " save-restore=\"no\"" : "");
  }
  if (!feature.empty()) out += "</feature>\n";
  return out + "</target>\n";
}

}  // namespace rdu::mgmt::debug
