#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace rdu::platform::serial {

/// The far end of a serial line on the host: a terminal, a pseudo terminal, a TCP connection, a file. Nothing
/// here waits, except that `tcp:...,server` without `nowait` waits for its client when it is opened.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Up to `size` bytes that have come; 0 if there are none.
  virtual size_t read(char* data, size_t size) = 0;
  /// Takes as many as go out now. If nobody is at the far end it takes them all and they are lost, as on a
  /// line without anybody at its end.
  virtual size_t write(const char* data, size_t size) = 0;

  /// To wait for by poll(2): becomes readable when read() is worth while; -1: there is nothing to wait for at
  /// present (see can_receive).
  virtual int input() const = 0;
  /// Becomes writable when write() is worth while; -1: no need to wait.
  virtual int output() const = 0;

  /// False when no byte will ever come: there is no far end, or it has closed.
  virtual bool can_receive() const = 0;
  /// Somebody may be sitting there.
  virtual bool interactive() const = 0;
  /// The user has asked to end the simulator (Ctrl-A x).
  virtual bool quit() const { return false; }
  /// For a line at the start that tells where to find it; "" if that goes without saying.
  virtual std::string description() const { return {}; }
};

/// What `--serial TEXT` names:
///
///   stdio                             standard input and output; a terminal becomes raw, Ctrl-A h helps
///   pty                               a new pseudo terminal
///   tcp:HOST:PORT                     connects to a server
///   tcp:HOST:PORT,server[,nowait]     waits for a client there, or only lets one in; no HOST: any address
///   file:PATH                         writes to a file
///   none                              nothing
///
/// Throws bad_input: another text, an address in use, a refused connection, a file that cannot be written.
std::unique_ptr<Backend> open(const std::string& text);

/// How --help describes them.
extern const char* const kSyntax;

}  // namespace rdu::platform::serial
