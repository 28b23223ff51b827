#include "platform/debugger.h"

#include <fmt/format.h>

#include <cstdio>

#include "core/error.h"
#include "mgmt/debug/hart_target.h"
#include "mgmt/debug/instruction_trace.h"
#include "mgmt/debug/monitor.h"
#include "mgmt/debug/server.h"

namespace rdu::platform {

struct Debugger::Parts {
  Parts(const std::string& where, bool halted, mgmt::Management& management)
      : target(management),
        monitor(management),
        server(
            where, halted, target, [this](const std::string& line) { return monitor.execute(line); },
            [](const std::string& line) { fmt::print(stderr, "rduvp: {}\n", line); }) {}

  mgmt::debug::HartTarget target;
  mgmt::debug::Monitor monitor;
  mgmt::debug::Server server;
  std::function<void()> reset;
  std::unique_ptr<mgmt::debug::InstructionTrace> trace;
};

std::unique_ptr<Debugger> Debugger::create(const std::string& where, bool halted,
                                           mgmt::Management& management) {
  if (!where.empty()) return std::unique_ptr<Debugger>(new Debugger(where, halted, management));
  if (halted) core::bad_input("-S: nobody could ever start the machine; it needs --gdb, as --gdb tcp::1234");
  return nullptr;
}

Debugger::Debugger(const std::string& where, bool halted, mgmt::Management& management)
    : parts_(std::make_unique<Parts>(where, halted, management)) {
  parts_->reset = [&management] { management.reset(mgmt::ResetReason::software); };
  parts_->monitor.add("reset", "[halt]", "resets the machine; it stays halted until gdb lets it go",
                      [p = parts_.get()](const mgmt::debug::Monitor::Words& words) -> std::string {
                        if (!words.empty() && words != mgmt::debug::Monitor::Words{"halt"}) {
                          return fmt::format("reset: {} is unknown; expected halt or nothing\n", words[0]);
                        }
                        p->reset();
                        p->target.show_reset();
                        return "reset; `maintenance flush register-cache` shows gdb the new values\n";
                      });
  parts_->monitor.add(
      "trace", "on FILE[,from=...][,count=N] | off",
      "writes the instructions that the harts execute to a file",
      [p = parts_.get(), &management](const mgmt::debug::Monitor::Words& words) -> std::string {
        using mgmt::debug::InstructionTrace;
        if (words.size() == 2 && words[0] == "on") {
          p->trace.reset();
          p->trace = std::make_unique<InstructionTrace>(
              InstructionTrace::parse("trace", words[1], management.symbols()), management);
          return fmt::format("tracing to {}\n", words[1]);
        }
        if (words.size() != 1 || words[0] != "off") return "trace: expected on FILE or off\n";
        if (!p->trace) return "there is no trace\n";
        const uint64_t written = p->trace->written();
        p->trace.reset();
        return fmt::format("{} instructions written\n", written);
      });
  fmt::print(stderr, "rduvp: gdb: waiting on {}{}\n", parts_->server.address(),
             halted ? ", before the first instruction" : "");
}

Debugger::~Debugger() = default;

void Debugger::on_reset(std::function<void()> reset) {
  parts_->reset = std::move(reset);
}

bool Debugger::halted() const {
  return parts_->server.halted();
}

void Debugger::serve(std::chrono::milliseconds most) {
  parts_->server.serve(most);
}

bool Debugger::killed() const {
  return parts_->server.killed();
}

}  // namespace rdu::platform
