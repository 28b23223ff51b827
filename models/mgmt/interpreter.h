#pragma once

#include <cstdint>

#include "mgmt/csr.h"
#include "mgmt/data_port.h"
#include "mgmt/decode_cache.h"
#include "mgmt/float_unit.h"
#include "mgmt/hart_state.h"
#include "mgmt/meter.h"
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
    stop,  ///< a stop is planted at state.pc, or the watcher of data accesses wants one; nothing was executed
  };

  Interpreter(HartState& state, LocalTime& time, CsrFile& csr, Mmu& mmu, DataPort& data, DecodeCache& code,
              FloatUnit& float_unit, const HartTiming& timing);

  /// Runs for `budget` cycles, more only up to the end of the straight run of instructions in which they end
  /// (at most a page). Counts time and retired instructions.
  Exit run(int64_t budget);
  /// Executes exactly one instruction, also one with a stop planted on it. It costs what it does in run().
  Exit step();

  /// Writes a CSR in the present mode with all that follows from it; false if that is illegal.
  bool write_csr(unsigned number, uint64_t value);

  const Trap& trap() const { return trap_; }

 private:
  Exit execute(int64_t budget, bool one);
  CsrFile::Effect csr_access(const Decoded& instruction, unsigned function);
  void apply(CsrFile::Effect effect);
  void fence_translations(const Decoded& instruction);

  HartState& state_;
  LocalTime& time_;
  CsrFile& csr_;
  Mmu& mmu_;
  DataPort& data_;
  DecodeCache& code_;
  FloatUnit& float_;
  /// HartTiming's, ready to be spent.
  struct Costs {
    explicit Costs(const HartTiming& t)
        : taken(t.branch_taken),
          load(t.load),
          multiply(t.multiply),
          divide(t.divide),
          float_simple(t.float_simple),
          float_arithmetic(t.float_arithmetic),
          float_divide(t.float_divide_single),
          double_divide(t.float_divide_double),
          atomic(t.atomic),
          csr(t.csr) {}
    Meter::Cost taken, load, multiply, divide, float_simple, float_arithmetic, float_divide, double_divide,
        atomic, csr;
  } costs_;
  Trap trap_{Cause::illegal, 0};
  bool prepared_ = false;
};

}  // namespace rdu::mgmt
