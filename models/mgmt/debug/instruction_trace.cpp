#include "mgmt/debug/instruction_trace.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "core/error.h"
#include "mgmt/disassemble.h"
#include "mgmt/management.h"

namespace rdu::mgmt::debug {

namespace {

char letter(Privilege privilege) {
  return privilege == Privilege::machine ? 'M' : privilege == Privilege::supervisor ? 'S' : 'U';
}

/// "250 us": a number with a unit of time.
bool parse_time(const std::string& text, core::Time* time) {
  static constexpr struct {
    const char* name;
    core::Time size;
  } kUnits[] = {{"ps", 1},
                {"ns", core::kNanosecond},
                {"us", core::kMicrosecond},
                {"ms", core::kMillisecond},
                {"s", 1000 * core::kMillisecond}};
  size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    return false;
  }
  while (used < text.size() && text[used] == ' ') ++used;
  for (const auto& unit : kUnits) {
    if (text.substr(used) != unit.name || number < 0) continue;
    *time = static_cast<core::Time>(number * static_cast<double>(unit.size));
    return true;
  }
  return false;
}

bool parse_number(const std::string& text, int base, uint64_t* value) {
  const char* const last = text.data() + text.size();
  const auto result = std::from_chars(text.data(), last, *value, base);
  return !text.empty() && result.ec == std::errc() && result.ptr == last;
}

}  // namespace

InstructionTrace::Options InstructionTrace::parse(const std::string& option, const std::string& text,
                                                  const SymbolTable& symbols) {
  Options o;
  size_t at = text.find(',');
  o.file = text.substr(0, at);
  if (o.file.empty()) core::bad_input(fmt::format("{}: there is no file name in '{}'", option, text));
  while (at != std::string::npos) {
    const size_t next = text.find(',', at + 1);
    const std::string part = text.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    at = next;
    if (part.rfind("count=", 0) == 0) {
      if (!parse_number(part.substr(6), 10, &o.count) || o.count == 0) {
        core::bad_input(fmt::format("{}: {}: expected a number of instructions", option, part));
      }
    } else if (part.rfind("from=", 0) == 0) {
      const std::string from = part.substr(5);
      if (parse_time(from, &o.from)) continue;
      o.from_place = true;
      const bool is_address = from.rfind("0x", 0) == 0 && parse_number(from.substr(2), 16, &o.place);
      if (is_address || symbols.find(from, &o.place)) continue;
      core::bad_input(
          fmt::format("{}: {}: expected a time (250 us), an address (0x80000000) or a function of the images",
                      option, part));
    } else {
      core::bad_input(fmt::format("{}: {} is unknown; there are from=... and count=...", option, part));
    }
  }
  return o;
}

InstructionTrace::InstructionTrace(const Options& options, Management& management)
    : options_(options), management_(management), out_(options.file) {
  if (!out_) core::bad_input(fmt::format("{}: cannot be written: {}", options.file, std::strerror(errno)));
  for (unsigned i = 0; i < management.harts(); ++i) management.hart(i).follow(*this);
}

InstructionTrace::~InstructionTrace() {
  for (unsigned i = 0; i < management_.harts(); ++i) management_.hart(i).unfollow(*this);
  flush();
}

bool InstructionTrace::executed(const Executed& e) {
  if (!started_) {
    if (e.at < options_.from || (options_.from_place && e.pc != options_.place)) return true;
    started_ = true;
  }
  if (written_ >= options_.count) return false;
  ++written_;
  const auto out = std::back_inserter(lines_);
  const std::string encoding =
      e.instruction.length == 2 ? fmt::format("{:04x}", e.bits & 0xffff) : fmt::format("{:08x}", e.bits);
  fmt::format_to(out, "{:>14} hart{} {} {:#010x} {:<26} {:<8}  {:<28}", core::format_time(e.at), e.hart,
                 letter(e.privilege), e.pc, management_.symbols().describe(e.pc), e.fetched ? encoding : "-",
                 e.fetched ? disassemble(e.instruction, e.pc) : "(nothing to fetch)");
  if (!e.retired) {
    fmt::format_to(out, " {}, value {:#x}", to_string(e.trap.cause), e.trap.value);
  } else if (e.writes_float) {
    fmt::format_to(out, " {}={:#x}", float_register_name(e.instruction.rd), e.value);
  } else if (e.instruction.rd != 0) {
    fmt::format_to(out, " {}={:#x}", integer_register_name(e.instruction.rd), e.value);
  }
  if (e.accesses) fmt::format_to(out, " [{:#x}]", e.address);
  lines_.push_back('\n');
  constexpr size_t kFull = 1u << 16;
  const bool goes_on = written_ < options_.count;
  if (lines_.size() > kFull || !goes_on) flush();
  return goes_on;
}

void InstructionTrace::entered(unsigned hart, bool is_interrupt, uint64_t cause, uint64_t handler,
                               core::Time at) {
  if (!started_ || written_ >= options_.count) return;
  fmt::format_to(std::back_inserter(lines_), "{:>14} hart{} {} {}, to {:#010x} {}\n", core::format_time(at),
                 hart, is_interrupt ? "interrupt" : "exception", cause, handler,
                 management_.symbols().describe(handler));
}

void InstructionTrace::flush() {
  out_.write(lines_.data(), static_cast<std::streamsize>(lines_.size()));
  out_.flush();
  lines_.clear();
}

}  // namespace rdu::mgmt::debug
