#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

/// What all harnesses share.
namespace rdu::fuzz {

/// A harness' oracle: the finding is the process' end, with a line that says what is wrong.
#define FUZZ_CHECK(condition, text)                                                  \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, text); \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)

/// The fuzzer's bytes, taken from the front. Behind the end all is zero.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}

  bool empty() const { return at_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  template <class T>
  T take() {
    T value{};
    const size_t count = std::min(sizeof value, left());
    std::memcpy(&value, at_, count);
    at_ += count;
    return value;
  }
  uint8_t byte() { return take<uint8_t>(); }
  std::vector<uint8_t> bytes(size_t most) {
    const size_t count = std::min(most, left());
    std::vector<uint8_t> part(at_, at_ + count);
    at_ += count;
    return part;
  }
  std::vector<uint8_t> rest() { return bytes(left()); }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace rdu::fuzz
