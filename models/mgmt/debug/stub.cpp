#include "mgmt/debug/stub.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "mgmt/debug/packet.h"
#include "mgmt/debug/target_description.h"

namespace rdu::mgmt::debug {

namespace {

constexpr uint64_t kAllThreads = ~uint64_t{0};
constexpr unsigned kGeneral = 33;  ///< registers in a g packet: x0 to x31, pc
constexpr unsigned kSp = 2, kFp = 8, kPc = 32;
/// Half of a packet, as two digits make a byte.
constexpr size_t kMostBytes = kPacketSize / 2 - 16;

const char kOk[] = "OK";
const char kMalformed[] = "E16";  // EINVAL
const char kNotThere[] = "E0e";   // EFAULT
const char kUnsupported[] = "";

enum Signal : unsigned { kSigint = 2, kSigtrap = 5 };

}  // namespace

Stub::Stub(Target& target, Send send, Monitor monitor)
    : target_(target),
      send_(std::move(send)),
      monitor_(std::move(monitor)),
      description_(target_description(target.registers())) {}

void Stub::attached() {
  running_ = false;
  acknowledges_ = true;
  starts_silence_ = false;
  detached_ = false;
  killed_ = false;
  tells_breakpoints_ = false;
  thread_ = 1;
  step_thread_ = 0;
  space_ = Space::translated;
  last_ = {};
}

void Stub::handle(const std::string& payload) {
  const std::string reply = answer(payload);
  // What lets time go on is answered by stopped(); kill is not answered at all.
  if (running_ || (killed_ && reply.empty())) return;
  send_(reply);
  if (starts_silence_) {
    acknowledges_ = false;
    starts_silence_ = false;
  }
}

void Stub::stopped(const Stop& stop) {
  running_ = false;
  last_ = stop;
  thread_ = stop.thread;
  step_thread_ = 0;
  send_(stop_reply());
}

void Stub::ended() {
  if (running_) send_("W00");
  running_ = false;
}

// ---- what the packets mean

std::string Stub::answer(const std::string& packet) {
  Parser p(packet);
  if (p.take("q")) return query(p, packet);
  if (p.take("Q")) return set(p);
  if (p.take("vCont?")) return "vCont;c;C;s;S;t";
  if (p.take("vCont;")) return resume_each(p);
  if (p.take("vKill;")) {
    killed_ = true;
    return kOk;
  }
  return command(p);
}

std::string Stub::command(Parser p) {
  if (p.at_end()) return kUnsupported;
  const char name = p.rest().front();
  p.take(p.rest().substr(0, 1));
  switch (name) {
    case '?':
      return p.at_end() ? stop_reply() : kMalformed;
    case 'g':
      return p.at_end() ? read_registers() : kMalformed;
    case 'G':
      return write_registers(p);
    case 'p':
      return read_register(p);
    case 'P':
      return write_register(p);
    case 'm':
      return read_memory(p);
    case 'M':
      return write_memory(p);
    case 'X':
      return write_binary(p);
    case 'Z':
      return point(true, p);
    case 'z':
      return point(false, p);
    case 'H':
      return select_thread(p);
    case 'T':
      return is_alive(p);
    case 'c':
      return resume_at(Action::run, false, p);
    case 'C':
      return resume_at(Action::run, true, p);
    case 's':
      return resume_at(Action::step, false, p);
    case 'S':
      return resume_at(Action::step, true, p);
    case 'D':
      detached_ = true;
      return kOk;
    case 'k':
      killed_ = true;
      return {};
    default:
      return kUnsupported;
  }
}

std::string Stub::query(Parser p, const std::string& packet) {
  if (p.take("Supported")) return supported(p);
  if (p.take("Xfer:")) return transfer(p);
  if (p.take("Rcmd,")) {
    const auto line = from_hex(p.rest());
    if (!line) return kMalformed;
    const std::string text = monitor_(*line);
    for (size_t at = 0; at < text.size(); at += kMostBytes) {
      send_("O" + to_hex(std::string_view(text).substr(at, kMostBytes)));
    }
    return kOk;
  }
  if (p.take("ThreadExtraInfo,")) {
    uint64_t thread = 0;
    if (!thread_id(p, &thread) || thread == 0 || thread == kAllThreads || !p.at_end()) return kMalformed;
    return to_hex(target_.thread_info(static_cast<unsigned>(thread)));
  }
  if (packet == "qfThreadInfo") {
    std::string list = "m";
    for (unsigned t = 1; t <= target_.threads(); ++t) list += fmt::format("{}{:x}", t == 1 ? "" : ",", t);
    return list;
  }
  if (packet == "qsThreadInfo") return "l";
  if (packet == "qC") return fmt::format("QC{:x}", thread_);
  if (packet == "qAttached") return "1";  // gdb detaches from it at its end, and does not kill it
  if (packet == "qSymbol::") return kOk;  // no symbols are wanted
  // Names of QEMU's, which debugger front ends know.
  if (packet == "qqemu.PhyMemMode") return space_ == Space::physical ? "1" : "0";
  return kUnsupported;
}

std::string Stub::set(Parser p) {
  if (p.take("StartNoAckMode")) {
    starts_silence_ = true;
    return kOk;
  }
  if (p.take("qemu.PhyMemMode:")) {
    if (p.rest() != "0" && p.rest() != "1") return kMalformed;
    space_ = p.rest() == "1" ? Space::physical : Space::translated;
    return kOk;
  }
  return kUnsupported;
}

std::string Stub::supported(Parser p) {
  if (p.take(":")) {
    while (!p.at_end()) {
      if (p.until(';') == "swbreak+") tells_breakpoints_ = true;
    }
  }
  return fmt::format(
      "PacketSize={:x};QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;swbreak+;hwbreak+;"
      "vContSupported+",
      kPacketSize);
}

std::string Stub::transfer(Parser p) {
  const std::string_view object = p.until(':');
  const std::string_view operation = p.until(':');
  const std::string_view annex = p.until(':');
  if (operation != "read") return kUnsupported;
  std::string document;
  if (object == "features") {
    if (annex != "target.xml") return "E00";
    document = description_;
  } else if (object == "threads") {
    if (!annex.empty()) return "E00";
    document = thread_document();
  } else {
    return kUnsupported;
  }
  uint64_t offset = 0, length = 0;
  if (!p.number(&offset) || !p.take(",") || !p.number(&length) || !p.at_end()) return kMalformed;
  if (offset > document.size()) return kMalformed;
  const std::string part = document.substr(offset, std::min<uint64_t>(length, kMostBytes));
  return (offset + part.size() < document.size() ? "m" : "l") + part;
}

std::string Stub::thread_document() const {
  std::string out = "<?xml version=\"1.0\"?>\n<threads>\n";
  for (unsigned t = 1; t <= target_.threads(); ++t) {
    out += fmt::format("<thread id=\"{:x}\" core=\"{}\" name=\"hart {}\">{}</thread>\n", t, t - 1, t - 1,
                       target_.thread_info(t));
  }
  return out + "</threads>\n";
}

// ---- registers

const RegisterInfo* Stub::find_register(uint64_t number) const {
  for (const RegisterInfo& r : target_.registers()) {
    if (r.number == number) return &r;
  }
  return nullptr;
}

std::string Stub::value_text(const RegisterInfo& reg, uint64_t value) {
  return to_hex(&value, reg.bits / 8);  // the target's byte order is that of the hosts we run on
}

bool Stub::value_of(const RegisterInfo& reg, std::string_view text, uint64_t* value) {
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != reg.bits / 8) return false;
  *value = 0;
  std::memcpy(value, bytes->data(), bytes->size());
  return true;
}

