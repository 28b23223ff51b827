#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/register_port.h"
#include "mgmt/params.h"
#include "regs/fuses.hpp"

namespace rdu::mgmt {

/// Serial number, public key, security state and rollback counters. What software blows stays blown in every
/// reset, until the simulation ends; the parameters say what is blown when it begins.
class Fuses {
 public:
  /// Construct inside a module's constructor (it has a TLM socket). Throws bad_input if the key is none.
  Fuses(const std::string& name, const FuseParams& params);

  /// What fuses.public_key means: 32 bytes from 64 hexadecimal digits, or the development key's. Throws
  /// bad_input.
  static std::array<uint8_t, 32> public_key(const std::string& text);

  tlm_utils::simple_target_socket<core::RegisterPort>& socket() { return port_.socket; }
  core::RegisterFile& registers() { return regs_; }

  /// Of the management core: the lock opens.
  void reset();

 private:
  void blow(unsigned type, uint64_t before);

  std::string name_;
  regs::fuses::Registers regs_;
  core::RegisterPort port_;
};

}  // namespace rdu::mgmt
