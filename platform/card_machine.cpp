#include "platform/card_machine.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "core/error.h"
#include "core/trace.h"
#include "mgmt/uart_console.h"
#include "pcie/live_port.h"
#include "platform/configuration.h"
#include "platform/debugger.h"
#include "platform/flash_image.h"
#include "platform/instruments.h"
#include "platform/platform_params.h"
#include "platform/report.h"
#include "platform/serial/port.h"
#include "platform/simulation.h"
#include "platform/socket.h"
#include "platform/stop_signal.h"

namespace rdu::platform {
namespace {

namespace fs = std::filesystem;
namespace vfio_user = pcie::vfio_user;

constexpr const char* kDefaultConfiguration = "mini";

/// The program's own folder: where the build put firmware beside it.
fs::path own_folder() {
  return fs::read_symlink("/proc/self/exe").parent_path();
}

std::string default_image(const char* name) {
  return (own_folder().parent_path() / "firmware" / name).string();
}

const char* describe(Simulation::End end) {
  switch (end) {
    case Simulation::End::stopped:
      return "stopped";
    case Simulation::End::host_left:
      return "the host has left";
    case Simulation::End::no_host:
      return "no host came within --host-timeout";
    case Simulation::End::killed:
      return "the debugger has ended it";
    case Simulation::End::time_over:
      return "--run-for is over";
    case Simulation::End::settled:
      break;
  }
  return "nothing is left to do";
}

}  // namespace

int run_card(const Options& o) {
  PlatformParams params;
  Configuration configuration;
  params.describe(configuration);
  configure(configuration, o, kDefaultConfiguration);
  if (o.list_params) {
    configuration.list(std::cout);
    return 0;
  }

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
  Report report(o.configurations.empty() ? kDefaultConfiguration : o.configurations.back());
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
  socket.load_rom(o.rom.empty() ? default_image("rom.elf") : o.rom);
  if (!o.flash.empty()) {
    socket.load_flash(o.flash, mgmt::read_file(o.flash, params.socket.mgmt.flash.size));
  } else {
    socket.load_flash(firmware.file, flash_with(firmware, params.socket.mgmt.flash.size));
    if (!firmware.symbols.empty()) socket.load_symbols(firmware.symbols);
  }
  report.elaborated();
  if (o.check) {
    report.print_summary(std::cout, socket);
    return 0;
  }

  if (!o.serial.empty()) port = serial::attach(o.serial, socket.management().uart());
  Instruments instruments(o, socket.management());
  const auto debugger = Debugger::create(o.gdb, o.halted, socket.management());
  std::unique_ptr<vfio_user::Server> server;
  std::unique_ptr<pcie::HostPort> host;
  if (!o.socket.empty()) {
    vfio_user::Options options;
    options.log = [](const std::string& line) { fmt::print(stderr, "rduvp: {}\n", line); };
    server = std::make_unique<vfio_user::Server>(o.socket, socket.endpoint(), options);
    host = std::make_unique<pcie::LivePort>(*server);
    socket.endpoint().plug_in(*host);
  }
  Simulation simulation(socket.endpoint(), host.get(), params.coupling, port.get());
  simulation.set_debugger(debugger.get());
  StopSignal stop([&simulation] { simulation.stop(); });
  if (server) {
    server->start();
    if (!o.quiet) console(fmt::format("rduvp: waiting for a host on unix:{}", server->path()));
  }
  const Simulation::End end = simulation.run({o.once, o.host_timeout, until});
  lines.flush();
  port.reset();  // a terminal is itself again before the last words
  core::Tracer::get().close();
  if (!o.flash_save.empty()) save_flash(o.flash_save, socket.management().flash());
  if (!o.statistics.empty()) report.write(o.statistics, socket);
  instruments.write();
  if (!o.quiet) {
    console(fmt::format("rduvp: ended after {} simulated, {:.2f} s on this machine: {}",
                        core::format_time(core::now()), report.host_seconds(), describe(end)));
  }
  if (end == Simulation::End::no_host) core::bad_input("no host came within --host-timeout");
  return 0;
}

}  // namespace rdu::platform
