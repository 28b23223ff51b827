#include "tools/objdump/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/objdump/decode.h"

namespace rdu::tools {

using namespace compiler;

namespace {

constexpr unsigned kPortsPerSide = 4;
constexpr unsigned kMeshPorts = 16;

std::string pad(const std::string& text, size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

size_t name_width(const Program& program) {
  size_t width = 4;
  for (const UnitEntry& u : program.units()) width = std::max(width, u.name.size());
  return width;
}

const UnitEntry& find_unit(const Program& program, const std::string& name) {
  return *std::find_if(program.units().begin(), program.units().end(),
                       [&](const UnitEntry& u) { return u.name == name; });
}

std::string switch_text(unsigned row, unsigned col) {
  return unit_text(RDU_UNIT(RDU_UNIT_SWITCH, row, col));
}

std::string range_text(const Argument& a) {
  std::string text;
  const bool open = a.maximum >= UINT64_MAX / 2;
  if (a.minimum != 0 || !open) {
    text = open ? fmt::format("{} or more", a.minimum) : fmt::format("{} to {}", a.minimum, a.maximum);
  }
  if (a.multiple != 1) text += fmt::format("{}a multiple of {}", text.empty() ? "" : ", ", a.multiple);
  return text;
}

}  // namespace

std::string header_listing(const Program& program) {
  const ProgramInfo& info = program.info();
  const Shape& shape = program.shape();
  size_t count[4] = {};
  for (const UnitEntry& u : program.units()) ++count[static_cast<size_t>(u.role)];
  size_t channels = 0;
  for (const RouteEntry& r : program.routes()) {
    for (const auto& h : r.hops)
      channels += static_cast<size_t>(__builtin_popcount(h.out & ((1u << kMeshPorts) - 1)));
  }
  const size_t sides = 2u * (static_cast<size_t>(shape.rows) * (shape.cols - 1u) +
                             static_cast<size_t>(shape.cols) * (shape.rows - 1u));
  const size_t cells = static_cast<size_t>(shape.rows) * shape.cols;
  std::string text = fmt::format("kernel      {}: {}\n", info.kernel, info.description);
  text += fmt::format("tile        {} rows x {} columns, {} vector channels per direction\n", shape.rows,
                      shape.cols, shape.channels);
  text +=
      fmt::format("uses        {} of {} PCUs, {} of {} PMUs, {} of {} load and {} of {} store generators\n",
                  count[static_cast<size_t>(Role::pcu)], cells, count[static_cast<size_t>(Role::pmu)], cells,
                  count[static_cast<size_t>(Role::load)], 2 * shape.rows,
                  count[static_cast<size_t>(Role::store)], 2 * shape.rows);
  text += fmt::format("streams     {}, on {} of {} channels between switches\n", program.routes().size(),
                      channels, sides * shape.channels);
  text += fmt::format("stream      {} bytes of configuration\n", program.config().size());
  if (!info.build.empty()) text += fmt::format("built by    {}\n", info.build);
  for (const auto& [name, value] : info.properties) text += fmt::format("{} {}\n", pad(name, 11), value);
  return text;
}

std::string argument_listing(const Program& program) {
  std::string text;
  size_t width = 4;
  for (const Argument& a : program.arguments()) width = std::max(width, a.name.size());
  for (const Argument& a : program.arguments()) {
    text += fmt::format("{}  {}  {}", pad(a.name, width), a.address ? "address" : "number ", a.description);
    const std::string range = range_text(a);
    if (!range.empty()) text += " (" + range + ")";
    text += fmt::format("; sets {} register{}\n", a.fixups.size(), a.fixups.size() == 1 ? "" : "s");
  }
  return text;
}

std::string unit_listing(const Program& program) {
  const Decoder decoder(program);
  const size_t width = name_width(program);
  std::string text;
  for (const UnitEntry& u : program.units()) {
    text += fmt::format("{}  {}  {}  {}\n", pad(u.name, width), pad(unit_text(u.id), 9),
                        pad(role_name(u.role), 5), decoder.summary(u));
  }
  return text;
}

std::string route_listing(const Program& program, bool hops) {
  const size_t width = name_width(program);
  std::string text;
  for (const RouteEntry& r : program.routes()) {
    std::string sinks;
    for (const auto& s : r.sinks) {
      sinks += sinks.empty() ? "" : ", ";
      sinks +=
          find_unit(program, s.unit).role == Role::pcu ? fmt::format("{} input {}", s.unit, s.input) : s.unit;
    }
    text += fmt::format("{} -> {}  ({} switch{})\n", pad(r.source, width), sinks, r.hops.size(),
                        r.hops.size() == 1 ? "" : "es");
    if (!hops) continue;
    for (const auto& h : r.hops) {
      text += fmt::format("    {}  {} flow {} -> {} flow {}\n", pad(switch_text(h.row, h.col), 8),
                          input_port_text(h.port), h.flow, output_ports_text(h.out), h.next_flow);
    }
  }
  for (const TokenEntry& t : program.tokens()) {
    text += fmt::format("{} => done token {} of the master AGCU  ({} switch{})\n", pad(t.source, width),
                        t.input, t.hops.size(), t.hops.size() == 1 ? "" : "es");
    if (!hops) continue;
    for (const auto& h : t.hops) {
      text += fmt::format("    {}  {} -> {}\n", pad(switch_text(h.row, h.col), 8), input_wire_text(h.wire),
                          output_wire_text(h.out));
    }
  }
  return text;
}

std::string disassembly(const Program& program) {
  const Decoder decoder(program);
  std::string text;
  for (const auto& entry : program.configuration().units()) {
    const uint32_t id = entry.first;
    std::string names;
    for (const UnitEntry& u : program.units()) {
      if (u.id == id)
        names += fmt::format("  {}{}", u.name, u.note.empty() ? "" : fmt::format(" ({})", u.note));
    }
    text += fmt::format("{}{}\n", unit_text(id), names);
    for (const DecodedRegister& d : decoder.registers(id)) {
      const std::string raw =
          d.reg->words == 2 ? fmt::format("{:016x}", d.value) : fmt::format("{:08x}", d.value);
      text += fmt::format("    {:#05x}  {}  {}  {}{}\n", d.reg->word * 4, pad(d.reg->name, 23), pad(raw, 16),
                          d.text, d.from.empty() ? "" : fmt::format("   <- {}", d.from));
    }
  }
  return text;
}

std::string json_listing(const Program& program) {
  using nlohmann::json;
  const Decoder decoder(program);
  json arguments = json::array();
  for (const Argument& a : program.arguments()) {
    json fixups = json::array();
    for (const Fixup& f : a.fixups) {
      fixups.push_back(
          {{"unit", unit_text(f.unit)}, {"word", f.word}, {"words", f.count}, {"value", formula(a, f)}});
    }
    arguments.push_back({{"name", a.name},
                         {"description", a.description},
                         {"address", a.address},
                         {"minimum", a.minimum},
                         {"maximum", a.maximum},
                         {"multiple", a.multiple},
                         {"fixups", fixups}});
  }
  json units = json::array();
  for (const UnitEntry& u : program.units()) {
    units.push_back({{"name", u.name},
                     {"role", role_name(u.role)},
                     {"unit", unit_text(u.id)},
                     {"id", u.id},
                     {"note", u.note},
                     {"summary", decoder.summary(u)}});
  }
  json routes = json::array();
  for (const RouteEntry& r : program.routes()) {
    json sinks = json::array();
    for (const auto& s : r.sinks) sinks.push_back({{"unit", s.unit}, {"input", s.input}});
    json hops = json::array();
    for (const auto& h : r.hops) {
      hops.push_back({{"switch", switch_text(h.row, h.col)},
                      {"from", input_port_text(h.port)},
                      {"to", output_ports_text(h.out)}});
    }
    routes.push_back({{"source", r.source}, {"sinks", sinks}, {"hops", hops}});
  }
  json tokens = json::array();
  for (const TokenEntry& t : program.tokens()) tokens.push_back({{"source", t.source}, {"input", t.input}});
  json configuration = json::object();
  for (const auto& entry : program.configuration().units()) {
    json registers = json::object();
    for (const DecodedRegister& d : decoder.registers(entry.first)) {
      registers[d.reg->name] = {{"value", d.value}, {"text", d.text}};
      if (!d.from.empty()) registers[d.reg->name]["argument"] = d.from;
    }
    configuration[unit_text(entry.first)] = registers;
  }
  const json all = {{"kernel", program.info().kernel},
                    {"description", program.info().description},
                    {"build", program.info().build},
                    {"properties", program.info().properties},
                    {"rows", program.shape().rows},
                    {"columns", program.shape().cols},
                    {"channels", program.shape().channels},
                    {"config_bytes", program.config().size()},
                    {"arguments", arguments},
                    {"units", units},
                    {"routes", routes},
                    {"tokens", tokens},
                    {"configuration", configuration}};
  return all.dump(2) + "\n";
}

}  // namespace rdu::tools
