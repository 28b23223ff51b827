#pragma once

#include <vector>

#include "compiler/configuration.h"
#include "compiler/container.h"
#include "compiler/graph.h"

namespace rdu::compiler {

/// Writes one placed unit's configuration words. Words that depend on an argument get the value for its
/// minimum and a fixup in `arguments`, whose order is that of Graph::arguments().
void lower(const UnitKind& kind, uint32_t id, Configuration* configuration, std::vector<Argument>* arguments);

}  // namespace rdu::compiler
