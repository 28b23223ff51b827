#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "mgmt/instruction_observer.h"

namespace rdu::mgmt {
class Management;
class SymbolTable;
}  // namespace rdu::mgmt

namespace rdu::mgmt::debug {

/// Writes a line for each instruction that the harts execute:
///
///     123.456 us hart0 M 0x80000120 run+0x7a         0049a783  lw a5,4(s3)             a5=0x1 [0x80000140]
///
/// time, hart, mode, pc with symbol, encoding, text, then the register that was written and the address that
/// was accessed. Exceptions and interrupts have lines of their own.
class InstructionTrace : public InstructionObserver {
 public:
  struct Options {
    std::string file;
    core::Time from = 0;      ///< nothing before this time
    bool from_place = false;  ///< nothing before a hart is at `place`
    uint64_t place = 0;
    uint64_t count = UINT64_MAX;  ///< instructions, of all harts together
  };
  /// "FILE[,from=TIME|FUNCTION|0xADDRESS][,count=N]". Throws bad_input, with `option` as the name of what is
  /// wrong.
  static Options parse(const std::string& option, const std::string& text, const SymbolTable& symbols);

  /// Follows all harts from now on. Throws bad_input if the file cannot be written.
  InstructionTrace(const Options& options, Management& management);
  ~InstructionTrace() override;

  bool executed(const Executed& e) override;
  void entered(unsigned hart, bool is_interrupt, uint64_t cause, uint64_t handler, core::Time at) override;

  uint64_t written() const { return written_; }

 private:
  void flush();

  Options options_;
  Management& management_;
  std::ofstream out_;
  fmt::memory_buffer lines_;
  bool started_ = false;
  uint64_t written_ = 0;
};

}  // namespace rdu::mgmt::debug
