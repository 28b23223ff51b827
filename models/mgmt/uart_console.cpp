#include "mgmt/uart_console.h"

#include <fmt/format.h>

#include <cstdio>

namespace rdu::mgmt {

namespace {
constexpr size_t kLongestLine = 4096;  // a firmware that never ends its lines must not fill the host's memory
}  // namespace

UartConsole::UartConsole(std::string label, Sink sink) : label_(std::move(label)), sink_(std::move(sink)) {
  if (!sink_) {
    sink_ = [](const std::string& line) {
      fmt::print("{}\n", line);
      std::fflush(stdout);
    };
  }
}

UartConsole::~UartConsole() {
  flush();
}

void UartConsole::put(char c) {
  if (c == '\r') return;
  if (!open_) {
    open_ = true;
    begin_ = core::now();
  }
  if (c == '\n') {
    flush();
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
    line_ += fmt::format("\\x{:02x}", byte);
  } else {
    line_ += c;
  }
  if (line_.size() >= kLongestLine) flush();
}

void UartConsole::flush() {
  if (!open_) return;
  // Whole microseconds and nanoseconds by integers: the same text on every machine.
  const core::Time ns = begin_ / core::kNanosecond;
  sink_(fmt::format("[{:>6}.{:03} us] {}{}{}", ns / 1000, ns % 1000, label_, label_.empty() ? "" : ": ",
                    line_));
  line_.clear();
  open_ = false;
}

}  // namespace rdu::mgmt
