#include "platform/serial/stdio_backend.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "core/error.h"
#include "platform/serial/descriptor.h"

namespace rdu::platform::serial {
namespace {

constexpr char kEscape = 'A' - '@';

}  // namespace

StdioBackend::StdioBackend() : terminal_(isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before_) == 0) {
  if (!terminal_) return;
  termios raw = before_;
  cfmakeraw(&raw);
  raw.c_oflag |= OPOST;  // messages of the simulator end their lines as usual
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

StdioBackend::~StdioBackend() {
  if (terminal_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

size_t StdioBackend::read(char* data, size_t size) {
  if (ended_) return 0;
  const long got = read_now(STDIN_FILENO, data, size);
  if (got < 0) ended_ = true;
  if (got <= 0) return 0;
  return terminal_ ? filter(data, static_cast<size_t>(got)) : static_cast<size_t>(got);
}

size_t StdioBackend::write(const char* data, size_t size) {
  const long put = write_now(STDOUT_FILENO, data, size);
  if (put < 0) core::bad_input("--serial stdio: standard output cannot be written");
  return static_cast<size_t>(put);
}

size_t StdioBackend::filter(char* data, size_t size) {
  size_t kept = 0;
  for (size_t i = 0; i < size; ++i) {
    const char c = data[i];
    if (!escaped_) {
      if (c == kEscape) {
        escaped_ = true;
      } else {
        data[kept++] = c;
      }
      continue;
    }
    escaped_ = false;
    if (c == 'x') {
      quit_ = true;
    } else if (c == 'h' || c == '?') {
      help();
    } else if (c == kEscape) {
      data[kept++] = c;
    }
  }
  return kept;
}

void StdioBackend::help() const {
  fmt::print(stderr,
             "\nCtrl-A h       prints this help\n"
             "Ctrl-A x       ends the simulator\n"
             "Ctrl-A Ctrl-A  sends Ctrl-A\n");
}

}  // namespace rdu::platform::serial
