#include "platform/options.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <filesystem>

#include "core/error.h"
#include "platform/configuration.h"
#include "platform/serial/backend.h"

namespace rdu::platform {
namespace {

namespace fs = std::filesystem;

// Groups of --help. A machine's own options stand in the group of its name.
constexpr const char* kCard = "Options of --machine card";
constexpr const char* kVirt = "Options of --machine virt";

void declare_common(CLI::App& app, Options& o) {
  app.set_version_flag("--version", std::string("rduvp ") + RDU_VERSION);
  app.add_option("--machine", o.machine,
                 "card: a whole socket that serves a host (default);\n"
                 "virt: its management subsystem alone, for software made for the RISC-V virt machine")
      ->type_name("NAME")
      ->check(CLI::IsMember({"card", "virt"}));
  app.add_option(
         "-c,--config", o.configurations,
         "Configuration: a YAML file, or the name of a shipped one (mini, sn40l); later ones override")
      ->type_name("FILE|NAME");
  app.add_option("--set", o.assignments, "Override one parameter, e.g. --set 'socket.hbm.latency=100 ns'")
      ->type_name("PATH=VALUE");
  app.add_flag("--list-params", o.list_params,
               "Print every parameter with its value, meaning, range and source, and exit");
  app.add_option("--serial", o.serial,
                 std::string("Where the console goes: ") + serial::kSyntax +
                     "\n(default: virt stdio; card lines with the simulated time)")
      ->type_name("WHERE");
  app.add_option("--run-for", o.run_for, "End after that much simulated time, e.g. '10 ms'")
      ->type_name("TIME");
  app.add_option("--gdb", o.gdb,
                 "Wait for gdb on this TCP port (target remote :PORT); port 0: one that is free")
      ->type_name("tcp:[HOST]:PORT");
  app.add_flag("-S", o.halted, "Do not execute the first instruction before gdb says so");
  app.add_option("--trace", o.trace, "Write a trace that ui.perfetto.dev opens")->type_name("FILE");
  app.add_option("--stats", o.statistics, "Write statistics at the end")->type_name("FILE.json");
  app.add_option("--register-coverage", o.register_coverage,
                 "Write which registers and fields the firmware used: JSON, and a table beside it (.txt)")
      ->type_name("FILE.json");
  app.add_option(
         "--trace-instructions", o.instruction_trace,
         "Write the instructions that the harts execute; from=TIME|FUNCTION|0xADDRESS, count=N limit it")
      ->type_name("FILE[,from=...][,count=N]");
  app.add_option(
         "--profile", o.profile,
         "Write instructions, cycles and calls of each function, and stacks for flame graphs (.folded)")
      ->type_name("FILE");
  app.add_option("--symbols", o.symbols, "Take further names of functions from this program; may be repeated")
      ->type_name("ELF");
  app.add_flag("-q,--quiet", o.quiet, "Print errors and the firmware's console only");
}

/// Adds options to one group of --help.
class Group {
 public:
  Group(CLI::App& app, const char* title) : app_(app), title_(title) {}
  template <class T>
  CLI::Option* option(const char* name, T& value, const std::string& text) {
    return app_.add_option(name, value, text)->group(title_);
  }
  CLI::Option* flag(const char* name, bool& value, const std::string& text) {
    return app_.add_flag(name, value, text)->group(title_);
  }

