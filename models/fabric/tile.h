#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/register_port.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "fabric/params.h"

namespace rdu::fabric {

/// What a unit did in all executions since the start of simulation. regs/sequencer.hpp defines the counters.
struct UnitStatistics {
  uint32_t unit = 0;     ///< RDU_UNIT(kind, row, column)
  std::string name;      ///< "pcu[3][2]"
  std::string fidelity;  ///< "fast", "cycle", "rtl"; empty for units that have no choice
  uint64_t executions = 0;
  uint64_t busy = 0;       ///< cycles
  uint64_t stall_in = 0;   ///< cycles
  uint64_t stall_out = 0;  ///< cycles
  uint64_t vectors = 0;
  uint64_t bytes = 0;
};

/// What a tile did since the start of simulation.
struct TileStatistics {
  uint64_t program_loads = 0;
  uint64_t argument_loads = 0;
  uint64_t executions = 0;  ///< that ended well
  uint64_t faults = 0;      ///< commands of any kind that did not
  uint64_t program_load_cycles = 0;
  uint64_t argument_load_cycles = 0;
  uint64_t execution_cycles = 0;
  uint64_t bytes_loaded = 0;  ///< by AGCUs, from memory
  uint64_t bytes_stored = 0;
  /// Cycles in which units fired, summed over the units of a kind: [RDU_UNIT_PCU] .. [RDU_UNIT_AGCU].
  std::array<uint64_t, 5> busy{};
};

/// A tile of the dataflow core at `fast` fidelity: rows x columns of switches with a PCU and a PMU each, an
/// AGCU at both ends of every row, and the kernel sequencer that firmware drives (regs/sequencer.yaml).
class Tile : public sc_core::sc_module {
 public:
  /// Requests leave through `port` under initiator ids first_initiator_id .. + initiators(params) - 1; their
  /// virtual addresses go through `slb`. Throws bad_input if the parameters do not fit each other.
  Tile(sc_core::sc_module_name name, const FabricParams& params, core::TransferPort& port,
       core::AddressTranslator& slb, uint32_t first_initiator_id);
  ~Tile() override;

  static uint32_t initiators(const FabricParams& params) {
    return static_cast<uint32_t>(2 * params.agcus() + 1);
  }

  /// The sequencer's registers.
  core::RegisterPort& registers();
  /// High while STATUS.DONE and IRQ_ENABLE.DONE are.
  core::InterruptLine interrupt;

  /// Function level reset: stops and unloads at once, registers and scratchpads as after power-up. Answers to
  /// requests in flight are dropped when they come.
  void host_reset();

  /// For tests of software: the command under way, or the next one, never ends. CONTROL.ABORT or a reset
  /// frees the tile.
  void jam();

  /// Flips `bits` (31..0 data, 38..32 check bits) of the word at byte `address` of a PMU's scratchpad, as
  /// registers SRAM_ECC_* do. False if there is no such word.
  bool spoil(uint64_t row, uint64_t column, uint64_t address, uint64_t bits);

  TileStatistics statistics() const;
  /// Of every unit that took part in an execution, in order of unit id.
  std::vector<UnitStatistics> unit_statistics() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rdu::fabric
