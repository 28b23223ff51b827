#pragma once

#include <cstdint>
#include <vector>

#include "core/systemc.h"
#include "mgmt/local_time.h"

namespace rdu::mgmt {

/// A hart's way to the bus: host pointers to memory where the bus grants them, transactions elsewhere.
class BusMaster {
 public:
  using InitiatorSocket = tlm::tlm_initiator_socket<32>;

  enum class Status : uint8_t {
    ok,
    error,    ///< the bus or the target refused it
    aborted,  ///< cancel() came while the access waited for its time; it was not made
  };

  /// `latency` is charged to each transaction besides the target's own, in cycles.
  BusMaster(InitiatorSocket& socket, LocalTime& time, uint64_t latency)
      : socket_(socket), time_(time), latency_(latency) {}

  /// The host's address of the 4 KiB page at `page`, or nullptr if it cannot be reached that way.
  uint8_t* direct(uint64_t page, bool write);

  /// One transaction of 1 to 8 bytes. The kernel catches up before it, the hart's time afterwards includes
  /// it.
  Status access(bool write, uint64_t address, unsigned size, uint8_t* data);

  /// An access is on its way: the hart stands in the middle of an instruction.
  bool busy() const { return busy_; }
  /// A debugger's access of any size, in no time and without effects; false if any byte refuses it. Registers
  /// can be read where that has no side effect, and not written.
  bool debug(bool write, uint64_t address, uint8_t* data, uint64_t size);

  /// Drops the access that waits, if one does.
  void cancel() { cancelled_ = true; }
  /// Forgets all host pointers.
  void invalidate() { regions_.clear(); }

 private:
  struct Region {
    uint64_t first;
    uint64_t last;  ///< inclusive
    uint8_t* data;  ///< of `first`; nullptr: only transactions
    bool writable;
  };
  const Region& region(uint64_t address);
  bool debug_once(bool write, uint64_t address, uint8_t* data, uint64_t size);

  InitiatorSocket& socket_;
  LocalTime& time_;
  uint64_t latency_;
  std::vector<Region> regions_;
  tlm::tlm_generic_payload payload_;
  bool cancelled_ = false;
  bool busy_ = false;
};

}  // namespace rdu::mgmt
