#pragma once

#include <functional>
#include <string>

#include "core/time.h"

namespace rdu::mgmt {

/// Makes lines of what a UART sends and stamps each with the simulated time of its first byte:
///
///     [    12.345 us] fw: HBM trained
///
/// Carriage returns vanish, other control characters become \xNN.
class UartConsole {
 public:
  using Sink = std::function<void(const std::string& line)>;  ///< without a line end

  /// `label` ("socket1"), unless empty, stands in front of each line. The default sink prints to standard
  /// output.
  explicit UartConsole(std::string label, Sink sink = {});
  ~UartConsole();
  UartConsole(const UartConsole&) = delete;
  UartConsole& operator=(const UartConsole&) = delete;

  void put(char c);
  /// Prints a line that has not ended; also at destruction.
  void flush();

 private:
  std::string label_;
  Sink sink_;
  std::string line_;
  core::Time begin_ = 0;
  bool open_ = false;
};

}  // namespace rdu::mgmt
