#include "fabric/test/program_builder.h"

#include <zlib.h>

#include <cstring>
#include <deque>
#include <stdexcept>

#include "fabric/switch/router.h"
#include "regs/agcu.hpp"
#include "regs/pcu.hpp"
#include "regs/pmu.hpp"
#include "regs/switch.hpp"

namespace rdu::fabric::test {
namespace {

namespace sw = rdu::regs::switch_;

template <class T>
void put(std::vector<uint8_t>& bytes, const T& value) {
  const auto* p = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), p, p + sizeof value);
}

}  // namespace

ConfigWords& ProgramBuilder::unit(uint32_t id) {
  const auto found = units_.find(id);
  if (found != units_.end()) return found->second;
  switch (RDU_UNIT_KIND(id)) {
    case RDU_UNIT_PCU:
      return units_.emplace(id, ConfigWords::reset_of<regs::pcu::Registers>()).first->second;
    case RDU_UNIT_PMU:
      return units_.emplace(id, ConfigWords::reset_of<regs::pmu::Registers>()).first->second;
    case RDU_UNIT_SWITCH:
      return units_.emplace(id, ConfigWords::reset_of<sw::Registers>()).first->second;
    default:
      return units_.emplace(id, ConfigWords::reset_of<regs::agcu::Registers>()).first->second;
  }
}

ProgramBuilder::Position ProgramBuilder::position(uint32_t unit) const {
  if (RDU_UNIT_KIND(unit) != RDU_UNIT_AGCU) return {RDU_UNIT_ROW(unit), RDU_UNIT_COL(unit)};
  return {RDU_UNIT_ROW(unit), RDU_UNIT_COL(unit) == 0 ? 0 : static_cast<unsigned>(params_.columns - 1)};
}

bool ProgramBuilder::find_tree(uint32_t source, unsigned first_in,
                               const std::vector<std::pair<Position, unsigned>>& ends, bool control,
                               std::vector<unsigned>* depths) {
  const unsigned shift = control ? 64 : 0;
  const uint64_t channels = control ? 4 : channels_;
  const auto switch_at = [](Position p) { return RDU_UNIT(RDU_UNIT_SWITCH, p.row, p.col); };
  const auto key = [&](Position p) { return static_cast<uint32_t>(p.row * params_.columns + p.col); };
  struct Node {
    Position at;
    unsigned in;      // input port
    uint32_t parent;  // key, or itself for the root
    unsigned out;     // parent's output port
    unsigned depth;
  };
  const auto saved = taken_;
  std::map<uint32_t, Node> tree;
  std::map<uint32_t, uint32_t> outputs;  // by switch: OUT
  const Position root = position(source);
  tree[key(root)] = {root, first_in, key(root), 0, 1};
  for (const auto& [end, port] : ends) {
    // From every switch of the tree towards the end's switch, never entering a switch twice.
    std::map<uint32_t, Node> reached = tree;
    std::deque<uint32_t> todo;
    for (const auto& [k, node] : tree) todo.push_back(k);
    while (!todo.empty() && reached.find(key(end)) == reached.end()) {
      const Node node = reached.at(todo.front());
      todo.pop_front();
      static constexpr int kRow[] = {-1, 0, 1, 0};
      static constexpr int kCol[] = {0, 1, 0, -1};
      for (unsigned d = 0; d < 4; ++d) {
        const int row = static_cast<int>(node.at.row) + kRow[d];
        const int col = static_cast<int>(node.at.col) + kCol[d];
        if (row < 0 || col < 0 || row >= static_cast<int>(params_.rows) ||
            col >= static_cast<int>(params_.columns))
          continue;
        const Position next{static_cast<unsigned>(row), static_cast<unsigned>(col)};
        if (reached.find(key(next)) != reached.end()) continue;
        for (unsigned c = 0; c < channels; ++c) {
          const unsigned out = d * 4 + c;
          if (taken_.find({switch_at(node.at), out + shift}) != taken_.end()) continue;
          reached[key(next)] = {next, (d + 2) % 4 * 4 + c, key(node.at), out, node.depth + 1};
          todo.push_back(key(next));
          break;
        }
      }
    }
    if (reached.find(key(end)) == reached.end() ||
        taken_.find({switch_at(end), port + shift}) != taken_.end()) {
      taken_ = saved;
      return false;
    }
    outputs[key(end)] |= 1u << port;
    taken_[{switch_at(end), port + shift}] = true;
    for (uint32_t k = key(end); tree.find(k) == tree.end(); k = reached.at(k).parent) {
      const Node& node = reached.at(k);
      tree[k] = node;
      outputs[node.parent] |= 1u << node.out;
      taken_[{switch_at(reached.at(node.parent).at), node.out + shift}] = true;
    }
    depths->push_back(tree.at(key(end)).depth);
  }
  for (const auto& [k, node] : tree) {
    ConfigWords& words = unit(switch_at(node.at));
    if (control) {
      words.set(sw::kCONTROL_OFFSET + sw::kCONTROL_STRIDE * node.in, sw::CONTROL::OUT, outputs.at(k));
    } else {
      const uint64_t offset = sw::kROUTE_OFFSET + sw::kROUTE_STRIDE * (node.in * RDU_FLOWS);
      words.set(offset, sw::ROUTE::OUT, outputs.at(k));
      words.set(offset, sw::ROUTE::VALID, 1);
    }
  }
  return true;
}

