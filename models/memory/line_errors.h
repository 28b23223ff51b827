#pragma once

#include <cstdint>
#include <map>

namespace rdu::memory {

/// Which lines of a memory hold wrong bits, as ECC would find them. Empty in a healthy memory, and then it
/// costs a comparison.
class LineErrors {
 public:
  static constexpr uint64_t kLine = 64;  ///< bytes that one code word protects

  /// What a read found.
  struct Found {
    uint64_t corrected = 0;    ///< lines
    uint64_t uncorrected = 0;  ///< lines
    uint64_t last = 0;         ///< offset of the last of them
  };

  bool none() const { return lines_.empty(); }
  void spoil(uint64_t offset, bool correctable) { lines_[offset / kLine * kLine] = correctable; }

  /// Reads [offset, offset + length): what can be corrected is, and is written back.
  Found read(uint64_t offset, uint64_t length) {
    Found found;
    for (auto it = lines_.lower_bound(offset / kLine * kLine);
         it != lines_.end() && it->first < offset + length;) {
      found.last = it->first;
      ++(it->second ? found.corrected : found.uncorrected);
      it = it->second ? lines_.erase(it) : std::next(it);
    }
    return found;
  }

  /// Lines that are written as a whole get new check bits; of others the old ones remain wrong.
  void write(uint64_t offset, uint64_t length) {
    for (auto it = lines_.lower_bound(offset); it != lines_.end() && it->first + kLine <= offset + length;)
      it = lines_.erase(it);
  }

  void clear() { lines_.clear(); }

 private:
  std::map<uint64_t, bool> lines_;  ///< first byte: may be corrected
};

}  // namespace rdu::memory
