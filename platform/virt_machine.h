#pragma once

#include "platform/options.h"

namespace rdu::platform {

/// `rduvp` as the bare management subsystem: harts, memory and devices laid out as the common RISC-V `virt`
/// machine, without fabric, HBM and host. Gives the exit status; throws what goes wrong.
int run_virt(const Options& options);

}  // namespace rdu::platform
