#include "compiler/configuration.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "compiler/unit_words.h"
#include "regs/agcu.h"
#include "regs/pcu.h"
#include "regs/pmu.h"
#include "regs/switch.h"

namespace rdu::compiler {
namespace {

constexpr unsigned kMaxSide = 0x1000;  // rows and columns have 12 bits in a unit id
constexpr unsigned kMaxChannels = 4;   // switch ports are numbered for four

struct KindName {
  uint32_t kind;
  const char* name;
};
constexpr KindName kKinds[] = {
    {RDU_UNIT_PCU, "PCU"}, {RDU_UNIT_PMU, "PMU"}, {RDU_UNIT_SWITCH, "SW"}, {RDU_UNIT_AGCU, "AGCU"}};

uint32_t crc_of(const uint8_t* data, size_t size) {
  return static_cast<uint32_t>(crc32(crc32(0, nullptr, 0), data, static_cast<uInt>(size)));
}

template <class T>
void append(std::vector<uint8_t>& out, const T& value) {
  const size_t at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(out.data() + at, &value, sizeof value);
}

void check_shape(const Shape& shape, const std::string& where) {
  if (shape.rows < 1 || shape.rows > kMaxSide || shape.cols < 2 || shape.cols > kMaxSide) {
    throw Error(fmt::format("{}: a tile of {} x {} cells cannot exist (1 to {} rows, 2 to {} columns)", where,
                            shape.rows, shape.cols, kMaxSide, kMaxSide));
  }
  if (shape.channels < 1 || shape.channels > kMaxChannels) {
    throw Error(fmt::format("{}: {} vector channels per direction; there can be 1 to {}", where,
                            shape.channels, kMaxChannels));
  }
}

/// A word's value when nobody has set it; 0 for a word without a meaning.
uint32_t reset_of(uint32_t unit, unsigned word) {
  const UnitRegister* reg = unit_register(RDU_UNIT_KIND(unit), word);
  return reg ? static_cast<uint32_t>(reg->reset >> 32 * (word - reg->word)) : 0;
}

/// Calls use(unit, chunk) in the order in which sub-files lie in a stream: round robin.
template <class Use>
void for_each_sub_file(std::vector<rdu_program_unit> table, Use use) {
  for (bool more = true; more;) {
    more = false;
    for (rdu_program_unit& entry : table) {
      if (entry.chunks == 0) continue;
      use(entry.unit, static_cast<unsigned>(__builtin_ctz(entry.chunks)));
      entry.chunks &= entry.chunks - 1;
      more = true;
    }
  }
}

std::vector<rdu_program_unit> read_table(const std::vector<uint8_t>& stream, uint32_t units,
                                         const Shape& shape, const std::string& where) {
  if (RDU_PROGRAM_BODY(units) > stream.size()) {
    throw Error(fmt::format("{}: it ends within its table of {} units", where, units));
  }
  std::vector<rdu_program_unit> table(units);
  if (units != 0)
    std::memcpy(table.data(), stream.data() + sizeof(rdu_program_header), units * sizeof table[0]);
  uint32_t before = 0;
  for (const rdu_program_unit& entry : table) {
    check_unit(entry.unit, shape, where);
    if (entry.unit <= before)
      throw Error(fmt::format("{}: {} is not behind the unit before it", where, unit_text(entry.unit)));
    before = entry.unit;
    const uint64_t chunks = unit_words(entry.unit) / RDU_CHUNK_WORDS;
    if (entry.chunks == 0 || uint64_t{entry.chunks} >> chunks != 0) {
      throw Error(fmt::format("{}: {} has {} chunks of words, the stream has {:#x} of them", where,
                              unit_text(entry.unit), chunks, entry.chunks));
    }
  }
  const auto padding = stream.begin() + static_cast<ptrdiff_t>(sizeof(rdu_program_header));
  if (std::any_of(padding + static_cast<ptrdiff_t>(units * sizeof table[0]),
                  stream.begin() + static_cast<ptrdiff_t>(RDU_PROGRAM_BODY(units)),
                  [](uint8_t byte) { return byte != 0; })) {
    throw Error(where + ": bytes between its table and its sub-files are not zero");
  }
  return table;
}

}  // namespace

std::string unit_text(uint32_t id) {
  const unsigned row = RDU_UNIT_ROW(id);
  const unsigned col = RDU_UNIT_COL(id);
  for (const KindName& k : kKinds) {
    if (k.kind != RDU_UNIT_KIND(id)) continue;
    if (k.kind != RDU_UNIT_AGCU) return fmt::format("{} {}.{}", k.name, row, col);
    if (col < 2) return fmt::format("{} {}.{}", k.name, row, col == 0 ? 'W' : 'E');
  }
  return fmt::format("unit {:#010x}", id);
}

uint32_t parse_unit_text(const std::string& text) {
  const size_t space = text.find(' ');
  const size_t dot = text.find('.');
  if (space != std::string::npos && dot != std::string::npos && dot > space + 1 && dot - space <= 5 &&
      dot + 1 < text.size() && text.size() - dot <= 5) {
    const std::string row = text.substr(space + 1, dot - space - 1);
    const std::string col = text.substr(dot + 1);
    for (const KindName& k : kKinds) {
      if (text.compare(0, space, k.name) != 0) continue;
      unsigned r = 0, c = 0;
      for (char digit : row) r = r * 10 + static_cast<unsigned char>(digit - '0');
      if (k.kind == RDU_UNIT_AGCU) {
        c = col == "E" ? 1 : 0;
      } else {
        for (char digit : col) c = c * 10 + static_cast<unsigned char>(digit - '0');
      }
      if (r >= kMaxSide || c >= kMaxSide) break;
      const uint32_t id = RDU_UNIT(k.kind, r, c);
      if (unit_text(id) == text) return id;  // also refuses letters, signs and leading zeros
    }
  }
  throw Error(fmt::format("'{}' does not name a unit", text));
}

void check_unit(uint32_t id, const Shape& shape, const std::string& where) {
  const unsigned columns = RDU_UNIT_KIND(id) == RDU_UNIT_AGCU ? 2 : shape.cols;
  if (unit_words(id) == 0 || RDU_UNIT_ROW(id) >= shape.rows || RDU_UNIT_COL(id) >= columns) {
    throw Error(fmt::format("{}: {} is not in a tile of {} x {} cells", where, unit_text(id), shape.rows,
                            shape.cols));
  }
}

unsigned unit_words(uint32_t id) {
  switch (RDU_UNIT_KIND(id)) {
    case RDU_UNIT_PCU:
      return RDU_PCU_BLOCK_SIZE / 4;
    case RDU_UNIT_PMU:
      return RDU_PMU_BLOCK_SIZE / 4;
    case RDU_UNIT_SWITCH:
      return RDU_SWITCH_BLOCK_SIZE / 4;
    case RDU_UNIT_AGCU:
      return RDU_AGCU_BLOCK_SIZE / 4;
  }
  return 0;
}

Configuration::Configuration(Shape shape) : shape_(shape) {
  check_shape(shape, "configuration");
}

Configuration Configuration::parse(const std::vector<uint8_t>& stream) {
  const std::string where = "configuration stream";
  rdu_program_header header;
  if (stream.size() < sizeof header) {
    throw Error(fmt::format("{}: {} bytes are less than a header", where, stream.size()));
  }
  std::memcpy(&header, stream.data(), sizeof header);
  if (header.magic != RDU_PROGRAM_MAGIC) throw Error(where + ": the magic number is wrong");
  if (header.version != RDU_PROGRAM_VERSION) {
    throw Error(
        fmt::format("{}: version {}, this software knows {}", where, header.version, RDU_PROGRAM_VERSION));
  }
  if (header.size != stream.size()) {
    throw Error(fmt::format("{}: {} bytes, its header says {}", where, stream.size(), header.size));
  }
  if (header.crc != crc_of(stream.data() + sizeof header, stream.size() - sizeof header)) {
    throw Error(where + ": the checksum is wrong");
  }
  if (header.reserved[0] != 0 || header.reserved[1] != 0) throw Error(where + ": reserved bits are set");
  const Shape shape{header.rows, header.cols, header.channels};
  check_shape(shape, where);
  Configuration result(shape);
  const auto table = read_table(stream, header.units, shape, where);
  size_t at = RDU_PROGRAM_BODY(table.size());
  for_each_sub_file(table, [&](uint32_t unit, unsigned chunk) {
    if (stream.size() - at < RDU_CHUNK_BYTES) throw Error(where + ": it ends before its last sub-file");
    Words& words = result.units_[unit];
    for (unsigned word = chunk * RDU_CHUNK_WORDS; word < (chunk + 1) * RDU_CHUNK_WORDS; ++word, at += 4) {
      uint32_t value;
      std::memcpy(&value, stream.data() + at, sizeof value);
      if (value != reset_of(unit, word)) words.emplace(static_cast<uint16_t>(word), value);
    }
  });
  if (at != stream.size()) {
    throw Error(fmt::format("{}: {} bytes behind the last sub-file", where, stream.size() - at));
  }
  return result;
}

std::vector<uint8_t> Configuration::stream() const {
  std::vector<rdu_program_unit> table;
  for (const auto& [unit, words] : units_) {
    rdu_program_unit entry{unit, 0};
    for (const auto& word : words) entry.chunks |= 1u << word.first / RDU_CHUNK_WORDS;
    if (entry.chunks != 0) table.push_back(entry);
  }
  std::vector<uint8_t> out(sizeof(rdu_program_header));
  for (const rdu_program_unit& entry : table) append(out, entry);
  out.resize(RDU_PROGRAM_BODY(table.size()));
  for_each_sub_file(table, [&](uint32_t unit, unsigned chunk) {
    for (unsigned word = chunk * RDU_CHUNK_WORDS; word < (chunk + 1) * RDU_CHUNK_WORDS; ++word)
      append(out, get(unit, word).value_or(reset_of(unit, word)));
  });
  rdu_program_header header{};
  header.magic = RDU_PROGRAM_MAGIC;
  header.version = RDU_PROGRAM_VERSION;
  header.channels = shape_.channels;
  header.rows = shape_.rows;
  header.cols = shape_.cols;
  header.size = static_cast<uint32_t>(out.size());
  header.crc = crc_of(out.data() + sizeof header, out.size() - sizeof header);
  header.units = static_cast<uint32_t>(table.size());
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

void Configuration::set(uint32_t unit, unsigned word, uint32_t value) {
  check_unit(unit, shape_, "configuration");
  if (word >= unit_words(unit)) {
    throw Error(fmt::format("{} has {} words, there is no word {}", unit_text(unit), unit_words(unit), word));
  }
  const auto [place, fresh] = units_[unit].emplace(static_cast<uint16_t>(word), value);
  if (!fresh && place->second != value) {
    throw Error(fmt::format("word {} of {} would be both {:#x} and {:#x}", word, unit_text(unit),
                            place->second, value));
  }
}

std::optional<uint32_t> Configuration::get(uint32_t unit, unsigned word) const {
  const auto u = units_.find(unit);
  if (u == units_.end()) return std::nullopt;
  const auto w = u->second.find(static_cast<uint16_t>(word));
  if (w == u->second.end()) return std::nullopt;
  return w->second;
}

}  // namespace rdu::compiler
