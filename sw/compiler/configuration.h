#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/error.h"
#include "fabric/program.h"

namespace rdu::compiler {

/// The tile that a program is placed on.
struct Shape {
  uint16_t rows = 0;
  uint16_t cols = 0;
  uint16_t channels = 0;  ///< vector channels per direction, 1..4

  bool operator==(const Shape& o) const { return rows == o.rows && cols == o.cols && channels == o.channels; }
};

/// How people see a unit id: "PCU 2.3", "PMU 0.5", "SW 1.1" (row, column from the north-west), "AGCU 4.W"
/// (row, side). An id of an unknown kind shows as "unit 0x...".
std::string unit_text(uint32_t id);
/// The reverse. Throws Error if the text is not exactly what unit_text() writes.
uint32_t parse_unit_text(const std::string& text);
/// Throws Error, with `where` in front, unless `id` is a unit of the tile.
void check_unit(uint32_t id, const Shape& shape, const std::string& where);
/// Configuration words of a unit's kind (0 for an unknown one).
unsigned unit_words(uint32_t id);

/// A configuration stream in an editable form: words by unit. What is not set keeps its reset value.
class Configuration {
 public:
  using Words = std::map<uint16_t, uint32_t>;

  /// Throws Error for a shape that unit ids cannot express.
  explicit Configuration(Shape shape);
  /// Reads a stream (fabric/program.h). Throws Error for anything that the kernel sequencer would refuse:
  /// magic, version, size, CRC, shape, an unknown unit or chunk, units out of order, or bytes left over.
  /// Words at their reset values are not kept.
  static Configuration parse(const std::vector<uint8_t>& stream);
  /// The stream, with the chunks of which a word is set. Equal configurations give equal bytes.
  std::vector<uint8_t> stream() const;

  /// Throws Error for an unknown unit or word, and when the word already has another value.
  void set(uint32_t unit, unsigned word, uint32_t value);
  std::optional<uint32_t> get(uint32_t unit, unsigned word) const;
  const std::map<uint32_t, Words>& units() const { return units_; }
  const Shape& shape() const { return shape_; }

 private:
  Shape shape_;
  std::map<uint32_t, Words> units_;
};

}  // namespace rdu::compiler
