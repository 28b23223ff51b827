#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fabric/params.h"
#include "fabric/stream/block.h"
#include "fabric/stream/run.h"

namespace rdu::fabric {

class Unit;

/// Units that have something to look at, first come first served. The order decides nothing: what a unit does
/// depends on its inputs, credits and their times alone.
class Worklist {
 public:
  void add(Unit& unit);
  /// Runs until nobody can go on with what is known, or would only beyond the cycle `horizon`. A program can
  /// make units that need nobody's data or whose data never ends; without a horizon they would run for ever
  /// at one moment of simulated time. Later calls have later horizons.
  void run(uint64_t horizon);
  /// Somebody has stopped at the horizon. Then run() has to come again when that cycle does, and not later.
  bool stopped_at_horizon() const { return !beyond_.empty(); }
  /// Forgets everybody.
  void clear();

 private:
  friend class Unit;
  uint64_t horizon_ = ~uint64_t{0};
  std::vector<Unit*> now_;
  std::vector<Unit*> next_;
  std::vector<Unit*> beyond_;  ///< stopped at the horizon
};

/// What the units of a tile share.
struct Context {
  explicit Context(const FabricParams& p) : params(p) {}

  const FabricParams& params;
  BlockPool blocks;  ///< before the units: outlives their references
  Worklist work;
};

/// What a unit did in one execution. regs/sequencer.yaml (PERF_*) defines the sums.
struct UnitCounts {
  uint64_t first = 0;  ///< cycle of the first firing
  uint64_t last = 0;
  uint64_t firings = 0;
  uint64_t busy = 0;
  Stalls stalls;
  uint64_t vectors = 0;
  uint64_t bytes = 0;

  void fired(const Run& run) {
    if (firings == 0 || run.t < first) first = run.t;
    if (run.last() > last) last = run.last();
    firings += run.n;
  }
};

/// A configured unit: an actor with its own time. run() does all that can be done with the packets, credits
/// and answers known so far and returns; whoever brings something new wakes it.
class Unit {
 public:
  Unit(Context& context, uint32_t id) : context_(context), id_(id) {}
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;
  virtual ~Unit() = default;

  uint32_t id() const { return id_; }

  /// Begins an execution at `cycle` with everything empty.
  virtual void start(uint64_t cycle) = 0;
  virtual void run() = 0;
  /// Whether it has done all that it was configured to do.
  virtual bool finished() const = 0;
  /// What it waits for, for the report of a kernel that hangs: "input 0 (from pmu[1][2])".
  virtual std::string waits_for() const = 0;
  virtual const UnitCounts& counts() const = 0;

  void wake() { context_.work.add(*this); }

 protected:
  /// True if a firing at `cycle` has to wait until the horizon has moved; the unit is run again then.
  bool beyond_horizon(uint64_t cycle) {
    Worklist& work = context_.work;
    if (cycle <= work.horizon_) return false;
    if (!beyond_) work.beyond_.push_back(this);
    beyond_ = true;
    return true;
  }

  Context& context_;

 private:
  friend class Worklist;
  uint32_t id_;
  bool queued_ = false;
  bool beyond_ = false;
};

/// "pcu[3][2]", "agcu_west[3]"; "unit 0x..." for an id of no known kind.
std::string unit_name(uint32_t id);

}  // namespace rdu::fabric
