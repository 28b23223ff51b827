#pragma once

#include <array>
#include <cstdint>
#include <random>

#include "fabric/config.h"
#include "fabric/pcu/pcu_config.h"

namespace rdu::fabric::test {

/// Random legal programs for one PCU of six stages: everything that a page says is in one of them sometimes.
class RandomPcu {
 public:
  enum class What {
    simd,       ///< one or two SIMD programs without tails
    everything  ///< ... with tails, and matrix programs; packets go dynamically, too
  };
  explicit RandomPcu(uint64_t seed, What what = What::simd) : random_(seed), what_(what) {}

  /// One or two programs, each with firings of its own.
  void make(ConfigWords& words);

 private:
  uint32_t pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool chance(unsigned percent) { return pick(100) < percent; }
  void make_program(ConfigWords& words, unsigned program, unsigned first, unsigned stages, unsigned inputs);
  void make_matrix(ConfigWords& words);
  void make_counts(ConfigWords& words, unsigned program, uint32_t most);
  void make_tokens(ConfigWords& words, unsigned program);
  void make_route(ConfigWords& words, unsigned program, bool scalar);
  void make_stages(ConfigWords& words, unsigned program, unsigned first, unsigned stages, unsigned inputs);

  std::mt19937_64 random_;
  What what_;
  // What the programs of a unit share out.
  unsigned scalars_free_ = 3;
  unsigned scalars_ = 0;  ///< of the program that is made
  unsigned tokens_free_ = 3;
  unsigned registers_free_ = 15;
  bool scalar_output_free_ = true;
  bool network_free_ = true;
  bool tail_free_ = true;
  bool rounds_ = false;  ///< the program's generator is in use
};

/// What the programs of a PCU take in all, if they take all that they could.
struct PcuNeeds {
  std::array<uint64_t, 4> packets{};
  std::array<uint64_t, 2> scalars{};
  std::array<uint64_t, 2> tokens{};
};
PcuNeeds needs_of(const PcuConfig& config);

/// A lane of any kind: of each class of values now and then, as it is and as halves or bytes.
uint32_t random_lane(std::mt19937_64& random);

}  // namespace rdu::fabric::test
