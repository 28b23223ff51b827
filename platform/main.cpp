#include <fmt/format.h>
#include <fmt/ostream.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "core/error.h"
#include "core/systemc.h"
#include "core/trace.h"
#include "platform/configuration.h"
#include "platform/platform_params.h"
#include "platform/report.h"
#include "platform/simulation.h"
#include "platform/socket.h"

namespace {

using namespace rdu;
using platform::Simulation;
namespace fs = std::filesystem;

Simulation* g_simulation = nullptr;

void on_signal(int) {
  if (g_simulation) g_simulation->stop();
}

struct Options {
  std::vector<std::string> configurations;
  std::vector<std::string> assignments;
  std::string firmware;
  std::string rom;
  std::string socket;
  std::string trace;
  std::string statistics;
  std::string run_for;
  double host_timeout = 0;
  bool list_params = false;
  bool check = false;
  bool once = false;
  bool quiet = false;
};

/// The program's own folder: where the build put firmware beside it.
fs::path own_folder() {
  return fs::read_symlink("/proc/self/exe").parent_path();
}

std::string default_image(const char* name) {
  return (own_folder().parent_path() / "firmware" / name).string();
}

/// "mini" is the configuration of that name that comes with the platform, anything else a file.
std::string configuration_file(const std::string& name) {
  if (fs::exists(name)) return name;
  const fs::path shipped = fs::path(RDU_CONFIG_DIR) / (name + ".yaml");
  if (fs::exists(shipped)) return shipped.string();
  std::string known;
  for (const auto& entry : fs::directory_iterator(RDU_CONFIG_DIR)) {
    if (entry.path().extension() == ".yaml")
      known += (known.empty() ? "" : ", ") + entry.path().stem().string();
  }
  core::bad_input(fmt::format("--config {}: neither a file nor one of {}", name, known));
}

void declare(CLI::App& app, Options& o) {
  app.set_version_flag("--version", std::string("rduvp ") + RDU_VERSION);
  app.add_option(
         "-c,--config", o.configurations,
         "Configuration: a YAML file, or the name of a shipped one (mini, sn40l); later ones override")
      ->type_name("FILE|NAME");
  app.add_option("--set", o.assignments, "Override one parameter, e.g. --set 'socket.hbm.latency=100 ns'")
      ->type_name("PATH=VALUE");
  app.add_flag("--list-params", o.list_params,
               "Print every parameter with its value, meaning, range and source, and exit");
  app.add_option(
         "--firmware", o.firmware,
         "Management firmware: a RISC-V ELF file, placed in the flash (default: the one that was built)")
      ->type_name("ELF");
  app.add_option("--rom", o.rom, "Boot ROM: a RISC-V ELF file (default: the one that was built)")
      ->type_name("ELF");
  app.add_option("--socket", o.socket,
                 "UNIX socket on which hosts attach by vfio-user (default: none; boot, and end when idle)")
      ->type_name("PATH");
  app.add_flag("--once", o.once, "End when the first host has left");
  app.add_option("--host-timeout", o.host_timeout, "Give up if no host has come after that long")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--run-for", o.run_for, "End after that much simulated time, e.g. '10 ms'")
      ->type_name("TIME");
  app.add_option("--trace", o.trace, "Write a trace that ui.perfetto.dev opens")->type_name("FILE");
  app.add_option("--stats", o.statistics, "Write statistics at the end")->type_name("FILE.json");
  app.add_flag("--check", o.check, "Build the platform, print what it is made of, and exit");
  app.add_flag("-q,--quiet", o.quiet, "Print errors and the firmware's console only");
  app.footer(
      "Exit status: 0 ended well, 2 bad input, 3 something that the model lacks, 4 an error of the model "
      "itself,\n"
      "5 software did what the hardware forbids and nothing could go on.\n\n"
      "First run:  rduvp --config mini --socket /tmp/rdu0.sock     and, in another terminal,\n"
      "            rdu-digits --device unix:/tmp/rdu0.sock");
}

const char* describe(Simulation::End end) {
  switch (end) {
    case Simulation::End::stopped:
      return "stopped";
    case Simulation::End::host_left:
      return "the host has left";
    case Simulation::End::no_host:
      return "no host came within --host-timeout";
    case Simulation::End::time_over:
      return "--run-for is over";
    case Simulation::End::settled:
      break;
  }
  return "nothing is left to do";
}

int run(const Options& o) {
  platform::PlatformParams params;
  platform::Configuration configuration;
  params.describe(configuration);
  const auto names = o.configurations.empty() ? std::vector<std::string>{"mini"} : o.configurations;
  for (const std::string& name : names) configuration.load(configuration_file(name));
  for (const std::string& assignment : o.assignments) configuration.set(assignment);
  if (o.list_params) {
    configuration.list(std::cout);
    return 0;
  }

  platform::Report report(names.back());
  if (!o.trace.empty()) core::Tracer::get().open(o.trace);
  const core::Time run_for =
      o.run_for.empty() ? core::kNever : platform::parse_quantity(o.run_for, core::Unit::time, "--run-for");
  const auto console = [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  };
  platform::Socket socket("socket0", params.socket, 0, o.check ? "" : o.socket, console);
  socket.load_rom(o.rom.empty() ? default_image("rom.elf") : o.rom);
  socket.load_firmware(o.firmware.empty() ? default_image("mgmt.elf") : o.firmware);
  report.elaborated();
  if (o.check) {
    report.print_summary(std::cout, socket);
    return 0;
  }

  Simulation simulation(socket.endpoint(), params.coupling);
  g_simulation = &simulation;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  if (auto* server = socket.endpoint().server()) {
    server->start();
    if (!o.quiet) console(fmt::format("rduvp: waiting for a host on unix:{}", server->path()));
  }
  const Simulation::End end = simulation.run({o.once, o.host_timeout, run_for});
  g_simulation = nullptr;
  socket.flush_console();
  core::Tracer::get().close();
  if (!o.statistics.empty()) report.write(o.statistics, socket);
  if (!o.quiet) {
    console(fmt::format("rduvp: ended after {} simulated, {:.2f} s on this machine: {}",
                        core::format_time(core::now()), report.host_seconds(), describe(end)));
  }
  if (end == Simulation::End::no_host) core::bad_input("no host came within --host-timeout");
  return 0;
}

}  // namespace

int sc_main(int argc, char* argv[]) {
  CLI::App app{
      "RDU-VP: a virtual SN40L-class dataflow accelerator. Boots management firmware on its RISC-V core and "
      "offers\n"
      "itself as a PCIe function over vfio-user.",
      "rduvp"};
  Options options;
  declare(app, options);
  CLI11_PARSE(app, argc, argv);
  // Models report through exceptions; SystemC's own errors become exceptions, too.
  sc_core::sc_report_handler::set_actions(sc_core::SC_WARNING, sc_core::SC_DO_NOTHING);
  try {
    return run(options);
  } catch (const core::Error& e) {
    fmt::print(stderr, "rduvp: {}\n", e.what());
    return core::exit_status(e.kind());
  } catch (const pcie::vfio_user::SocketError& e) {
    fmt::print(stderr, "rduvp: bad input: {}\n", e.what());
    return core::exit_status(core::ErrorKind::bad_input);
  } catch (const std::exception& e) {
    fmt::print(stderr, "rduvp: internal error: {}\n", e.what());
    return core::exit_status(core::ErrorKind::internal);
  }
}

/// SystemC's own main() would print its banner before ours is asked.
int main(int argc, char* argv[]) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  return sc_core::sc_elab_and_sim(argc, argv);
}
