#include "platform/virt/htif.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <vector>

#include "core/error.h"

namespace rdu::platform::virt {
namespace {

constexpr uint64_t kSystemCall = 0, kConsole = 1;        // devices
constexpr uint64_t kCallCommand = 0, kPutCharacter = 1;  // commands of either
constexpr uint64_t kWrite = 64, kExit = 93;              // numbers of Linux's system calls

}  // namespace

Htif::Htif(mgmt::Ram& ram, uint64_t ram_base, uint64_t tohost, std::optional<uint64_t> fromhost,
           std::function<void(char)> console)
    : ram_(ram), ram_base_(ram_base), tohost_(tohost), fromhost_(fromhost), console_(std::move(console)) {}

std::optional<Htif> Htif::find(const mgmt::SymbolTable& symbols, mgmt::Ram& ram, uint64_t ram_base,
                               std::function<void(char)> console) {
  uint64_t tohost = 0, fromhost = 0;
  if (!symbols.find("tohost", &tohost)) return std::nullopt;
  const bool has_fromhost = symbols.find("fromhost", &fromhost);
  const auto inside = [&](uint64_t a) { return a >= ram_base && a - ram_base <= ram.size() - 8; };
  if (!inside(tohost) || (has_fromhost && !inside(fromhost)))
    core::bad_input(fmt::format("the program's symbol tohost ({:#x}) or fromhost lies outside RAM", tohost));
  return Htif(ram, ram_base, tohost, has_fromhost ? std::optional(fromhost) : std::nullopt,
              std::move(console));
}

uint64_t Htif::word(uint64_t address) {
  uint64_t value = 0;
  if (!ram_.debug(address - ram_base_, reinterpret_cast<uint8_t*>(&value), sizeof value, false)) {
    throw core::Error(core::ErrorKind::guest_fault, "htif",
                      fmt::format("address {:#x} given to the host lies outside RAM", address));
  }
  return value;
}

void Htif::set_word(uint64_t address, uint64_t value) {
  word(address);
  ram_.debug(address - ram_base_, reinterpret_cast<uint8_t*>(&value), sizeof value, true);
}

void Htif::answer(uint64_t device, uint64_t command, uint64_t payload) {
  if (fromhost_) set_word(*fromhost_, device << 56 | command << 48 | payload);
}

std::optional<uint64_t> Htif::poll() {
  const uint64_t request = word(tohost_);
  if (request == 0) return std::nullopt;
  const uint64_t device = request >> 56;
  const uint64_t command = (request >> 48) & 0xff;
  const uint64_t payload = request & ((uint64_t{1} << 48) - 1);
  const bool is_call = device == kSystemCall && command == kCallCommand;
  if (is_call && (payload & 1)) return payload >> 1;
  // The next answer comes when the program has taken the one before.
  if (is_call && fromhost_ && word(*fromhost_) != 0) return std::nullopt;
  set_word(tohost_, 0);
  if (is_call) return system_call(payload);
  if (device == kConsole && command == kPutCharacter) {
    console_(static_cast<char>(payload));
    return std::nullopt;
  }
  throw core::Error(core::ErrorKind::unimplemented, "htif",
                    fmt::format("device {}, command {}", device, command));
}

std::optional<uint64_t> Htif::system_call(uint64_t arguments) {
  const uint64_t number = word(arguments);
  if (number == kExit) return word(arguments + 8);
  int64_t result = -ENOSYS;
  if (number == kWrite) {
    const uint64_t descriptor = word(arguments + 8);
    const uint64_t data = word(arguments + 16);
    const uint64_t size = word(arguments + 24);
    const uint64_t offset = data - ram_base_;
    if (descriptor != 1 && descriptor != 2) {
      result = -EBADF;
    } else if (offset > ram_.size() || size > ram_.size() - offset) {
      result = -EFAULT;
    } else {
      for (uint64_t i = 0; i < size; ++i) console_(static_cast<char>(ram_.data()[offset + i]));
      result = static_cast<int64_t>(size);
    }
  } else {
    core::report_guest_fault("htif", fmt::format("system call {} is not served", number));
  }
  set_word(arguments, static_cast<uint64_t>(result));
  answer(kSystemCall, kCallCommand, 1);
  return std::nullopt;
}

void write_signature(const std::string& file, unsigned granularity, const mgmt::SymbolTable& symbols,
                     mgmt::Ram& ram, uint64_t ram_base) {
  uint64_t begin = 0, end = 0;
  if (!symbols.find("begin_signature", &begin) || !symbols.find("end_signature", &end))
    core::bad_input("--signature: the program lacks the symbols begin_signature and end_signature");
  std::vector<uint8_t> bytes(end > begin ? end - begin : 0);
  if (begin < ram_base || end < begin || !ram.debug(begin - ram_base, bytes.data(), bytes.size(), false)) {
    core::bad_input(fmt::format("--signature: the signature ({:#x} to {:#x}) lies outside RAM", begin, end));
  }
  bytes.resize((bytes.size() + granularity - 1) / granularity * granularity);
  std::ofstream out(file);
  for (size_t line = 0; line < bytes.size(); line += granularity) {
    for (unsigned i = granularity; i > 0; --i) out << fmt::format("{:02x}", bytes[line + i - 1]);
    out << '\n';
  }
  if (!out.flush()) core::bad_input(fmt::format("--signature {}: cannot be written", file));
}

}  // namespace rdu::platform::virt
