#pragma once

#include "core/transfer.h"
#include "fabric/agcu/agcu_config.h"

namespace rdu::fabric {

/// What a store generator's operation does to words of memory; null for a plain write. agcu/README.md defines
/// them.
core::Modify modify_of(AgcuConfig::Op op);

}  // namespace rdu::fabric
