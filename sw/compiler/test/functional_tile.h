#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "compiler/container.h"
#include "compiler/graph.h"

/// For tests of programs only: executes a configuration packet by packet, without time, from the text of the
/// register descriptions. It shares nothing with models/fabric but the tables of the tail, so that the two
/// can be held against each other.
namespace rdu::compiler::test {

/// The tail's functions on FP32 bits, as models/fabric/math/README.md defines them.
uint32_t tail_of(Tail function, uint32_t x);
float exp_of(float x);
float recip_of(float x);
/// FP32 to BF16 bits, round to nearest even, for finite arguments that are not subnormal.
uint16_t to_bf16(float x);
float from_bf16(uint16_t bits);

class FunctionalTile {
 public:
  /// Memory starts at device address `base` and is all there is.
  FunctionalTile(const Program& program, const std::vector<rdu_argument_tuple>& arguments, uint64_t base,
                 std::vector<uint8_t>* memory);
  ~FunctionalTile();

  /// Runs to the end: until nothing can move. Input FIFOs hold `fifo_packets`; a multicast packet moves when
  /// all its FIFOs have room. Throws Error if a store has not written all its rows, a packet is left over
  /// somewhere, or an address lies outside the memory.
  void run(unsigned fifo_packets = 16);

 private:
  class Unit;
  class Agcu;
  class Pmu;
  class MatrixPcu;
  class SimdPcu;
  std::vector<std::unique_ptr<Unit>> units_;
};

}  // namespace rdu::compiler::test
