#pragma once

#include <string>
#include <vector>

#include "core/register_port.h"
#include "core/transfer.h"
#include "regs/plic.hpp"

namespace rdu::mgmt {

/// The interrupt controller: 31 level-sensitive sources, two contexts for each of up to eight harts (2n:
/// machine mode of hart n, 2n + 1: its supervisor mode), as on the `virt` machine.
///
/// A source's gateway raises the pending bit when its line is high, and again only after the completion of
/// the interrupt that it raised before. A pending bit stays until it is claimed, even if the line drops.
class Plic : public core::InterruptSink {
 public:
  static constexpr unsigned kSources = 32;  ///< source 0 does not exist
  static unsigned machine_context(unsigned hart) { return 2 * hart; }
  static unsigned supervisor_context(unsigned hart) { return 2 * hart + 1; }

  /// Construct inside a module's constructor (it has a TLM socket). `harts` exist; the registers of others
  /// keep their reset values.
  Plic(const std::string& name, unsigned harts);

  /// Where a context's interrupt goes.
  void connect(unsigned context, core::InterruptSink& sink, unsigned number);

  /// Source `number`'s line, 1 to 31.
  void set_interrupt(unsigned number, bool level) override;

  tlm_utils::simple_target_socket<core::RegisterPort>& socket() { return port_.socket; }
  core::RegisterFile& registers() { return regs_; }

  /// Registers and gateways; the lines' levels stay, they are the devices'.
  void reset();

 private:
  /// The most urgent pending and enabled source of a context: the highest priority, then the smallest number;
  /// 0 if there is none.
  unsigned best(unsigned context) const;
  unsigned claim(unsigned context);
  void complete(unsigned context, uint64_t source);
  void update();

  std::string name_;
  regs::plic::Registers regs_;
  core::RegisterPort port_;
  uint32_t level_ = 0;
  uint32_t pending_ = 0;
  uint32_t in_service_ = 0;
  std::vector<core::InterruptLine> out_;  ///< by context
};

}  // namespace rdu::mgmt
