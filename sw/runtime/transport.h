// The way to a device. Everything above it (contexts, memory, programs, events) is the same whether a
// simulator is at the other end of a socket or a card behind a kernel driver.
//
// All functions throw Error (error.h) and may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rdu_abi.h"

namespace rdu::runtime {

using Milliseconds = std::chrono::milliseconds;

// Memory of this process that the device reaches. Must not outlive its transport.
class PinnedMemory {
 public:
  virtual ~PinnedMemory() = default;
  virtual uint8_t* data() const = 0;
  virtual uint64_t address() const = 0;  // virtual address, the same in every context of the process
};

// How a command ended.
struct Completion {
  uint16_t status = 0;  // RDU_STATUS_*
  uint64_t result = 0;
  uint64_t start_ns = 0, end_ns = 0;  // device time
};

// A command on its way. Must not be used once its queue is gone.
class Submission {
 public:
  virtual ~Submission() = default;
  virtual uint64_t number() const = 0;  // of its queue, from 0
  // Sleeps until it has completed; false when the time has passed. 0 asks without waiting.
  virtual bool wait(Milliseconds timeout) = 0;
  virtual Completion completion() const = 0;  // after wait() was true
};

// A queue pair. Destroying it deletes it in the device. Must not outlive its transport.
class CommandQueue {
 public:
  virtual ~CommandQueue() = default;
  virtual uint32_t id() const = 0;
  // Of a full queue waits for room, at most `timeout`. The command id is set by the queue.
  virtual std::shared_ptr<Submission> submit(const rdu_sqe& sqe, Milliseconds timeout) = 0;
  // Until every command whose number is below `number` has completed.
  virtual bool wait_below(uint64_t number, Milliseconds timeout) = 0;
  virtual uint64_t submitted() = 0;
  // Between them submissions wait, for the device to find them all at once; a wait for one of them ends that.
  virtual void hold() = 0;
  virtual void release() = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual const rdu_identify& identity() const = 0;
  virtual uint32_t interface_version() const = 0;
  virtual uint32_t max_entries() const = 0;  // of a queue
  virtual uint64_t device_time() = 0;        // ns

  virtual uint32_t create_context(uint64_t hbm_bytes, uint64_t ddr_bytes) = 0;
  virtual void delete_context(uint32_t context) = 0;
  virtual std::unique_ptr<CommandQueue> create_queue(uint32_t context, uint32_t entries) = 0;
  virtual std::unique_ptr<PinnedMemory> pin(uint64_t bytes) = 0;
  virtual std::vector<uint8_t> read_log(uint32_t page) = 0;  // RDU_LOG_*

  // Why a command ended as it did.
  virtual std::string explain(uint8_t opcode, const Completion& completion) const = 0;
};

// Finds the transport for an address ("unix:PATH" or PATH) and brings the device up within the time. `log`
// gets lines for people.
std::unique_ptr<Transport> open_transport(const std::string& address, Milliseconds timeout,
                                          std::function<void(const std::string&)> log);

}  // namespace rdu::runtime
