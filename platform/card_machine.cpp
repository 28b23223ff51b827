#include "platform/card_machine.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "core/error.h"
#include "core/trace.h"
#include "cosim/shadow.h"
#include "mgmt/uart_console.h"
#include "pcie/record/replay_port.h"
#include "platform/configuration.h"
#include "platform/cosimulation.h"
#include "platform/course.h"
#include "platform/debugger.h"
#include "platform/flash_image.h"
#include "platform/identity.h"
#include "platform/instruments.h"
#include "platform/platform_params.h"
#include "platform/report.h"
#include "platform/serial/port.h"
#include "platform/socket.h"
#include "platform/stop_signal.h"

namespace rdu::platform {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultConfiguration = "mini";
constexpr uint64_t kLargestFile = 64u << 20;

/// The program's own folder: where the build put firmware beside it.
fs::path own_folder() {
  return fs::read_symlink("/proc/self/exe").parent_path();
}

std::string default_image(const char* name) {
  return (own_folder().parent_path() / "firmware" / name).string();
}

/// Parameters as recorded, unless the command line says something about them.
void configure(Configuration& configuration, const Options& o, const Identity& recorded) {
  if (!o.configurations.empty() || !o.assignments.empty()) {
    configure(configuration, o, kDefaultConfiguration);
    return;
  }
  for (const auto& [path, value] : recorded.parameters) configuration.set(path + "=" + value);
}

std::unique_ptr<pcie::record::RecordingReader> open_recording(const std::string& file) {
  if (file.empty()) return nullptr;
  try {
    return std::make_unique<pcie::record::RecordingReader>(file);
  } catch (const pcie::record::RecordingError& e) {
    core::bad_input(e.what());
  }
}

void print_recording(const std::string& file) {
  const auto recording = open_recording(file);
  const Identity recorded = Identity::parse(file, recording->header());
  fmt::print("rduvp {}, configuration {}\n", recorded.version, recorded.config);
  for (const auto& [name, image] : recorded.images)
    fmt::print("{} {}, sha256 {}\n", name, image.file, image.sha256);
  while (const auto record = recording->read()) fmt::print("{}\n", describe(*record));
  if (!recording->damage().empty()) core::bad_input(recording->damage());
}

}  // namespace

int run_card(const Options& o) {
  if (!o.print_recording.empty()) {
    print_recording(o.print_recording);
    return 0;
  }
  PlatformParams params;
  Configuration configuration;
  params.describe(configuration);
  const auto recording = open_recording(o.replay);
  Identity identity, recorded;
  if (recording) {
    recorded = Identity::parse(o.replay, recording->header());
    configure(configuration, o, recorded);
  } else {
    configure(configuration, o, kDefaultConfiguration);
  }
  if (o.list_params) {
    configuration.list(std::cout);
    return 0;
  }
  Cosimulation cosimulation(o);
  cosimulation.check(params.socket.tile);

  const Firmware firmware = o.firmware.empty()
                                ? Firmware{default_image("mgmt.img"), default_image("mgmt.elf")}
                                : Firmware(o.firmware);
  if (!firmware.is_signed && !o.secure && params.socket.mgmt.fuses.secure_boot) {
    params.socket.mgmt.fuses.secure_boot = false;
    if (!o.quiet)
      fmt::print(
          "rduvp: {} is not signed: secure boot is off (--secure leaves it on; scripts/sign-firmware "
          "signs)\n",
          firmware.file);
  }
  const core::Time until = run_for(o);
  // What a host does to memory that it has mapped, nobody sees: while it is recorded, it sends messages.
  if (recording || !o.record.empty()) params.socket.pcie.map_windows = false;
  identity.version = RDU_VERSION;
  identity.config = !o.configurations.empty() ? o.configurations.back()
                    : recording               ? recorded.config
                                              : kDefaultConfiguration;
  identity.set_parameters(configuration);
  Report report(identity.config);
  if (!o.trace.empty()) core::Tracer::get().open(o.trace);
  const auto console = [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  };
  mgmt::UartConsole lines("", console);
  std::unique_ptr<serial::Port> port;
  Socket socket("socket0", params.socket, 0, [&](char c) {
    if (port) {
      port->put(c);
    } else {
      lines.put(c);
    }
  });
  const std::string rom = o.rom.empty() ? default_image("rom.elf") : o.rom;
  socket.load_rom(rom);
  identity.set_image("rom", rom, mgmt::read_file(rom, kLargestFile));
  const std::string flash = o.flash.empty() ? firmware.file : o.flash;
  const std::vector<uint8_t> contents =
      o.flash.empty() ? flash_with(firmware, params.socket.mgmt.flash.size, o.firmware.empty())
                      : mgmt::read_file(o.flash, params.socket.mgmt.flash.size);
  socket.load_flash(flash, contents);
  identity.set_image("flash", flash, contents);
  if (o.flash.empty() && !firmware.symbols.empty()) socket.load_symbols(firmware.symbols);
  report.elaborated();
  if (o.check) {
    report.print_summary(std::cout, socket);
    return 0;
  }

  if (!o.serial.empty()) port = serial::attach(o.serial, socket.management().uart());
  Instruments instruments(o, socket.management());
  const auto debugger = Debugger::create(o.gdb, o.halted, socket.management());
  const CourseParts parts{o, socket, params.coupling, port.get(), debugger.get(), until, identity, report};
  const auto course = recording ? replay_course(parts, *recording, recorded) : live_course(parts);
  StopSignal stop([&course] { course->stop(); });
  Course::Ending ending;
  try {
    ending = course->run();
  } catch (const std::exception&) {
    // What a process throws, the kernel makes a report of its own.
    if (!params.socket.tile.shadow_stop || cosim::ShadowLog::get().diverged() == 0) throw;
    ending = {"a unit differs from its model", Cosimulation::kDivergedStatus,
              "ended at the first difference (socket.tile.shadow_stop)"};
  }
  lines.flush();
  port.reset();  // a terminal is itself again before the last words
  core::Tracer::get().close();
  if (!o.flash_save.empty()) save_flash(o.flash_save, socket.management().flash());
  if (!o.statistics.empty()) report.write(o.statistics, socket);
  instruments.write();
  if (!o.quiet) {
    console(fmt::format("rduvp: ended after {} simulated, {:.2f} s on this machine: {}",
                        core::format_time(core::now()), report.host_seconds(), ending.text));
  }
  if (ending.status) fmt::print(stderr, "rduvp: {}\n", ending.complaint);
  return cosimulation.finish(ending.status);
}

}  // namespace rdu::platform
