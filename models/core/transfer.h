#pragma once

#include <cstdint>

#include "core/time.h"
#include "core/trace.h"

/// The memory-side interface of everything that moves bulk data: AGCUs, copy engines, the management core's
/// window.
///
/// A transfer is one request of up to a few KiB to a physical address. It is posted with the time at which it
/// leaves its initiator and is answered once, at arbitration, with the time at which it completes; nobody
/// waits in between. The top-level network takes transfers in order of time (ties by initiator id), one
/// fabric cycle after their issue time, so the order in which the simulator happens to run initiators never
/// shows.
namespace rdu::core {

enum class TransferStatus : uint8_t {
  ok,
  decode_error,   ///< no memory at this address
  access_denied,  ///< the target refused it: host memory not mapped, bus mastering off, memory not trained
  data_error,     ///< a read met an error that ECC could not correct: the data is not to be used
};

/// For messages: "was refused". Never of `ok`.
inline const char* to_string(TransferStatus status) {
  switch (status) {
    case TransferStatus::decode_error:
      return "reaches no memory";
    case TransferStatus::data_error:
      return "met an error that ECC could not correct";
    default:
      return "was refused";
  }
}

class TransferClient;

/// What an atomic write makes of memory and its data, `length` bytes each, in place.
using Modify = void (*)(uint8_t* memory, const uint8_t* data, uint32_t length);

struct Transfer {
  // Set by the initiator.
  uint64_t address = 0;  ///< device physical address (regs/address_map.h)
  uint8_t* data =
      nullptr;  ///< `length` bytes: filled by a read, taken from by a write. Must live until completed()
  uint32_t length = 0;  ///< bytes, at least 1
  bool write = false;
  bool zero = false;  ///< of a write: all its bytes are zero and none are carried; `data` is not looked at
  Modify modify = nullptr;  ///< of a write: memory is read, modified and written, as one step for all others
  uint32_t initiator = 0;   ///< unique id; the smaller wins at equal times
  Time issue = 0;           ///< ps, not before the kernel's time when posted
  CommandTag tag = kNoCommand;
  TransferClient* client = nullptr;
  uint64_t cookie = 0;  ///< the client's own
  // Set by the network and the target.
  Time done = 0;  ///< ps: a read's last byte is back at the initiator; a write's response is
  TransferStatus status = TransferStatus::ok;
};

/// Who gets the answer.
class TransferClient {
 public:
  /// Called once for each posted transfer, at arbitration: t.done and t.status are valid, a read's data is
  /// there. Runs in the network's process: must not wait; may post further transfers (issue time not before
  /// the kernel's time).
  virtual void completed(Transfer& t) = 0;

 protected:
  ~TransferClient() = default;
};

/// What initiators see: the top-level network.
class TransferPort {
 public:
  /// Takes the transfer by reference until completed(); the caller owns it.
  virtual void post(Transfer& t) = 0;
  /// A debugger's or loader's access: at once, no time. False if any byte lies outside memory.
  virtual bool debug(uint64_t address, uint8_t* data, uint64_t length, bool write) = 0;

 protected:
  ~TransferPort() = default;
};

/// What targets implement: an HBM or DDR controller, the PCIe outbound window, the management core's RAM.
class TransferTarget {
 public:
  /// Does the transfer: moves the data now, sets t.status and t.done given that the request arrives at time
  /// `arrive`. Called in order of `arrive`. t.done includes nothing of the network. `offset` is from the
  /// target's base.
  virtual void access(Transfer& t, uint64_t offset, Time arrive) = 0;
  /// A write whose bytes are all zero, without data. As access(); who cannot do it refuses.
  virtual void zero(Transfer& t, [[maybe_unused]] uint64_t offset, Time arrive) {
    t.status = TransferStatus::access_denied;
    t.done = arrive;
  }
  /// A write with `modify`. As access(); who cannot do it refuses.
  virtual void update(Transfer& t, [[maybe_unused]] uint64_t offset, Time arrive) {
    t.status = TransferStatus::access_denied;
    t.done = arrive;
  }
  virtual bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) = 0;

 protected:
  ~TransferTarget() = default;
};

/// Translation and protection of a context's virtual addresses (regs/slb.h).
class AddressTranslator {
 public:
  /// True, with the physical address, if `length` bytes from `address` lie wholly inside one valid segment of
  /// `context` that allows the access.
  virtual bool translate(unsigned context, uint64_t address, uint64_t length, bool write,
                         uint64_t* physical) = 0;

 protected:
  ~AddressTranslator() = default;
};

/// A level-sensitive interrupt wire from a device to an interrupt controller.
class InterruptSink {
 public:
  virtual void set_interrupt(unsigned number, bool level) = 0;

 protected:
  ~InterruptSink() = default;
};

class InterruptLine {
 public:
  InterruptLine() = default;
  void connect(InterruptSink& sink, unsigned number) {
    sink_ = &sink;
    number_ = number;
  }
  void set(bool level) {
    if (level == level_) return;
    level_ = level;
    if (sink_) sink_->set_interrupt(number_, level);
  }
  bool level() const { return level_; }

 private:
  InterruptSink* sink_ = nullptr;
  unsigned number_ = 0;
  bool level_ = false;
};

}  // namespace rdu::core
