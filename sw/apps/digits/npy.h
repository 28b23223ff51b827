// Arrays in numpy's .npy files (format versions 1 and 2): what a user gives, and what we give back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace rdu::digits {

// A file that cannot be read or written, or does not hold what it should; the text begins with its name.
class NpyError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Npy {
  char kind = 'f';       // 'f' floating, 'i' signed, 'u' unsigned, 'b' truth values
  size_t item_size = 4;  // bytes
  std::vector<size_t> shape;
  std::vector<uint8_t> data;  // little-endian, last index fastest

  size_t size() const;             // elements
  std::string type() const;        // "float32", as numpy calls it
  std::string shape_text() const;  // "(360, 64)"
  // Element `i` of the flattened array; exact for everything but 64-bit integers above 2^53.
  double value(size_t i) const;

  // Throws NpyError. Arrays in Fortran order, structured ones and those of text, objects or complex numbers
  // are refused.
  static Npy load(const std::string& path);
  // A contiguous float32 array.
  static Npy of(const std::vector<float>& values, std::vector<size_t> shape);
  void save(const std::string& path) const;
};

}  // namespace rdu::digits
