#pragma once

#include <cstdint>

#include "mgmt/csr.h"
#include "mgmt/data_port.h"
#include "mgmt/decode_cache.h"
#include "mgmt/hart_state.h"
#include "mgmt/params.h"

namespace rdu::mgmt {

/// Executes instructions. It never waits and takes no trap itself, it stops and says why; only accesses to
/// the bus (in DataPort) let simulated time pass.
class Interpreter {
 public:
  enum class Exit : uint8_t {
    budget,  ///< the cycles are used up
    event,   ///< something happened after which interrupts and reset must be looked at: bus access, CSR write
    trap,    ///< trap() says which; state.pc is the instruction's, which has not retired
    wfi,     ///< a WFI has retired
  };

  Interpreter(HartState& state, LocalTime& time, CsrFile& csr, DataPort& data, DecodeCache& code,
              const HartTiming& timing);

  /// Runs for `budget` cycles, more only up to the end of the straight run of instructions in which they end
  /// (at most a page). Counts time and retired instructions.
  Exit run(int64_t budget);

  const Trap& trap() const { return trap_; }

 private:
  bool csr_access(const Decoded& instruction, unsigned function, bool* wrote);

  HartState& state_;
  LocalTime& time_;
  CsrFile& csr_;
  DataPort& data_;
  DecodeCache& code_;
  const HartTiming timing_;
  Trap trap_{Cause::illegal, 0};
  bool prepared_ = false;
};

}  // namespace rdu::mgmt
