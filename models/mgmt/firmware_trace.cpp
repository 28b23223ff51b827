#include "mgmt/firmware_trace.h"

namespace rdu::mgmt {

void FirmwareTrace::wake(core::Time at) {
  if (awake_) return;
  awake_ = true;
  awake_since_ = at;
  tag_since_ = at;
}

/// A command that outlasts the WFI goes on in a slice of its own after the wake-up: slices must nest.
void FirmwareTrace::sleep(core::Time at) {
  if (!awake_) return;
  end_command(at);
  awake_ = false;
  core::Tracer& tracer = core::Tracer::get();
  if (tracer.enabled()) tracer.slice(track_, awake_since_, at, "awake");
}

void FirmwareTrace::set_tag(core::CommandTag tag, core::Time at) {
  if (awake_) end_command(at);
  tag_ = tag;
  tag_since_ = at;
}

void FirmwareTrace::end_command(core::Time at) {
  core::Tracer& tracer = core::Tracer::get();
  if (tag_ != core::kNoCommand && at > tag_since_ && tracer.enabled()) {
    tracer.slice(track_, tag_since_, at, "command", tag_);
  }
}

}  // namespace rdu::mgmt
