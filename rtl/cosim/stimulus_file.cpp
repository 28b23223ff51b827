#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>

#include "core/error.h"
#include "cosim/stimulus.h"
#include "platform/closest.h"

namespace rdu::cosim {
namespace {

using Json = nlohmann::ordered_json;
using fabric::PacketHead;

constexpr uint64_t kFormat = 1;
constexpr const char* kFormatKey = "rdu-stimulus";

// ---- writing: one packet a line, so that people and diff can read it ----

/// Words of 32 bits, lowest first, zeros at the end left out.
std::string hex_words(const uint8_t* bytes, size_t size) {
  while (size != 0 && bytes[size - 1] == 0) --size;
  std::string text;
  for (size_t i = 0; i < size; i += 4) {
    uint32_t word;
    std::memcpy(&word, bytes + i, 4);
    text += fmt::format("{}{:08x}", i == 0 ? "" : " ", word);
  }
  return text;
}

std::string quoted(const std::string& text) {
  return Json(text).dump();
}

/// Writes "a, b, c" over several lines.
class Items {
 public:
  Items(std::string& out, std::string before) : out_(out), before_(std::move(before)) {}
  void add(const std::string& text) {
    out_ += (first_ ? "\n" : ",\n") + before_ + text;
    first_ = false;
  }

 private:
  std::string& out_;
  std::string before_;
  bool first_ = true;
};

std::string packet_text(const Stimulus::Packet& packet) {
  std::string text = fmt::format("{{\"cycle\": {}", packet.cycle);
  if (packet.flow() != 0) text += fmt::format(", \"flow\": {}", packet.flow());
  if (const uint32_t sequence = PacketHead::sequence(packet.head))
    text += fmt::format(", \"sequence\": {}", sequence);
  if (const uint32_t destination = PacketHead::destination(packet.head))
    text += fmt::format(", \"destination\": \"0x{:x}\"", destination);
  return text + fmt::format(", \"data\": \"{}\"}}", hex_words(packet.data.data(), packet.data.size()));
}

std::string word_text(const Stimulus::Word& word) {
  std::string text = fmt::format("{{\"cycle\": {}", word.cycle);
  if (word.flow != 0) text += fmt::format(", \"flow\": {}", word.flow);
  return text + fmt::format(", \"value\": \"0x{:x}\"}}", word.value);
}

/// A list of ports, each with a list of what enters there.
template <class Item, class Text>
std::string ports_text(const std::vector<std::vector<Item>>& ports, const char* key, Text text_of) {
  std::string text;
  Items items(text, "    ");
  for (size_t port = 0; port < ports.size(); ++port) {
    if (ports[port].empty()) continue;
    std::string inner;
    Items list(inner, "      ");
    for (const Item& item : ports[port]) list.add(text_of(item));
    items.add(fmt::format("{{\"port\": {}, \"{}\": [{}]}}", port, key, inner));
  }
  return text;
}

std::string credits_text(const std::vector<Stimulus::Credits>& all, unsigned flows) {
  std::string text;
  Items items(text, "    ");
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i] == Stimulus::Credits{}) continue;
    std::string line = fmt::format("{{\"port\": {}", i / flows);
    if (i % flows != 0) line += fmt::format(", \"flow\": {}", i % flows);
    line += fmt::format(", \"credits\": {}", all[i].at_start);
    if (!all[i].back.empty()) line += fmt::format(", \"back\": [{}]", fmt::join(all[i].back, ", "));
    items.add(line + "}");
  }
  return text;
}

// ---- reading ----

/// A value, and where it stands.
class Node {
 public:
  Node(const Json& json, std::string place) : json_(json), place_(std::move(place)) {}

  const Json& json() const { return json_; }
  [[noreturn]] void wrong(const std::string& text) const { core::bad_input(place_ + ": " + text); }

