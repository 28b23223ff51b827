// The interrupts of the device as the client has set them up: an eventfd, a mask and a pending bit per
// vector.
#pragma once

#include <cstdint>
#include <vector>

#include "pcie/vfio_user/unique_fd.h"

namespace rdu::pcie::vfio_user {

// The interrupt indices of a PCI device (linux/vfio.h).
inline constexpr uint32_t kIrqIntx = 0;
inline constexpr uint32_t kIrqMsi = 1;
inline constexpr uint32_t kIrqMsix = 2;
inline constexpr uint32_t kIrqError = 3;
inline constexpr uint32_t kIrqRequest = 4;

// What one interrupt index offers.
struct IrqInfo {
  uint32_t count = 0;  // vectors; 0: the device has none of this kind
  bool maskable = false;
  bool automasked = false;  // masks itself when triggered
  bool no_resize = false;
};

// Only an eventfd can be an interrupt (README.md says why).
bool is_eventfd(int fd);

// Used by the simulation's thread only.
class IrqVectors {
 public:
  explicit IrqVectors(const std::vector<IrqInfo>& indices);

  enum class Action { kTrigger, kMask, kUnmask };

  // Each takes vectors [start, start + count) of `index` and returns 0 or EINVAL (no such vectors, or the
  // index is not maskable), and leaves everything as it was in case of an error. `fds`: one eventfd a vector,
  // or none to take the present ones away; EINVAL if one is not an eventfd.
  int assign(uint32_t index, uint32_t start, uint32_t count, Action action, std::vector<UniqueFd> fds);
  // `chosen`: one byte a vector, 0 to leave that vector alone; empty: all.
  int act(uint32_t index, uint32_t start, uint32_t count, Action action, const std::vector<uint8_t>& chosen);
  int disable(uint32_t index);

  // Does what a SET_IRQS message asks, with its flags as they are.
  int set(uint32_t index, uint32_t flags, uint32_t start, uint32_t count, const std::vector<uint8_t>& chosen,
          std::vector<UniqueFd> fds);

  // Raises a vector. True if the client was told; false if it has no eventfd for it, or if it is masked (it
  // is then pending, and unmasking it tells the client).
  bool trigger(uint32_t index, uint32_t vector);

  bool enabled(uint32_t index, uint32_t vector) const;  // the client gave an eventfd
  bool masked(uint32_t index, uint32_t vector) const;
  bool pending(uint32_t index, uint32_t vector) const;

  // Forgets every eventfd, mask and pending bit: the client has gone.
  void clear();

 private:
  struct Vector {
    UniqueFd trigger;
    UniqueFd mask;    // told when the vector is masked
    UniqueFd unmask;  // told when it is unmasked
    bool masked = false;
    bool pending = false;
  };
  struct Index {
    IrqInfo info;
    std::vector<Vector> vectors;
  };

  bool in_range(uint32_t index, uint32_t start, uint32_t count) const;
  void set_mask(Vector& vector, bool masked);
  const Vector* at(uint32_t index, uint32_t vector) const;

  std::vector<Index> indices_;
};

}  // namespace rdu::pcie::vfio_user
