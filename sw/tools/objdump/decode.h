#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/container.h"
#include "compiler/unit_words.h"

/// Programs in words: what each unit was configured to do.
namespace rdu::tools {

/// An argument's use as a formula: "(rows + 18) / 24 * 6".
std::string formula(const compiler::Argument& argument, const compiler::Fixup& fixup);

/// A port of a switch: "north 0", "PCU", "PMU input 0".
std::string input_port_text(unsigned port);
std::string output_port_text(unsigned port);
/// All ports of a mask: "east 1, PCU input 0".
std::string output_ports_text(uint32_t mask);
/// A control wire of a switch: "west 2", "done", "token input 3".
std::string input_wire_text(unsigned wire);
std::string output_wire_text(unsigned wire);

/// One configured register of a unit.
struct DecodedRegister {
  const compiler::UnitRegister* reg = nullptr;
  uint64_t value = 0;
  std::string text;  ///< the value in words
  std::string from;  ///< the formula if an argument sets it, or empty
};

/// Reads a program's configuration for people.
class Decoder {
 public:
  explicit Decoder(const compiler::Program& program);

  /// Registers that the stream writes in this unit, in order.
  std::vector<DecodedRegister> registers(uint32_t unit) const;
  /// What the unit does, in one line.
  std::string summary(const compiler::UnitEntry& unit) const;

 private:
  std::string value(uint32_t unit, uint32_t offset, uint32_t reset = 0) const;
  std::string address(uint32_t unit, uint32_t offset) const;
  uint32_t word(uint32_t unit, uint32_t offset, uint32_t reset = 0) const;
  template <class Count, class Stride>
  std::string counters(uint32_t unit, unsigned entries, Count count, Stride stride) const;
  std::string load(uint32_t unit) const;
  std::string store(uint32_t unit) const;
  std::string pmu(uint32_t unit) const;
  uint32_t of_pipeline(uint32_t unit, uint32_t mode, uint32_t of_read) const;
  std::string buffers(uint32_t unit, uint32_t mode) const;
  std::string accesses(uint32_t unit, uint32_t mode) const;
  std::string pcu(uint32_t unit) const;
  std::string predicate(uint32_t unit, unsigned program, unsigned number) const;
  std::string stage(uint32_t unit, unsigned program, uint32_t stage_word) const;
  unsigned program_of_stage(uint32_t unit, unsigned stage) const;
  std::string pcu_program(uint32_t unit, unsigned program) const;
  std::string operand(uint32_t unit, uint32_t code) const;

  const compiler::Program& program_;
  std::map<std::pair<uint32_t, unsigned>, std::string> formulas_;  ///< by unit and word
};

}  // namespace rdu::tools
