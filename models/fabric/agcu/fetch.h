#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fabric/agcu/memory.h"
#include "fabric/stream/queues.h"

namespace rdu::fabric {

/// What becomes of the bytes that a Fetch reads.
class FetchConsumer {
 public:
  /// The next 64 bytes (the last ones may be fewer), there in cycle `ready`. Returns the cycle in which they
  /// are taken, which is after that of those before.
  virtual uint64_t take(const uint8_t* data, uint32_t bytes, uint64_t ready) = 0;

 protected:
  ~FetchConsumer() = default;
};

/// Reads a configuration stream, argument pairs or a schedule from memory for the sequencer: requests cut and
/// limited as an AGCU's, and a consumer that takes the bytes in order. A request's slot is free again when
/// its bytes have been taken.
class Fetch : public Requester {
 public:
  Fetch(Context& context, Memory& memory, uint32_t initiator)
      : context_(context), params_(context.params), memory_(memory), initiator_(initiator) {}

  /// Begins at `cycle` with `bytes` (at least 1) from `address`.
  void start(uint64_t cycle, uint64_t address, uint64_t bytes, FetchConsumer& consumer);

  /// Whether everything has been taken.
  bool done() const { return left_ == 0; }
  const std::vector<uint8_t>& data() const { return data_; }

  void answered(Request& r, uint64_t done_cycle) override;
  void failed(Request& r, const Fault& fault) override;

 private:
  struct Pending {
    uint64_t offset = 0;
    uint32_t bytes = 0;
    bool answered = false;
    uint64_t ready = 0;
    core::Time done = 0;
  };
  void issue();
  void report();
  void take(const Pending& request);

  Context& context_;
  const FabricParams& params_;
  Memory& memory_;
  uint32_t initiator_;
  FetchConsumer* consumer_ = nullptr;
  RowWalker walker_;
  uint64_t address_ = 0;
  std::vector<uint8_t> data_;
  uint64_t left_ = 0;  ///< bytes not yet taken
  RunQueue slots_;
  Ring<Pending> requests_;
  uint64_t first_request_ = 0;
  FaultOrder faults_;
  core::Time answered_ = 0;  ///< when the requests before the first one were answered
  uint64_t next_ = 0;        ///< earliest cycle of the next request
};

}  // namespace rdu::fabric
