#include "fabric/agcu/program_image.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cstring>

#include "fabric/program.h"
#include "fabric/stream/unit.h"
#include "regs/agcu.hpp"
#include "regs/pcu.hpp"
#include "regs/pmu.hpp"
#include "regs/sequencer.hpp"
#include "regs/switch.hpp"

namespace rdu::fabric {
namespace {

namespace codes = rdu::regs::sequencer::FAULT;

/// What a kind of unit has: its words at reset, and which bits of them mean something.
struct Kind {
  ConfigWords reset;
  std::vector<uint32_t> defined;
};

template <class Registers>
Kind make_kind() {
  static_assert(sizeof(rdu_program_unit::chunks) * 8 == RDU_CHUNKS_MAX);
  Kind kind{ConfigWords::reset_of<Registers>(), {}};
  kind.defined.resize(kind.reset.size());
  Registers registers;
  for (const core::Register* reg : registers.registers()) {
    uint64_t mask = 0;
    for (size_t i = 0; i < reg->desc().field_count; ++i) {
      mask |= core::Field{reg->desc().fields[i].lsb, reg->desc().fields[i].width}.mask();
    }
    kind.defined[reg->offset() / 4] = static_cast<uint32_t>(mask);
    if (reg->bytes() == 8) kind.defined[reg->offset() / 4 + 1] = static_cast<uint32_t>(mask >> 32);
  }
  return kind;
}

/// Null for an id of no known kind.
const Kind* kind_of(uint32_t unit) {
  static const Kind pcu = make_kind<rdu::regs::pcu::Registers>();
  static const Kind pmu = make_kind<rdu::regs::pmu::Registers>();
  static const Kind switch_unit = make_kind<rdu::regs::switch_::Registers>();
  static const Kind agcu = make_kind<rdu::regs::agcu::Registers>();
  switch (RDU_UNIT_KIND(unit)) {
    case RDU_UNIT_PCU:
      return &pcu;
    case RDU_UNIT_PMU:
      return &pmu;
    case RDU_UNIT_SWITCH:
      return &switch_unit;
    case RDU_UNIT_AGCU:
      return &agcu;
    default:
      return nullptr;
  }
}

template <class T>
T read_at(const std::vector<uint8_t>& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

SubFiles::SubFiles(const std::vector<rdu_program_unit>& table) {
  std::vector<uint32_t> left;
  for (const rdu_program_unit& unit : table) left.push_back(unit.chunks);
  for (bool more = true; more;) {
    more = false;
    for (size_t entry = 0; entry < left.size(); ++entry) {
      if (left[entry] == 0) continue;
      places_.push_back({entry, static_cast<uint32_t>(__builtin_ctz(left[entry]))});
      left[entry] &= left[entry] - 1;
      more = true;
    }
  }
}

uint64_t ProgramImage::units_of(const FabricParams& params) {
  return 3 * params.rows * params.columns + params.agcus();
}

uint64_t ProgramImage::largest(const FabricParams& params) {
  return RDU_PROGRAM_BODY(units_of(params)) +
         params.rows * params.columns * (regs::pcu::kSize + regs::pmu::kSize + regs::switch_::kSize) +
         params.agcus() * regs::agcu::kSize;
}

ConfigWords& ProgramImage::words_of(uint32_t unit) {
  const auto found = units_.find(unit);
  if (found != units_.end()) return found->second;
  const Kind* kind = kind_of(unit);
  const uint64_t columns = kind && RDU_UNIT_KIND(unit) == RDU_UNIT_AGCU ? 2 : params_.columns;
  if (!kind || RDU_UNIT_ROW(unit) >= params_.rows || RDU_UNIT_COL(unit) >= columns) {
    throw LoadFault(codes::CODE_BAD_UNIT, unit,
                    fmt::format("the tile has no unit with id {:#x} ({})", unit, unit_name(unit)));
  }
  return units_.emplace(unit, kind->reset).first->second;
}

void ProgramImage::write(uint32_t unit, uint32_t word, uint32_t value) {
  ConfigWords& words = words_of(unit);
  if (word >= words.size()) {
    throw LoadFault(
        codes::CODE_BAD_WORD, unit,
        fmt::format("{} has {} configuration words, none has index {}", unit_name(unit), words.size(), word));
  }
  const uint32_t undefined = value & ~kind_of(unit)->defined[word];
  if (undefined != 0) {
    throw LoadFault(codes::CODE_BAD_WORD, unit,
                    fmt::format("{}: word {} = {:#x} sets bits that mean nothing ({:#x})", unit_name(unit),
                                word, value, undefined));
  }
  words.set_word(word, value);
}

void ProgramImage::parse(const std::vector<uint8_t>& stream) {
  units_.clear();
  undo_.clear();
  if (stream.size() < sizeof(rdu_program_header)) {
    throw LoadFault(
        codes::CODE_BAD_SIZE, 0,
        fmt::format("a configuration stream of {} bytes has no room for its header", stream.size()));
  }
  const auto header = read_at<rdu_program_header>(stream, 0);
  if (header.magic != RDU_PROGRAM_MAGIC) {
    throw LoadFault(codes::CODE_BAD_MAGIC, 0,
                    fmt::format("magic {:#x} is not that of a program", header.magic));
  }
  if (header.version != RDU_PROGRAM_VERSION || header.reserved[0] != 0 || header.reserved[1] != 0) {
    throw LoadFault(codes::CODE_BAD_VERSION, 0,
                    fmt::format("program version {} (reserved words {:#x} {:#x}), this tile reads version {}",
                                header.version, header.reserved[0], header.reserved[1], RDU_PROGRAM_VERSION));
  }
  if (header.size != stream.size()) {
    throw LoadFault(codes::CODE_BAD_SIZE, 0,
                    fmt::format("the header says {} bytes, PROGRAM_SIZE {}", header.size, stream.size()));
  }
  const size_t body = sizeof(rdu_program_header);
  const auto crc = static_cast<uint32_t>(
      crc32(crc32(0, nullptr, 0), stream.data() + body, static_cast<uInt>(stream.size() - body)));
  if (crc != header.crc) {
    throw LoadFault(codes::CODE_BAD_CRC, 0,
                    fmt::format("checksum {:#x}, the header says {:#x}", crc, header.crc));
  }
  if (header.rows != params_.rows || header.cols != params_.columns || header.channels < 1 ||
      header.channels > params_.vector_channels) {
    throw LoadFault(codes::CODE_BAD_SHAPE, 0,
                    fmt::format("made for {} x {} units and {} vector channels; this tile has {} x {} and {}",
                                header.rows, header.cols, header.channels, params_.rows, params_.columns,
                                params_.vector_channels));
  }
  read_sub_files(stream, read_table(stream, header.units));
}

std::vector<rdu_program_unit> ProgramImage::read_table(const std::vector<uint8_t>& stream, uint32_t units) {
  if (RDU_PROGRAM_BODY(units) > stream.size()) {
    throw LoadFault(codes::CODE_BAD_SIZE, 0,
                    fmt::format("the stream ends within its table of {} units", units));
  }
  std::vector<rdu_program_unit> table;
  for (uint32_t i = 0; i < units; ++i) {
    const auto entry =
        read_at<rdu_program_unit>(stream, sizeof(rdu_program_header) + i * sizeof(rdu_program_unit));
    if (!table.empty() && entry.unit <= table.back().unit) {
      throw LoadFault(codes::CODE_BAD_UNIT, entry.unit,
                      fmt::format("unit {} of the table, {}, is not behind the one before", i + 1,
                                  unit_name(entry.unit)));
    }
    const size_t words = words_of(entry.unit).size();
    if (entry.chunks == 0) {
      throw LoadFault(codes::CODE_BAD_WORD, entry.unit,
                      fmt::format("{} is in the table without words", unit_name(entry.unit)));
    }
    const uint64_t last = 31 - static_cast<unsigned>(__builtin_clz(entry.chunks));
    if ((last + 1) * RDU_CHUNK_WORDS > words) {
      throw LoadFault(
          codes::CODE_BAD_WORD, entry.unit,
          fmt::format("{} has {} configuration words, none in chunk {}", unit_name(entry.unit), words, last));
    }
    table.push_back(entry);
  }
  for (size_t at = sizeof(rdu_program_header) + units * sizeof(rdu_program_unit);
       at < RDU_PROGRAM_BODY(units); ++at) {
    if (stream[at] != 0)
      throw LoadFault(codes::CODE_BAD_WORD, 0, "bytes between table and sub-files are not zero");
  }
  return table;
}

void ProgramImage::read_sub_files(const std::vector<uint8_t>& stream,
                                  const std::vector<rdu_program_unit>& table) {
  const SubFiles files(table);
  const uint64_t expected = RDU_PROGRAM_BODY(table.size()) + files.count() * RDU_CHUNK_BYTES;
  if (stream.size() != expected) {
    throw LoadFault(codes::CODE_BAD_SIZE, 0,
                    fmt::format("{} bytes, but the table asks for {}", stream.size(), expected));
  }
  size_t at = RDU_PROGRAM_BODY(table.size());
  for (uint64_t i = 0; i < files.count(); ++i) {
    const SubFiles::Place place = files.at(i);
    for (uint32_t w = 0; w < RDU_CHUNK_WORDS; ++w, at += 4) {
      write(table[place.entry].unit, place.chunk * RDU_CHUNK_WORDS + w, read_at<uint32_t>(stream, at));
    }
  }
}

std::vector<uint32_t> ProgramImage::apply_arguments(const std::vector<uint8_t>& tuples) {
  undo_.clear();
  std::vector<uint32_t> touched;
  try {
    for (size_t at = 0; at < tuples.size(); at += sizeof(rdu_argument_tuple)) {
      const auto tuple = read_at<rdu_argument_tuple>(tuples, at);
      if (tuple.count < 1 || tuple.count > 2) {
        throw LoadFault(codes::CODE_BAD_WORD, tuple.unit,
                        fmt::format("argument {} has {} words, not 1 or 2", at / sizeof tuple, tuple.count));
      }
      if (tuple.count == 1 && tuple.value >> 32 != 0) {
        throw LoadFault(
            codes::CODE_BAD_WORD, tuple.unit,
            fmt::format("argument {} of one word has the value {:#x}", at / sizeof tuple, tuple.value));
      }
      if (units_.find(tuple.unit) == units_.end()) {
        throw LoadFault(codes::CODE_BAD_UNIT, tuple.unit,
                        fmt::format("argument {} is for {}, which the program does not use",
                                    at / sizeof tuple, unit_name(tuple.unit)));
      }
      for (uint32_t w = 0; w < tuple.count; ++w) {
        const uint32_t word = tuple.word + w;
        const ConfigWords& words = words_of(tuple.unit);
        const uint32_t before = word < words.size() ? words.at(4 * uint64_t{word}) : 0;
        write(tuple.unit, word, static_cast<uint32_t>(tuple.value >> 32 * w));
        undo_.push_back({tuple.unit, word, before});
      }
      if (touched.empty() || touched.back() != tuple.unit) touched.push_back(tuple.unit);
    }
  } catch (const LoadFault&) {
    undo_arguments();
    throw;
  }
  return touched;
}

void ProgramImage::undo_arguments() {
  for (; !undo_.empty(); undo_.pop_back())
    units_.at(undo_.back().unit).set_word(undo_.back().word, undo_.back().before);
}

}  // namespace rdu::fabric
