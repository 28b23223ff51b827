#pragma once

#include <array>
#include <cstdint>

#include "fabric/params.h"
#include "fabric/stream/pins.h"
#include "fabric/stream/ring.h"

namespace rdu::fabric {

/// The PCU clock by clock and value by value: pcu/README.md in the plainest form, and what the RTL is held
/// to. It shares the definitions of arithmetic (math/scalar.h, math/cross_lane.h) with the `fast` model, and
/// nothing else.
class PcuCycle : public PinModel {
 public:
  explicit PcuCycle(const FabricParams& params);

  const PinCounts& pins() const override { return pins_; }
  void reset() override;
  void configure(const ConfigWords& words) override;
  void start(const PinCredits& credits, PinOutputs& out) override;
  void tick(const PinInputs& in, PinOutputs& out) override;

 private:
  static constexpr unsigned kPrograms = 2;
  static constexpr unsigned kInputs = 4;
  static constexpr unsigned kLevels = 6;
  static constexpr unsigned kMostStages = 8;
  using Vector = std::array<uint32_t, kLanes>;
  using Packet = std::array<uint8_t, kPacketBytes>;

  // --- configuration words, taken apart ---
  struct Predicate {
    uint32_t kind = 0;
    uint32_t level = 0;
    bool negated = false;
    uint32_t value = 0;
  };
  struct Stage {
    uint32_t op = 0;
    std::array<uint32_t, 3> source{};  ///< of A, B, C
    uint32_t pred = 0;
    uint32_t alt = 0;
    bool save = false;
    uint32_t reg = 0;
    uint64_t due = 0;  ///< cycles from the firing to the one in which it computes
  };
  struct Input {
    uint32_t format = 0;
    uint32_t program = 0;
    uint32_t pred = 0;
  };
  struct Program {
    uint32_t mode = 0;
    unsigned lanes = 0;
    uint32_t tail = 0;
    uint32_t format = 0;
    uint32_t out_pred = 0;
    bool is_scalar = false;  ///< OUT.SCALAR
    bool has_sequence = false;
    uint32_t sequence = 0;  ///< of the next packet
    uint32_t sequence_step = 0;
    uint32_t flow = 0;
    uint32_t destination = 0;
    uint64_t k = 0;
    unsigned rows = 0;
    bool is_int8 = false;
    bool waits = false;
    uint32_t wait_input = 0;
    uint32_t wait_level = 0;
    bool signals = false;
    uint32_t signal_level = 0;
    std::array<uint32_t, kLevels> counts{};
    std::array<Predicate, 4> predicates{};  ///< [0] holds always
    std::array<bool, 2> scalar_enabled{};
    std::array<uint32_t, 2> scalar_level{};
    std::array<Stage, kMostStages> stages{};
    unsigned stage_count = 0;
    std::array<bool, kInputs> uses{};
    uint64_t latency = 0;       ///< from a firing to its vector's being ready
    uint64_t tail_latency = 0;  ///< of that, in the tail

    // --- registers ---
    std::array<uint32_t, kLevels> counters{};
    bool is_over = false;  ///< all firings are made
    bool late_in = false;  ///< in the cycle before it lacked packets, words or a token; or places
    bool late_out = false;
    uint64_t busy = 0;    ///< cycles that the header still needs for the firing
    uint32_t taking = 0;  ///< inputs from which that firing takes
    unsigned step = 0;    ///< of these packets
    unsigned places = 0;  ///< that it takes in the output FIFO
    std::array<uint32_t, 2> scalars{};
    std::array<Vector, kInputs> inputs{};
    std::array<Vector, 4> saved{};
    Vector random{};
  };

  /// A vector on its way through the stages, with what its firing has decided.
  struct Flight {
    uint64_t fired = 0;
    std::array<uint32_t, kLevels> counters{};
    uint32_t holds = 0;  ///< bit n: predicate n
    bool sends = false;
    bool signals = false;
    std::array<uint32_t, 2> scalars{};
    std::array<Vector, kInputs> inputs{};
    std::array<Vector, 4> saved{};
    Vector previous{};
    unsigned next = 0;  ///< stage
  };

  template <class Item>
  struct OutFifo {
    struct Entry {
      uint64_t ready;
      Item item;
      uint64_t head;
    };
    Ring<Entry> entries;
    uint64_t used = 0;  ///< places: taken at the firing, free the cycle after the item has left
    uint64_t credits = 0;
    bool leaves = false;  ///< an item leaves in this cycle
  };

  void decode_program(unsigned p, const ConfigWords& words);
  void decode_stage(unsigned i, const ConfigWords& words, Stage& stage);

  void show(PinOutputs& out);
  void send(PinOutputs& out);

  // --- SIMD ---
  unsigned packets_in(unsigned input) const;
  unsigned packets_out(const Program& program) const;
  void move(unsigned p, PinOutputs& out);
  void header(unsigned p, PinOutputs& out);
  bool begin(unsigned p, PinOutputs& out);
  uint32_t predicates(const Program& program, const std::array<uint32_t, 2>& scalars) const;
  void take(Program& program, unsigned input, PinOutputs& out);
  void compute(Program& program, Flight& flight);
  Vector operand(const Flight& flight, const Program& program, const Stage& stage, unsigned which) const;
  Vector result(Program& program, const Stage& stage, const Vector& a, const Vector& b, const Vector& c);
  void finish(unsigned p, Flight& flight, PinOutputs& out);
  void tail(const Program& program, Vector& x) const;
  unsigned pack(Program& program, const Vector& x, std::array<Packet, 2>& packets);
  uint64_t next_head(Program& program);

  // --- matrix ---
  void matrix_step(PinOutputs& out);
  void matrix_drain();

  const FabricParams params_;
  PinCounts pins_;
  std::array<Input, kInputs> inputs_{};
  std::array<uint32_t, 4> constants_{};
  std::array<Program, kPrograms> programs_{};

  uint64_t now_ = 0;
  uint32_t arriving_ = 0;   ///< bit i: a packet enters input i at the end of this cycle
  bool is_active_ = false;  ///< something changed in this cycle, or counts down
  std::array<Ring<Packet>, kInputs> fifos_;
  std::array<Ring<uint32_t>, 2> words_;
  std::array<uint32_t, 2> tokens_{};
  std::array<Ring<Flight>, kPrograms> flights_;
  std::array<OutFifo<Packet>, kPrograms> out_;
  OutFifo<uint32_t> scalar_out_;

  // Two sets of accumulators: one drains while the other accumulates.
  struct Tile {
    uint64_t ready = 0;  ///< cycle in which the first row may drain
    bool signals = false;
  };
  std::array<std::array<Vector, kMostStages>, 2> accumulators_{};
  std::array<uint64_t, 2> free_from_{};
  uint64_t tile_ = 0;  ///< that accumulates
  uint64_t step_ = 0;  ///< of it
  uint64_t drained_ = 0;
  std::array<Tile, 2> tiles_{};
  unsigned drained_packets_ = 0;
  std::array<Packet, 2> row_{};  ///< that drains
  Ring<uint64_t> signals_;       ///< cycles in which tokens leave
};

}  // namespace rdu::fabric
