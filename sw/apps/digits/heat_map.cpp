#include "heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace rdu::digits {

namespace {

constexpr size_t kCell = 4;  // characters
constexpr size_t kGap = 3;   // between grids

using Grid = std::map<std::pair<uint32_t, uint32_t>, unsigned>;  // row, column -> percent

unsigned percent_of(uint64_t busy, uint64_t cycles) {
  if (cycles == 0) return 0;
  const double share = 100.0 * static_cast<double>(busy) / static_cast<double>(cycles);
  // What worked at all is not shown as idle.
  return static_cast<unsigned>(std::clamp(share + 0.5, busy != 0 ? 1.0 : 0.0, 100.0));
}

// From dark blue over green to red: colours of the 6 x 6 x 6 cube that terminals have, each with text that
// can be read on it.
struct Colour {
  int background, text;
};

Colour colour_of(unsigned percent) {
  static constexpr int kWhite = 231, kBlack = 16;
  static constexpr Colour kRamp[] = {{17, kWhite},  {18, kWhite},  {24, kWhite},  {29, kWhite},
                                     {34, kBlack},  {70, kBlack},  {106, kBlack}, {142, kBlack},
                                     {178, kBlack}, {172, kBlack}, {166, kWhite}, {160, kWhite}};
  constexpr size_t kSteps = sizeof kRamp / sizeof *kRamp;
  return kRamp[std::min<size_t>(percent * kSteps / 101, kSteps - 1)];
}

std::string cell(std::optional<unsigned> percent, const HeatMapStyle& style) {
  if (!percent) return std::string(kCell, ' ');
  if (*percent == 0) return fmt::format("{:>{}} ", "·", kCell - 1);
  const std::string text = fmt::format("{:>{}} ", *percent, kCell - 1);
  if (!style.colour) return text;
  const Colour colour = colour_of(*percent);
  return fmt::format("\x1b[48;5;{}m\x1b[38;5;{}m{}\x1b[0m", colour.background, colour.text, text);
}

// A grid as lines of equal visible width, its title first.
struct Block {
  std::vector<std::string> lines;
  size_t width = 0;
};

Block draw(const std::string& title, const Grid& grid, uint32_t rows, uint32_t columns,
           const std::vector<std::string>& heads, const HeatMapStyle& style) {
  Block block;
  block.width = std::max<size_t>(columns * kCell, title.size());
  block.lines.push_back(fmt::format("{:<{}}", title, block.width));
  std::string head;
  for (uint32_t c = 0; c < columns; ++c) head += fmt::format("{:>{}} ", heads[c], kCell - 1);
  block.lines.push_back(fmt::format("{:<{}}", head, block.width));
  for (uint32_t r = 0; r < rows; ++r) {
    std::string line;
    for (uint32_t c = 0; c < columns; ++c) {
      const auto found = grid.find({r, c});
      line += cell(found == grid.end() ? std::nullopt : std::optional<unsigned>(found->second), style);
    }
    line.append(block.width - columns * kCell, ' ');
    block.lines.push_back(line);
  }
  return block;
}

}  // namespace

std::string heat_map(const std::vector<rdu_activity>& units, uint64_t cycles, const HeatMapStyle& style) {
  std::map<uint32_t, Grid> grids;
  uint32_t rows = 0, columns = 0;
  for (const rdu_activity& unit : units) {
    // An AGCU works as a loader and as a storer; it is shown as the busier of the two.
    unsigned& shown = grids[unit.kind][{unit.row, unit.column}];
    shown = std::max(shown, percent_of(unit.busy, cycles));
    rows = std::max(rows, unit.row + 1);
    if (unit.kind != RDU_KIND_AGCU) columns = std::max(columns, unit.column + 1);
  }
  std::vector<std::string> numbers;
  for (uint32_t c = 0; c < columns; ++c) numbers.push_back(fmt::format("{}", c));

  std::vector<Block> blocks;
  blocks.push_back(draw("PCUs", grids[RDU_KIND_PCU], rows, columns, numbers, style));
  blocks.push_back(draw("PMUs", grids[RDU_KIND_PMU], rows, columns, numbers, style));
  blocks.push_back(draw("AGCUs", grids[RDU_KIND_AGCU], rows, 2, {"W", "E"}, style));

  std::string text;
  constexpr size_t kRowLabel = 5;
  for (size_t first = 0; first < blocks.size();) {
    // As many side by side as fit, at least one.
    size_t last = first, width = kRowLabel;
    while (last < blocks.size() && (last == first || width + blocks[last].width <= style.width))
      width += blocks[last++].width + kGap;
    for (size_t line = 0; line < blocks[first].lines.size(); ++line) {
      std::string row = line < 2 ? std::string(kRowLabel, ' ') : fmt::format("{:>4} ", line - 2);
      for (size_t b = first; b < last; ++b) {
        row += blocks[b].lines[line];
        if (b + 1 < last) row.append(kGap, ' ');
      }
      row.erase(row.find_last_not_of(' ') + 1);
      text += row + "\n";
    }
    first = last;
    if (first < blocks.size()) text += "\n";
  }
  return text;
}

}  // namespace rdu::digits
