#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "fabric/pcu/counter_chain.h"
#include "fabric/pcu/pcu_config.h"
#include "fabric/pcu/steps.h"
#include "fabric/stream/lockstep.h"
#include "fabric/stream/port.h"

namespace rdu::fabric {

class PcuProgram;

/// A pattern compute unit: its ports, and up to two programs that work on them. What they compute and when is
/// in pcu/README.md.
class Pcu : public Unit {
 public:
  /// At least one program of `config` is on.
  Pcu(Context& context, uint32_t id, const PcuConfig& config);
  ~Pcu() override;

  InputPort& input(unsigned i) { return inputs_[i]; }
  /// Of program p: vectors, if it sends any.
  OutputPort& output(unsigned p = 0) { return outputs_[p]; }
  InputPort& packet_input(unsigned port, unsigned) override { return inputs_[port]; }
  OutputPort& packet_output(unsigned port, unsigned) override { return outputs_[port]; }
  InputPort& scalar_input(unsigned port, unsigned) override { return scalar_inputs_[port]; }
  OutputPort& scalar_output(unsigned, unsigned) override { return scalar_output_; }
  TokenInput& token_input(unsigned port) override { return token_inputs_[port]; }
  TokenOutput& token_output(unsigned port) override { return token_outputs_[port]; }

  const PcuConfig& config() const { return config_; }
  BlockPool& blocks() const { return context_.blocks; }
  uint64_t horizon() const { return context_.work.horizon(); }
  /// The program in matrix mode, to go in lockstep with what feeds it; null if there is none.
  SteadySink* steady_sink();
  /// New arguments: the same ports().
  void configure(const PcuConfig& config) { config_ = config; }

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override;
  std::string waits_for() const override;
  /// Of both programs: firings and vectors of both together, busy cycles and stalls of the busier one.
  const UnitCounts& counts() const override;

 private:
  friend class PcuProgram;

  PcuConfig config_;
  std::array<InputPort, PcuConfig::kInputs> inputs_;
  std::array<InputPort, PcuConfig::kScalarInputs> scalar_inputs_;
  std::array<TokenInput, PcuConfig::kTokenInputs> token_inputs_;
  std::array<OutputPort, PcuConfig::kPrograms> outputs_;
  OutputPort scalar_output_;
  std::array<TokenOutput, PcuConfig::kPrograms> token_outputs_;
  std::array<std::unique_ptr<PcuProgram>, PcuConfig::kPrograms> programs_;
  mutable UnitCounts counts_;
};

/// Cycles from taking a packet from an input's FIFO to giving its credit back: the header fires when it sees
/// a vector's last packet come in, and credits leave by registers.
inline constexpr uint64_t kCreditCycles = 1;

/// One of a PCU's programs: what SIMD and matrix mode have in common.
class PcuProgram {
 public:
  PcuProgram(Pcu& unit, unsigned number);
  PcuProgram(const PcuProgram&) = delete;
  PcuProgram& operator=(const PcuProgram&) = delete;
  virtual ~PcuProgram() = default;

  virtual void start(uint64_t cycle);
  virtual void run() = 0;
  virtual bool finished() const = 0;
  /// What it waits for; empty if it has finished.
  virtual std::string waits_for() const = 0;
  const UnitCounts& counts() const { return counts_; }

 protected:
  const PcuConfig& config() const { return unit_.config_; }
  const PcuConfig::Program& program() const { return unit_.config_.programs[number_]; }
  const FabricParams& params() const { return unit_.context_.params; }
  InputPort& input(unsigned i) { return unit_.inputs_[i]; }
  const InputPort& input(unsigned i) const { return unit_.inputs_[i]; }
  InputPort& scalar_input(unsigned s) { return unit_.scalar_inputs_[s]; }
  const InputPort& scalar_input(unsigned s) const { return unit_.scalar_inputs_[s]; }
  TokenInput& token_input() { return unit_.token_inputs_[program().wait_input]; }
  const TokenInput& token_input() const { return unit_.token_inputs_[program().wait_input]; }
  /// Where its results go: the scalar output or the program's vector output.
  OutputPort& output() { return program().scalar_out ? unit_.scalar_output_ : unit_.outputs_[number_]; }
  const OutputPort& output() const {
    return program().scalar_out ? unit_.scalar_output_ : unit_.outputs_[number_];
  }
  TokenOutput& token_output() { return unit_.token_outputs_[number_]; }
  bool beyond_horizon(uint64_t cycle) { return unit_.beyond_horizon(cycle); }

  /// "input 2 (from pmu[1][2])"
  static std::string missing(const char* what, unsigned number, const std::string& source);

  /// Tail, idle lanes, format: makes the packets (or scalar words) of `vectors` from values[32] each, which
  /// it changes, behind what the writer holds, heads included. packets_out() a vector; there is room.
  void finish(uint32_t* values, size_t vectors);

  Pcu& unit_;
  const unsigned number_;
  BlockWriter writer_;
  UnitCounts counts_;
  uint64_t next_ = 0;                         ///< earliest cycle of the next firing
  std::array<uint32_t, kLanes> generator_{};  ///< a state a lane

 private:
  uint16_t sequence_ = 0;  ///< of the next packet
};

/// SIMD mode: each firing makes one vector of one vector from each input.
class SimdProgram : public PcuProgram {
 public:
  SimdProgram(Pcu& unit, unsigned number) : PcuProgram(unit, number) {}

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override { return left_ == 0 && output().waiting() == 0; }
  std::string waits_for() const override;

