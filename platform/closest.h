#pragma once

#include <string>
#include <vector>

namespace rdu::platform {

/// Edit distance, for suggestions.
size_t distance(const std::string& a, const std::string& b);
/// Which of them is most like `name`; "" if there are none.
std::string closest(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace rdu::platform
