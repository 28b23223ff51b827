#pragma once

#include <cstdint>
#include <random>

#include "fabric/test/program_builder.h"

namespace rdu::fabric::test {

/// A legal program of random shape: loads, PMUs, SIMD and matrix PCUs, streams that fork and join, stores. It
/// may hang (a fork whose branches need different amounts of buffering joins again): that is an outcome like
/// any other.
class RandomProgram {
 public:
  RandomProgram(const FabricParams& params, uint64_t seed);

  const ProgramBuilder& builder() const { return builder_; }

 private:
  struct Open {
    uint32_t source;
    uint32_t packets;
    unsigned output = 0;
  };
  uint32_t pick(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  bool chance(uint32_t percent) { return pick(100) < percent; }
  uint32_t divisor(uint32_t n);
  uint32_t place(unsigned kind);
  Open take();
  void consume(const Open& stream, uint32_t unit, unsigned input);

  void add_load();
  void add_pmu();
  void add_second_reader(uint32_t unit, uint32_t fills, uint32_t buffers, uint32_t writes);
  void add_joining_pmu();
  uint32_t random_reads(ConfigWords& words, unsigned r, uint32_t writes);
  void add_simd();
  void add_matrix();
  void add_store(const Open& stream, unsigned number);

  FabricParams params_;
  std::mt19937_64 random_;
  ProgramBuilder builder_;
  std::vector<uint32_t> free_pcus_;
  std::vector<uint32_t> free_pmus_;
  std::vector<uint32_t> free_loads_;
  std::vector<Open> open_;
  std::map<std::pair<uint32_t, unsigned>, std::vector<ProgramBuilder::Sink>> sinks_;  ///< by unit and output
};

}  // namespace rdu::fabric::test
