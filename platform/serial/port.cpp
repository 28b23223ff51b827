#include "platform/serial/port.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <ctime>

#include "core/error.h"

namespace rdu::platform::serial {

/// What the guest sent last should arrive: a slow far end gets a second.
Port::~Port() {
  try {
    for (int i = 0; i < 10 && !out_.empty(); ++i) {
      if (i > 0) {
        pollfd p{backend_->output(), POLLOUT, 0};
        poll(&p, 1, 100);
      }
      exchange();
    }
  } catch (const core::Error&) {
    // Said before, or too late to say.
  }
}

bool Port::exchange() {
  size_t sent = 0;
  while (sent < out_.size()) {
    const size_t put = backend_->write(out_.data() + sent, out_.size() - sent);
    if (put == 0) break;
    sent += put;
  }
  out_.erase(0, sent);
  traffic_ += sent;
  char bytes[256];
  const size_t got = backend_->read(bytes, std::min(sizeof bytes, kMostWaiting - in_.size()));
  in_.append(bytes, got);
  const size_t given = std::min<size_t>(uart_.room(), in_.size());
  for (size_t i = 0; i < given; ++i) uart_.push(in_[i]);
  in_.erase(0, given);
  traffic_ += given;
  return given != 0;
}

void Port::wait(std::chrono::nanoseconds most) const {
  constexpr std::chrono::nanoseconds kLook = std::chrono::milliseconds(100);
  const auto limit = std::clamp(most, std::chrono::nanoseconds(0), kLook).count();
  const timespec timeout{limit / 1'000'000'000, limit % 1'000'000'000};
  const bool hungry = in_.size() < kMostWaiting;
  pollfd fds[2] = {{hungry ? backend_->input() : -1, POLLIN, 0},
                   {out_.empty() ? -1 : backend_->output(), POLLOUT, 0}};
  ppoll(fds, 2, &timeout, nullptr);
}

std::unique_ptr<Port> attach(const std::string& where, mgmt::Uart& uart) {
  auto port = std::make_unique<Port>(open(where), uart);
  const std::string place = port->backend().description();
  if (!place.empty()) fmt::print(stderr, "rduvp: serial: {}\n", place);
  return port;
}

}  // namespace rdu::platform::serial
