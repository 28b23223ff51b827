#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/register_port.h"
#include "core/serial_resource.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "memory/params.h"
#include "regs/copy_engine.hpp"

namespace rdu::memory {

/// Four channels that copy between any two places the top-level network reaches. A channel cuts its copy into
/// chunks, keeps several under way, and reads each before it writes it. Copies behave like memmove: ranges
/// may overlap. README.md has the rules for faults and the timing.
class CopyEngine : public sc_core::sc_module {
 public:
  static constexpr unsigned kChannels = regs::copy_engine::kCHANNEL_COUNT;

  /// Takes the initiator ids first_initiator to first_initiator + 3. Throws bad_input for a chunk that is no
  /// power of two.
  CopyEngine(const sc_core::sc_module_name& name, const CopyEngineParams& params, core::TransferPort& port,
             core::AddressTranslator& translator, uint32_t first_initiator);
  ~CopyEngine() override;

  core::RegisterPort registers;
  core::InterruptLine interrupt;

  /// Everything stops now and the registers are at their reset values. Transfers on their way end without any
  /// effect on memory; until then they hold their buffers.
  void host_reset();

  /// For tests of software: a channel's next copy, or the one under way, never ends. An abort or a reset
  /// frees it.
  void jam(unsigned channel);

  /// Bytes that were written to their destination, all channels, since the start.
  uint64_t bytes_copied() const;

 private:
  class Channel;

  void channels_ended();
  void update_interrupt();

  CopyEngineParams params_;
  core::TransferPort& port_;
  core::AddressTranslator& translator_;
  uint32_t first_initiator_;
  regs::copy_engine::Registers regs_;
  std::array<std::unique_ptr<Channel>, kChannels> channels_;
};

}  // namespace rdu::memory
