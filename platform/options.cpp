#include "platform/options.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <filesystem>

#include "core/error.h"
#include "platform/configuration.h"

namespace rdu::platform {
namespace {

namespace fs = std::filesystem;

void declare_common(CLI::App& app, Options& o) {
  app.set_version_flag("--version", std::string("rduvp ") + RDU_VERSION);
  app.add_option(
         "-c,--config", o.configurations,
         "Configuration: a YAML file, or the name of a shipped one (mini, sn40l); later ones override")
      ->type_name("FILE|NAME");
  app.add_option("--set", o.assignments, "Override one parameter, e.g. --set 'socket.hbm.latency=100 ns'")
      ->type_name("PATH=VALUE");
  app.add_flag("--list-params", o.list_params,
               "Print every parameter with its value, meaning, range and source, and exit");
  app.add_option("--run-for", o.run_for, "End after that much simulated time, e.g. '10 ms'")
      ->type_name("TIME");
  app.add_option("--trace", o.trace, "Write a trace that ui.perfetto.dev opens")->type_name("FILE");
  app.add_option("--stats", o.statistics, "Write statistics at the end")->type_name("FILE.json");
  app.add_option("--register-coverage", o.register_coverage,
                 "Write which registers and fields the firmware used: JSON, and a table beside it (.txt)")
      ->type_name("FILE.json");
  app.add_flag("-q,--quiet", o.quiet, "Print errors and the firmware's console only");
}

void declare_card(CLI::App& app, Options& o) {
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
  app.add_flag("--check", o.check, "Build the platform, print what it is made of, and exit");
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

}  // namespace

void declare(CLI::App& app, Options& o) {
  declare_common(app, o);
  declare_card(app, o);
  app.footer(
      "Exit status: 0 ended well, 2 bad input, 3 something that the model lacks, 4 an error of the model "
      "itself,\n"
      "5 software did what the hardware forbids and nothing could go on.\n\n"
      "First run:  rduvp --config mini --socket /tmp/rdu0.sock     and, in another terminal,\n"
      "            rdu-digits --device unix:/tmp/rdu0.sock");
}

void configure(Configuration& configuration, const Options& options) {
  for (const std::string& name : options.configurations) configuration.load(configuration_file(name));
  for (const std::string& assignment : options.assignments) configuration.set(assignment);
}

}  // namespace rdu::platform
