// Hands out ranges of a number space: device memory of a context, bus addresses of a process.
//
// First fit with coalescing: the same sequence of calls gives the same addresses on every machine, which the
// simulator's reproducibility rests on.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace rdu::user {

class RangeAllocator {
 public:
  // Hands out parts of [base, base + size). alignment: a power of two, of every start and every size.
  RangeAllocator(uint64_t base, uint64_t size, uint64_t alignment);

  // The start of a range of at least `size` bytes (at least one alignment unit); nothing if no hole is large
  // enough.
  std::optional<uint64_t> allocate(uint64_t size);
  // Takes back what allocate() gave. Throws std::logic_error for anything else.
  void free(uint64_t start);

  uint64_t available() const { return available_; }
  uint64_t largest() const;  // hole
  uint64_t size_of(uint64_t start) const;
  const std::map<uint64_t, uint64_t>& used() const { return used_; }  // start -> size

 private:
  uint64_t alignment_;
  uint64_t available_;
  std::map<uint64_t, uint64_t> holes_;  // start -> size; never two that touch
  std::map<uint64_t, uint64_t> used_;
};

}  // namespace rdu::user
