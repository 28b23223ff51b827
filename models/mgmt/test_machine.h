#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "mgmt/elf_image.h"
#include "mgmt/float/host.h"
#include "mgmt/management.h"
#include "regs/address_map.hpp"

/// What the management core's tests run programs on. SystemC elaborates once a process, so all test cases
/// share two subsystems and restart them.
namespace rdu::mgmt::test {

inline constexpr uint64_t kRam = regs::map::RAM.base;
inline constexpr uint64_t kOperands = 0x80100000 - kRam;
inline constexpr uint64_t kResults = 0x80200000 - kRam;

inline std::string program_path(const std::string& name) {
  return std::string(RDU_MGMT_PROGRAMS) + "/" + name;
}

/// A subsystem with its console and the faults that it reports.
class Machine {
 public:
  Machine(const char* name, const MgmtParams& params);

  /// The one with the default parameters.
  static Machine& plain();
  /// Two harts, 1 us quantum, misaligned accesses in hardware.
  static Machine& other();

  /// Puts a program into cleared RAM and resets the subsystem: it will start when time goes on.
  void load(const std::string& program);
  /// Lets time pass until the program says that it has ended; false if it has not within `most`.
  bool run(core::Time most = 20 * core::kMillisecond);
  /// load(), then run() to the end.
  void execute(const std::string& program);

  uint64_t result(unsigned index) { return word(kResults + 8 * index); }
  uint64_t word(uint64_t offset) {
    uint64_t value = 0;
    management.ram().debug(offset, reinterpret_cast<uint8_t*>(&value), sizeof value, false);
    return value;
  }
  void set_word(uint64_t offset, uint64_t value) {
    management.ram().debug(offset, reinterpret_cast<uint8_t*>(&value), sizeof value, true);
  }
  uint64_t symbol(const std::string& name);

  /// A register access by software, without the bus.
  uint64_t read(core::RegisterFile& registers, uint64_t offset, unsigned length);
  void write(core::RegisterFile& registers, uint64_t offset, unsigned length, uint64_t value);

  std::string sent;  ///< by the UART
  std::vector<core::Time> sent_at;
  uint32_t float_control = 0;  ///< the host's floating-point mode when the last byte was sent
  core::Time reset_at = 0;     ///< when load() was called: MTIME counts from there
  Management management;
  std::vector<core::GuestFault> faults;

 private:
  SymbolTable symbols_;
};

/// Lets both subsystems, and what before_first_use() was given, exist before time goes on for the first time.
void elaborate();
/// Of both, and of what else the process has; for whoever clears them first.
std::vector<core::GuestFault>& faults_everywhere();
/// From static initialisers: builds further modules.
void before_first_use(std::function<void()> build);
void pass(core::Time time);

}  // namespace rdu::mgmt::test
