#pragma once

#include <string>
#include <vector>

namespace rdu::mgmt {

/// What a hart has, in the terms of device trees.
struct Isa {
  std::vector<std::string> extensions;  ///< "i", "m", "a", "c", "zicsr" ... in canonical order
  std::string mmu;                      ///< "riscv,sv48"; "" if there is no translation

  /// "rv64imac_zicsr_zifencei".
  std::string string() const;
};

/// Of this model: an extension is there if the decoder knows an instruction that only it has.
Isa isa();

}  // namespace rdu::mgmt
