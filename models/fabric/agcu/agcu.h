#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fabric/agcu/agcu_unit.h"
#include "fabric/agcu/memory.h"
#include "fabric/agcu/request_tracks.h"
#include "fabric/agcu/row_walker.h"
#include "fabric/stream/port.h"

namespace rdu::fabric {

using TokenInputs = std::array<TokenInput, AgcuConfig::kTokenInputs>;

/// Reads rows of memory and sends them as packets. Holds a slot for each request from its issue until the
/// last of its packets has left.
class LoadGenerator : public Requester {
 public:
  /// `indices`: the input that index lists come by; `tokens`: the AGCU's inputs for fills that wait.
  LoadGenerator(Context& context, Unit& owner, Memory& memory, InputPort& indices, TokenInputs& tokens,
                uint32_t initiator, const std::string& name);

  void configure(const AgcuConfig& config);
  OutputPort& output() { return output_; }
  TokenOutput& signal() { return signal_; }
  void start(uint64_t cycle);
  void run();
  bool finished() const { return walker_.done() && requests_.empty(); }
  std::string waits_for() const;
  const UnitCounts& counts() const { return counts_; }

  void answered(Request& r, uint64_t done_cycle) override;
  void failed(Request& r, const Fault& fault) override;

 private:
  struct Pending {
    BlockRef block;
    uint32_t packets = 0;  ///< or words, that leave
    bool ends_fill = false;
    bool answered = false;
    uint64_t ready = 0;  ///< cycle of the first packet
    core::Time done = 0;
  };
  void send_words(const Pending& request);
  void set_heads(const Pending& request);
  bool issue();
  bool deliver();
  bool retire();
  void report();

  Context& context_;
  Unit& owner_;
  Memory& memory_;
  uint32_t initiator_;
  InputPort& indices_;
  TokenInputs& tokens_;
  RequestTracks tracks_;
  AgcuConfig config_;
  uint64_t outstanding_ = 1;
  RowWalker walker_;
  OutputPort output_;
  TokenOutput signal_;
  BlockWriter words_;      ///< that leave by the scalar output
  uint32_t sequence_ = 0;  ///< id of the next packet
  RunQueue slots_;
  Ring<Pending> requests_;      ///< in order of issue
  uint64_t first_request_ = 0;  ///< sequence number of the front one
  size_t delivered_ = 0;        ///< of these, handed to the output port
  FaultOrder faults_;
  bool stopped_ = false;     ///< by a fault
  core::Time answered_ = 0;  ///< when all requests that were delivered were answered
  uint64_t next_ = 0;        ///< earliest cycle of the next request's address
  UnitCounts counts_;
};

/// Takes packets and writes them to rows of memory. Holds a slot for each request from its first packet until
/// the write has been acknowledged.
class StoreGenerator : public Requester {
 public:
  StoreGenerator(Context& context, Unit& owner, Memory& memory, InputPort& indices, TokenInputs& tokens,
                 uint32_t initiator, const std::string& name);

  void configure(const AgcuConfig& config);
  InputPort& input() { return input_; }
  /// Sends what is configured: a token a fill, or one when all is done.
  TokenOutput& signal() { return signal_; }
  void start(uint64_t cycle);
  void run();
  bool finished() const { return walker_.done() && !filling_ && unacknowledged_.empty(); }
  /// Cycle at which the last write was acknowledged, once finished.
  uint64_t last_acknowledged() const { return last_acknowledged_; }
  std::string waits_for() const;
  const UnitCounts& counts() const { return counts_; }

  void answered(Request& r, uint64_t done_cycle) override;
  void failed(Request& r, const Fault& fault) override;

 private:
  struct Pending {
    bool ends_fill = false;
    bool answered = false;
    uint64_t done_cycle = 0;
    core::Time done = 0;
  };
  bool take();
  bool begin();
  void send(uint64_t last_packet);
  void report();

  Context& context_;
  Unit& owner_;
  Memory& memory_;
  uint32_t initiator_;
  InputPort& indices_;
  TokenInputs& tokens_;
  RequestTracks tracks_;
  AgcuConfig config_;
  uint64_t outstanding_ = 1;
  core::Modify modify_ = nullptr;
  RowWalker walker_;
  InputPort input_;
  TokenOutput signal_;
  uint64_t next_signal_ = 0;  ///< earliest cycle of the next token
  RunQueue slots_;
  bool filling_ = false;  ///< piece_ is being filled
  Piece piece_;
  BlockRef block_;
  uint32_t taken_packets_ = 0;
  uint32_t taken_bytes_ = 0;
  uint64_t slot_ = 0;                        ///< cycle at which its slot was free
  uint64_t token_ = 0;                       ///< cycle at which the token came that its fill waited for
  std::optional<uint64_t> indices_arrived_;  ///< cycle, if it is the first one of a packet of indices
  Ring<Pending> unacknowledged_;             ///< in order of issue
  uint64_t first_request_ = 0;               ///< sequence number of the front one
  FaultOrder faults_;
  bool stopped_ = false;     ///< by a fault
  core::Time answered_ = 0;  ///< when the requests before the first one were answered
  uint64_t last_acknowledged_ = 0;
  uint64_t next_ = 0;
  UnitCounts counts_;
};

/// An address generation and coalescing unit: a load and a store generator side by side.
class Agcu : public Unit, public AgcuUnit {
 public:
  /// `initiator` and initiator + 1 are its ids on the top-level network; `name` is its hierarchical name.
  Agcu(Context& context, uint32_t id, const AgcuConfig& config, Memory& memory, uint32_t initiator,
       const std::string& name);

  const AgcuConfig& config() const override { return config_; }
  void configure(const AgcuConfig& config, const ConfigWords& words) override;
  OutputPort& output() { return load_->output(); }
  /// 0: what the store generator writes; 1: indices.
  InputPort& packet_input(unsigned port, unsigned) override { return port == 0 ? store_->input() : indices_; }
  OutputPort& packet_output(unsigned, unsigned) override { return load_->output(); }
  TokenInput& token_input(unsigned port) override { return tokens_[port]; }
  OutputPort& scalar_output(unsigned, unsigned) override { return load_->output(); }
  /// 0: the load's, 1: the store's.
  TokenOutput& token_output(unsigned port) override { return port == 0 ? load_->signal() : store_->signal(); }
  std::optional<uint64_t> end() const override;
  uint64_t bytes_loaded() const override { return load_ ? load_->counts().bytes : 0; }
  uint64_t bytes_stored() const override { return store_ ? store_->counts().bytes : 0; }

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override;
  std::string waits_for() const override;
  const UnitCounts& counts() const override;

 private:
  void set_up(const AgcuConfig& config);

  AgcuConfig config_;
  InputPort indices_;
  TokenInputs tokens_;
  std::unique_ptr<LoadGenerator> load_;
  std::unique_ptr<StoreGenerator> store_;
  mutable UnitCounts counts_;
};

}  // namespace rdu::fabric
