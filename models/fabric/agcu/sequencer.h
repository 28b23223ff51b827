#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/register_port.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "fabric/agcu/configuration_chain.h"
#include "fabric/agcu/fetch.h"
#include "fabric/agcu/memory.h"
#include "fabric/agcu/program_image.h"
#include "fabric/agcu/schedule.h"
#include "fabric/agcu/word_access.h"
#include "fabric/graph.h"
#include "fabric/tile.h"
#include "regs/sequencer.hpp"

namespace rdu::fabric {

/// The kernel sequencer of a tile: carries out what firmware writes to CONTROL. Its process is the only one
/// of the tile; it runs when a command ends, well or not, and at no other time.
class Sequencer : public sc_core::sc_module, private MemoryListener {
 public:
  SC_HAS_PROCESS(Sequencer);
  /// `tile` is the tile's hierarchical name.
  Sequencer(const sc_core::sc_module_name& name, const std::string& tile, const FabricParams& params,
            core::TransferPort& port, core::AddressTranslator& slb, uint32_t first_initiator,
            core::InterruptLine& interrupt);

  core::RegisterPort& port() { return port_; }
  void host_reset();
  /// See Tile::jam().
  void jam() { jammed_ = true; }
  /// See Tile::spoil().
  bool spoil(uint64_t row, uint64_t column, uint64_t address, uint64_t bits);

  const TileStatistics& statistics() const { return statistics_; }
  std::vector<UnitStatistics> unit_statistics() const;

 private:
  enum class State : uint8_t {
    idle = 0,
    program_load = 1,
    argument_load = 2,
    execute = 3,
    quiesce = 4,
    schedule = 5
  };

  // MemoryListener
  void memory_fault(const Fault& fault) override;
  void memory_answered() override;

  void bind_registers();
  void present();  ///< puts what never changes into the registers
  void control_written();
  void abort();
  void set_state(State state);
  void update_interrupt();
  core::Time cycle_time(uint64_t cycle) const { return clock_.time(cycle); }

  // Steps of a command, in this order.
  void next_step();
  void start_program_load(uint64_t address, uint64_t size);
  void scrub();
  void start_argument_load(uint64_t address, uint64_t count);
  void start_execution();
  void start_schedule();
  void start_instruction();
  void write_arguments(const std::vector<rdu_argument_tuple>& pairs);
  void set_notified(const rdu_schedule_instruction& i);
  void word_done(uint32_t word, uint64_t cycle);
  /// A step of a schedule that ends at `cycle` without more ado.
  void end_at(uint64_t cycle);
  void unload();
  void finish_program_load();
  void finish_argument_load();
  void finish_execution();
  /// Sets when the current step ends, once that can be told.
  void look_for_end();
  void run_graph();
  void look_for_end_of_fetch();
  void look_for_end_of_execution();
  void look_for_end_of_schedule_fetch();
  void load_program();
  void load_arguments(const std::vector<uint8_t>& pairs);
  /// Cycles of a step that has ended, into its register.
  void account_cycles(core::Register& reg, uint64_t cycles);

  void fail(Fault fault);  ///< takes note of the earliest fault of the current step
  void stop(const Fault& fault);
  void settle();  ///< ends a quiesce that has nothing to wait for any more
  void command_ended();
  void account_execution(core::Time end);

  void act();
  void schedule();

  std::string tile_;
  FabricParams params_;
  core::Clock clock_;
  core::InterruptLine& interrupt_;
  rdu::regs::sequencer::Registers regs_;
  core::RegisterPort port_;
  core::TrackId track_;

  Context context_;
  Memory memory_;
  Scratchpads pads_;
  ProgramImage program_;
  Graph::Site site_;
  std::unique_ptr<Graph> graph_;
  Fetch fetch_;
  ConfigurationChain configuration_chain_;
  ArgumentChain argument_chain_;
  InstructionStream instructions_;
  Schedule schedule_;
  WordAccess word_;
  uint64_t looked_ = 0;  ///< cycle at which a schedule looked at a word

  State state_ = State::idle;
  bool todo_program_load_ = false;
  bool todo_scrub_ = false;
  bool todo_argument_load_ = false;
  bool todo_execute_ = false;
  bool todo_schedule_ = false;
  core::Time scrubbed_ = 0;  ///< when the last scrub ends; a program load does not end before
  core::Time step_begin_ = 0;
  uint64_t step_cycle_ = 0;
  std::optional<core::Time> step_end_;
  std::optional<core::Time> horizon_;  ///< units have stopped there
  std::optional<Fault> fault_;
  bool unload_ = false;  ///< an abort wants the program gone when all is quiet
  bool jammed_ = false;  ///< the current step never ends

  std::map<uint32_t, UnitCounts> last_counts_;
  std::map<uint32_t, UnitStatistics> unit_statistics_;
  TileStatistics statistics_;
  sc_core::sc_event wake_;
};

}  // namespace rdu::fabric
