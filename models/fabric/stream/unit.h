#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fabric/params.h"
#include "fabric/stream/block.h"
#include "fabric/stream/run.h"

namespace rdu::fabric {

class Unit;
class BoundUnit;
class InputPort;
class OutputPort;
class TokenInput;
class TokenOutput;

inline constexpr uint64_t kNoCycle = ~uint64_t{0};

/// Who brings answers without being a unit: memory.
class Outside {
 public:
  /// No answer that is not known yet lets a packet leave, or be taken, before this cycle; kNoCycle if none is
  /// on its way.
  virtual uint64_t earliest_answer() const = 0;
  /// A request leaves at least so many cycles after the arrival of the packet that causes it.
  virtual uint64_t request_cycles() const = 0;

 protected:
  ~Outside() = default;
};

/// Units that have something to look at, first come first served. The order decides nothing: what a unit does
/// depends on its inputs, credits and their times alone.
class Worklist {
 public:
  void add(Unit& unit);
  /// Runs until nobody can go on with what is known, or would only beyond the cycle `horizon`. A program can
  /// make units that need nobody's data or whose data never ends; without a horizon they would run for ever
  /// at one moment of simulated time. Later calls have later horizons.
  void run(uint64_t horizon, const Outside* outside = nullptr);
  /// The cycle at which run() has to come again, if nothing becomes known before: somebody has stopped at the
  /// horizon, or a clocked unit may not run ahead of an answer.
  std::optional<uint64_t> again() const { return again_; }
  /// Forgets everybody.
  void clear();
  /// Whether anybody has something to look at.
  bool empty() const { return next_.empty(); }
  uint64_t horizon() const { return horizon_; }

 private:
  friend class Unit;
  friend class BoundUnit;
  bool move_bound(const Outside* outside);

  uint64_t horizon_ = kNoCycle;
  std::optional<uint64_t> again_;
  std::vector<Unit*> now_;
  std::vector<Unit*> next_;
  std::vector<Unit*> beyond_;      ///< stopped at the horizon
  std::vector<BoundUnit*> bound_;  ///< all of the execution
};

/// What a unit finds wrong in the middle of an execution.
struct UnitFault {
  uint32_t code = 0;  ///< regs::sequencer::FAULT::CODE_*
  uint32_t unit = 0;
  uint64_t address = 0;  ///< what it means depends on the code
  uint64_t cycle = 0;
  std::string text;
};

/// What the units of a tile share.
struct Context {
  explicit Context(const FabricParams& p) : params(p) {}

  const FabricParams& params;
  BlockPool blocks;  ///< before the units: outlives their references
  Worklist work;
  std::function<void(const UnitFault&)> fault;  ///< somebody has to listen
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

  // Ports, by the unit's own numbers; `flow` counts at switches only. Internal error for one that it lacks.
  virtual InputPort& packet_input(unsigned port, unsigned flow);
  virtual OutputPort& packet_output(unsigned port, unsigned flow);
  virtual InputPort& scalar_input(unsigned port, unsigned flow);
  virtual OutputPort& scalar_output(unsigned port, unsigned flow);
  virtual TokenInput& token_input(unsigned port);
  virtual TokenOutput& token_output(unsigned port);

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
  [[noreturn]] void lacks(const char* what, unsigned port) const;

  uint32_t id_;
  bool queued_ = false;
  bool beyond_ = false;
};

/// A unit that goes on cycle by cycle, so that it has to know not only what arrives but also that nothing
/// does. stream/README.md ("The bound") says what it may take for granted when nobody knows more.
class BoundUnit : public Unit {
 public:
  using Unit::Unit;

  void run() final { advance(0); }

 protected:
  /// Goes on as far as it can. It knows all that it will be given with arrival times up to `known`; beyond
  /// that, what its ports say.
  virtual void advance(uint64_t known) = 0;
  /// Takes part in the current execution; start() says so.
  void take_part();
  /// Its next clock is at this cycle at the earliest: what it gives leaves later than that. kNoCycle: it does
  /// nothing until it is given something.
  void set_next_cycle(uint64_t cycle) { next_cycle_ = cycle; }
  /// Answers of memory come to it, and it ends kernels: without a way between.
  void set_at_memory() { at_memory_ = true; }

 private:
  friend class Worklist;
  uint64_t next_cycle_ = kNoCycle;
  bool at_memory_ = false;
  bool takes_part_ = false;
};

/// "pcu[3][2]", "agcu_west[3]"; "unit 0x..." for an id of no known kind.
std::string unit_name(uint32_t id);

}  // namespace rdu::fabric