/// What gdb shows as <unavailable>.
std::string Stub::unavailable(const RegisterInfo& reg) {
  return std::string(reg.bits / 4, 'x');
}

std::string Stub::read_registers() {
  std::string out;
  for (const RegisterInfo& r : target_.registers()) {
    if (r.number >= kGeneral) continue;
    const auto value = target_.read_register(thread_, r.number);
    out += value ? value_text(r, *value) : unavailable(r);
  }
  return out;
}

std::string Stub::write_registers(Parser p) {
  std::string_view text = p.rest();
  std::vector<std::pair<unsigned, uint64_t>> values;
  for (const RegisterInfo& r : target_.registers()) {
    if (r.number >= kGeneral) continue;
    uint64_t value = 0;
    if (!value_of(r, text.substr(0, r.bits / 4), &value)) return kMalformed;
    values.emplace_back(r.number, value);
    text.remove_prefix(r.bits / 4);
  }
  if (!text.empty()) return kMalformed;
  bool done = true;
  for (const auto& [number, value] : values) done = target_.write_register(thread_, number, value) && done;
  return done ? kOk : kNotThere;
}

std::string Stub::read_register(Parser p) {
  uint64_t number = 0;
  if (!p.number(&number) || !p.at_end()) return kMalformed;
  const RegisterInfo* reg = find_register(number);
  if (!reg) return kNotThere;
  const auto value = target_.read_register(thread_, reg->number);
  return value ? value_text(*reg, *value) : unavailable(*reg);
}

