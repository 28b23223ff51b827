#include "tools/objdump/floorplan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "regs/pcu.h"

namespace rdu::tools {

using namespace compiler;

namespace {

constexpr unsigned kPortsPerSide = 4;
constexpr unsigned kNorth = 0, kEast = 1, kSouth = 2, kWest = 3;

struct Style {
  char letter;
  const char* meaning;
  const char* colour;
};
constexpr Style kMatrix = {'C', "PCU, matrix", "\033[1;32m"};
constexpr Style kSimd = {'c', "PCU, SIMD", "\033[36m"};
constexpr Style kMemory = {'M', "PMU", "\033[33m"};
constexpr Style kLoad = {'L', "AGCU load", "\033[35m"};
constexpr Style kStore = {'S', "AGCU store", "\033[34m"};
constexpr const char* kPlain = "\033[0m";

const Style& style_of(const Program& program, const UnitEntry& unit) {
  switch (unit.role) {
    case Role::load:
      return kLoad;
    case Role::store:
      return kStore;
    case Role::pmu:
      return kMemory;
    case Role::pcu:
      break;
  }
  const uint32_t mode = program.configuration().get(unit.id, RDU_PCU_PROGRAM_MODE(0) / 4).value_or(0);
  return (mode & RDU_PCU_PROGRAM_MODE_MODE_MASK) == RDU_PCU_PROGRAM_MODE_MODE_MATRIX ? kMatrix : kSimd;
}

class Drawing {
 public:
  Drawing(const Program& program, bool colour) : program_(program), colour_(colour) {
    for (const UnitEntry& u : program.units()) {
      units_[{u.id, u.role}] = &u;
      const bool agcu = u.role == Role::load || u.role == Role::store;
      size_t& width = agcu ? side_ : cell_;
      width = std::max(width, u.name.size() + 2);
    }
    for (const RouteEntry& r : program.routes()) {
      for (const auto& h : r.hops) {
        for (unsigned port = 0; port < 4 * kPortsPerSide; ++port) {
          if ((h.out >> port & 1) != 0) ++streams_[{h.row, h.col, port / kPortsPerSide}];
        }
      }
    }
  }

  std::string draw() const {
    const Shape& shape = program_.shape();
    std::string text = pad("", side_) + " ";
    for (unsigned c = 0; c < shape.cols; ++c) text += " " + pad(fmt::format("column {}", c), cell_ + kGap);
    end_line(&text);
    for (unsigned r = 0; r < shape.rows; ++r) {
      text += border(r);
      text += side(r, 0, Role::load) + " ";
      for (unsigned c = 0; c < shape.cols; ++c) {
        text += "|" + unit(RDU_UNIT(RDU_UNIT_PCU, r, c), Role::pcu, cell_) + crossing(r, c, kEast);
      }
      text += "| " + side(r, 1, Role::load) + fmt::format("  row {}\n", r);
      text += side(r, 0, Role::store) + " ";
      for (unsigned c = 0; c < shape.cols; ++c) {
        text += "|" + unit(RDU_UNIT(RDU_UNIT_PMU, r, c), Role::pmu, cell_) + crossing(r, c + 1, kWest);
      }
      text += "| " + side(r, 1, Role::store);
      end_line(&text);
    }
    text += border(shape.rows);
    text += "\n";
    for (const Style* s : {&kMatrix, &kSimd, &kMemory, &kLoad, &kStore}) {
      text += paint(std::string(1, s->letter), *s) + " " + s->meaning + "   ";
    }
    text += "n> <n nv n^ streams that cross a border\n";
    return text;
  }

 private:
  static constexpr size_t kGap = 4;  // a space, and room for the streams to the east and west

  static void end_line(std::string* text) {
    text->erase(text->find_last_not_of(' ') + 1);
    *text += "\n";
  }
  static std::string pad(const std::string& text, size_t width) {
    return text + std::string(width > text.size() ? width - text.size() : 0, ' ');
  }
  std::string paint(const std::string& text, const Style& style) const {
    return colour_ ? style.colour + text + kPlain : text;
  }
  std::string unit(uint32_t id, Role role, size_t width) const {
    const auto found = units_.find({id, role});
    if (found == units_.end()) return pad(role == Role::pcu || role == Role::pmu ? "." : "", width);
    const Style& style = style_of(program_, *found->second);
    const std::string text = fmt::format("{} {}", style.letter, found->second->name);
    return paint(text, style) + pad("", width - text.size());
  }
  std::string side(unsigned row, unsigned col, Role role) const {
    return unit(RDU_UNIT(RDU_UNIT_AGCU, row, col), role, side_);
  }
  unsigned streams(unsigned row, unsigned col, unsigned side) const {
    const auto found = streams_.find({row, col, side});
    return found == streams_.end() ? 0 : found->second;
  }
  /// Streams that leave a cell to the east or west, beside the border that they cross.
  std::string crossing(unsigned row, unsigned col, unsigned side) const {
    const unsigned n = streams(row, col, side);
    if (n == 0) return pad("", kGap);
    return pad(side == kEast ? fmt::format(" {}>", n) : fmt::format(" <{}", n), kGap);
  }
  /// The line above a row of cells, with the streams that cross it.
  std::string border(unsigned row) const {
    std::string text = pad("", side_) + " ";
    for (unsigned c = 0; c < program_.shape().cols; ++c) {
      std::string label;
      const unsigned south = row == 0 ? 0 : streams(row - 1, c, kSouth);
      const unsigned north = row == program_.shape().rows ? 0 : streams(row, c, kNorth);
      if (south != 0) label += fmt::format(" {}v", south);
      if (north != 0) label += fmt::format(" {}^", north);
      if (!label.empty()) label += " ";
      const size_t width = cell_ + kGap;
      const size_t left = width > label.size() ? (width - label.size()) / 2 : 0;
      std::string line = std::string(left, '-') + label;
      line += std::string(width > line.size() ? width - line.size() : 0, '-');
      text += "+" + line;
    }
    return text + "+\n";
  }

  const Program& program_;
  const bool colour_;
  std::map<std::pair<uint32_t, Role>, const UnitEntry*> units_;
  std::map<std::tuple<unsigned, unsigned, unsigned>, unsigned> streams_;  ///< row, column, side
  size_t cell_ = 4, side_ = 4;
};

}  // namespace

std::string floorplan(const Program& program, bool colour) {
  return Drawing(program, colour).draw();
}

}  // namespace rdu::tools
