#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fabric/agcu/memory.h"
#include "fabric/stream/queues.h"

namespace rdu::fabric {

/// Reads a configuration stream or argument tuples from memory for the sequencer: requests cut and limited as
/// an AGCU's, and a consumer that works through the bytes in order at a given rate. A request's slot is free
/// again when its bytes have been consumed.
class Fetch : public Requester {
 public:
  Fetch(Context& context, Memory& memory, uint32_t initiator)
      : context_(context), params_(context.params), memory_(memory), initiator_(initiator) {}

  /// Begins at `cycle` with `bytes` (at least 1) from `address`; the consumer takes `bytes_per_cycle`.
  void start(uint64_t cycle, uint64_t address, uint64_t bytes, unsigned bytes_per_cycle);

  /// The cycle in which the last byte has been consumed, once that is known.
  std::optional<uint64_t> end() const;
  const std::vector<uint8_t>& data() const { return data_; }

  void answered(Request& r, uint64_t done_cycle) override;

 private:
  struct Pending {
    uint32_t bytes = 0;
    bool answered = false;
    uint64_t done = 0;
  };
  void issue();

  Context& context_;
  const FabricParams& params_;
  Memory& memory_;
  uint32_t initiator_;
  RowWalker walker_;
  uint64_t address_ = 0;
  unsigned bytes_per_cycle_ = 4;
  std::vector<uint8_t> data_;
  uint64_t left_ = 0;  ///< bytes not yet consumed
  RunQueue slots_;
  Ring<Pending> requests_;
  uint64_t first_request_ = 0;
  uint64_t next_ = 0;      ///< earliest cycle of the next request
  uint64_t consumed_ = 0;  ///< cycle up to which the consumer is busy
};

}  // namespace rdu::fabric
