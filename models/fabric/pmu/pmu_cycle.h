#pragma once

#include <array>
#include <cstdint>

#include "fabric/params.h"
#include "fabric/pmu/pmu.h"
#include "fabric/stream/pins.h"
#include "fabric/stream/ring.h"

namespace rdu::fabric {

/// The PMU clock by clock: pmu/README.md in the plainest form, and what the RTL is held to. It knows no ECC:
/// errors are injected into the `fast` model.
class PmuCycle : public PinModel {
 public:
  /// `memory` keeps its content over executions and programs.
  PmuCycle(const FabricParams& params, Scratchpad& memory);

  const PinCounts& pins() const override { return pins_; }
  void reset() override;
  void configure(const ConfigWords& words) override;
  void start(const PinCredits& credits, PinOutputs& out) override;
  void tick(const PinInputs& in, PinOutputs& out) override;

 private:
  static constexpr unsigned kInputs = 4;
  static constexpr unsigned kOutputs = 2;
  static constexpr unsigned kLevels = 6;
  static constexpr unsigned kTokens = 8;
  static constexpr unsigned kFirstControlToken = 6;
  using Packet = std::array<uint8_t, kPacketBytes>;

  /// A pipeline: W0, W1, R0, R1.
  struct Pipeline {
    bool is_read = false;
    unsigned number = 0;
    bool enabled = false;
    uint64_t period = 1;  ///< cycles from one of its slots to the next

    uint32_t address = 0;  ///< MODE.ADDRESS
    unsigned data = 0;
    unsigned index = 0;
    uint32_t range = 0;
    int64_t range_low = 0;
    int64_t range_high = 0;
    uint32_t pred = 0;
    bool negated = false;
    unsigned pred_level = 0;
    uint32_t pred_value = 0;
    unsigned lanes = 0;
    unsigned element = 0;  ///< bytes
    int64_t lane_stride = 0;
    int64_t base = 0;
    uint64_t fills = 0;
    uint64_t buffers = 1;
    int64_t buffer_size = 0;
    uint32_t wait = 0;
    uint32_t give = 0;
    uint32_t out = 0;
    int64_t index_stride = 0;
    std::array<uint32_t, kLevels> counts{};
    std::array<int64_t, kLevels> strides{};
    bool has_sequence = false;
    uint32_t sequence_step = 0;
    uint32_t flow = 0;
    uint32_t destination = 0;

    // --- registers ---
    std::array<uint32_t, kLevels> counters{};
    uint64_t fill = 0;
    bool is_first = true;   ///< the next access is the first of a fill
    uint32_t sequence = 0;  ///< of the next access
    int64_t scalar = 0;
    uint64_t next = 0;  ///< earliest cycle of what comes next
    unsigned indices_taken = 0;
    uint32_t late_in = 0;   ///< bit n: n + 1 cycles ago it lacked packets or words
    uint32_t late_out = 0;  ///< ... or places
    std::array<int32_t, kPacketBytes> indices{};

    bool is_over() const { return !enabled || fill == fills; }
  };
  /// What happens to the bytes of one access.
  struct Access {
    std::array<int64_t, kPacketBytes> lane{};  ///< byte address in the scratchpad
    uint64_t inside = 0;                       ///< bit l: lane l is done
    bool sends = false;
  };
  struct Arrived {
    Packet packet;
    uint32_t sequence;
  };
  struct Ready {
    uint64_t cycle;
    uint64_t head;
    Packet packet;
  };
  struct Output {
    Ring<Ready> fifo;
    uint64_t used = 0;
    uint64_t credits = 0;
    bool leaves = false;
  };
  struct Given {
    uint64_t cycle;
    uint32_t tokens;   ///< that count from this cycle on
    uint32_t outputs;  ///< control outputs that send in it
  };

  void decode(Pipeline& p, const ConfigWords& words);
  void cycle(PinOutputs& out);
  void give_tokens(PinOutputs& out);
  void send(PinOutputs& out);
  void work(Pipeline& p, PinOutputs& out);
  void take_packet(unsigned input, PinOutputs& out);
  void take_index(Pipeline& p, PinOutputs& out);
  Access look(const Pipeline& p, int64_t scalar) const;
  unsigned cost(const Pipeline& p, const Access& access) const;
  void perform(Pipeline& p, const Access& access);
  void advance(Pipeline& p, uint64_t end);

  const FabricParams params_;
  Scratchpad& memory_;
  uint8_t* bytes_ = nullptr;
  PinCounts pins_;
  unsigned bank_shift_ = 2;
  unsigned bank_skew_ = 0;
  std::array<Pipeline, 4> pipelines_{};

  uint32_t active_ = 0;  ///< bit n: activity_[n] says what pipeline n does in this cycle
  std::array<Activity, 4> activity_{};
  uint64_t now_ = 0;
  bool is_active_ = false;  ///< something changed in this cycle, or counts down
  std::array<Ring<Arrived>, kInputs> fifos_;
  std::array<Ring<uint32_t>, kOutputs> words_;
  std::array<uint32_t, kTokens> tokens_{};
  std::array<Output, kOutputs> out_;
  std::array<Ring<Given>, 4> given_;  ///< by pipeline
};

}  // namespace rdu::fabric