bool ProgramBuilder::route(uint32_t source, const std::vector<Sink>& sinks) {
  std::vector<std::pair<Position, unsigned>> ends;
  for (const Sink& sink : sinks) {
    const unsigned kind = RDU_UNIT_KIND(sink.unit);
    const unsigned port = kind == RDU_UNIT_PCU   ? port::kToPcu + sink.input
                          : kind == RDU_UNIT_PMU ? port::kToPmu + sink.input
                                                 : port::kToAgcu + sink.input;
    ends.push_back({position(sink.unit), port});
  }
  const unsigned kind = RDU_UNIT_KIND(source);
  const unsigned in = kind == RDU_UNIT_PCU   ? port::kFromPcu
                      : kind == RDU_UNIT_PMU ? port::kFromPmu
                                             : port::kFromAgcu;
  std::vector<unsigned> depths;
  if (!find_tree(source, in, ends, false, &depths)) return false;
  for (size_t i = 0; i < sinks.size(); ++i) lengths_[{source, sinks[i].unit, sinks[i].input}] = depths[i];
  return true;
}

bool ProgramBuilder::route_token(uint32_t agcu, unsigned input) {
  std::vector<unsigned> depths;
  return find_tree(agcu, port::kControlFromAgcu + 1, {{Position{0, 0}, port::kControlToAgcu + input}}, true,
                   &depths);
}

std::vector<uint8_t> ProgramBuilder::body() const {
  std::vector<uint8_t> bytes;
  for (const auto& [id, words] : units_) {
    put(bytes, rdu_program_record{id, 0, static_cast<uint16_t>(words.size())});
    for (size_t i = 0; i < words.size(); ++i) put(bytes, words.at(4 * i));
  }
  return bytes;
}

rdu_program_header ProgramBuilder::header() const {
  rdu_program_header h{};
  h.magic = RDU_PROGRAM_MAGIC;
  h.version = RDU_PROGRAM_VERSION;
  h.channels = static_cast<uint16_t>(params_.vector_channels);
  h.rows = static_cast<uint16_t>(params_.rows);
  h.cols = static_cast<uint16_t>(params_.columns);
  h.records = static_cast<uint32_t>(units_.size());
  return h;
}

std::vector<uint8_t> ProgramBuilder::seal(rdu_program_header header, const std::vector<uint8_t>& body) {
  header.size = static_cast<uint32_t>(sizeof header + body.size());
  header.crc =
      static_cast<uint32_t>(crc32(crc32(0, nullptr, 0), body.data(), static_cast<uInt>(body.size())));
  std::vector<uint8_t> bytes;
  put(bytes, header);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

std::vector<uint8_t> ProgramBuilder::stream() const {
  return seal(header(), body());
}

}  // namespace rdu::fabric::test
