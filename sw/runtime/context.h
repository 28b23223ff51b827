// A context and its memory.
#pragma once

#include <cstdint>
#include <memory>
#include <set>

#include "rdu.h"
#include "runtime/device.h"
#include "runtime/transport.h"

namespace rdu::runtime {

class Context;
class Queue;

// Memory in one tier. Its range is free again when the object goes.
class Memory {
 public:
  Memory(std::shared_ptr<Context> context, rdu_tier tier, uint64_t bytes);
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();

  const std::shared_ptr<Context>& context() const { return context_; }
  rdu_tier tier() const { return tier_; }
  uint64_t size() const { return size_; }        // as asked for
  uint64_t address() const { return address_; }  // virtual
  // As this process sees it: host memory always, memory of the device from map() to unmap(); else nullptr.
  uint8_t* pointer() const;
  uint8_t* map();
  void unmap();

 private:
  friend class Context;
  void drop();

  std::shared_ptr<Context> context_;
  rdu_tier tier_;
  uint64_t size_;
  uint64_t address_ = 0;
  std::unique_ptr<Allocation> allocation_;  // until its context goes
  uint8_t* pointer_ = nullptr;
};

class Context {
 public:
  Context(std::shared_ptr<Device> device, uint64_t hbm_bytes, uint64_t ddr_bytes);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  // Deletes it in the device. Throws IN_USE while it has queues or programs; memory that is left is reported
  // and freed.
  void destroy();
  // The device goes: forgets everything without telling it.
  void drop();

  const std::shared_ptr<Device>& device() const { return device_; }
  uint32_t id() const { return id_; }
  // Throws once it was destroyed, or DEVICE_LOST once the device was closed.
  TransportContext& transport();

  Room room(rdu_tier tier);  // HBM or DDR; INVALID_ARGUMENT for the host

  // Children register themselves. All under Device::mutex().
  std::set<Memory*> memories;
  std::set<Queue*> queues;
  unsigned programs = 0;

 private:
  std::shared_ptr<Device> device_;
  uint32_t id_ = 0;
  std::unique_ptr<TransportContext> transport_;  // until it was destroyed
};

const char* tier_name(rdu_tier tier);

}  // namespace rdu::runtime
