#include "platform/debugger.h"

#include "core/error.h"

namespace rdu::platform {

std::unique_ptr<Debugger> Debugger::create(const std::string& where, bool halted, mgmt::Management&) {
  if (where.empty() && !halted) return nullptr;
  throw core::Error(core::ErrorKind::unimplemented, "rduvp", "--gdb and -S: there is no debugger yet");
}

}  // namespace rdu::platform
