#pragma once

#include <functional>
#include <string>
#include <vector>

namespace rdu::mgmt {
class Management;
}

namespace rdu::mgmt::debug {

/// The commands behind gdb's `monitor`: what a debugger wants of a machine and the protocol has no word for.
/// Every command gives text for the user; a wrong one gives text that says what is wrong and what would be
/// right.
class Monitor {
 public:
  using Words = std::vector<std::string>;
  using Run = std::function<std::string(const Words& arguments)>;

  /// With the commands that work on any management subsystem: help, regs, write, inject, irq, phys, time,
  /// stats.
  explicit Monitor(Management& management);

  /// Adds a command: `synopsis` are its arguments ("[halt]"), `help` says in a line what it does.
  void add(const std::string& name, const std::string& synopsis, const std::string& help, Run run);

  /// The output of a command line, with its newline. Never throws for what a user may write.
  std::string execute(const std::string& line);

 private:
  struct Command {
    std::string name;
    std::string synopsis;
    std::string help;
    Run run;
  };

  std::string help() const;
  std::string registers(const Words& arguments);
  std::string write(const Words& arguments, bool as_software);
  std::string interrupt(const Words& arguments);
  std::string physical(const Words& arguments);
  std::string time() const;
  std::string statistics() const;

  Management& management_;
  std::vector<Command> commands_;
};

}  // namespace rdu::mgmt::debug