 private:
  CLI::App& app_;
  const char* title_;
};

void declare_card(CLI::App& app, Options& o) {
  Group card(app, kCard);
  card.option("--firmware", o.firmware,
              "Management firmware for the flash: a RISC-V ELF file, which is not signed, so secure boot\n"
              "is off; or a signed image (default: the one that was built, signed)")
      ->type_name("ELF|IMAGE");
  card.flag("--secure", o.secure, "With --firmware ELF: leave secure boot as configured")
      ->needs("--firmware");
  card.option("--flash", o.flash,
              "Contents of the whole flash (scripts/sign-firmware flash makes them, --flash-save too)")
      ->type_name("FILE")
      ->excludes("--firmware");
  card.option("--flash-save", o.flash_save, "Write the flash at the end; may be the file of --flash")
      ->type_name("FILE");
  card.option("--rom", o.rom, "Boot ROM: a RISC-V ELF file (default: the one that was built)")
      ->type_name("ELF");
  card.option("--socket", o.socket,
              "UNIX socket on which hosts attach by vfio-user (default: none; boot, and end when idle)")
      ->type_name("PATH");
  card.flag("--once", o.once, "End when the first host has left");
  card.option("--host-timeout", o.host_timeout, "Give up if no host has come after that long")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber);
  card.option("--coupling", o.coupling,
              "When host accesses take effect. lockstep: when the device has settled, so that runs can be\n"
              "repeated; free: at once, and idle time passes as on the host (coupling.mode, lockstep)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"lockstep", "free"}));
  card.option("--record", o.record, "Keep everything that crosses the host boundary, with its simulated time")
      ->type_name("FILE")
      ->needs("--socket");
  card.option("--replay", o.replay,
              "Run again what was recorded, without a host, and stop at the first difference.\n"
              "Configuration: that of the recording, unless --config or --set say another")
      ->type_name("FILE")
      ->excludes("--socket")
      ->excludes("--once")
      ->excludes("--host-timeout");
  card.flag("--replay-anyway", o.replay_anyway,
            "Do so with other firmware or another configuration than was recorded,\n"
            "or with a file that was cut off")
      ->needs("--replay");
  card.option("--print-recording", o.print_recording, "Print what a recording holds, a line each, and exit")
      ->type_name("FILE");
  card.option("--control", o.control,
              "UNIX socket on which test benches read registers, wait for events and inject faults:\n"
              "JSON objects, one a line, as {\"command\": \"help\"}")
      ->type_name("PATH")
      ->excludes("--record")  // what it does is in no recording
      ->excludes("--replay");
  card.option(
          "--dut", o.duts,
          "Take a unit's RTL from a library that rdu_cosim_dut() made (rtl/cosim/README.md), for units of\n"
          "fidelity rtl and shadow; may be repeated")
      ->type_name("LIB.so");
  card.option("--waves", o.waves, "Write waves of this unit, which has fidelity rtl or shadow")
      ->type_name("[TILE.]UNIT[ROW][COLUMN]");
  card.option("--waves-file", o.waves_file, "Where they go (default: waves.fst)")
      ->type_name("FILE.fst")
      ->needs("--waves");
  card.option("--waves-from", o.waves_from, "Their first cycle (a number), or simulated time (e.g. '12 us')")
      ->type_name("CYCLE|TIME")
      ->needs("--waves");
  card.option("--waves-to", o.waves_to, "Their last")->type_name("CYCLE|TIME")->needs("--waves");
  card.flag("--check", o.check, "Build the platform, print what it is made of, and exit");
}

void declare_virt(CLI::App& app, Options& o) {
  Group virt(app, kVirt);
  virt.option("--bios", o.bios,
              "Firmware, at the first byte of RAM: ELF or binary; default: Debian's OpenSBI\n"
              "(default: default, unless the kernel is an ELF that lies there)")
      ->type_name("FILE|none|default");
  virt.option("--kernel", o.kernel,
              "What the firmware starts, or without one the machine: ELF, Image, binary")
      ->type_name("FILE");
  virt.option("--initrd", o.initrd, "Initial RAM disk for the kernel")->type_name("FILE");
  virt.option("--append", o.append, "Command line for the kernel")->type_name("TEXT");
  virt.option("--dtb", o.dtb, "Device tree to hand over instead of the machine's own")->type_name("FILE");
  virt.option("--dumpdtb", o.dump_dtb, "Write the device tree that would be handed over, and exit")
      ->type_name("FILE");
  virt.option("-m,--memory", o.memory, "RAM in MiB, or with a suffix: K, M, G (default: 128M)")
      ->type_name("SIZE");
  virt.option("--smp", o.harts, "Harts (default: 1)")->type_name("N")->check(CLI::PositiveNumber);
  virt.option("--pace", o.pace,
              "realtime: idle time passes as on the host (default if the console is interactive);\n"
              "free: it is skipped")
      ->type_name("NAME")
      ->check(CLI::IsMember({"realtime", "free"}));
  virt.option("--signature", o.signature,
              "Write the kernel's signature at the end, as RISC-V test suites want it")
      ->type_name("FILE");
  virt.option("--signature-granularity", o.signature_granularity, "Bytes a line of it (default: 4)")
      ->type_name("N")
      ->check(CLI::IsMember({1, 2, 4, 8, 16}));
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
  declare_virt(app, o);
  app.footer(
      "Exit status: 0 ended well, 2 bad input, 3 something that the model lacks, 4 an error of the model "
      "itself,\n"
      "5 software did what the hardware forbids and nothing could go on, 6 a replay differed from its "
      "recording,\n7 a unit's RTL differed from its model (fidelity shadow).\n"
      "On virt, the status of software that powers off with one.\n\n"
      "First run:  rduvp --config mini --socket /tmp/rdu0.sock     and, in another terminal,\n"
      "            rdu-digits --device unix:/tmp/rdu0.sock\n"
      "On virt:    rduvp --machine virt --kernel Image --initrd initramfs.cpio.gz");
}

void check_machine(const CLI::App& app, const Options& options) {
  const std::string other = options.machine == "card" ? kVirt : kCard;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() != other || option->count() == 0) continue;
    core::bad_input(fmt::format("{} is no option of --machine {} (it is one of {})", option->get_name(),
                                options.machine, options.machine == "card" ? "virt" : "card"));
  }
}

void configure(Configuration& configuration, const Options& options, const std::string& fallback) {
  if (options.configurations.empty() && !fallback.empty()) configuration.load(configuration_file(fallback));
  for (const std::string& name : options.configurations) configuration.load(configuration_file(name));
  for (const std::string& assignment : options.assignments) configuration.set(assignment);
  if (!options.coupling.empty()) configuration.set("coupling.mode=" + options.coupling);
}

core::Time run_for(const Options& options) {
  return options.run_for.empty() ? core::kNever
                                 : parse_quantity(options.run_for, core::Unit::time, "--run-for");
}

}  // namespace rdu::platform
