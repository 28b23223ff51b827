#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/register.h"

namespace rdu::fabric {

/// The configuration words of one unit, as program and argument load leave them.
class ConfigWords {
 public:
  /// All words at the reset values of a block's description (regs/<unit>.hpp).
  template <class Registers>
  static ConfigWords reset_of() {
    static const std::vector<uint32_t> words = [] {
      Registers registers;
      std::vector<uint32_t> w(registers.size() / 4);
      for (const core::Register* reg : registers.registers()) {
        w[reg->offset() / 4] = static_cast<uint32_t>(reg->value());
        if (reg->bytes() == 8) w[reg->offset() / 4 + 1] = static_cast<uint32_t>(reg->value() >> 32);
      }
      return w;
    }();
    return ConfigWords(words);
  }

  size_t size() const { return words_.size(); }
  /// By byte offset, as the generated constants give it.
  uint32_t at(uint64_t offset) const { return words_.at(offset / 4); }
  uint64_t at64(uint64_t offset) const { return at(offset) | static_cast<uint64_t>(at(offset + 4)) << 32; }
  uint32_t get(uint64_t offset, core::Field field) const {
    return static_cast<uint32_t>(field.get(at(offset)));
  }
  /// By word index, as a stream names it.
  void set_word(size_t index, uint32_t value) { words_.at(index) = value; }

  /// By byte offset, for those who write programs in C++.
  void set(uint64_t offset, core::Field field, uint64_t value) {
    words_.at(offset / 4) = static_cast<uint32_t>(field.set(words_.at(offset / 4), value));
  }
  void set(uint64_t offset, uint32_t value) { words_.at(offset / 4) = value; }
  void set64(uint64_t offset, uint64_t value) {
    set(offset, static_cast<uint32_t>(value));
    set(offset + 4, static_cast<uint32_t>(value >> 32));
  }

  friend bool operator==(const ConfigWords& a, const ConfigWords& b) { return a.words_ == b.words_; }

 private:
  explicit ConfigWords(std::vector<uint32_t> words) : words_(std::move(words)) {}
  std::vector<uint32_t> words_;
};

/// A configuration that a unit cannot execute; what() says what is wrong with it.
class BadConfig : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace rdu::fabric
