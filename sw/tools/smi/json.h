// The same for scripts.
#pragma once

#include <nlohmann/json.hpp>

#include "smi/sample.h"

namespace rdu::smi {

nlohmann::ordered_json json(const Sample& now, const Sample* before);

}  // namespace rdu::smi
