#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"
#include "core/transfer.h"
#include "fabric/agcu/row_walker.h"
#include "fabric/stream/unit.h"

namespace rdu::fabric {

class Requester;

/// A request to memory on its way. Belongs to the Memory that made it.
struct Request {
  core::Transfer transfer;
  Piece piece;
  BlockRef block;                  ///< keeps the data alive; may be empty if the requester does otherwise
  Requester* requester = nullptr;  ///< null: nobody waits any more
  uint32_t unit = 0;               ///< for fault reports
  uint64_t sequence = 0;           ///< the requester's own
  bool in_use = false;
};

/// Why a kernel, a program load or an argument load ends early.
struct Fault {
  uint32_t code = 0;  ///< regs::sequencer::FAULT::CODE_*
  uint32_t unit = 0;
  uint64_t address = 0;  ///< virtual
  core::Time time = 0;
  std::string text;
};

/// Who gets answers.
class Requester {
 public:
  /// The answer is in r.transfer; done_cycle is the first fabric cycle at or after its arrival. r is taken
  /// back afterwards.
  virtual void answered(Request& r, uint64_t done_cycle) = 0;
  /// Instead: r could not be translated (called within post()) or was answered with an error.
  virtual void failed(Request& r, const Fault& fault) = 0;

 protected:
  ~Requester() = default;
};

/// The faults of one requester in the order in which it made its requests: of several, the first in that
/// order is the one that counts, and only when all before it have been answered well.
class FaultOrder {
 public:
  void clear() {
    fault_.reset();
    stop_ = core::kNever;
  }
  void add(uint64_t sequence, const Fault& fault) {
    stop_ = std::min(stop_, fault.time);
    if (!fault_ || sequence < sequence_) fault_ = fault, sequence_ = sequence;
  }
  /// Once it has learnt of a failure, a requester makes no more requests.
  bool allows(core::Time issue) const { return issue <= stop_; }
  core::Time stop() const { return stop_; }
  /// The fault, once the requests before `answered` are done, the last of them at `done`.
  std::optional<Fault> due(uint64_t answered, core::Time done) const {
    if (!fault_ || sequence_ != answered) return std::nullopt;
    Fault fault = *fault_;
    fault.time = std::max(fault.time, done);
    return fault;
  }

 private:
  std::optional<Fault> fault_;
  uint64_t sequence_ = 0;
  core::Time stop_ = core::kNever;
};

/// Who is told that something happened in memory.
class MemoryListener {
 public:
  virtual void memory_fault(const Fault& fault) = 0;
  /// After each answer has been dealt with.
  virtual void memory_answered() = 0;

 protected:
  ~MemoryListener() = default;
};

/// A tile's way to memory: translates, posts and answers requests of its AGCUs and its sequencer.
class Memory : public core::TransferClient, public Outside {
 public:
  Memory(core::TransferPort& port, core::AddressTranslator& slb, const FabricParams& params,
         MemoryListener& listener);
  ~Memory();

  const core::Clock& clock() const { return clock_; }
  /// Whose segments translate and whom to name in the trace, from now on.
  void set_command(unsigned context, core::CommandTag tag) {
    context_ = context;
    tag_ = tag;
  }
  core::CommandTag tag() const { return tag_; }
  /// Whether a segment of the command's context allows an access.
  bool allows(uint64_t address, uint64_t bytes, bool write);

  /// A fresh request.
  Request& make();
  /// Sends r, whose piece, requester and unit are set, at `cycle`, not before the kernel's time. `data` holds
  /// r.piece.bytes.
  void post(Request& r, uint64_t cycle, bool write, uint8_t* data, uint32_t initiator,
            core::Modify modify = nullptr);
  /// Writes of a requester that leave after `when` never do.
  void withdraw(const Requester& requester, core::Time when);
  /// A requester's fault, to whoever deals with it.
  void report(const Fault& fault) { listener_.memory_fault(fault); }

  /// Nobody waits for what is in flight any more; writes that the network has not yet taken are withdrawn.
  void abandon();
  size_t in_flight() const { return in_flight_; }
  /// The latest answer of any request whose answer is known.
  core::Time last_answer() const { return last_answer_; }

  void completed(core::Transfer& t) override;

  uint64_t earliest_answer() const override;
  uint64_t request_cycles() const override { return request_cycles_; }

 private:
  void recycle(Request& r);

  core::TransferPort& port_;
  core::AddressTranslator& slb_;
  core::Clock clock_;
  MemoryListener& listener_;
  uint64_t request_cycles_;
  unsigned context_ = 0;
  core::CommandTag tag_ = core::kNoCommand;
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<Request*> free_;
  size_t in_flight_ = 0;
  core::Time last_answer_ = 0;
};

}  // namespace rdu::fabric
