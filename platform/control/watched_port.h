#pragma once

#include "pcie/host_port.h"
#include "pcie/vfio_user/irq_vectors.h"
#include "platform/control/event_log.h"

namespace rdu::platform::control {

/// A host whose coming, going and resets, and the interrupts that it gets, are noted down.
class WatchedPort : public pcie::HostPort {
 public:
  /// Both outlive it.
  WatchedPort(pcie::HostPort& host, EventLog& events) : host_(host), events_(events) {}

  std::optional<Request> next() override {
    auto request = host_.next();
    if (!request) return request;
    if (request->kind() == Request::Kind::kConnect) events_.add("host", {{"connected", true}});
    if (request->kind() == Request::Kind::kDisconnect) events_.add("host", {{"connected", false}});
    if (request->kind() == Request::Kind::kReset) events_.add("reset", nlohmann::ordered_json::object());
    return request;
  }
  bool interrupt(uint32_t index, uint32_t vector) override {
    const bool sent = host_.interrupt(index, vector);
    if (index == pcie::vfio_user::kIrqMsix) {
      events_.add("interrupt", {{"vector", vector}, {"sent", sent}});
    } else {
      events_.add("interrupt", {{"index", index}, {"sent", sent}});
    }
    return sent;
  }

  // All else is the host's own.
  int perform(Request& request) override { return host_.perform(request); }
  void answer(Request& request, int error, const uint8_t* data) override {
    host_.answer(request, error, data);
  }
  int dma_read(core::Time at, uint64_t address, uint8_t* data, size_t size) override {
    return host_.dma_read(at, address, data, size);
  }
  int dma_write(core::Time at, uint64_t address, const uint8_t* data, size_t size) override {
    return host_.dma_write(at, address, data, size);
  }
  bool pending(uint32_t index, uint32_t vector) const override { return host_.pending(index, vector); }
  bool peek(uint64_t address, uint8_t* data, size_t size) override { return host_.peek(address, data, size); }
  bool poke(uint64_t address, const uint8_t* data, size_t size) override {
    return host_.poke(address, data, size);
  }
  bool wait(std::chrono::milliseconds timeout) override { return host_.wait(timeout); }
  void hang_up() override { host_.hang_up(); }
  bool connected() const override { return host_.connected(); }

 private:
  pcie::HostPort& host_;
  EventLog& events_;
};

}  // namespace rdu::platform::control
