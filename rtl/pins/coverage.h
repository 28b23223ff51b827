#pragma once

#include <unistd.h>
#include <cstdlib>
#include <string>

#include <verilated.h>
#if VM_COVERAGE
#include <verilated_cov.h>
#endif

namespace rdu::rtl {

/// What a verilated unit has counted of its lines and toggles goes into a file of RDU_COVERAGE_DIR: before
/// the unit is gone. Nothing where it does not count (RDU_RTL_COVERAGE), or nobody asks.
inline void save_coverage(VerilatedContext& context) {
#if VM_COVERAGE
  static unsigned number = 0;
  const char* folder = std::getenv("RDU_COVERAGE_DIR");
  if (!folder) return;
  const std::string file =
      std::string(folder) + "/" + std::to_string(getpid()) + "-" + std::to_string(++number) + ".dat";
  context.coveragep()->write(file.c_str());
#else
  static_cast<void>(context);
#endif
}

}  // namespace rdu::rtl
