#include "mgmt/debug/monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>
#include <stdexcept>

#include "core/error.h"
#include "mgmt/management.h"

namespace rdu::mgmt::debug {

namespace {

/// What a user did wrong; becomes the command's output.
class Mistake : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

uint64_t parse_number(const std::string& text) {
  const bool is_hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const char* const first = text.data() + (is_hex ? 2 : 0);
  const char* const last = text.data() + text.size();
  uint64_t value = 0;
  const auto result = std::from_chars(first, last, value, is_hex ? 16 : 10);
  if (first == last || result.ec != std::errc() || result.ptr != last) {
    throw Mistake(fmt::format("{} is no number (12, 0x1f)", text));
  }
  return value;
}

bool same_name(const std::string& a, const std::string& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Management::Block find_block(Management& management, const std::string& name) {
  std::string known;
  for (const Management::Block& block : management.blocks()) {
    if (same_name(block.name, name)) return block;
    known += (known.empty() ? "" : ", ") + block.name;
  }
  throw Mistake(fmt::format("there is no block {}; there are {}", name, known));
}

struct Place {
  Management::Block block;
  core::Register* reg = nullptr;           ///< null: the whole block
  const core::FieldDesc* field = nullptr;  ///< null: the whole register
};

/// "UART0", "UART0.LCR", "HBM_CTL.IRQ.ENABLE", "PLIC.CONTEXT[0].CLAIM"
Place find_place(Management& management, const std::string& path) {
  const size_t dot = path.find('.');
  Place place{find_block(management, path.substr(0, dot))};
  if (dot == std::string::npos) return place;
  const std::string rest = path.substr(dot + 1);
  for (core::Register* reg : place.block.registers->registers()) {
    const std::string& name = reg->name();
    if (same_name(name, rest)) {
      place.reg = reg;
      return place;
    }
    if (rest.size() <= name.size() + 1 || rest[name.size()] != '.') continue;
    if (!same_name(name, rest.substr(0, name.size()))) continue;
    const core::RegisterDesc& desc = reg->desc();
    for (size_t i = 0; i < desc.field_count; ++i) {
      if (!same_name(desc.fields[i].name, rest.substr(name.size() + 1))) continue;
      place.reg = reg;
      place.field = &desc.fields[i];
      return place;
    }
  }
  throw Mistake(fmt::format("{} has no register or field {}; `monitor regs {}` shows what it has",
                            place.block.name, rest, place.block.name));
}

std::string show(const Management::Block& block, core::Register& reg) {
  const core::RegisterDesc& desc = reg.desc();
  const uint64_t value = reg.peek();
  std::string out = fmt::format("{:#011x} {:<24} {:#0{}x}", block.base + reg.offset(), reg.name(), value,
                                2 + desc.width / 4);
  const bool has_fields = desc.field_count > 1 || std::string(desc.fields[0].name) != "VALUE";
  for (size_t i = 0; has_fields && i < desc.field_count; ++i) {
    const core::FieldDesc& f = desc.fields[i];
    if (f.access == core::Access::wo) continue;
    out += fmt::format(" {}={:#x}", f.name, core::Field{f.lsb, f.width}.get(value));
  }
  if (desc.read_effect) out += " (as it was last seen: reading it acts)";
  return out + "\n";
}

}  // namespace

Monitor::Monitor(Management& management) : management_(management) {
  add("help", "", "this list", [this](const Words&) { return help(); });
  add("regs", "[BLOCK[.REGISTER]]",
      "values of registers, without side effects; without arguments, the blocks",
      [this](const Words& w) { return registers(w); });
  add("write", "BLOCK.REGISTER[.FIELD] VALUE",
      "writes as firmware would: access rights apply, hardware reacts",
      [this](const Words& w) { return write(w, true); });
  add("inject", "BLOCK.REGISTER[.FIELD] VALUE",
      "changes a value as hardware would: no access rights, no reaction",
      [this](const Words& w) { return write(w, false); });
  add("irq", "SOURCE 0|1", "drives a line of the PLIC until its device changes it",
      [this](const Words& w) { return interrupt(w); });
  add("phys", "ADDRESS [LENGTH]", "physical memory and registers, without side effects",
      [this](const Words& w) { return physical(w); });
  add("time", "", "simulated time", [this](const Words&) { return time(); });
  add("stats", "", "what the harts have done so far", [this](const Words&) { return statistics(); });
}

void Monitor::add(const std::string& name, const std::string& synopsis, const std::string& help, Run run) {
  commands_.push_back({name, synopsis, help, std::move(run)});
}

std::string Monitor::execute(const std::string& line) {
  std::istringstream in(line);
  std::string name;
  in >> name;
  Words arguments;
  for (std::string word; in >> word;) arguments.push_back(word);
  if (name.empty()) return help();
  for (const Command& command : commands_) {
    if (command.name != name) continue;
    try {
      return command.run(arguments);
    } catch (const Mistake& mistake) {
      return fmt::format("{}: {}\n", name, mistake.what());
    } catch (const core::Error& error) {  // a file, say
      return fmt::format("{}: {}\n", name, error.what());
    }
  }
  return fmt::format("there is no command {}; `monitor help` lists them\n", name);
}

std::string Monitor::help() const {
  std::string out;
  for (const Command& c : commands_) {
    out += fmt::format("{:<38} {}\n", c.synopsis.empty() ? c.name : c.name + " " + c.synopsis, c.help);
  }
  return out;
}

std::string Monitor::registers(const Words& arguments) {
  if (arguments.size() > 1) throw Mistake("expected BLOCK or BLOCK.REGISTER");
  std::string out;
  if (arguments.empty()) {
    for (const Management::Block& block : management_.blocks()) {
      out += fmt::format("{:#010x} {:<14} {} registers\n", block.base, block.name,
                         block.registers->registers().size());
    }
    return out;
  }
  const Place place = find_place(management_, arguments[0]);
  if (place.reg) return show(place.block, *place.reg);
  for (core::Register* reg : place.block.registers->registers()) out += show(place.block, *reg);
  return out;
}

std::string Monitor::write(const Words& arguments, bool as_software) {
  if (arguments.size() != 2) throw Mistake("expected BLOCK.REGISTER[.FIELD] VALUE");
  const Place place = find_place(management_, arguments[0]);
  if (!place.reg) throw Mistake(fmt::format("{} is a block, not a register", arguments[0]));
  core::Register& reg = *place.reg;
  const core::Field all{0, reg.desc().width};
  const core::Field field = place.field ? core::Field{place.field->lsb, place.field->width} : all;
  const uint64_t value = parse_number(arguments[1]);
  if (value > field.max()) throw Mistake(fmt::format("{} has {} bits", arguments[0], field.width));
  if (as_software) {
    // Bits of other fields that act when written as one are written as zero.
    const uint64_t others = reg.peek() & ~(reg.desc().w1c | reg.desc().w1s);
    reg.write(field.set(others, value));
  } else {
    reg.set_value(field.set(reg.value(), value));
  }
  return show(place.block, reg);
}

std::string Monitor::interrupt(const Words& arguments) {
  if (arguments.size() != 2) throw Mistake("expected SOURCE 0|1");
  const uint64_t source = parse_number(arguments[0]);
  const uint64_t level = parse_number(arguments[1]);
  if (source == 0 || source >= Plic::kSources)
    throw Mistake(fmt::format("sources are 1 to {}", Plic::kSources - 1));
  if (level > 1) throw Mistake("a line is 0 or 1");
  management_.plic().set_interrupt(static_cast<unsigned>(source), level == 1);
  return fmt::format("source {} is {}\n", source, level ? "high" : "low");
}

std::string Monitor::physical(const Words& arguments) {
  if (arguments.empty() || arguments.size() > 2) throw Mistake("expected ADDRESS [LENGTH]");
  constexpr uint64_t kMost = 64u << 10;
  const uint64_t address = parse_number(arguments[0]);
  const uint64_t length = arguments.size() == 2 ? parse_number(arguments[1]) : 64;
  if (length == 0 || length > kMost) throw Mistake(fmt::format("the length must be 1 to {}", kMost));
  std::string out;
  for (uint64_t at = 0; at < length; at += 16) {
    uint8_t bytes[16];
    const auto size = static_cast<unsigned>(std::min<uint64_t>(16, length - at));
    if (!management_.hart(0).read_physical(address + at, bytes, size)) {
      return out + fmt::format("{:#014x}: not accessible\n", address + at);
    }
    std::string hex, text;
    for (unsigned i = 0; i < 16; ++i) {
      hex += i % 8 == 0 ? " " : "";
      hex += i < size ? fmt::format(" {:02x}", bytes[i]) : "   ";
      if (i < size) text += bytes[i] >= 0x20 && bytes[i] < 0x7f ? static_cast<char>(bytes[i]) : '.';
    }
    out += fmt::format("{:#014x}:{}  {}\n", address + at, hex, text);
  }
  return out;
}

std::string Monitor::time() const {
  return fmt::format("{} simulated\n", core::format_time(core::now()));
}

std::string Monitor::statistics() const {
  std::string out;
  for (unsigned i = 0; i < management_.harts(); ++i) {
    const HartStatistics s = management_.hart_statistics(i);
    out += fmt::format("hart {}: {} instructions, {} cycles, {} exceptions, {} interrupts\n", i,
                       s.instructions, s.cycles, s.exceptions, s.interrupts);
  }
  return out;
}

}  // namespace rdu::mgmt::debug