std::string Stub::write_register(Parser p) {
  uint64_t number = 0, value = 0;
  if (!p.number(&number) || !p.take("=")) return kMalformed;
  const RegisterInfo* reg = find_register(number);
  if (!reg) return kNotThere;
  if (!value_of(*reg, p.rest(), &value)) return kMalformed;
  return target_.write_register(thread_, reg->number, value) ? kOk : kNotThere;
}

// ---- memory

std::string Stub::read_memory(Parser p) {
  uint64_t address = 0, length = 0;
  if (!p.number(&address) || !p.take(",") || !p.number(&length) || !p.at_end()) return kMalformed;
  std::string data(std::min<uint64_t>(length, kMostBytes), '\0');  // gdb asks again for the rest
  auto* bytes = reinterpret_cast<uint8_t*>(data.data());
  if (!target_.read_memory(thread_, space_, address, bytes, data.size())) return kNotThere;
  return to_hex(data);
}

std::string Stub::write_memory(Parser p) {
  uint64_t address = 0, length = 0;
  if (!p.number(&address) || !p.take(",") || !p.number(&length) || !p.take(":")) return kMalformed;
  const auto data = from_hex(p.rest());
  if (!data || data->size() != length) return kMalformed;
  const auto* bytes = reinterpret_cast<const uint8_t*>(data->data());
  return target_.write_memory(thread_, space_, address, bytes, data->size()) ? kOk : kNotThere;
}

std::string Stub::write_binary(Parser p) {
  uint64_t address = 0, length = 0;
  if (!p.number(&address) || !p.take(",") || !p.number(&length) || !p.take(":")) return kMalformed;
  if (p.rest().size() != length) return kMalformed;
  const auto* bytes = reinterpret_cast<const uint8_t*>(p.rest().data());
  return target_.write_memory(thread_, space_, address, bytes, length) ? kOk : kNotThere;
}

std::string Stub::point(bool insert, Parser p) {
  uint64_t kind = 0, address = 0, length = 0;
  if (!p.number(&kind) || !p.take(",") || !p.number(&address) || !p.take(",") || !p.number(&length))
    return kMalformed;
  if (!p.at_end()) return p.rest().front() == ';' ? kUnsupported : kMalformed;  // conditions, commands
  if (kind > static_cast<uint64_t>(Point::access)) return kUnsupported;
  const auto type = static_cast<Point>(kind);
  const bool is_watch = type >= Point::write;
  if (is_watch && (length == 0 || address + (length - 1) < address)) return kMalformed;
  if (!insert) {
    target_.remove(type, address, length);
    return kOk;
  }
  return target_.insert(type, address, length) ? kOk : kNotThere;
}

// ---- threads

bool Stub::thread_id(Parser& p, uint64_t* thread) const {
  if (p.take("-1")) {
    *thread = kAllThreads;
    return true;
  }
  return p.number(thread) && *thread <= target_.threads();
}

