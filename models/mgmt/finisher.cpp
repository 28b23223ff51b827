#include "mgmt/finisher.h"

#include <fmt/format.h>

#include "core/error.h"

namespace rdu::mgmt {

using regs::finisher::CONTROL::CODE;
using regs::finisher::CONTROL::COMMAND;

namespace {
constexpr uint64_t kFail = 0x3333, kPass = 0x5555, kReset = 0x7777;
}  // namespace

Finisher::Finisher(const std::string& name) : name_(name), port_(name, regs_) {
  regs_.CONTROL.on_write([this](uint64_t) {
    const uint64_t command = regs_.CONTROL.get(COMMAND);
    if (command == kPass) {
      if (power_off_) power_off_(0);
    } else if (command == kFail) {
      if (power_off_) power_off_(static_cast<unsigned>(regs_.CONTROL.get(CODE)));
    } else if (command == kReset) {
      if (reset_) reset_();
    } else {
      core::report_guest_fault(name_, fmt::format("unknown command {:#x}", command));
    }
  });
}

}  // namespace rdu::mgmt
