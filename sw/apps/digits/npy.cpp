#include "npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace rdu::digits {

namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicSize = 6;
constexpr size_t kAlignment = 64;  // of the data in the file, by the format
constexpr uint64_t kMostBytes =
    1ull << 40;  // a sane bound that keeps products of dimensions from overflowing

[[noreturn]] void fail(const std::string& path, const std::string& text) {
  throw NpyError(path + ": " + text);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, std::strerror(errno));
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) fail(path, "cannot be read");
  return bytes;
}

// The header is a Python dictionary with three keys: {'descr': '<f4', 'fortran_order': False, 'shape': (3,
// 4), }
class Header {
 public:
  Header(const std::string& path, std::string text) : path_(path), text_(std::move(text)) {}

  void parse(Npy* array) {
    expect('{');
    bool has_type = false, has_order = false, has_shape = false;
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        has_type = true;
        type(array);
      } else if (key == "fortran_order") {
        has_order = true;
        order();
      } else if (key == "shape") {
        has_shape = true;
        shape(array);
      } else {
        damaged();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!has_type || !has_order || !has_shape) damaged();
  }

  bool big_endian() const { return big_endian_; }

 private:
  [[noreturn]] void damaged() const { fail(path_, "no .npy file: its header is damaged"); }

  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool accept(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) damaged();
  }
  std::string string() {
    skip();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) damaged();
    const char quote = text_[at_++];
    const size_t end = text_.find(quote, at_);
    if (end == std::string::npos) damaged();
    const std::string result = text_.substr(at_, end - at_);
    at_ = end + 1;
    return result;
  }
  std::string word() {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() && std::isalnum(static_cast<unsigned char>(text_[at_]))) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  void type(Npy* array) {
    skip();
    if (at_ < text_.size() && text_[at_] == '[') fail(path_, "is a structured array; expected plain numbers");
    const std::string descr = string();
    const auto refuse = [&] {
      fail(path_, "holds elements of type '" + descr + "'; expected plain numbers");
    };
    if (descr.size() < 3 || std::string("<>|=").find(descr[0]) == std::string::npos) refuse();
    const std::string digits = descr.substr(2);
    if (digits.size() > 2 ||
        !std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
      refuse();
    array->kind = descr[1];
    array->item_size = std::stoul(digits);
    const size_t n = array->item_size;
    const bool integer = (array->kind == 'i' || array->kind == 'u') && (n == 1 || n == 2 || n == 4 || n == 8);
    const bool floating = array->kind == 'f' && (n == 2 || n == 4 || n == 8);
    const bool truth = array->kind == 'b' && n == 1;
    if (!integer && !floating && !truth) refuse();
    big_endian_ = descr[0] == '>';
  }

  void order() {
    const std::string value = word();
    if (value == "True") fail(path_, "is stored in Fortran order; save it with numpy.ascontiguousarray()");
    if (value != "False") damaged();
  }

  void shape(Npy* array) {
    expect('(');
    uint64_t bytes = 8;  // of the largest element; the type may not be known yet
    while (!accept(')')) {
      const std::string digits = word();
      if (digits.empty() || digits.size() > 12 ||
          !std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
        damaged();
      array->shape.push_back(std::stoull(digits));
      if (array->shape.size() > 32) damaged();
      bytes *= std::max<uint64_t>(array->shape.back(), 1);
      if (bytes > kMostBytes) fail(path_, "claims to hold an array of absurd size " + array->shape_text());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }

  const std::string& path_;
  std::string text_;
  size_t at_ = 0;
  bool big_endian_ = false;
};

template <typename T>
double number(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return static_cast<double>(value);
}

double half(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return fraction != 0 ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

}  // namespace

size_t Npy::size() const {
  size_t size = 1;
  for (size_t dimension : shape) size *= dimension;
  return size;
}

std::string Npy::type() const {
  if (kind == 'b') return "bool";
  return fmt::format("{}{}", kind == 'f' ? "float" : kind == 'u' ? "uint" : "int", 8 * item_size);
}

std::string Npy::shape_text() const {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

double Npy::value(size_t i) const {
  const uint8_t* bytes = data.data() + i * item_size;
  switch (kind) {
    case 'f':
      return item_size == 2 ? half(bytes) : item_size == 4 ? number<float>(bytes) : number<double>(bytes);
    case 'i':
      switch (item_size) {
        case 1:
          return number<int8_t>(bytes);
        case 2:
          return number<int16_t>(bytes);
        case 4:
          return number<int32_t>(bytes);
        default:
          return number<int64_t>(bytes);
      }
    default:
      switch (item_size) {
        case 1:
          return number<uint8_t>(bytes);
        case 2:
          return number<uint16_t>(bytes);
        case 4:
          return number<uint32_t>(bytes);
        default:
          return number<uint64_t>(bytes);
      }
  }
}

Npy Npy::load(const std::string& path) {
  const std::string bytes = read_file(path);
  if (bytes.size() < kMagicSize + 4 || bytes.compare(0, kMagicSize, kMagic, kMagicSize) != 0)
    fail(path, "no .npy file: it does not begin with numpy's magic number");
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const unsigned major = byte(6);
  if (major != 1 && major != 2)
    fail(path, fmt::format("has .npy format version {}.{}; expected 1 or 2", major, byte(7)));
  const size_t begin = major == 1 ? 10 : 12;
  if (bytes.size() < begin) fail(path, "no .npy file: its header is damaged");
  size_t length = byte(8) | byte(9) << 8;
  if (major == 2) length |= static_cast<size_t>(byte(10)) << 16 | static_cast<size_t>(byte(11)) << 24;
  if (length > bytes.size() - begin) fail(path, "no .npy file: it ends within its header");

  Npy array;
  Header header(path, bytes.substr(begin, length));
  header.parse(&array);
  const size_t expected = array.size() * array.item_size;
  const size_t there = bytes.size() - begin - length;
  if (there != expected)
    fail(path, fmt::format("is {}: {} of shape {} takes {} bytes, there are {}",
                           there < expected ? "truncated" : "too long", array.type(), array.shape_text(),
                           expected, there));
  array.data.assign(bytes.begin() + static_cast<std::ptrdiff_t>(begin + length), bytes.end());
  if (header.big_endian()) {
    for (size_t i = 0; i < array.data.size(); i += array.item_size)
      std::reverse(array.data.begin() + static_cast<std::ptrdiff_t>(i),
                   array.data.begin() + static_cast<std::ptrdiff_t>(i + array.item_size));
  }
  return array;
}

Npy Npy::of(const std::vector<float>& values, std::vector<size_t> shape) {
  Npy array;
  array.shape = std::move(shape);
  array.data.resize(values.size() * sizeof(float));
  if (array.size() != values.size()) throw std::logic_error("Npy: the shape does not fit the values");
  if (!values.empty()) std::memcpy(array.data.data(), values.data(), array.data.size());
  return array;
}

void Npy::save(const std::string& path) const {
  const std::string order = item_size == 1 ? "|" : "<";
  std::string header = fmt::format("{{'descr': '{}{}{}', 'fortran_order': False, 'shape': {}, }}", order,
                                   kind, item_size, shape_text());
  constexpr size_t kBefore = kMagicSize + 4;
  header.append((kAlignment - (kBefore + header.size() + 1) % kAlignment) % kAlignment, ' ');
  header += '\n';
  if (header.size() > 0xffff) throw std::logic_error("Npy: header too long for format version 1");
  std::ofstream file(path, std::ios::binary);
  if (!file) fail(path, std::strerror(errno));
  file.write(kMagic, kMagicSize);
  const char rest[] = {1, 0, static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  file.write(rest, sizeof rest);
  file << header;
  file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  file.flush();
  if (!file) fail(path, std::string("cannot be written: ") + std::strerror(errno));
}

}  // namespace rdu::digits
