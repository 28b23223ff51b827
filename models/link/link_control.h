#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/register_port.h"
#include "core/systemc.h"
#include "core/trace.h"
#include "core/transfer.h"
#include "link/params.h"
#include "regs/linkctl.hpp"

namespace rdu::link {

/// The links of a socket, as far as training goes: a state machine for each, driven by the firmware through
/// linkctl.regs.yaml. What a link would carry is not modelled yet.
class LinkControl : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(LinkControl);

  /// Throws bad_input for parameters that make no link.
  LinkControl(const sc_core::sc_module_name& name, const LinkParams& params);
  ~LinkControl() override;

  core::RegisterPort registers;
  core::InterruptLine interrupt;

  /// Connects link `mine` with link `theirs` of another socket, for good. Before the simulation starts.
  void connect(unsigned mine, LinkControl& other, unsigned theirs);

  core::RegisterFile& register_file() { return regs_; }
  /// All links are down, registers at their reset values.
  void reset();

 private:
  class Link;
  void update_interrupt();
  void publish();

  LinkParams params_;
  regs::linkctl::Registers regs_;
  std::vector<std::unique_ptr<Link>> links_;
};

}  // namespace rdu::link
