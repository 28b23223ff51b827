// Where the argument tuples of a queue's launches lie: a ring of pinned memory. A place depends only on the
// sizes that came before, never on what the device has finished, so that runs are reproducible.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace rdu::runtime {

class ArgumentRing {
 public:
  explicit ArgumentRing(uint64_t size) : size_(size) {}

  struct Place {
    uint64_t offset = 0;
    // Number of the last launch that must have completed before the place may be written.
    std::optional<uint64_t> after;
  };
  // bytes <= size().
  Place reserve(uint64_t bytes);
  // The launch that uses the last reserved place.
  void used_by(uint64_t number);

  uint64_t size() const { return size_; }

 private:
  struct Use {
    uint64_t begin;  // counted over all turns of the ring
    uint64_t number;
  };
  uint64_t size_;
  uint64_t begin_ = 0, end_ = 0;  // of the last reservation, counted over all turns
  std::deque<Use> uses_;
};

}  // namespace rdu::runtime
