#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <variant>
#include <vector>

#include "core/parameter.h"

namespace YAML {
class Node;
}

/// Reads what models declare (core/parameter.h) from YAML files and the command line, and lists it.
namespace rdu::platform {

/// One parameter of the platform: its dotted path, its declaration and the place of its value.
struct ConfigurationItem {
  std::string path;  ///< "socket.hbm.bandwidth"
  core::Parameter parameter;
  std::variant<uint64_t*, uint32_t*, std::string*, bool*> value;

  /// The value as set() takes it.
  std::string text() const;
};

/// A visitor for describe() that collects every parameter of a tree of structs.
class Configuration {
 public:
  template <class T>
  void operator()(T& value, const core::Parameter& parameter) {
    items_.push_back({prefix_ + parameter.name, parameter, &value});
  }

  template <class T>
  void group(const std::string& name, T& nested) {
    const std::string outer = prefix_;
    prefix_ += name + ".";
    groups_.push_back(outer + name);
    nested.describe(*this);
    prefix_ = outer;
  }

  /// Takes over a YAML file's values. A mapping nests groups, "include: other.yaml" (relative to the file)
  /// comes first. Throws bad_input naming file, line and the closest valid key.
  void load(const std::string& file);

  /// "socket.hbm.bandwidth=400 GB/s". Throws bad_input.
  void set(const std::string& assignment);

  /// A table of all parameters: path, value, range, meaning and source.
  void list(std::ostream& out) const;

  const std::vector<ConfigurationItem>& items() const { return items_; }

 private:
  void load(const std::string& file, unsigned depth);
  void load_map(const std::string& file, const YAML::Node& node, const std::string& prefix);
  void assign(const ConfigurationItem& item, const std::string& text, const std::string& where);
  const ConfigurationItem* find(const std::string& path) const;
  bool is_group(const std::string& path) const;
  std::string suggestion(const std::string& path) const;

  std::vector<ConfigurationItem> items_;
  std::vector<std::string> groups_;
  std::string prefix_;
};

/// "512 KiB" -> 524288 and so on, exactly: decimal fractions are allowed if the result is whole in the kept
/// unit. Throws bad_input, with `where` in front, for a missing or wrong unit, a fraction that is not whole,
/// or overflow.
uint64_t parse_quantity(const std::string& text, core::Unit unit, const std::string& where);

/// The shortest exact text with a unit: 524288 -> "512 KiB".
std::string format_quantity(uint64_t value, core::Unit unit);

}  // namespace rdu::platform