 private:
  using Vector = std::array<uint32_t, kLanes>;
  /// What a firing takes and gives: firings that follow each other and are equal in this are one run.
  struct Traffic {
    uint8_t takes = 0;  ///< a bit for each input
    bool sends = false;
    bool waits = false;
    bool signals = false;
    uint8_t scalars = 0;  ///< a bit for each scalar input whose next word it takes

    bool is_single() const { return waits || signals || scalars != 0; }
    friend bool operator==(const Traffic& a, const Traffic& b) {
      return a.takes == b.takes && a.sends == b.sends && a.waits == b.waits && a.signals == b.signals &&
             a.scalars == b.scalars;
    }
  };
  /// A word that has arrived and that no firing has taken yet.
  struct PendingScalar {
    bool there = false;
    uint32_t word = 0;
    uint64_t arrival = 0;
  };

  bool fire();
  bool fetch_scalars();
  unsigned predicates_at(const CounterChain& counters) const;
  Traffic traffic_at(const CounterChain& counters, unsigned predicates) const;
  /// Looks ahead at most `limit` firings with the same traffic as the next; returns how many, and what they
  /// need is in scratch.
  uint64_t look_ahead(uint64_t limit, Traffic* traffic);
  unsigned cost_of(const Traffic& traffic) const;
  void take_inputs(const Run& run, const Traffic& traffic);
  /// Passes the chunk in scratch through the stages; the result is there, too.
  uint32_t* execute(size_t vectors);
  /// The operand's values for all vectors of the chunk.
  const uint32_t* operand(const PcuConfig::Operand& from, const uint32_t* previous, size_t vectors);
  /// A stage that does the same in every firing and needs nothing of the one before.
  void execute_plainly(const PcuConfig::Stage& stage, const uint32_t* previous, uint32_t* out,
                       size_t vectors);
  /// Any stage; returns its results.
  uint32_t* execute_one_by_one(const PcuConfig::Stage& stage, const uint32_t* previous, uint32_t* out,
                               size_t vectors);
  void send(const Run& firings);

  uint64_t left_ = 0;
  CounterChain counters_;  ///< of the next firing
  std::array<uint32_t, PcuConfig::kScalarInputs> scalars_{};
  std::array<PendingScalar, PcuConfig::kScalarInputs> pending_{};
  std::array<Vector, PcuConfig::kInputs> last_{};  ///< vector of each input
  std::array<Vector, PcuConfig::kRegisters> registers_{};
};

/// Matrix mode: an output-stationary array of rows x lanes accumulators, two of each, so that one tile drains
/// while the next accumulates.
class MatrixProgram : public PcuProgram, public SteadySink {
 public:
  explicit MatrixProgram(Pcu& unit) : PcuProgram(unit, 0), lender_(unit.blocks()) {}

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override { return drained_ == program().firings && output().waiting() == 0; }
  std::string waits_for() const override;

  void set_lockstep(Lockstep* lockstep) override { lockstep_ = lockstep; }
  InputPort& steady_input(unsigned i) override { return input(i); }
  unsigned steady_inputs() const override { return 2; }
  uint64_t steady_firings() const override;
  uint64_t steady_next() const override { return next_; }
  uint64_t steady_credit_cycles() const override { return kCreditCycles; }
  void take_packets(unsigned i, const BlockRef& block, uint32_t offset, unsigned packets) override {
    steps_[i].add(block, offset, packets);
  }
  void take_packets(unsigned i, PacketSource& source, uint64_t first, uint64_t packets) override {
    steps_[i].add(source, first, packets);
  }
  void fire_steadily(uint64_t firings) override;

 private:
  /// A tile whose accumulation has ended.
  struct Result {
    BlockRef block;
    uint32_t offset = 0;
    uint64_t ready = 0;    ///< cycle at which its first row may drain
    bool signals = false;  ///< a token leaves with its last packet
  };
  static constexpr size_t kMostPieces = 64;

  bool go_in_lockstep();
  bool accumulate();
  /// Steps of the tile, `run`, whose packets are in steps_, have been made.
  void advance(const Run& run);
  /// Computes with the next `steps` steps of the tile.
  void compute(uint64_t steps);
  /// Whether a tile's packets may be computed by themselves, later.
  bool is_separate() const;
  void end_tile(uint64_t last_step);
  bool drain();

  uint64_t tile_ = 0;      ///< that accumulates
  uint64_t step_ = 0;      ///< of that tile
  uint64_t computed_ = 0;  ///< its steps that are in the accumulators
  CounterChain counters_;
  Steps steps_[2];
  alignas(64) std::array<float, 8 * kLanes> accumulators_{};
  alignas(64) std::array<uint32_t, 8 * kLanes> values_{};  ///< of INT8 tiles, and of one that ends
  std::array<Result, 2> results_;                          ///< of tile t: [t % 2]
  std::array<uint64_t, 2> free_{};  ///< cycle at which accumulators t % 2 may begin again
  uint64_t drained_ = 0;            ///< tiles
  unsigned drained_packets_ = 0;    ///< of the tile that drains
  uint64_t drain_next_ = 0;
  std::shared_ptr<const PcuConfig::Program> shared_program_;  ///< of the execution
  BlockLender lender_;
  Lockstep* lockstep_ = nullptr;
  uint64_t try_at_ = 0;  ///< firings of the execution from which on lockstep is tried again
};

}  // namespace rdu::fabric