  /// An object that has no other keys than these.
  void expect_keys(const std::vector<std::string>& keys) const {
    if (!json_.is_object()) wrong("an object {...} is expected");
    for (const auto& [key, value] : json_.items()) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      wrong(fmt::format("unknown key '{}' (did you mean '{}'?)", key, platform::closest(key, keys)));
    }
  }
  bool has(const char* key) const { return json_.contains(key); }
  Node at(const char* key) const {
    if (!json_.is_object() || !has(key)) wrong(fmt::format("the key '{}' is missing", key));
    return {json_[key], place_ + "." + key};
  }
  template <class Use>
  void each(Use use) const {
    if (!json_.is_array()) wrong("a list [...] is expected");
    for (size_t i = 0; i < json_.size(); ++i) use(Node(json_[i], fmt::format("{}[{}]", place_, i)));
  }
  template <class Use>
  void each_key(Use use) const {
    if (!json_.is_object()) wrong("an object {...} is expected");
    for (const auto& [key, value] : json_.items()) use(key, Node(value, place_ + "." + key));
  }

  uint64_t number(uint64_t most) const {
    uint64_t value = 0;
    if (json_.is_number_unsigned()) {
      value = json_.get<uint64_t>();
    } else if (!json_.is_string() || !parse(json_.get_ref<const std::string&>(), value)) {
      wrong("a number is expected, e.g. 12 or \"0x1f\"");
    }
    if (value > most) wrong(fmt::format("{} is too large; at most {}", value, most));
    return value;
  }
  uint64_t number_or(const char* key, uint64_t most, uint64_t otherwise) const {
    return has(key) ? at(key).number(most) : otherwise;
  }
  std::string text() const {
    if (!json_.is_string()) wrong("text is expected");
    return json_.get<std::string>();
  }
  /// As hex_words() writes them; at most `most`.
  std::vector<uint32_t> hex_words(size_t most) const {
    std::istringstream in(text());
    std::vector<uint32_t> words;
    for (std::string word; in >> word;) {
      uint64_t value;
      if (!parse("0x" + word, value) || word.size() > 8)
        wrong(fmt::format("'{}' is no hexadecimal word", word));
      words.push_back(static_cast<uint32_t>(value));
    }
    if (words.size() > most) wrong(fmt::format("{} words; at most {}", words.size(), most));
    return words;
  }

  static bool parse(const std::string& text, uint64_t& value) {
    if (text.empty() || text[0] < '0' || text[0] > '9') return false;
    char* end = nullptr;
    errno = 0;
    value = std::strtoull(text.c_str(), &end, 0);
    return *end == 0 && errno == 0;
  }

 private:
  const Json& json_;
  std::string place_;
};

uint32_t read_unit(const Node& node) {
  static const std::regex kForm(R"((pcu|pmu|switch)\[([0-9]{1,3})\]\[([0-9]{1,3})\])");
  const std::string text = node.text();
  std::smatch part;
  if (!std::regex_match(text, part, kForm))
    node.wrong(fmt::format(
        "'{}' is no unit that can be played: pcu[ROW][COLUMN], pmu[..][..], switch[..][..]", text));
  const unsigned kind = part[1] == "pcu" ? RDU_UNIT_PCU : part[1] == "pmu" ? RDU_UNIT_PMU : RDU_UNIT_SWITCH;
  return RDU_UNIT(kind, std::stoul(part[2]), std::stoul(part[3]));
}

void read_params(const Node& node, unsigned kind, fabric::FabricParams& params) {
  std::vector<std::string> names;
  for (const Number& number : numbers_of(kind)) names.emplace_back(number.name);
  node.expect_keys(names);
  for (const Number& number : numbers_of(kind)) {
    if (node.has(number.name)) params.*number.value = node.at(number.name).number(~uint64_t{0});
  }
}

void read_words(const Node& node, Stimulus& stimulus) {
  const std::vector<WordInfo>& words = words_of(stimulus.kind());
  node.each_key([&](const std::string& key, const Node& value) {
    size_t index = words.size();
    uint64_t offset;
    if (Node::parse(key, offset)) {
      if (offset % 4 == 0) index = offset / 4;
    } else {
      for (size_t i = 0; i < words.size() && index == words.size(); ++i) {
        if (words[i].name == key) index = i;
      }
    }
    if (index >= words.size()) {
      std::vector<std::string> names;
      for (const WordInfo& word : words) names.push_back(word.name);
      value.wrong(fmt::format("no such register, and no byte offset of one (did you mean '{}'?)",
                              platform::closest(key, names)));
    }
    stimulus.words.set_word(index, static_cast<uint32_t>(value.number(0xffffffff)));
  });
}

