#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/trace.h"
#include "fabric/agcu/agcu_config.h"
#include "fabric/agcu/memory.h"
#include "fabric/agcu/row_walker.h"
#include "fabric/stream/port.h"

namespace rdu::fabric {

/// Requests in the trace file: a slice each, on as many tracks as overlap.
class RequestTracks {
 public:
  /// `name` is the AGCU's hierarchical name, `what` a literal: "load".
  RequestTracks(const std::string& name, const char* what) : name_(name), what_(what) {}
  void slice(const Request& r);

 private:
  struct Lane {
    core::TrackId track;
    core::Time busy_until;
  };
  std::string name_;
  const char* what_;
  std::vector<Lane> lanes_;
};

/// Reads rows of memory and sends them as packets. Holds a slot for each request from its issue until the
/// last of its packets has left.
class LoadGenerator : public Requester {
 public:
  LoadGenerator(Context& context, Unit& owner, Memory& memory, uint32_t initiator, const std::string& name);

  void configure(const AgcuConfig::Rows& rows) { rows_ = rows; }
  OutputPort& output() { return output_; }
  void start(uint64_t cycle);
  void run();
  bool finished() const { return walker_.done() && requests_.empty(); }
  std::string waits_for() const;
  const UnitCounts& counts() const { return counts_; }

  void answered(Request& r, uint64_t done_cycle) override;

 private:
  struct Pending {
    BlockRef block;
    uint32_t packets = 0;
    bool answered = false;
    uint64_t ready = 0;  ///< cycle of the first packet
  };
  bool issue();
  bool deliver();
  bool retire();

  Context& context_;
  Unit& owner_;
  Memory& memory_;
  uint32_t initiator_;
  RequestTracks tracks_;
  AgcuConfig::Rows rows_;
  RowWalker walker_;
  OutputPort output_;
  RunQueue slots_;
  Ring<Pending> requests_;      ///< in order of issue
  uint64_t first_request_ = 0;  ///< sequence number of the front one
  size_t delivered_ = 0;        ///< of these, handed to the output port
  uint64_t next_ = 0;           ///< earliest cycle of the next request's address
  UnitCounts counts_;
};

/// Takes packets and writes them to rows of memory. Holds a slot for each request from its first packet until
/// the write has been acknowledged.
class StoreGenerator : public Requester {
 public:
  StoreGenerator(Context& context, Unit& owner, Memory& memory, uint32_t initiator, const std::string& name);

  void configure(const AgcuConfig::Rows& rows) { rows_ = rows; }
  InputPort& input() { return input_; }
  void start(uint64_t cycle);
  void run();
  bool finished() const { return walker_.done() && !filling_ && unacknowledged_.empty(); }
  /// Cycle at which the last write was acknowledged, once finished.
  uint64_t last_acknowledged() const { return last_acknowledged_; }
  std::string waits_for() const;
  const UnitCounts& counts() const { return counts_; }

  void answered(Request& r, uint64_t done_cycle) override;

 private:
  struct Pending {
    bool answered = false;
    uint64_t done = 0;
  };
  bool take();

  Context& context_;
  Unit& owner_;
  Memory& memory_;
  uint32_t initiator_;
  RequestTracks tracks_;
  AgcuConfig::Rows rows_;
  RowWalker walker_;
  InputPort input_;
  RunQueue slots_;
  bool filling_ = false;  ///< piece_ is being filled
  Piece piece_;
  BlockRef block_;
  uint32_t taken_packets_ = 0;
  uint32_t taken_bytes_ = 0;
  uint64_t slot_ = 0;             ///< cycle at which its slot was free
  Ring<Pending> unacknowledged_;  ///< in order of issue
  uint64_t first_request_ = 0;    ///< sequence number of the front one
  uint64_t last_acknowledged_ = 0;
  uint64_t next_ = 0;
  UnitCounts counts_;
};

/// An address generation and coalescing unit: a load and a store generator side by side.
class Agcu : public Unit {
 public:
  /// `initiator` and initiator + 1 are its ids on the top-level network; `name` is its hierarchical name.
  Agcu(Context& context, uint32_t id, const AgcuConfig& config, Memory& memory, uint32_t initiator,
       const std::string& name);

  const AgcuConfig& config() const { return config_; }
  /// New arguments: the same generators.
  void configure(const AgcuConfig& config);
  OutputPort& output() { return load_->output(); }
  InputPort& input() { return store_->input(); }
  InputPort& packet_input(unsigned, unsigned) override { return store_->input(); }
  OutputPort& packet_output(unsigned, unsigned) override { return load_->output(); }
  TokenInput& token_input(unsigned port) override { return tokens_[port]; }
  TokenOutput& token_output(unsigned) override { return done_; }
  /// Cycle in which the last of the tokens arrives that the master waits for; nothing while that is not
  /// known.
  std::optional<uint64_t> last_token() const;
  const StoreGenerator* store() const { return store_.get(); }
  uint64_t bytes_loaded() const { return load_ ? load_->counts().bytes : 0; }
  uint64_t bytes_stored() const { return store_ ? store_->counts().bytes : 0; }

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override;
  std::string waits_for() const override;
  const UnitCounts& counts() const override;

 private:
  AgcuConfig config_;
  std::unique_ptr<LoadGenerator> load_;
  std::unique_ptr<StoreGenerator> store_;
  TokenOutput done_;
  bool is_done_sent_ = false;
  std::array<TokenInput, AgcuConfig::kTokenInputs> tokens_;
  mutable UnitCounts counts_;
};

}  // namespace rdu::fabric
