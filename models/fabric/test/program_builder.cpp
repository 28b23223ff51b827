#include "fabric/test/program_builder.h"

#include <zlib.h>

#include <algorithm>
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

/// What tells the networks of the switches apart here.
struct ProgramBuilder::Network {
  unsigned number;
  unsigned encoded;   // channels a side
  uint64_t channels;  // that may be used
  unsigned flows;
  unsigned from[3];  // first ports of PCU, PMU, AGCU
  unsigned to[3];
  uint64_t words;
  core::Field out, valid;

  static unsigned kind(uint32_t unit) {
    return RDU_UNIT_KIND(unit) == RDU_UNIT_PCU ? 0 : RDU_UNIT_KIND(unit) == RDU_UNIT_PMU ? 1 : 2;
  }
};

bool ProgramBuilder::find_tree(const Network& network, uint32_t source, unsigned output,
                               const std::vector<Sink>& sinks, std::vector<unsigned>* depths) {
  const unsigned shift = 64 * network.number;
  const uint64_t channels = network.channels;
  const unsigned first_in = network.from[Network::kind(source)] + output;
  std::vector<std::pair<Position, unsigned>> ends;
  for (const Sink& sink : sinks)
    ends.emplace_back(position(sink.unit), network.to[Network::kind(sink.unit)] + sink.input);
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
          const unsigned out = d * network.encoded + c;
          if (taken_.find({switch_at(node.at), out + shift}) != taken_.end()) continue;
          reached[key(next)] = {next, (d + 2) % 4 * network.encoded + c, key(node.at), out, node.depth + 1};
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
    const uint64_t offset = network.words + 4 * (node.in * network.flows);
    words.set(offset, network.out, outputs.at(k));
    if (network.valid.width != 0) words.set(offset, network.valid, 1);
  }
  return true;
}

bool ProgramBuilder::route(uint32_t source, const std::vector<Sink>& sinks, unsigned output) {
  const Network network{0,
                        RDU_PORT_CHANNELS,
                        channels_,
                        RDU_FLOWS,
                        {RDU_PORT_FROM_PCU, RDU_PORT_FROM_PMU, RDU_PORT_FROM_AGCU},
                        {RDU_PORT_TO_PCU, RDU_PORT_TO_PMU, RDU_PORT_TO_AGCU},
                        sw::kROUTE_OFFSET,
                        sw::ROUTE::OUT,
                        sw::ROUTE::VALID};
  std::vector<unsigned> depths;
  if (!find_tree(network, source, output, sinks, &depths)) return false;
  for (size_t i = 0; i < sinks.size(); ++i) lengths_[{source, sinks[i].unit, sinks[i].input}] = depths[i];
  return true;
}

bool ProgramBuilder::route_scalar(uint32_t source, const std::vector<Sink>& sinks) {
  const Network network{1,
                        RDU_SCALAR_CHANNELS,
                        RDU_SCALAR_CHANNELS,
                        RDU_SCALAR_FLOWS,
                        {RDU_SCALAR_FROM_PCU, RDU_SCALAR_FROM_PMU, RDU_SCALAR_FROM_AGCU},
                        {RDU_SCALAR_TO_PCU, RDU_SCALAR_TO_PMU, RDU_SCALAR_TO_AGCU},
                        sw::kSCALAR_OFFSET,
                        sw::SCALAR::OUT,
                        sw::SCALAR::VALID};
  std::vector<unsigned> depths;
  return find_tree(network, source, 0, sinks, &depths);
}

bool ProgramBuilder::route_token(uint32_t source, unsigned output, const std::vector<Sink>& sinks) {
  const Network network{2,
                        RDU_PORT_CHANNELS,
                        RDU_PORT_CHANNELS,
                        1,
                        {RDU_WIRE_FROM_PCU, RDU_WIRE_FROM_PMU, RDU_WIRE_FROM_AGCU},
                        {RDU_WIRE_TO_PCU, RDU_WIRE_TO_PMU, RDU_WIRE_TO_AGCU},
                        sw::kCONTROL_OFFSET,
                        sw::CONTROL::OUT,
                        core::Field{}};
  std::vector<unsigned> depths;
  return find_tree(network, source, output, sinks, &depths);
}

std::vector<ProgramBuilder::UnitFile> ProgramBuilder::files() const {
  std::vector<UnitFile> files;
  for (const auto& [id, words] : units_) {
    UnitFile file{{id, 0}, {}};
    for (size_t chunk = 0; chunk < words.size() / RDU_CHUNK_WORDS; ++chunk) {
      file.entry.chunks |= uint32_t{1} << chunk;
      for (size_t i = 0; i < RDU_CHUNK_WORDS; ++i)
        file.words.push_back(words.at(4 * (chunk * RDU_CHUNK_WORDS + i)));
    }
    files.push_back(file);
  }
  return files;
}

std::vector<uint8_t> ProgramBuilder::body(const std::vector<UnitFile>& files) {
  std::vector<uint8_t> bytes;
  for (const UnitFile& file : files) put(bytes, file.entry);
  bytes.resize(RDU_PROGRAM_BODY(files.size()) - sizeof(rdu_program_header));
  size_t longest = 0;
  for (const UnitFile& file : files) longest = std::max(longest, file.words.size());
  for (size_t at = 0; at < longest; at += RDU_CHUNK_WORDS) {
    for (const UnitFile& file : files) {
      for (size_t i = at; i < std::min(file.words.size(), at + RDU_CHUNK_WORDS); ++i)
        put(bytes, file.words[i]);
    }
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
  h.units = static_cast<uint32_t>(units_.size());
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
  return seal(header(), body(files()));
}

}  // namespace rdu::fabric::test
