#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "fabric/config.h"
#include "fabric/params.h"
#include "fabric/program.h"

namespace rdu::fabric {

/// The sub-files of a configuration stream in order: whose chunk each one is. Used by whoever times their way
/// into the units, and by whoever reads them.
class SubFiles {
 public:
  struct Place {
    size_t entry;    ///< of the table
    uint32_t chunk;  ///< its words are 16 chunk .. 16 chunk + 15
  };
  explicit SubFiles(const std::vector<rdu_program_unit>& table);
  uint64_t count() const { return places_.size(); }
  const Place& at(uint64_t i) const { return places_[i]; }

 private:
  std::vector<Place> places_;
};

/// A program, or an argument, that the tile refuses.
class LoadFault : public std::runtime_error {
 public:
  /// `code` is one of regs::sequencer::FAULT::CODE_*; `unit` is 0 if no unit is to blame.
  LoadFault(uint64_t code, uint32_t unit, const std::string& text)
      : std::runtime_error(text), code_(static_cast<uint32_t>(code)), unit_(unit) {}
  uint32_t code() const { return code_; }
  uint32_t unit() const { return unit_; }

 private:
  uint32_t code_;
  uint32_t unit_;
};

/// The configuration words of all units that a program names (fabric/program.h has the stream's form).
class ProgramImage {
 public:
  explicit ProgramImage(const FabricParams& params) : params_(params) {}

  /// Checks form, checksum and shape and takes the stream's words over. Throws
  /// LoadFault: BAD_MAGIC, BAD_VERSION, BAD_SIZE, BAD_CRC, BAD_SHAPE, BAD_UNIT, BAD_WORD.
  void parse(const std::vector<uint8_t>& stream);

  /// Writes argument tuples over the words. Returns the units that they name. Throws LoadFault (BAD_UNIT,
  /// BAD_WORD) and changes nothing then.
  std::vector<uint32_t> apply_arguments(const std::vector<uint8_t>& tuples);
  /// Takes the last apply_arguments() back.
  void undo_arguments();

  /// By unit id: in order of kind, row, column.
  const std::map<uint32_t, ConfigWords>& units() const { return units_; }

  /// Longest stream that a tile of this shape takes: every chunk of every unit.
  static uint64_t largest(const FabricParams& params);
  static uint64_t units_of(const FabricParams& params);

 private:
  struct Change {
    uint32_t unit;
    uint32_t word;
    uint32_t before;
  };
  std::vector<rdu_program_unit> read_table(const std::vector<uint8_t>& stream, uint32_t units);
  void read_sub_files(const std::vector<uint8_t>& stream, const std::vector<rdu_program_unit>& table);
  ConfigWords& words_of(uint32_t unit);
  void write(uint32_t unit, uint32_t word, uint32_t value);

  const FabricParams& params_;
  std::map<uint32_t, ConfigWords> units_;
  std::vector<Change> undo_;
};

}  // namespace rdu::fabric
