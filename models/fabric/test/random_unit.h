#pragma once

#include <cstdint>
#include <random>

#include "fabric/config.h"
#include "fabric/params.h"

namespace rdu::fabric::test {

/// Random configuration words of a unit, most of them legal: of every field the values that are, in
/// combinations that often are. Who uses them asks the unit's decoder.
class RandomUnit {
 public:
  RandomUnit(const FabricParams& params, uint64_t seed) : params_(params), random_(seed) {}

  ConfigWords pcu();
  /// Writers and readers of buffers, ordered by tokens.
  ConfigWords pmu();

 private:
  uint32_t pick(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  bool chance(uint32_t percent) { return pick(100) < percent; }
  void simd_program(ConfigWords& words, unsigned p, unsigned first, unsigned stages, unsigned inputs);
  void matrix_program(ConfigWords& words);
  void pmu_pipeline(ConfigWords& words, bool is_read, unsigned number, uint32_t base, uint32_t buffers,
                    uint32_t buffer_size, uint32_t accesses, uint32_t fills);
  void common(ConfigWords& words, unsigned p);

  FabricParams params_;
  std::mt19937_64 random_;
  bool rich_ = false;  ///< everything that the words can say, not only what was there from the start
  bool has_network_ = false;
  uint32_t free_registers_ = 0;
};

}  // namespace rdu::fabric::test
