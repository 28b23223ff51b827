#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Numbers and bytes as the GDB remote serial protocol writes them.
namespace rdu::mgmt::debug {

/// -1 if it is none.
inline int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

inline void append_hex(std::string& out, uint8_t byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 0xf];
}

inline std::string to_hex(const void* data, size_t size) {
  std::string out;
  out.reserve(2 * size);
  for (size_t i = 0; i < size; ++i) append_hex(out, static_cast<const uint8_t*>(data)[i]);
  return out;
}
inline std::string to_hex(std::string_view text) {
  return to_hex(text.data(), text.size());
}

/// The bytes, or nothing if the text is not an even number of hexadecimal digits.
inline std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

/// Reads a packet from its front. Each function takes what it names away and says whether it was there.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  std::string_view rest() const { return text_; }

  bool take(std::string_view prefix) {
    if (text_.substr(0, prefix.size()) != prefix) return false;
    text_.remove_prefix(prefix.size());
    return true;
  }
  /// A hexadecimal number of 1 to 16 significant digits.
  bool number(uint64_t* value) {
    size_t length = 0;
    *value = 0;
    while (length < text_.size() && hex_digit(text_[length]) >= 0) {
      if (*value >> 60 != 0) return false;
      *value = *value << 4 | static_cast<uint64_t>(hex_digit(text_[length]));
      ++length;
    }
    text_.remove_prefix(length);
    return length != 0;
  }
  /// What stands before the separator, which goes too; all if there is none.
  std::string_view until(char separator) {
    const size_t end = text_.find(separator);
    const std::string_view part = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    return part;
  }

 private:
  std::string_view text_;
};

}  // namespace rdu::mgmt::debug
