#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fabric/agcu/agcu_unit.h"
#include "fabric/agcu/memory.h"
#include "fabric/agcu/memory_order.h"
#include "fabric/agcu/program_image.h"
#include "fabric/fidelity.h"
#include "fabric/pcu/pcu.h"
#include "fabric/pmu/pmu.h"
#include "fabric/standstill.h"
#include "fabric/stream/clocked.h"
#include "fabric/switch/wiring.h"

namespace rdu::fabric {

/// The scratchpads of a tile; they outlive programs.
class Scratchpads {
 public:
  explicit Scratchpads(const FabricParams& params);
  Scratchpad& at(unsigned row, unsigned column) { return pads_[row * columns_ + column]; }
  void clear();
  /// Words with errors that accesses have found, in all of them.
  uint64_t corrected() const;
  uint64_t uncorrectable() const;
  void clear_counts();

 private:
  uint64_t columns_;
  std::vector<Scratchpad> pads_;
};

/// A loaded program as units that can run: configured, connected by the streams that the switches route.
class Graph {
 public:
  /// What a graph is built into.
  struct Site {
    Context& context;
    Memory& memory;
    Scratchpads& pads;
    uint32_t first_initiator;
    std::string name;  ///< the tile's hierarchical name
  };

  /// Throws LoadFault: BAD_CONFIG, BAD_ROUTE.
  Graph(const Site& site, const ProgramImage& program);
  ~Graph();

  /// Takes over changed words of the units in `touched`. False if they change what is connected to what: then
  /// build a new graph. Throws LoadFault (BAD_CONFIG) and changes nothing then.
  bool reconfigure(const ProgramImage& program, const std::vector<uint32_t>& touched);

  /// Begins an execution at `cycle`; run() does it.
  void start(uint64_t cycle);
  /// Goes on with what has become known, as far as it goes without memory and up to the cycle `horizon`.
  /// Returns the cycle at which run() has to come again, if units have stopped there or may not run ahead of
  /// memory.
  std::optional<uint64_t> run(uint64_t horizon);

  /// The cycle at which the kernel ends: every store acknowledged, every token at the master. Nothing while
  /// that is not known.
  std::optional<uint64_t> end() const;
  /// The last cycle in which any unit did anything.
  uint64_t last_activity() const;
  /// Why a kernel stands that has nothing under way in memory: who waits for each other, or for more than
  /// somebody sends; then what each unit waits for. `first`: the unit to begin with.
  std::string blocked(uint32_t* first) const;

  /// Null for a unit that takes no part, and for switches that nobody meets anybody in.
  Unit* find(uint32_t id) const;
  /// An AGCU that takes part.
  const AgcuUnit& agcu(uint32_t id) const { return *agcus_.at(id); }
  /// What each unit did, switches included, in order of unit id.
  std::vector<std::pair<uint32_t, UnitCounts>> counts() const;

 private:
  void make_units(const ProgramImage& program);
  void add_pcu(uint32_t id, const PcuConfig& config, const ConfigWords& words);
  void add_pmu(uint32_t id, const PmuConfig& config, const ConfigWords& words);
  void add_agcu(uint32_t id, const AgcuConfig& config, const ConfigWords& words);
  void add_clocked(uint32_t id, Scratchpad* memory, const ConfigWords& words);
  void watch(ClockedUnit& unit) const;
  void connect(const ProgramImage& program);
  std::map<uint32_t, AgcuConfig> agcu_configs() const;
  void find_locksteps();
  Standstill standstill() const;
  Site site_;
  const FabricParams& params_;
  std::map<uint32_t, PortUse> uses_;
  std::map<uint32_t, std::unique_ptr<Unit>> units_;  ///< clocked switches, too
  FidelityMap fidelity_;
  std::map<uint32_t, ClockedUnit*> clocked_;  ///< PCUs and PMUs of another fidelity than `fast`
  std::map<uint32_t, AgcuUnit*> agcus_;
  std::vector<ConnectedLeg> legs_;
  std::vector<std::unique_ptr<Lockstep>> locksteps_;
  std::optional<MemoryOrder> order_;
  std::optional<std::vector<MemoryOrder::Race>> races_;  ///< none: the addresses have changed
};

}  // namespace rdu::fabric
