#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "compiler/configuration.h"
#include "compiler/error.h"
#include "fabric/program.h"

/// Compiled programs: what the builder makes, files carry, the runtime loads and rdu-objdump prints. The file
/// format is on the page of this folder (README.md).
namespace rdu::compiler {

/// e_machine of a program's ELF file: "RD". A number of our own, registered nowhere.
inline constexpr uint16_t kElfMachine = 0x5244;
/// e_flags: version of the container format.
inline constexpr uint32_t kContainerVersion = 1;

/// Throws Error, with `where` in front, unless `name` is letters, digits, '_', '-' and '.', at least one:
/// names appear in tables, traces and file names.
void check_name(const std::string& name, const std::string& where);
/// Throws Error, with `where` in front, if `text` has control characters: it is shown on terminals.
void check_text(const std::string& text, const std::string& where);

/// What a unit of the tile is used as. An AGCU holds one load and one store generator, so it may appear
/// twice.
enum class Role : uint8_t { pcu, pmu, load, store };
const char* role_name(Role role);

/// One unit of the program's graph and where it was placed.
struct UnitEntry {
  std::string name;  ///< unique in the program
  Role role = Role::pcu;
  uint32_t id = 0;   ///< fabric/program.h
  std::string note;  ///< what it does, for people; may be empty
};

/// One vector stream from its source to all its sinks, as the switches' ROUTE words make it.
struct RouteEntry {
  struct Sink {
    std::string unit;
    unsigned input = 0;  ///< input of the unit: 0-3 PCU and PMU, 0-1 AGCU
  };
  struct Hop {
    uint16_t row = 0, col = 0;  ///< the switch
    uint8_t port = 0;           ///< input port
    uint8_t flow = 0;           ///< flow id on arrival
    uint8_t next_flow = 0;      ///< flow id on leaving
    uint32_t out = 0;           ///< output ports, a bit each
  };
  std::string name;
  std::string source;   ///< unit
  unsigned output = 0;  ///< of the unit
  std::vector<Sink> sinks;
  std::vector<Hop> hops;  ///< in the order in which a packet first meets them
};

/// The way of a done token from a store generator to the master AGCU.
struct TokenEntry {
  struct Hop {
    uint16_t row = 0, col = 0;
    uint8_t wire = 0;  ///< input wire
    uint8_t out = 0;   ///< output wire
  };
  std::string source;  ///< unit
  unsigned input = 0;  ///< token input of the master
  std::vector<Hop> hops;
};

/// One place where an argument is written: `count` words from `word` of `unit` become
///
///     (argument * multiply + add) / divide * scale + offset      the quotient rounded down
struct Fixup {
  uint32_t unit = 0;
  uint16_t word = 0;
  uint16_t count = 1;  ///< 1 or 2 words
  uint64_t multiply = 1;
  uint64_t add = 0;
  uint64_t divide = 1;
  uint64_t scale = 1;
  uint64_t offset = 0;

  /// The value for an argument; false if it does not fit 64 bits.
  bool apply(uint64_t argument, uint64_t* result) const;
};

/// A named argument of the kernel.
struct Argument {
  std::string name;
  std::string description;
  bool address = false;  ///< a device virtual address, not a number
  uint64_t minimum = 0;
  uint64_t maximum = ~0ull;
  uint64_t multiple = 1;  ///< the value must be a multiple of this
  std::vector<Fixup> fixups;
};

/// About the program as a whole.
struct ProgramInfo {
  std::string kernel;       ///< name
  std::string description;  ///< one sentence
  std::string build;        ///< what made it
  /// Free-form facts for people and applications (for instance "pipelines" -> "4").
  std::map<std::string, std::string> properties;
};

/// Parts from which a Program is made.
struct ProgramParts {
  ProgramInfo info;
  std::vector<uint8_t> config;  ///< configuration stream
  std::vector<Argument> arguments;
  std::vector<UnitEntry> units;
  std::vector<RouteEntry> routes;
  std::vector<TokenEntry> tokens;
};

/// A complete, checked program. There is no way to hold one that is not legal: whatever makes one (compile(),
/// load(), parse()) throws Error instead.
class Program {
 public:
  /// Checks every part against the others; `where` starts the texts of errors.
  explicit Program(ProgramParts parts, const std::string& where = "program");
  /// Reads a container file. Throws Error for a file that cannot be read, is no RDU program, is damaged or
  /// illegal.
  static Program load(const std::string& path);
  /// The same from memory; `name` starts the texts of errors.
  static Program parse(const void* data, size_t size, const std::string& name);
  /// The container file. Equal programs give equal bytes.
  std::vector<uint8_t> serialize() const;
  /// Writes it; throws Error if that fails.
  void save(const std::string& path) const;

  const ProgramInfo& info() const { return parts_.info; }
  /// Exactly what LOAD_PROGRAM wants in device-visible memory.
  const std::vector<uint8_t>& config() const { return parts_.config; }
  const Configuration& configuration() const { return configuration_; }
  /// The tile that it is placed for; loading on another shape fails (BAD_SHAPE).
  const Shape& shape() const { return configuration_.shape(); }
  const std::vector<Argument>& arguments() const { return parts_.arguments; }
  const std::vector<UnitEntry>& units() const { return parts_.units; }
  const std::vector<RouteEntry>& routes() const { return parts_.routes; }
  const std::vector<TokenEntry>& tokens() const { return parts_.tokens; }

  /// What LAUNCH wants: every argument's words. Throws Error for an unknown or missing name, a value out of
  /// the argument's range or not its multiple, and a result that does not fit its words.
  std::vector<rdu_argument_tuple> make_tuples(const std::map<std::string, uint64_t>& values) const;

 private:
  ProgramParts parts_;
  Configuration configuration_;
};

}  // namespace rdu::compiler
