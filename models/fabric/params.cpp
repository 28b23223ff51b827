#include "fabric/params.h"

#include <fmt/format.h>

#include "core/error.h"
#include "fabric/fidelity.h"
#include "fabric/program.h"

namespace rdu::fabric {

void FabricParams::check() const {
  FidelityMap(*this);
  if (lanes > RDU_LANES_MAX || (lanes & (lanes - 1)) != 0) {
    core::bad_input(fmt::format("fabric: lanes = {} is not a power of two up to {}", lanes, RDU_LANES_MAX));
  }
  if (request_bytes % RDU_VECTOR_BYTES != 0) {
    core::bad_input(
        fmt::format("fabric: request_bytes = {} is not a multiple of {}", request_bytes, RDU_VECTOR_BYTES));
  }
}

}  // namespace rdu::fabric
