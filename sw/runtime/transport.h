// The way to a device. Everything above it (memory, streams of work, programs, events) is the same whether a
// simulator is at the other end of a socket or a card behind a kernel driver.
//
// All functions throw Error (error.h), those of queues what user/command_stream.h says. They may be called
// from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rdu.h"
#include "rdu_abi.h"
#include "user/command_stream.h"

namespace rdu::runtime {

using user::Completion;
using user::Milliseconds;

// Memory that a context reaches. Must not outlive its context. Its end gives it back.
class Allocation {
 public:
  virtual ~Allocation() = default;
  virtual uint64_t address() const = 0;  // virtual, in its context
  // As this process sees it: host memory always, device memory from here to unmap(). Throws NO_RESOURCE when
  // no window is free. Idempotent.
  virtual uint8_t* map() = 0;
  virtual void unmap() noexcept = 0;
};

struct Room {
  uint64_t bytes = 0;    // free
  uint64_t largest = 0;  // piece
};

// A context: its segments and what lies in them. Its end gives it back, at the latest when the process ends,
// however that happens.
class TransportContext {
 public:
  virtual ~TransportContext() = default;
  virtual uint32_t id() const = 0;
  virtual Room room(rdu_tier tier) = 0;  // HBM or DDR
  // Throws NO_MEMORY.
  virtual std::unique_ptr<Allocation> allocate(rdu_tier tier, uint64_t bytes) = 0;
  // Ordinary memory of the process, [memory, memory + bytes), for the device to read and write where it is.
  // Nothing if that cannot be: the transport cannot share it, or the process itself must not write it.
  virtual std::unique_ptr<Allocation> pin(void* memory, uint64_t bytes) = 0;
  // entries: a power of two, 2 to Transport::max_entries(). Must be closed before the context goes.
  virtual std::unique_ptr<user::CommandStream> create_queue(uint32_t entries) = 0;
  // Deletes it in the device. Without, that happens when the transport goes.
  virtual void destroy() = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual const rdu_identify& identity() const = 0;
  virtual uint32_t interface_version() const = 0;
  virtual uint32_t max_entries() const = 0;  // of a queue
  virtual uint64_t device_time() = 0;        // ns

  // Must not outlive the transport.
  virtual std::unique_ptr<TransportContext> create_context(uint64_t hbm_bytes, uint64_t ddr_bytes) = 0;
  virtual std::vector<uint8_t> read_log(uint32_t page) = 0;  // RDU_LOG_*
};

// Opens the device at an address (address.h) within the time. `log` gets lines for people.
std::unique_ptr<Transport> open_transport(const std::string& address, Milliseconds timeout,
                                          std::function<void(const std::string&)> log);

}  // namespace rdu::runtime
