#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/time.h"
#include "pcie/vfio_user/request.h"

namespace rdu::pcie {

/// The host as the simulation sees it: everything that crosses the boundary, and nothing else, passes here.
/// Behind it is a living host (LivePort), one that is written down on its way (RecordingPort), or one that
/// was (ReplayPort). All calls come from the simulation's thread.
class HostPort {
 public:
  using Request = vfio_user::Request;

  virtual ~HostPort() = default;

  // --- requests ---

  /// The next thing that the host asks, if there is one. Taking it is the moment at which it takes effect.
  virtual std::optional<Request> next() = 0;
  /// Does what a request asks that is no region access, by calls of the device: 0 or an errno value.
  virtual int perform(Request& request) = 0;
  /// Answers a request, once: with the data of a read, or with an errno value.
  virtual void answer(Request& request, int error, const uint8_t* data = nullptr) = 0;

  // --- the device's own doing ---

  /// Copies from and to host memory by bus address: 0 or an errno value (EFAULT: the host has not mapped it
  /// for this; nothing is then touched). `at`: the simulated time of the access at the link, not before now.
  virtual int dma_read(core::Time at, uint64_t address, uint8_t* data, size_t size) = 0;
  virtual int dma_write(core::Time at, uint64_t address, const uint8_t* data, size_t size) = 0;
  /// Raises a vector of an interrupt index (vfio_user/irq_vectors.h). True if the host was told; false if it
  /// has no use for it or has masked it, which makes it pending.
  virtual bool interrupt(uint32_t index, uint32_t vector) = 0;
  virtual bool pending(uint32_t index, uint32_t vector) const = 0;

  // --- by a debugger: no part of what happens ---

  virtual bool peek(uint64_t address, uint8_t* data, size_t size) = 0;
  virtual bool poke(uint64_t address, const uint8_t* data, size_t size) = 0;

  // --- host time ---

  /// Waits until next() has something or the time has passed. True if next() has something.
  virtual bool wait(std::chrono::milliseconds timeout) = 0;
  /// Cuts the host off: what it had sent is still there, then it disconnects.
  virtual void hang_up() = 0;
  /// Something may still come from the present host.
  virtual bool connected() const = 0;
};

}  // namespace rdu::pcie
