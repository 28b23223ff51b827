#pragma once

#include <string>

#include "compiler/container.h"

namespace rdu::tools {

/// What a simulator or a tile says about units, "pcu[1][2] waits for ..", with the program's own names behind
/// them: "pcu[1][2] 'exp3' waits for ..". An AGCU may be two: "agcu_west[0] 'x.load', 'y.store'".
std::string explain(const compiler::Program& program, const std::string& text);

}  // namespace rdu::tools
