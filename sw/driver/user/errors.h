// What the driver throws besides the client's DeviceLost and Timeout (vfio_user_client.h).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace rdu::user {

class DeviceError : public std::runtime_error {
 public:
  enum class Kind {
    kIncompatible,  // another device, or another version of registers or firmware interface
    kFirmware,      // it failed to boot, reported a fatal error or stopped answering
    kProtocol,      // it broke the rules of its own interface
  };

  DeviceError(Kind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// A command that the firmware completed with another status than OK.
class CommandError : public std::runtime_error {
 public:
  CommandError(uint16_t status, const std::string& text) : std::runtime_error(text), status_(status) {}
  uint16_t status() const { return status_; }  // RDU_STATUS_* of rdu_abi.h

 private:
  uint16_t status_;
};

}  // namespace rdu::user
