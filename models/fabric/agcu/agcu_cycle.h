#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "fabric/agcu/row_walker.h"
#include "fabric/params.h"
#include "fabric/stream/pins.h"
#include "fabric/stream/ring.h"

namespace rdu::fabric {

/// The pins of an AGCU to memory, in one cycle. Translation and network are behind them.
struct AgcuMemoryPins {
  struct Request {
    bool valid = false;
    Piece piece;
    BlockRef block;        ///< of a write: its bytes, one behind the other
    bool is_last = false;  ///< of the execution
  };
  // Outputs: a request leaves `request_cycles` after the cycle in which it shows here. They are numbered in
  // this order, loads and stores apart.
  Request load;
  Request store;

  // Inputs, of the cycle before.
  struct Answer {
    uint64_t number;
    BlockRef block;  ///< of a load: the bytes, one behind the other
  };
  std::vector<Answer> loaded;
  std::vector<Answer> stored;
  /// A request that would show in the next cycle would leave after the generator has learnt of a fault.
  bool load_stops = false;
  bool store_stops = false;
};

/// The AGCU clock by clock: agcu/README.md ("Generators") in the plainest form. It shares nothing with the
/// `fast` model but the description of a request.
class AgcuCycle : public PinModel {
 public:
  AgcuCycle(const FabricParams& params, BlockPool& blocks);

  const PinCounts& pins() const override { return pins_; }
  void reset() override;
  void configure(const ConfigWords& words) override;
  void start(const PinCredits& credits, PinOutputs& out) override;
  void tick(const PinInputs& in, PinOutputs& out) override;

  AgcuMemoryPins memory;

 private:
  static constexpr unsigned kLevels = 6;
  static constexpr unsigned kTokenInputs = 8;
  static constexpr unsigned kIndices = kPacketBytes / 4;  ///< of a packet
  static constexpr unsigned kLoad = 0, kStore = 1;        ///< actors
  using Packet = std::array<uint8_t, kPacketBytes>;

  /// Makes addresses, and requests of neighbours.
  struct AddressPipeline {
    uint64_t base = 0;
    uint64_t row_bytes = 1;
    std::array<uint32_t, kLevels> counts{};
    std::array<int64_t, kLevels> strides{};
    bool indexed = false;
    int64_t index_stride = 0;
    uint64_t fill = 0;  ///< rows of a fill; 0: there are none
    uint64_t rows = 0;

    std::array<uint32_t, kLevels> counters{};
    uint64_t row = 0;
    uint32_t packet = 0;  ///< of the row
    std::array<int32_t, kIndices> indices{};
    uint64_t index_packets = 0;  ///< that have come

    bool done() const { return row == rows; }
    bool needs_indices() const { return indexed && !done() && row / kIndices == index_packets; }
    bool begins_fill() const { return fill != 0 && packet == 0 && row % fill == 0; }
    uint64_t address() const;
    uint32_t packet_bytes() const;
    Piece next(uint64_t request_bytes);

   private:
    void step();
  };

  /// What both generators have.
  struct Generator {
    bool enabled = false;
    AddressPipeline rows;
    bool waits = false;
    unsigned wait_input = 0;
    bool signals = false;
    uint64_t slots = 0;      ///< free ones
    uint64_t returning = 0;  ///< slots that are free from the next cycle on
    bool stopped = false;    ///< by a fault
    // Of the cycle before, for PERF_*: packets (load: answers), or credits and slots, were missing.
    bool lacks_input = false;
    bool lacks_output = false;
  };
  /// A load's request from its address to its last packet.
  struct Load {
    Piece piece;
    BlockRef block;  ///< empty: its packets are not ready
  };
  /// A write's from its last packet to when it and all before it are acknowledged.
  struct Store {
    bool ends_fill = false;
    bool acknowledged = false;
  };
  /// An answer on its way to the packets.
  struct Response {
    uint64_t ready = 0;  ///< value of clock_
    AgcuMemoryPins::Answer answer;
  };

  static Generator decode(const ConfigWords& words, uint64_t offset, uint64_t most_outstanding);
  void cycle(PinOutputs& out);
  void did(unsigned actor, const Generator& g);
  void remember();
  void return_slots(Generator& g);
  void respond();
  void send(PinOutputs& out);
  void send_one(const Load& load, PinOutputs& out);
  void make_load(PinOutputs& out);
  void signal(PinOutputs& out);
  void take(PinOutputs& out);
  bool may_begin(const Generator& g) const;
  void begin(Generator& g, PinOutputs& out);
  bool can_send() const;
  bool can_take() const;

  const FabricParams& params_;
  BlockPool& blocks_;
  PinCounts pins_;

  // Configuration.
  bool to_scalar_ = false;
  bool has_sequence_ = false;
  uint32_t sequence_step_ = 0;
  uint32_t destination_ = 0;
  bool done_token_ = false;

  // Registers.
  Generator load_;
  Generator store_;
  Ring<Packet> data_;     ///< FIFO of input 0
  Ring<Packet> indices_;  ///< of input 1
  std::array<uint64_t, kTokenInputs> tokens_{};
  uint64_t clock_ = 0;    ///< counts clocks
  uint64_t credits_ = 0;  ///< of the packet output, or of the scalar output
  uint32_t sequence_ = 0;
  Ring<Response> responses_;
  Ring<Load> loads_;         ///< in order of their addresses
  uint64_t first_load_ = 0;  ///< number of the first of them
  uint32_t sent_ = 0;        ///< packets, or words, of it
  uint32_t sent_bytes_ = 0;
  bool filling_ = false;  ///< piece_ is being filled
  Piece piece_;
  BlockRef block_;
  uint32_t taken_ = 0;  ///< packets of it
  uint32_t taken_bytes_ = 0;
  Ring<Store> stores_;
  uint64_t first_store_ = 0;
  uint64_t signals_due_ = 0;  ///< tokens of the store
  uint32_t active_ = 0;       ///< bit n: activity_[n] says what actor n does in this cycle
  std::array<Activity, kMostActors> activity_{};
};

}  // namespace rdu::fabric
