#pragma once

#include <termios.h>

#include "platform/serial/backend.h"

namespace rdu::platform::serial {

/// Standard input and output. If the input is a terminal it becomes raw (each key goes to the guest, Ctrl-C
/// too) until the end, and Ctrl-A is the escape key, as in QEMU:
///
///   Ctrl-A x       ends the simulator
///   Ctrl-A h       prints these keys
///   Ctrl-A Ctrl-A  sends Ctrl-A
class StdioBackend : public Backend {
 public:
  StdioBackend();
  ~StdioBackend() override;
  StdioBackend(const StdioBackend&) = delete;
  StdioBackend& operator=(const StdioBackend&) = delete;

  size_t read(char* data, size_t size) override;
  size_t write(const char* data, size_t size) override;
  int input() const override { return ended_ ? -1 : 0; }
  int output() const override { return 1; }
  bool can_receive() const override { return !ended_; }
  bool interactive() const override { return terminal_; }
  bool quit() const override { return quit_; }

 private:
  /// Takes escapes out; the number of bytes that remain.
  size_t filter(char* data, size_t size);
  void help() const;

  termios before_{};  ///< the terminal's settings
  bool terminal_ = false;
  bool ended_ = false;    ///< of the input
  bool escaped_ = false;  ///< Ctrl-A came last
  bool quit_ = false;
};

}  // namespace rdu::platform::serial
