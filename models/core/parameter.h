#pragma once

#include <cstdint>
#include <string>

/// How a model declares its numbers. Each model has a plain struct of parameters with defaults and a template
///
///     template <class Visitor> void describe(Visitor& v) {
///       v(stacks, {"stacks", Unit::count, "HBM stacks of a socket", "MICRO'24, table II", 1, 16});
///       v.group("timing", timing);      // a nested struct with its own describe()
///     }
///
/// The platform visits it to read YAML, to apply --set, to list and to check. So a number's name, unit,
/// meaning, source and range stand beside the number and nowhere else. Values are kept in the unit that the
/// model computes in.
namespace rdu::core {

enum class Unit {
  count,      ///< a plain number
  bytes,      ///< "512 KiB", "64 GiB"; kept in bytes
  time,       ///< "1.25 ns", "10 us"; kept in ps
  frequency,  ///< "1.6 GHz"; kept in Hz
  bandwidth,  ///< "400 GB/s"; kept in bytes per second
  cycles,     ///< cycles of the block's clock: "4 cycles"
  text,       ///< a string, possibly one of a fixed set
  flag,       ///< true or false
};

struct Parameter {
  const char* name;
  Unit unit;
  const char* meaning;
  const char* source;  ///< where the default comes from; "ours" if nothing public gives it
  uint64_t least = 0;  ///< inclusive range, in the kept unit
  uint64_t most = ~uint64_t{0};
  const char* choices = nullptr;  ///< for text: "fast|cycle|rtl"
};

}  // namespace rdu::core
