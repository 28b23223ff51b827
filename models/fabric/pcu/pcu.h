#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "fabric/math/kernels.h"
#include "fabric/pcu/pcu_config.h"
#include "fabric/stream/port.h"

namespace rdu::fabric {

/// Cycles from reading a packet from an input's FIFO to giving its credit back: a firing may depend on what
/// comes in in the same cycle, and credits leave by registers.
inline constexpr uint64_t kCreditCycles = 1;

/// A pattern compute unit: up to four input streams, one output stream. What it computes and when is in
/// pcu/README.md.
class Pcu : public Unit {
 public:
  /// Of the kind that `config`'s mode asks for; it is not off.
  static std::unique_ptr<Pcu> make(Context& context, uint32_t id, const PcuConfig& config);

  InputPort& input(unsigned i) { return inputs_[i]; }
  OutputPort& output() { return output_; }
  InputPort& packet_input(unsigned port, unsigned) override { return inputs_[port]; }
  OutputPort& packet_output(unsigned, unsigned) override { return output_; }
  const PcuConfig& config() const { return config_; }
  /// New arguments: same mode, same inputs used.
  void configure(const PcuConfig& config) { config_ = config; }

  void start(uint64_t cycle) override;
  std::string waits_for() const override;
  const UnitCounts& counts() const override { return counts_; }

 protected:
  Pcu(Context& context, uint32_t id, const PcuConfig& config);

  /// The first connected input with too few packets, or nothing.
  std::string missing_input() const;

  /// Tail, idle lanes and output format: writes packets_out() packets a vector.
  void finish(uint8_t* packets, float* values, size_t vectors) const;

  PcuConfig config_;
  std::array<InputPort, PcuConfig::kInputs> inputs_;
  OutputPort output_;
  BlockWriter writer_;
  UnitCounts counts_;
  uint64_t next_ = 0;  ///< earliest cycle of the next firing
};

/// SIMD mode: each firing makes one vector of one vector from each input that is used.
class SimdPcu : public Pcu {
 public:
  SimdPcu(Context& context, uint32_t id, const PcuConfig& config) : Pcu(context, id, config) {}

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override { return left_ == 0 && output_.waiting() == 0; }

 private:
  bool fire();
  void execute(uint8_t* packets, size_t vectors);
  void send(const Run& firings);

  uint64_t left_ = 0;
};

/// Matrix mode: an output-stationary array of rows x lanes accumulators, two of each, so that one tile drains
/// while the next accumulates.
class MatrixPcu : public Pcu {
 public:
  MatrixPcu(Context& context, uint32_t id, const PcuConfig& config) : Pcu(context, id, config) {}

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override { return drained_ == config_.iterations && output_.waiting() == 0; }
  std::string waits_for() const override;

 private:
  /// Packets that were taken but not yet computed with. Only references wait: nothing depends on the values
  /// before the tile ends, and a long run of steps is computed much faster than many short ones.
  class Steps {
   public:
    void add(const BlockRef& block, uint32_t offset, unsigned packets);
    bool empty() const { return first_ == pieces_.size(); }
    size_t pieces() const { return pieces_.size() - first_; }
    const uint8_t* data() const { return pieces_[first_].block.packet(pieces_[first_].offset); }
    unsigned run() const { return pieces_[first_].packets; }
    void drop(unsigned packets);
    void clear();

   private:
    struct Piece {
      BlockRef block;
      uint32_t offset;
      unsigned packets;
    };
    std::vector<Piece> pieces_;
    size_t first_ = 0;
  };
  /// A tile whose accumulation has ended.
  struct Result {
    BlockRef block;
    uint32_t offset = 0;
    uint64_t ready = 0;  ///< cycle at which its first row may drain
  };
  static constexpr size_t kMostPieces = 64;

  bool accumulate();
  void compute();
  void end_tile(uint64_t last_step);
  bool drain();

  uint64_t tile_ = 0;  ///< that accumulates
  uint64_t step_ = 0;  ///< of that tile
  Steps steps_[2];
  alignas(32) std::array<float, 8 * kLanes> accumulators_{};
  std::array<Result, 2> results_;   ///< of tile t: [t % 2]
  std::array<uint64_t, 2> free_{};  ///< cycle at which accumulators t % 2 may begin again
  uint64_t drained_ = 0;            ///< tiles
  unsigned drained_packets_ = 0;    ///< of the tile that drains
  uint64_t drain_next_ = 0;
};

}  // namespace rdu::fabric