void read_scratchpad(const Node& node, Stimulus& stimulus) {
  node.each_key([&](const std::string& key, const Node& value) {
    uint64_t address;
    if (!Node::parse(key, address) || address > 0xffffffff) value.wrong("the key is no byte address");
    for (const uint32_t word : value.hex_words(~size_t{0})) {
      if (word != 0) stimulus.scratchpad[static_cast<uint32_t>(address)] = word;
      address += 4;
    }
  });
}

template <class Item, class Read>
void read_ports(const Node& node, const char* key, std::vector<std::vector<Item>>& ports, Read read) {
  node.each([&](const Node& port) {
    port.expect_keys({"port", key});
    if (ports.empty()) port.wrong("the unit has none of these");
    auto& list = ports[port.at("port").number(ports.size() - 1)];
    port.at(key).each([&](const Node& item) { list.push_back(read(item)); });
  });
}

Stimulus::Packet read_packet(const Node& node, unsigned flows) {
  node.expect_keys({"cycle", "flow", "sequence", "destination", "data"});
  Stimulus::Packet packet;
  packet.cycle = node.at("cycle").number(~uint64_t{0});
  packet.head = PacketHead::make(static_cast<uint32_t>(node.number_or("sequence", 0xffff, 0)),
                                 static_cast<uint32_t>(node.number_or("destination", 0x1fffff, 0)),
                                 static_cast<unsigned>(node.number_or("flow", flows - 1, 0)));
  const std::vector<uint32_t> words = node.at("data").hex_words(packet.data.size() / 4);
  std::memcpy(packet.data.data(), words.data(), 4 * words.size());
  return packet;
}

void read_credits(const Node& node, unsigned ports, unsigned flows, std::vector<Stimulus::Credits>& all) {
  node.each([&](const Node& output) {
    output.expect_keys({"port", "flow", "credits", "back"});
    if (all.empty()) output.wrong("the unit has none of these");
    const uint64_t port = output.at("port").number(ports - 1);
    Stimulus::Credits& credits = all[port * flows + output.number_or("flow", flows - 1, 0)];
    credits.at_start = static_cast<uint16_t>(output.at("credits").number(0xffff));
    if (!output.has("back")) return;
    output.at("back").each([&](const Node& cycle) { credits.back.push_back(cycle.number(~uint64_t{0})); });
  });
}

}  // namespace

std::string Stimulus::to_text() const {
  std::string text = fmt::format("{{\n  \"{}\": {},\n  \"unit\": {},\n", kFormatKey, kFormat, quoted(name()));
  if (!origin.empty()) text += fmt::format("  \"origin\": {},\n", quoted(origin));
  {
    std::string inner;
    Items items(inner, "    ");
    for (const Number& number : numbers_of(kind()))
      items.add(fmt::format("\"{}\": {}", number.name, params.*number.value));
    text += fmt::format("  \"params\": {{{}}},\n  \"cycles\": {}", inner, cycles);
  }
  {
    std::string inner;
    Items items(inner, "    ");
    const std::vector<WordInfo>& known = words_of(kind());
    for (size_t i = 0; i < known.size(); ++i) {
      const uint32_t value = words.at(4 * i);
      if (value == known[i].reset) continue;
      const std::string name = known[i].name.empty() ? fmt::format("0x{:03x}", 4 * i) : known[i].name;
      items.add(fmt::format("\"{}\": \"0x{:x}\"", name, value));
    }
    text += fmt::format(",\n  \"configuration\": {{{}}}", inner);
  }
  if (!scratchpad.empty()) {
    constexpr size_t kWordsOfLine = 16;
    std::string inner;
    Items items(inner, "    ");
    for (auto word = scratchpad.begin(); word != scratchpad.end();) {
      const uint32_t begin = word->first;
      std::vector<uint32_t> line;
      for (uint32_t at = begin; word != scratchpad.end() && word->first == at && line.size() < kWordsOfLine;
           at += 4, ++word) {
        line.push_back(word->second);
      }
      items.add(fmt::format("\"0x{:05x}\": \"{:08x}\"", begin, fmt::join(line, " ")));
    }
    text += fmt::format(",\n  \"scratchpad\": {{{}}}", inner);
  }
  const auto add = [&](const char* key, const std::string& items) {
    if (!items.empty()) text += fmt::format(",\n  \"{}\": [{}]", key, items);
  };
  add("inputs", ports_text(packets, "packets", packet_text));
  add("scalar_inputs", ports_text(scalars, "words", word_text));
  add("token_inputs", ports_text(tokens, "cycles", [](uint64_t cycle) { return std::to_string(cycle); }));
  add("outputs", credits_text(credits, pins_.flows));
  add("scalar_outputs", credits_text(scalar_credits, pins_.scalar_flows));
  return text + "\n}\n";
}

