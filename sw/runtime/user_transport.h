// The transport over the user-space driver: librdu itself is the device's driver.
#pragma once

#include <memory>

#include "runtime/transport.h"
#include "user/bus.h"
#include "user/device.h"

namespace rdu::runtime {

// Brings up the device on the bus.
std::unique_ptr<Transport> make_user_transport(std::unique_ptr<user::Bus> bus, user::DeviceOptions options);

// The same on a simulator's socket.
std::unique_ptr<Transport> open_user_transport(const std::string& path, Milliseconds timeout,
                                               std::function<void(const std::string&)> log);

}  // namespace rdu::runtime
