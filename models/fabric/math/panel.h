#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace rdu::fabric {

/// Which operand of a product: in0, a value a lane, or in1, a value a row (kernels.h).
enum class PanelSide : uint8_t { lanes, rows };

/// One operand of a product over many steps, as the matrix kernels want it. Made once from packets, and not
/// changed: several products, on several threads, may use it.
class Panel {
 public:
  /// `packets`: those of the steps, one behind the other.
  static std::shared_ptr<const Panel> of(PanelSide side, const uint8_t* packets, size_t steps);

  size_t steps() const { return steps_; }
  const uint8_t* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  size_t steps_ = 0;
  std::unique_ptr<uint8_t, Free> data_;
};

}  // namespace rdu::fabric
