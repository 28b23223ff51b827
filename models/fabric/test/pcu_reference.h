#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "fabric/config.h"
#include "fabric/params.h"
#include "fabric/test/harness.h"

/// The PCU's page (pcu/README.md), SIMD mode, firing by firing and straight from the configuration words. It
/// shares nothing with the model and nothing with scalar.h: its arithmetic is that of 113-bit floats.
namespace rdu::fabric::test {

/// One operation on a lane by its code in STAGE.OP. Not for cross-lane operations and SRBF16.
uint32_t reference_operation(uint64_t op, uint32_t a, uint32_t b, uint32_t c);

/// What arrives at one PCU, and when.
struct PcuArrivals {
  struct Word {
    uint32_t word;
    uint64_t cycle;
  };
  struct Of {
    std::vector<Packet> packets;
    std::vector<uint64_t> cycles;  ///< of each packet
  };
  Of inputs[4];
  std::vector<Word> scalars[2];
  std::vector<uint64_t> tokens[2];
};

/// What one program sends, to consumers that take everything at once.
struct PcuSent {
  std::vector<Packet> packets;   ///< or words, in the first four bytes
  std::vector<uint64_t> cycles;  ///< in which they leave
  std::vector<uint32_t> sequence;
  std::vector<uint64_t> tokens;  ///< cycles in which they leave
  uint64_t firings = 0;          ///< made; less than all if something was missing
  uint64_t busy = 0;             ///< the firings' costs
  size_t taken[4] = {};          ///< packets of each input
};

/// Told what a program does.
class PcuObserver {
 public:
  using Vector = std::array<uint32_t, 32>;
  virtual ~PcuObserver() = default;
  /// A stage with an operation, of a firing. `active`: its predicate holds; a, b, c are what it reads then.
  virtual void stage(unsigned number, bool active, bool alternative, const Vector& a, const Vector& b,
                     const Vector& c) = 0;
  /// A firing takes a vector by an input, or keeps the one that it had.
  virtual void input(unsigned number, bool takes) = 0;
  /// A firing sends a vector, which still has to go through the tail, or does not.
  virtual void result(bool sends, const Vector& vector) = 0;
};

/// A tail is left out. `observer` may be null.
PcuSent reference_pcu(const ConfigWords& words, unsigned program, const PcuArrivals& arrivals,
                      const FabricParams& params, PcuObserver* observer = nullptr);

}  // namespace rdu::fabric::test
