#pragma once

#include <string>
#include <vector>

#include "mgmt/debug/target.h"

namespace rdu::mgmt::debug {

/// The XML document by which gdb learns the architecture and its registers (annex target.xml).
std::string target_description(const std::vector<RegisterInfo>& registers);

}  // namespace rdu::mgmt::debug
