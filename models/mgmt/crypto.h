#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/register_port.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "mgmt/params.h"
#include "regs/crypto.hpp"

namespace rdu::mgmt {

/// SHA-256, SHA-384, SHA-512 and Ed25519 verification of bytes in memory, which the block reads by itself as
/// a master of the bus. libsodium computes; README.md has the time that it takes.
class Crypto : public sc_core::sc_module {
 public:
  Crypto(const sc_core::sc_module_name& name, const CryptoParams& params);

  /// To the bus: reads memory, never devices.
  tlm_utils::simple_initiator_socket<Crypto> bus;
  core::InterruptLine interrupt;

  tlm_utils::simple_target_socket<core::RegisterPort>& socket() { return port_.socket; }
  core::RegisterFile& registers() { return regs_; }

  /// A running command is dropped.
  void reset();

 private:
  void start();
  void finish();
  void end(uint64_t error);
  void update_interrupt();
  /// The bytes that SOURCE and LENGTH mean; false if not all of them lie in memory.
  bool read(std::vector<uint8_t>& bytes);
  core::Time duration(uint64_t op) const;

  CryptoParams params_;
  regs::crypto::Registers regs_;
  core::RegisterPort port_;
  sc_core::sc_event done_;
  uint64_t op_ = 0;  ///< of the command that runs
};

}  // namespace rdu::mgmt
