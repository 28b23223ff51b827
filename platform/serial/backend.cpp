#include "platform/serial/backend.h"

#include <fmt/format.h>

#include "core/error.h"
#include "platform/serial/file_backend.h"
#include "platform/serial/pty_backend.h"
#include "platform/serial/stdio_backend.h"
#include "platform/serial/tcp_backend.h"

namespace rdu::platform::serial {

const char* const kSyntax = "stdio, pty, tcp:HOST:PORT[,server][,nowait], file:PATH or none";

std::unique_ptr<Backend> open(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (colon == std::string::npos) {
    if (kind == "stdio") return std::make_unique<StdioBackend>();
    if (kind == "pty") return std::make_unique<PtyBackend>();
    if (kind == "none") return std::make_unique<FileBackend>("/dev/null");
  } else if (kind == "tcp") {
    return std::make_unique<TcpBackend>(TcpAddress::parse(rest));
  } else if (kind == "file" && !rest.empty()) {
    return std::make_unique<FileBackend>(rest);
  }
  core::bad_input(fmt::format("--serial {}: should be {}", text, kSyntax));
}

}  // namespace rdu::platform::serial
