#include "fabric/agcu/atomic.h"

#include <algorithm>
#include <cstring>

#include "fabric/math/scalar.h"

namespace rdu::fabric {
namespace {

/// Word by word, memory = combine(memory, data). Lengths are multiples of four: AgcuConfig sees to it.
template <uint32_t (*combine)(uint32_t memory, uint32_t data)>
void each_word(uint8_t* memory, const uint8_t* data, uint32_t length) {
  for (uint32_t at = 0; at < length; at += 4) {
    uint32_t m, d;
    std::memcpy(&m, memory + at, 4);
    std::memcpy(&d, data + at, 4);
    m = combine(m, d);
    std::memcpy(memory + at, &m, 4);
  }
}

uint32_t fadd(uint32_t m, uint32_t d) {
  return scalar::bits_of(scalar::add(scalar::from_bits(m), scalar::from_bits(d)));
}
uint32_t iadd(uint32_t m, uint32_t d) {
  return m + d;
}
uint32_t imax(uint32_t m, uint32_t d) {
  return static_cast<int32_t>(m) < static_cast<int32_t>(d) ? d : m;
}
uint32_t imin(uint32_t m, uint32_t d) {
  return static_cast<int32_t>(m) > static_cast<int32_t>(d) ? d : m;
}
uint32_t bits_and(uint32_t m, uint32_t d) {
  return m & d;
}
uint32_t bits_or(uint32_t m, uint32_t d) {
  return m | d;
}
uint32_t bits_xor(uint32_t m, uint32_t d) {
  return m ^ d;
}

}  // namespace

core::Modify modify_of(AgcuConfig::Op op) {
  switch (op) {
    case AgcuConfig::Op::fadd:
      return each_word<fadd>;
    case AgcuConfig::Op::iadd:
      return each_word<iadd>;
    case AgcuConfig::Op::imax:
      return each_word<imax>;
    case AgcuConfig::Op::imin:
      return each_word<imin>;
    case AgcuConfig::Op::bits_and:
      return each_word<bits_and>;
    case AgcuConfig::Op::bits_or:
      return each_word<bits_or>;
    case AgcuConfig::Op::bits_xor:
      return each_word<bits_xor>;
    default:
      return nullptr;
  }
}

}  // namespace rdu::fabric
