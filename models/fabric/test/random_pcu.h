#pragma once

#include <cstdint>
#include <random>

#include "fabric/config.h"

namespace rdu::fabric::test {

/// Random legal SIMD programs for one PCU of six stages: everything that a page says is in one of them
/// sometimes.
class RandomPcu {
 public:
  explicit RandomPcu(uint64_t seed) : random_(seed) {}

  /// One or two programs, each with firings of its own.
  void make(ConfigWords& words);

 private:
  uint32_t pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool chance(unsigned percent) { return pick(100) < percent; }
  void make_program(ConfigWords& words, unsigned program, unsigned first, unsigned stages, unsigned inputs);
  void make_stages(ConfigWords& words, unsigned program, unsigned first, unsigned stages, unsigned inputs);

  std::mt19937_64 random_;
  // What the programs of a unit share out.
  unsigned scalars_free_ = 3;
  unsigned scalars_ = 0;  ///< of the program that is made
  unsigned tokens_free_ = 3;
  unsigned registers_free_ = 15;
  bool scalar_output_free_ = true;
  bool network_free_ = true;
  bool rounds_ = false;  ///< the program's generator is in use
};

}  // namespace rdu::fabric::test
