#pragma once

#include "pcie/host_port.h"
#include "pcie/vfio_user/server.h"

namespace rdu::pcie {

/// A host that is there: whoever connects to the server.
class LivePort : public HostPort {
 public:
  /// The server outlives it, and is started by its owner.
  explicit LivePort(vfio_user::Server& server) : server_(server) {}

  std::optional<Request> next() override { return server_.next(); }
  int perform(Request& request) override { return server_.perform(request); }
  void answer(Request& request, int error, const uint8_t* data) override;
  int dma_read(core::Time at, uint64_t address, uint8_t* data, size_t size) override;
  int dma_write(core::Time at, uint64_t address, const uint8_t* data, size_t size) override;
  bool interrupt(uint32_t index, uint32_t vector) override { return server_.irqs().trigger(index, vector); }
  bool pending(uint32_t index, uint32_t vector) const override {
    return server_.irqs().pending(index, vector);
  }
  bool peek(uint64_t address, uint8_t* data, size_t size) override;
  bool poke(uint64_t address, const uint8_t* data, size_t size) override;
  bool wait(std::chrono::milliseconds timeout) override { return server_.wait(timeout); }
  void hang_up() override { server_.hang_up(); }
  bool connected() const override { return server_.connected(); }

 private:
  vfio_user::Server& server_;
};

}  // namespace rdu::pcie
