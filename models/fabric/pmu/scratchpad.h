#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "fabric/pmu/pad_view.h"

namespace rdu::fabric {

/// The SECDED code (39,32) of a word of a scratchpad: 32 data bits, 7 check bits above them. pmu/README.md
/// ("ECC") has its columns.
namespace ecc {

inline constexpr unsigned kBits = 39;
inline constexpr uint64_t kMask = (uint64_t{1} << kBits) - 1;

uint32_t check_bits(uint32_t data);

struct Outcome {
  enum class Kind : uint8_t { right, corrected, uncorrectable };
  Kind kind = Kind::right;
  uint32_t wrong = 0;  ///< data bits that are still not what was written
};
/// What reading a word finds, some of whose 39 bits are flipped.
Outcome read(uint64_t flipped);

}  // namespace ecc

/// The memory of a PMU. Takes no host memory before its first use; keeps its content, errors included, until
/// clear().
class Scratchpad {
 public:
  explicit Scratchpad(uint64_t bytes) : bytes_(bytes) {}

  uint64_t bytes() const { return bytes_; }
  uint8_t* data();
  void clear();
  /// How often it has been cleared: whoever holds a copy knows by that whether it is out of date.
  uint64_t clears() const { return clears_; }

  /// What reads it where it lies.
  PadViews& views() { return *views_; }
  /// Bytes low .. high - 1 are about to be written: views of them take a copy first.
  void writing(uint64_t low, uint64_t high) { views_->writing(low, high); }

  /// Flips bits of the word at byte `address` (a multiple of 4): bits 31..0 are data, 38..32 check bits.
  void inject(uint64_t address, uint64_t bits);
  bool has_errors() const { return !errors_.empty(); }

  /// What a checked access found.
  struct Checked {
    std::optional<uint64_t> uncorrectable;  ///< byte address of the lowest such word
  };
  /// An access is about to read `word` (byte address): what the read will see is put in its place, until
  /// restore().
  void before_read(uint64_t word, Checked& checked);
  void restore(uint64_t word);
  /// An access is about to write the bytes of `word` whose bits are in `lanes` (0xf: all). False if the word
  /// is uncorrectable and stays as it is.
  bool before_write(uint64_t word, unsigned lanes, Checked& checked);

  uint64_t corrected() const { return corrected_; }
  uint64_t uncorrectable() const { return uncorrectable_; }
  void clear_counts() { corrected_ = uncorrectable_ = 0; }

 private:
  struct Free {
    void operator()(uint8_t* p) const;
  };
  void flip(uint64_t word, uint32_t bits);
  ecc::Outcome look(uint64_t word, uint64_t flipped, Checked& checked);

  uint64_t bytes_;
  std::unique_ptr<uint8_t, Free> data_;
  std::unique_ptr<PadViews> views_ = std::make_unique<PadViews>();
  std::map<uint64_t, uint64_t> errors_;  ///< flipped bits by address of the word; data_ is what was written
  uint64_t clears_ = 0;
  uint64_t corrected_ = 0;
  uint64_t uncorrectable_ = 0;
};

}  // namespace rdu::fabric
