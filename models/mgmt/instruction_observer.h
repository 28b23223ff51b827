#pragma once

#include <cstdint>

#include "core/time.h"
#include "mgmt/decode.h"
#include "mgmt/hart_state.h"

namespace rdu::mgmt {

/// An instruction that a hart has executed, or tried to.
struct Executed {
  unsigned hart = 0;
  core::Time at = 0;    ///< the hart's time before it
  uint64_t cycles = 0;  ///< that it took
  Privilege privilege = Privilege::machine;
  uint64_t pc = 0;
  bool fetched = false;  ///< false: there is nothing at pc, or not for this mode
  uint32_t bits = 0;     ///< its encoding, 16 or 32 bits
  Instruction instruction;
  bool retired = false;  ///< false: it raised `trap`
  Trap trap{Cause::illegal, 0};
  uint64_t next_pc = 0;       ///< where the hart goes on; of one that raised a trap, pc
  bool accesses = false;      ///< it is a load, store or atomic
  uint64_t address = 0;       ///< of the access, virtual
  bool writes_float = false;  ///< rd is a floating-point register
  uint64_t value = 0;         ///< of rd afterwards
};

/// Follows a hart instruction by instruction. Harts that nobody follows run at full speed; followed ones
/// execute the same instructions at the same times, many times slower.
class InstructionObserver {
 public:
  virtual ~InstructionObserver() = default;

  /// False: it has seen enough, and is not called again.
  virtual bool executed(const Executed& e) = 0;
  /// The hart has entered the handler of an interrupt (`cause`: its bit in mip) or of an exception.
  virtual void entered(unsigned hart, bool is_interrupt, uint64_t cause, uint64_t handler, core::Time at) = 0;
};

}  // namespace rdu::mgmt