Stimulus Stimulus::parse(const std::string& text, const std::string& name) {
  Json json;
  try {
    json = Json::parse(text, nullptr, true, true);
  } catch (const nlohmann::json::parse_error& e) {
    core::bad_input(fmt::format("{}: {}", name, e.what()));
  }
  const Node file(json, name);
  if (!json.is_object() || !file.has(kFormatKey))
    file.wrong(fmt::format("no stimulus file: it does not begin with \"{}\"", kFormatKey));
  if (const uint64_t format = file.at(kFormatKey).number(~uint64_t{0}); format != kFormat)
    file.at(kFormatKey).wrong(fmt::format("format {}; this program reads format {}", format, kFormat));
  file.expect_keys({kFormatKey, "unit", "origin", "params", "cycles", "configuration", "scratchpad", "inputs",
                    "scalar_inputs", "token_inputs", "outputs", "scalar_outputs"});
  Stimulus stimulus(read_unit(file.at("unit")));
  const fabric::PinCounts& pins = stimulus.pins();
  const auto use = [&](const char* key, auto read) {
    if (file.has(key)) read(file.at(key));
  };
  use("origin", [&](const Node& node) { stimulus.origin = node.text(); });
  use("params", [&](const Node& node) { read_params(node, stimulus.kind(), stimulus.params); });
  stimulus.cycles = file.at("cycles").number(~uint64_t{0});
  use("configuration", [&](const Node& node) { read_words(node, stimulus); });
  use("scratchpad", [&](const Node& node) { read_scratchpad(node, stimulus); });
  use("inputs", [&](const Node& node) {
    read_ports(node, "packets", stimulus.packets, [&](const Node& n) { return read_packet(n, pins.flows); });
  });
  use("scalar_inputs", [&](const Node& node) {
    read_ports(node, "words", stimulus.scalars, [&](const Node& n) {
      n.expect_keys({"cycle", "flow", "value"});
      return Word{n.at("cycle").number(~uint64_t{0}),
                  static_cast<unsigned>(n.number_or("flow", pins.scalar_flows - 1, 0)),
                  static_cast<uint32_t>(n.at("value").number(0xffffffff))};
    });
  });
  use("token_inputs", [&](const Node& node) {
    read_ports(node, "cycles", stimulus.tokens, [](const Node& n) { return n.number(~uint64_t{0}); });
  });
  use("outputs",
      [&](const Node& node) { read_credits(node, pins.packet_out, pins.flows, stimulus.credits); });
  use("scalar_outputs", [&](const Node& node) {
    read_credits(node, pins.scalar_out, pins.scalar_flows, stimulus.scalar_credits);
  });
  try {
    stimulus.check();
  } catch (const core::Error& e) {
    std::string what = e.what();
    const std::string category = std::string(core::to_string(core::ErrorKind::bad_input)) + ": ";
    if (what.rfind(category, 0) == 0) what.erase(0, category.size());
    core::bad_input(name + ": " + what);
  }
  return stimulus;
}

Stimulus Stimulus::read(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) core::bad_input(fmt::format("cannot read the stimulus '{}'", file));
  return parse(text.str(), file);
}

void Stimulus::write(const std::string& file) const {
  const std::string partial = file + ".partial";
  std::ofstream out(partial);
  out << to_text();
  out.close();
  if (!out || std::rename(partial.c_str(), file.c_str()) != 0) {
    std::remove(partial.c_str());
    core::bad_input(fmt::format("cannot write the stimulus '{}'", file));
  }
}

}  // namespace rdu::cosim
