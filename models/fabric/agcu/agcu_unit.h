#pragma once

#include <cstdint>
#include <optional>

#include "fabric/agcu/agcu_config.h"
#include "fabric/config.h"

namespace rdu::fabric {

/// What a tile wants to know of an AGCU, however it is modelled.
class AgcuUnit {
 public:
  virtual ~AgcuUnit() = default;

  virtual const AgcuConfig& config() const = 0;
  /// New arguments: the same ports. `config` is what `words` say.
  virtual void configure(const AgcuConfig& config, const ConfigWords& words) = 0;

  /// The cycle at which everything is done that a kernel waits for: all writes acknowledged, all tokens there
  /// that the master waits for. Nothing while that is not known.
  virtual std::optional<uint64_t> end() const = 0;
  virtual uint64_t bytes_loaded() const = 0;
  virtual uint64_t bytes_stored() const = 0;
};

}  // namespace rdu::fabric
