#pragma once

#include <string>

namespace rdu::cosim {

/// Writes the waves of an FST file as VCD. Throws bad_input.
void fst_to_vcd(const std::string& fst, const std::string& vcd);

}  // namespace rdu::cosim