std::string Stub::select_thread(Parser p) {
  const bool is_for_steps = p.take("c");
  if (!is_for_steps && !p.take("g")) return kMalformed;
  uint64_t thread = 0;
  if (!thread_id(p, &thread) || !p.at_end()) return kMalformed;
  const bool is_one = thread != 0 && thread != kAllThreads;
  if (is_for_steps) {
    step_thread_ = is_one ? static_cast<unsigned>(thread) : 0;
  } else if (is_one) {
    thread_ = static_cast<unsigned>(thread);
  }
  return kOk;
}

std::string Stub::is_alive(Parser p) {
  uint64_t thread = 0;
  return thread_id(p, &thread) && thread != 0 && thread != kAllThreads && p.at_end() ? kOk : kMalformed;
}

// ---- time goes on

/// c, C, s and S, with the address to go on at if one is given. Signals mean nothing here.
std::string Stub::resume_at(Action action, bool with_signal, Parser p) {
  uint64_t number = 0;
  if (with_signal && (!p.number(&number) || (!p.at_end() && !p.take(";")))) return kMalformed;
  if (!p.at_end()) {
    if (!p.number(&number) || !p.at_end()) return kMalformed;
    if (!target_.write_register(thread_, kPc, number)) return kNotThere;
  }
  // One steps, the others run along; `Hc` with a thread makes it go alone.
  const unsigned one = step_thread_ != 0 ? step_thread_ : action == Action::step ? thread_ : 0;
  std::vector<Action> actions(target_.threads(), step_thread_ != 0 ? Action::hold : Action::run);
  if (one != 0) actions[one - 1] = action;
  return go(actions);
}

/// For each thread the first action that names it counts; one that none names stands.
std::string Stub::resume_each(Parser p) {
  std::vector<Action> actions(target_.threads(), Action::hold);
  std::vector<bool> is_decided(target_.threads(), false);
  while (!p.at_end()) {
    Parser one(p.until(';'));
    Action action = Action::hold;
    uint64_t signal = 0;
    if (one.take("c")) {
      action = Action::run;
    } else if (one.take("s")) {
      action = Action::step;
    } else if (one.take("C")) {
      action = Action::run;
      if (!one.number(&signal)) return kMalformed;
    } else if (one.take("S")) {
      action = Action::step;
      if (!one.number(&signal)) return kMalformed;
    } else if (!one.take("t")) {
      return kMalformed;
    }
    uint64_t thread = kAllThreads;
    if (one.take(":") && !thread_id(one, &thread)) return kMalformed;
    if (!one.at_end()) return kMalformed;
    if (thread == 0) thread = 1;  // "any"
    for (unsigned t = 1; t <= target_.threads(); ++t) {
      if (is_decided[t - 1] || (thread != kAllThreads && thread != t)) continue;
      actions[t - 1] = action;
      is_decided[t - 1] = true;
    }
  }
  const bool nobody = std::all_of(actions.begin(), actions.end(), [](Action a) { return a == Action::hold; });
  return nobody ? kMalformed : go(actions);
}

std::string Stub::go(const std::vector<Action>& actions) {
  running_ = true;
  target_.resume(actions);
  return {};
}

/// "T05swbreak:;thread:1;..." with the registers that gdb wants at each stop.
std::string Stub::stop_reply() const {
  std::string out = fmt::format("T{:02x}", last_.why == Stop::Why::interrupt ? kSigint : kSigtrap);
  if (last_.why == Stop::Why::point) {
    switch (last_.point) {
      case Point::software:
        if (tells_breakpoints_) out += "swbreak:;";
        break;
      case Point::hardware:
        if (tells_breakpoints_) out += "hwbreak:;";
        break;
      case Point::write:
        out += fmt::format("watch:{:x};", last_.address);
        break;
      case Point::read:
        out += fmt::format("rwatch:{:x};", last_.address);
        break;
      case Point::access:
        out += fmt::format("awatch:{:x};", last_.address);
        break;
    }
  }
  out += fmt::format("thread:{:x};", last_.thread);
  for (const unsigned number : {kSp, kFp, kPc}) {
    const RegisterInfo* reg = find_register(number);
    const auto value = reg ? target_.read_register(last_.thread, number) : std::nullopt;
    if (value) out += fmt::format("{:02x}:{};", number, value_text(*reg, *value));
  }
  return out;
}

}  // namespace rdu::mgmt::debug
