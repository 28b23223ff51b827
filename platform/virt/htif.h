#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "mgmt/elf_image.h"
#include "mgmt/memory.h"

namespace rdu::platform::virt {

/// The host-target interface of the public RISC-V test suites: a program talks to the host by two 64-bit
/// words of its own, the symbols `tohost` and `fromhost`. The host looks at them between slices of the
/// simulation.
///
///   tohost = status << 1 | 1             ends the run with that status
///   tohost = address of eight words      system call (number, arguments; the result comes in the first
///   word):
///                                        write (64) to descriptors 1 and 2, exit (93); others get -ENOSYS
///   tohost = 0x0101 << 48 | character    console
class Htif {
 public:
  /// Nothing if the program has no symbol `tohost`. Throws bad_input if it lies outside RAM.
  static std::optional<Htif> find(const mgmt::SymbolTable& symbols, mgmt::Ram& ram, uint64_t ram_base,
                                  std::function<void(char)> console);

  /// Serves what the program has asked for since the last call. The exit status if it has ended.
  std::optional<uint64_t> poll();

 private:
  Htif(mgmt::Ram& ram, uint64_t ram_base, uint64_t tohost, std::optional<uint64_t> fromhost,
       std::function<void(char)> console);
  /// Eight bytes of memory. Throws a guest fault if they lie outside RAM.
  uint64_t word(uint64_t address);
  void set_word(uint64_t address, uint64_t value);
  void answer(uint64_t device, uint64_t command, uint64_t payload);
  std::optional<uint64_t> system_call(uint64_t arguments);

  mgmt::Ram& ram_;
  uint64_t ram_base_;
  uint64_t tohost_;
  std::optional<uint64_t> fromhost_;
  std::function<void(char)> console_;
};

/// Writes the memory between the symbols `begin_signature` and `end_signature`, `granularity` bytes a line,
/// as hexadecimal numbers (the last byte first), as riscv-arch-test compares them. Throws bad_input: no such
/// symbols, outside RAM, a file that cannot be written.
void write_signature(const std::string& file, unsigned granularity, const mgmt::SymbolTable& symbols,
                     mgmt::Ram& ram, uint64_t ram_base);

}  // namespace rdu::platform::virt
