#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "fabric/agcu/agcu_cycle.h"
#include "fabric/agcu/memory.h"
#include "fabric/agcu/request_tracks.h"

namespace rdu::fabric {

/// The requests of one generator that is modelled clock by clock: posts them, keeps the order of faults, and
/// holds each answer until the clock gets there.
class RequestChannel : public Requester {
 public:
  /// `name` and `what` as for RequestTracks.
  RequestChannel(Context& context, Unit& owner, Memory& memory, uint32_t initiator, const std::string& name,
                 bool is_write)
      : context_(context),
        owner_(owner),
        memory_(memory),
        initiator_(initiator),
        is_write_(is_write),
        tracks_(name, is_write ? "store" : "load") {}

  void start();
  /// Whether no fault is known that keeps a request from leaving whose address is made at `cycle`.
  bool allows(uint64_t cycle) const;
  /// A request whose address is made at `cycle`.
  void post(const AgcuMemoryPins::Request& request, uint64_t cycle, core::Modify modify);

  /// First cycle at which an answer arrives that is known; kNoCycle if none is.
  uint64_t next_arrival() const { return arrivals_.empty() ? kNoCycle : arrivals_.begin()->first; }
  /// First cycle at which one may arrive that is not known.
  uint64_t unknown_from() const { return unanswered_ == 0 ? kNoCycle : memory_.earliest_answer(); }
  /// Moves the answers that arrive at `cycle`.
  void bring(uint64_t cycle, std::vector<AgcuMemoryPins::Answer>* answers);

  /// Whether all requests of the execution have been answered.
  bool all_answered() const { return all_made_ && pending_.empty(); }
  /// Cycle of the latest answer of those that have all been answered.
  uint64_t last_answer() const { return last_answer_; }
  bool in_flight() const { return unanswered_ != 0; }
  uint64_t bytes() const { return bytes_; }

  void answered(Request& r, uint64_t done_cycle) override;
  void failed(Request& r, const Fault& fault) override;

 private:
  struct Pending {
    bool answered = false;
    core::Time done = 0;
  };
  void report();

  Context& context_;
  Unit& owner_;
  Memory& memory_;
  uint32_t initiator_;
  bool is_write_;
  RequestTracks tracks_;
  Ring<Pending> pending_;       ///< in order of their making
  uint64_t first_pending_ = 0;  ///< number of the first of them
  uint64_t unanswered_ = 0;
  bool all_made_ = false;
  std::multimap<uint64_t, AgcuMemoryPins::Answer> arrivals_;
  FaultOrder faults_;
  core::Time answered_ = 0;  ///< when the requests before the first pending one were answered
  uint64_t last_answer_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace rdu::fabric
