#include "fabric/pmu/scratchpad.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

namespace rdu::fabric {
namespace {

/// Columns of the data bits: the values of three ones, in increasing order, but for three that make the rows
/// equally long.
constexpr std::array<uint8_t, 32> make_columns() {
  std::array<uint8_t, 32> columns{};
  unsigned n = 0;
  for (unsigned value = 0; value < 128; ++value) {
    unsigned ones = 0;
    for (unsigned bit = 0; bit < 7; ++bit) ones += value >> bit & 1;
    if (ones == 3 && value != 0x07 && value != 0x38 && value != 0x49)
      columns[n++] = static_cast<uint8_t>(value);
  }
  return columns;
}
constexpr std::array<uint8_t, 32> kColumns = make_columns();

}  // namespace

namespace ecc {

uint32_t check_bits(uint32_t data) {
  uint32_t check = 0;
  for (unsigned i = 0; i < 32; ++i) {
    if ((data >> i & 1) != 0) check ^= kColumns[i];
  }
  return check;
}

Outcome read(uint64_t flipped) {
  const auto data = static_cast<uint32_t>(flipped);
  // The code is linear: of what was written nothing is left in the syndrome.
  const uint32_t syndrome = check_bits(data) ^ static_cast<uint32_t>(flipped >> 32 & 0x7f);
  if (syndrome == 0) return {Outcome::Kind::right, data};
  if ((syndrome & (syndrome - 1)) == 0) return {Outcome::Kind::corrected, data};
  for (unsigned i = 0; i < 32; ++i) {
    if (kColumns[i] == syndrome) return {Outcome::Kind::corrected, data ^ 1u << i};
  }
  return {Outcome::Kind::uncorrectable, data};
}

}  // namespace ecc

uint8_t* Scratchpad::data() {
  if (!data_) {
    data_.reset(static_cast<uint8_t*>(std::calloc(bytes_, 1)));  // pages appear when they are touched
    if (!data_) throw std::bad_alloc();
  }
  return data_.get();
}

void Scratchpad::Free::operator()(uint8_t* p) const {
  std::free(p);
}

void Scratchpad::clear() {
  writing(0, bytes_);
  data_.reset();
  errors_.clear();
  ++clears_;
}

void Scratchpad::inject(uint64_t address, uint64_t bits) {
  uint64_t& flipped = errors_[address];
  flipped ^= bits & ecc::kMask;
  if (flipped == 0) errors_.erase(address);
}

void Scratchpad::flip(uint64_t word, uint32_t bits) {
  uint32_t value;
  std::memcpy(&value, data() + word, sizeof value);
  value ^= bits;
  std::memcpy(data() + word, &value, sizeof value);
}

ecc::Outcome Scratchpad::look(uint64_t word, uint64_t flipped, Checked& checked) {
  const ecc::Outcome outcome = ecc::read(flipped);
  if (outcome.kind == ecc::Outcome::Kind::corrected) ++corrected_;
  if (outcome.kind == ecc::Outcome::Kind::uncorrectable) {
    ++uncorrectable_;
    if (!checked.uncorrectable || word < *checked.uncorrectable) checked.uncorrectable = word;
  }
  return outcome;
}

void Scratchpad::before_read(uint64_t word, Checked& checked) {
  const auto found = errors_.find(word);
  if (found != errors_.end()) flip(word, look(word, found->second, checked).wrong);
}

void Scratchpad::restore(uint64_t word) {
  const auto found = errors_.find(word);
  if (found != errors_.end()) flip(word, ecc::read(found->second).wrong);
}

bool Scratchpad::before_write(uint64_t word, unsigned lanes, Checked& checked) {
  const auto found = errors_.find(word);
  if (found == errors_.end()) return true;
  if (lanes != 0xf) {
    const ecc::Outcome outcome = look(word, found->second, checked);
    if (outcome.kind == ecc::Outcome::Kind::uncorrectable) return false;
    flip(word, outcome.wrong);
  }
  errors_.erase(found);
  return true;
}

}  // namespace rdu::fabric
