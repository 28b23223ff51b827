#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdlib>
#include <string>

#include "core/access_log.h"
#include "core/error.h"
#include "core/systemc.h"
#include "pcie/vfio_user/server.h"
#include "platform/card_machine.h"
#include "platform/options.h"
#include "platform/virt_machine.h"

using namespace rdu;

namespace {

int fail(core::ErrorKind kind, const std::string& text) {
  fmt::print(stderr, "rduvp: {}\n", text);
  if (kind != core::ErrorKind::bad_input) {
    for (const std::string& line : core::AccessLog::get().lines()) fmt::print(stderr, "  {}\n", line);
  }
  return core::exit_status(kind);
}

}  // namespace

int sc_main(int argc, char* argv[]) {
  CLI::App app{
      "RDU-VP: a virtual SN40L-class dataflow accelerator. Boots management firmware on its RISC-V core and "
      "offers\n"
      "itself as a PCIe function over vfio-user.",
      "rduvp"};
  platform::Options options;
  platform::declare(app, options);
  CLI11_PARSE(app, argc, argv);
  // Models report through exceptions; SystemC's own errors become exceptions, too.
  sc_core::sc_report_handler::set_actions(sc_core::SC_WARNING, sc_core::SC_DO_NOTHING);
  try {
    platform::check_machine(app, options);
    return options.machine == "virt" ? platform::run_virt(options) : platform::run_card(options);
  } catch (const core::Error& e) {
    return fail(e.kind(), e.what());
  } catch (const pcie::vfio_user::SocketError& e) {
    return fail(core::ErrorKind::bad_input, fmt::format("bad input: {}", e.what()));
  } catch (const std::exception& e) {
    return fail(core::ErrorKind::internal, fmt::format("internal error: {}", e.what()));
  }
}

/// SystemC's own main() would print its banner before ours is asked.
int main(int argc, char* argv[]) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  return sc_core::sc_elab_and_sim(argc, argv);
}
