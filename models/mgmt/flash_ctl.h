#pragma once

#include <cstdint>
#include <string>

#include "core/register_port.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "mgmt/memory.h"
#include "mgmt/params.h"
#include "regs/flash_ctl.hpp"

namespace rdu::mgmt {

/// Erases and programs the boot flash, whose bytes are a Memory that the core reads in place. Sectors of 4
/// KiB, pages of 256 bytes; two ranges can be write-protected until the core restarts.
class FlashCtl : public sc_core::sc_module {
 public:
  FlashCtl(const sc_core::sc_module_name& name, const FlashParams& params, Memory& flash);

  core::InterruptLine interrupt;

  tlm_utils::simple_target_socket<core::RegisterPort>& socket() { return port_.socket; }
  core::RegisterFile& registers() { return regs_; }

  /// Registers, and so protection, go to their reset values. An operation that runs ends all the same, as the
  /// flash itself knows nothing of resets.
  void reset();

 private:
  void start();
  void finish();
  void end(uint64_t error);
  void update_interrupt();
  bool is_protected(uint64_t first, uint64_t bytes) const;
  void bind_protection(unsigned n);

  FlashParams params_;
  Memory& flash_;
  regs::flash_ctl::Registers regs_;
  core::RegisterPort port_;
  sc_core::sc_event done_;
  // The operation that runs, taken from the registers when it began.
  uint64_t op_ = 0;
  uint64_t first_ = 0;
  uint64_t bytes_ = 0;
  uint8_t page_[256] = {};
};

}  // namespace rdu::mgmt
