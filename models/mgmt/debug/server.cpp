#include "mgmt/debug/server.h"

#include <fmt/format.h>

namespace rdu::mgmt::debug {

Server::Server(const std::string& address, bool halted, Target& target, Stub::Monitor monitor,
               std::function<void(const std::string&)> log)
    : target_(target),
      log_(std::move(log)),
      link_(address),
      session_(target, std::move(monitor), [this](const std::string& bytes) { link_.send(bytes); }) {
  if (halted) target_.interrupt();
}

Server::~Server() {
  session_.ended();
}

void Server::serve(std::chrono::milliseconds most) {
  look();
  if (most.count() == 0 || killed()) return;
  link_.wait(most);
  look();
}

void Server::look() {
  if (link_.accept()) open();
  take_bytes();
  if (halted_) {
    halted_ = !session_.running();
    return;
  }
  if (const auto stop = target_.poll()) {
    halted_ = true;
    if (!opening_ && session_.running()) session_.stopped(*stop);
    opening_ = false;
    take_bytes();  // what has waited for the halt
    halted_ = halted_ && !session_.running();
  }
}

void Server::open() {
  log_("gdb: a debugger has connected");
  session_.open();
  if (halted_) return;
  opening_ = true;
  target_.interrupt();
}

void Server::take_bytes() {
  if (!link_.connected()) return;
  if (!session_.is_full()) {
    const std::string bytes = link_.receive();
    session_.receive(bytes.data(), bytes.size());
  }
  if (!opening_) session_.work();  // else it waits until the harts stand
  if (session_.detached()) {
    link_.disconnect();
    lose("has detached");
    target_.resume(std::vector<Action>(target_.threads(), Action::run));
    halted_ = false;
  } else if (!link_.connected() && !killed()) {
    lose(halted_ ? "has gone; the machine stays halted" : "has gone");
  }
}

void Server::lose(const char* why) {
  log_(fmt::format("gdb: the debugger {}", why));
  target_.remove_all();
  session_.open();
  opening_ = false;
}

}  // namespace rdu::mgmt::debug
