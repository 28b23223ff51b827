#pragma once

#include <cstdint>
#include <cstring>
#include <functional>

#include "fabric/agcu/memory.h"

namespace rdu::fabric {

/// Reads or writes one word of memory for the sequencer.
class WordAccess : public Requester {
 public:
  /// `done(word, cycle)`: what was read, or written, and when that is known.
  using Done = std::function<void(uint32_t word, uint64_t cycle)>;
  WordAccess(Context& context, Memory& memory, uint32_t initiator, Done done)
      : context_(context), memory_(memory), initiator_(initiator), done_(std::move(done)) {}

  void read(uint64_t cycle, uint64_t address) { start(cycle, address, false, 0); }
  void write(uint64_t cycle, uint64_t address, uint32_t word) { start(cycle, address, true, word); }

  void answered(Request& r, uint64_t done_cycle) override {
    uint32_t word;
    std::memcpy(&word, r.block.packet(0), sizeof word);
    done_(word, done_cycle + context_.params.response_cycles);
  }
  void failed(Request&, const Fault& fault) override { memory_.report(fault); }

 private:
  void start(uint64_t cycle, uint64_t address, bool write, uint32_t word) {
    Request& r = memory_.make();
    r.piece = {address, sizeof word, 1, 0, sizeof word};
    r.block = BlockRef(context_.blocks.take());
    std::memcpy(r.block.packet(0), &word, sizeof word);
    r.requester = this;
    r.unit = 0;
    r.sequence = 0;
    memory_.post(r, cycle + context_.params.request_cycles, write, r.block.packet(0), initiator_);
  }

  Context& context_;
  Memory& memory_;
  uint32_t initiator_;
  Done done_;
};

}  // namespace rdu::fabric
