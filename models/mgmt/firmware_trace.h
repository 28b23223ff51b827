#pragma once

#include <string>

#include "core/trace.h"

namespace rdu::mgmt {

/// A hart's row in the trace file: a slice from each wake-up to the next WFI, and inside it a slice for each
/// stretch in which the firmware says (SYSCTL.TRACE_TAG) that it works for a host command.
class FirmwareTrace {
 public:
  explicit FirmwareTrace(const std::string& track) : track_(core::Tracer::get().track(track)) {}

  void wake(core::Time at);
  void sleep(core::Time at);
  void set_tag(core::CommandTag tag, core::Time at);

 private:
  void end_command(core::Time at);

  core::TrackId track_;
  bool awake_ = false;
  core::Time awake_since_ = 0;
  core::CommandTag tag_ = core::kNoCommand;
  core::Time tag_since_ = 0;
};

}  // namespace rdu::mgmt
