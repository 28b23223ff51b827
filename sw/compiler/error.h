#pragma once

#include <stdexcept>
#include <string>

namespace rdu::compiler {

/// Everything that this library refuses: an illegal program description, one that does not fit the tile, a
/// damaged or foreign container, a missing argument. The text is one sentence for the user, naming what and
/// where.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what) : std::runtime_error(what) {}
};

}  // namespace rdu::compiler
