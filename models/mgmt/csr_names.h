#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdu::mgmt {

/// A control and status register as the privileged specification names it.
struct CsrName {
  unsigned number;
  std::string name;
};

/// All that the specification defines for RV64 with machine, supervisor and user mode and PMP, by number; a
/// hart may have fewer.
const std::vector<CsrName>& csr_names();

/// "mstatus", or the number ("0x7c0") if none is defined.
std::string csr_name(unsigned number);

}  // namespace rdu::mgmt
