#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "mgmt/uart.h"
#include "platform/serial/backend.h"

namespace rdu::platform::serial {

/// Joins a UART to its far end on the host. All calls come from the simulation's thread, those of exchange()
/// and wait() from between its slices, so bytes never meet a running model.
///
/// Input waits on the host while the UART's FIFO is full; nothing is lost. (A few KiB of it wait here, so
/// that a terminal's escape keys work although the guest reads nothing.) Output is collected during a slice;
/// if the far end does not take it, the simulation waits once kMostPending bytes are there: the host sees a
/// slow device.
class Port {
 public:
  /// `uart` receives; what it sends goes to put().
  Port(std::unique_ptr<Backend> backend, mgmt::Uart& uart) : backend_(std::move(backend)), uart_(uart) {}
  ~Port();
  void put(char byte) { out_ += byte; }

  /// Moves bytes both ways, as far as possible. True if any went to the guest.
  bool exchange();
  /// Sleeps until input can be given to the guest, but at most so long (nor longer than 100 ms, so that the
  /// caller sees signals).
  void wait(std::chrono::nanoseconds most) const;
  /// True if the far end does not take what the guest sends; then exchange again after a wait.
  bool congested() const { return out_.size() >= kMostPending; }

  /// False when no byte will ever reach the guest.
  bool can_receive() const { return backend_->can_receive() || !in_.empty(); }
  /// Bytes that went either way so far: whether anything happens on the line.
  uint64_t traffic() const { return traffic_; }
  const Backend& backend() const { return *backend_; }

 private:
  static constexpr size_t kMostPending = 64 << 10;
  static constexpr size_t kMostWaiting = 4 << 10;

  std::unique_ptr<Backend> backend_;
  mgmt::Uart& uart_;
  std::string in_;
  std::string out_;
  uint64_t traffic_ = 0;
};

/// Opens what `--serial` names for a UART, and prints where it is found if that does not go without saying.
/// Throws bad_input.
std::unique_ptr<Port> attach(const std::string& where, mgmt::Uart& uart);

}  // namespace rdu::platform::serial
