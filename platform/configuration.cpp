#include "platform/configuration.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

#include "core/error.h"
#include "platform/closest.h"

namespace rdu::platform {
namespace {

using core::bad_input;
using core::Unit;

struct Suffix {
  const char* name;
  uint64_t factor;  ///< kept units in one of it
};

constexpr uint64_t kKilo = 1000, kMega = kKilo * kKilo, kGiga = kMega * kKilo, kTera = kGiga * kKilo;
constexpr uint64_t kKibi = 1024, kMebi = kKibi * kKibi, kGibi = kMebi * kKibi, kTebi = kGibi * kKibi;

/// Smallest first; the list for messages, too.
const std::vector<Suffix>& suffixes(Unit unit) {
  static const std::vector<Suffix> none;
  static const std::vector<Suffix> bytes = {{"B", 1},       {"KB", kKilo},  {"KiB", kKibi},
                                            {"MB", kMega},  {"MiB", kMebi}, {"GB", kGiga},
                                            {"GiB", kGibi}, {"TB", kTera},  {"TiB", kTebi}};
  static const std::vector<Suffix> time = {
      {"ps", 1}, {"ns", kKilo}, {"us", kMega}, {"ms", kGiga}, {"s", kTera}};
  static const std::vector<Suffix> frequency = {{"Hz", 1}, {"kHz", kKilo}, {"MHz", kMega}, {"GHz", kGiga}};
  static const std::vector<Suffix> bandwidth = {
      {"B/s", 1}, {"KB/s", kKilo}, {"MB/s", kMega}, {"GB/s", kGiga}, {"TB/s", kTera}};
  static const std::vector<Suffix> cycles = {{"cycle", 1}, {"cycles", 1}};
  switch (unit) {
    case Unit::bytes:
      return bytes;
    case Unit::time:
      return time;
    case Unit::frequency:
      return frequency;
    case Unit::bandwidth:
      return bandwidth;
    case Unit::cycles:
      return cycles;
    case Unit::count:
    case Unit::text:
    case Unit::flag:
      break;
  }
  return none;
}

std::string suffix_names(Unit unit) {
  std::string out;
  for (const Suffix& s : suffixes(unit)) out += (out.empty() ? "" : ", ") + std::string(s.name);
  return out;
}

/// Members of `prefix` only compare by their own name, so that a slip in one level is not outweighed by the
/// others.
std::string last_part(const std::string& path) {
  return path.substr(path.rfind('.') + 1);
}
std::string parent(const std::string& path) {
  const size_t dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

std::string place(const std::string& file, const YAML::Mark& mark) {
  return fmt::format("{}:{}", file, mark.line + 1);
}

}  // namespace

uint64_t parse_quantity(const std::string& text, Unit unit, const std::string& where) {
  size_t end = 0;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::string digits;
  int decimals = -1;
  for (; end < text.size() && (is_digit(text[end]) || text[end] == '.' || text[end] == '_'); ++end) {
    if (text[end] == '_') continue;
    if (text[end] == '.') {
      if (decimals >= 0) bad_input(fmt::format("{}: '{}' is not a number", where, text));
      decimals = 0;
      continue;
    }
    digits += text[end];
    if (decimals >= 0) ++decimals;
  }
  std::string name = text.substr(end);
  name.erase(0, name.find_first_not_of(' '));
  if (digits.empty()) bad_input(fmt::format("{}: '{}' is not a number", where, text));

  uint64_t factor = 1;
  if (unit == Unit::count) {
    if (!name.empty()) bad_input(fmt::format("{}: '{}' should be a plain number", where, text));
  } else {
    const auto& known = suffixes(unit);
    const auto it = std::find_if(known.begin(), known.end(), [&](const Suffix& s) { return name == s.name; });
    if (it == known.end()) {
      bad_input(fmt::format("{}: '{}' {}; one of: {}", where, text,
                            name.empty() ? "needs a unit" : fmt::format("has the unknown unit '{}'", name),
                            suffix_names(unit)));
    }
    factor = it->factor;
  }
  unsigned __int128 value = 0;
  for (char c : digits) {
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value >> 96) bad_input(fmt::format("{}: '{}' is too large", where, text));
  }
  value *= factor;
  for (int i = 0; i < decimals; ++i) {
    if (value % 10 != 0)
      bad_input(fmt::format("{}: '{}' is not a whole number of its smallest unit", where, text));
    value /= 10;
  }
  if (value > ~uint64_t{0}) bad_input(fmt::format("{}: '{}' is too large", where, text));
  return static_cast<uint64_t>(value);
}

std::string format_quantity(uint64_t value, Unit unit) {
  const auto& known = suffixes(unit);
  if (known.empty()) return fmt::format("{}", value);
  if (unit == Unit::cycles) return fmt::format("{} cycle{}", value, value == 1 ? "" : "s");
  // Largest unit that leaves at most three decimals.
  for (auto it = known.rbegin(); it != known.rend(); ++it) {
    if (value < it->factor) continue;
    const auto thousandths = static_cast<unsigned __int128>(value) * 1000;
    if (thousandths % it->factor != 0) continue;
    const auto scaled = static_cast<uint64_t>(thousandths / it->factor);
    std::string number = fmt::format("{}", scaled / 1000);
    if (scaled % 1000 != 0) {
      number += fmt::format(".{:03}", scaled % 1000);
      number.erase(number.find_last_not_of('0') + 1);
    }
    return number + " " + it->name;
  }
  return fmt::format("{} {}", value, known.front().name);
}

const ConfigurationItem* Configuration::find(const std::string& path) const {
  for (const ConfigurationItem& item : items_) {
    if (item.path == path) return &item;
  }
  return nullptr;
}

bool Configuration::is_group(const std::string& path) const {
  return std::find(groups_.begin(), groups_.end(), path) != groups_.end();
}

std::string Configuration::suggestion(const std::string& path) const {
  std::string best;
  size_t best_distance = ~size_t{0};
  const auto consider = [&](const std::string& candidate) {
    // Siblings by their own name; keys elsewhere, that may be meant but nested wrongly, by an exact own name.
    const bool is_sibling = parent(candidate) == parent(path);
    size_t d = is_sibling ? distance(last_part(path), last_part(candidate)) : 2 + distance(path, candidate);
    if (!is_sibling && last_part(candidate) == last_part(path)) d = 1;
    if (d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  };
  for (const std::string& group : groups_) consider(group);
  for (const ConfigurationItem& item : items_) consider(item.path);
  return best;
}

void Configuration::assign(const ConfigurationItem& item, const std::string& text, const std::string& where) {
  const core::Parameter& p = item.parameter;
  const std::string here = fmt::format("{}: {}", where, item.path);
  if (auto* flag = std::get_if<bool*>(&item.value)) {
    if (text != "true" && text != "false")
      bad_input(fmt::format("{}: '{}' is neither true nor false", here, text));
    **flag = text == "true";
    return;
  }
  if (auto* string = std::get_if<std::string*>(&item.value)) {
    if (p.choices) {
      const std::string all = std::string("|") + p.choices + "|";
      if (text.empty() || all.find("|" + text + "|") == std::string::npos) {
        bad_input(fmt::format("{}: '{}' is none of {}", here, text, p.choices));
      }
    }
    **string = text;
    return;
  }
  const uint64_t number = parse_quantity(text, p.unit, here);
  const bool is_narrow = std::holds_alternative<uint32_t*>(item.value);
  const uint64_t most = is_narrow ? std::min<uint64_t>(p.most, ~uint32_t{0}) : p.most;
  if (number < p.least || number > most) {
    bad_input(fmt::format("{}: {} is outside {} .. {}", here, format_quantity(number, p.unit),
                          format_quantity(p.least, p.unit), format_quantity(most, p.unit)));
  }
  if (is_narrow) {
    *std::get<uint32_t*>(item.value) = static_cast<uint32_t>(number);
  } else {
    *std::get<uint64_t*>(item.value) = number;
  }
}

void Configuration::load_map(const std::string& file, const YAML::Node& node, const std::string& prefix) {
  std::vector<std::string> seen;
  for (const auto& entry : node) {
    const auto key = entry.first.as<std::string>();
    const std::string where = place(file, entry.first.Mark());
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      bad_input(fmt::format("{}: '{}' stands here twice", where, key));
    seen.push_back(key);
    const std::string path = prefix + key;
    if (prefix.empty() && key == "include") continue;
    if (const ConfigurationItem* item = find(path)) {
      if (!entry.second.IsScalar()) bad_input(fmt::format("{}: {} takes one value", where, path));
      assign(*item, entry.second.Scalar(), where);
    } else if (is_group(path)) {
      if (!entry.second.IsMap())
        bad_input(fmt::format("{}: {} is a group of keys, not a value", where, path));
      load_map(file, entry.second, path + ".");
    } else {
      bad_input(fmt::format("{}: unknown key '{}' (did you mean '{}'?)", where, path, suggestion(path)));
    }
  }
}

void Configuration::load(const std::string& file) {
  load(file, 0);
}

void Configuration::load(const std::string& file, unsigned depth) {
  constexpr unsigned kMostIncludes = 16;
  if (depth > kMostIncludes) bad_input(fmt::format("{}: includes itself", file));
  YAML::Node root;
  try {
    root = YAML::LoadFile(file);
  } catch (const YAML::BadFile&) {
    bad_input(fmt::format("{}: cannot be read", file));
  } catch (const YAML::Exception& e) {
    bad_input(fmt::format("{}: {}", place(file, e.mark), e.msg));
  }
  if (root.IsNull()) return;
  if (!root.IsMap()) bad_input(fmt::format("{}: should be a mapping of keys to values", file));
  if (const YAML::Node include = root["include"]) {
    if (!include.IsScalar())
      bad_input(fmt::format("{}: include takes one file", place(file, include.Mark())));
    const auto base = std::filesystem::path(file).parent_path() / include.Scalar();
    if (!std::filesystem::is_regular_file(base)) {
      bad_input(fmt::format("{}: include: there is no file {}", place(file, include.Mark()), base.string()));
    }
    load(base.string(), depth + 1);
  }
  load_map(file, root, "");
}

void Configuration::set(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos) bad_input(fmt::format("--set {}: should be PATH=VALUE", assignment));
  const std::string path = assignment.substr(0, equals);
  const ConfigurationItem* item = find(path);
  if (!item)
    bad_input(
        fmt::format("--set {}: unknown key '{}' (did you mean '{}'?)", assignment, path, suggestion(path)));
  assign(*item, assignment.substr(equals + 1), "--set");
}

std::string ConfigurationItem::text() const {
  if (auto* flag = std::get_if<bool*>(&value)) return **flag ? "true" : "false";
  if (auto* string = std::get_if<std::string*>(&value)) return **string;
  const bool is_narrow = std::holds_alternative<uint32_t*>(value);
  return format_quantity(is_narrow ? *std::get<uint32_t*>(value) : *std::get<uint64_t*>(value),
                         parameter.unit);
}

void Configuration::list(std::ostream& out) const {
  std::string group;
  for (const ConfigurationItem& item : items_) {
    if (parent(item.path) != group) {
      group = parent(item.path);
      out << fmt::format("\n{}\n", group);
    }
    const core::Parameter& p = item.parameter;
    std::string value = item.text(), range;
    if (value.empty()) value = "\"\"";
    if (std::holds_alternative<bool*>(item.value)) {
      range = "true|false";
    } else if (std::holds_alternative<std::string*>(item.value)) {
      if (p.choices) range = p.choices;
    } else {
      range = format_quantity(p.least, p.unit) + " ..";
      if (p.most != ~uint64_t{0}) range += " " + format_quantity(p.most, p.unit);
    }
    out << fmt::format("  {:<44} {:<14} {}. [{}; {}]\n", item.path, value, p.meaning, range, p.source);
  }
}

}  // namespace rdu::platform
