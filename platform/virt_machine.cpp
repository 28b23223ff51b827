#include "platform/virt_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>

#include "core/error.h"
#include "core/trace.h"
#include "mgmt/finisher.h"
#include "mgmt/isa.h"
#include "mgmt/management.h"
#include "platform/configuration.h"
#include "platform/debugger.h"
#include "platform/instruments.h"
#include "platform/report.h"
#include "platform/serial/port.h"
#include "platform/stop_signal.h"
#include "platform/virt/boot.h"
#include "platform/virt/device_tree.h"
#include "platform/virt/run.h"
#include "regs/address_map.hpp"

namespace rdu::platform {
namespace {

namespace map = regs::map;
using virt::Run;

/// The management subsystem's share of the platform's parameters, under the same paths. What differs from the
/// card: RAM as large as QEMU's default, and misaligned accesses in hardware, as that machine has them.
struct VirtParams {
  struct {
    mgmt::MgmtParams mgmt;
    template <class Visitor>
    void describe(Visitor& v) {
      v.group("mgmt", mgmt);
    }
  } socket;

  VirtParams() {
    socket.mgmt.ram_size = 128u << 20;
    socket.mgmt.hart.misaligned = true;
  }
  template <class Visitor>
  void describe(Visitor& v) {
    v.group("socket", socket);
  }
};

/// "128", "512M", "1G": as QEMU reads sizes.
uint64_t parse_memory(const std::string& text) {
  size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
  }
  std::string suffix = text.substr(used);
  if (suffix.empty()) suffix = "M";
  const size_t power = std::string("BKMG").find(static_cast<char>(std::toupper(suffix[0])));
  const bool good =
      used != 0 && suffix.size() == 1 && power != std::string::npos && number > 0 && number < 1e12;
  if (!good) {
    core::bad_input(
        fmt::format("-m {}: should be a number of MiB, or a number with a suffix: 512M, 1G", text));
  }
  const auto bytes = static_cast<uint64_t>(number * static_cast<double>(uint64_t{1} << (10 * power)));
  return (bytes + mgmt::kPage - 1) / mgmt::kPage * mgmt::kPage;
}

void apply(const Options& o, mgmt::MgmtParams& params) {
  if (o.harts > regs::clint::kMSIP_COUNT)
    core::bad_input(fmt::format("--smp {}: at most {} harts", o.harts, regs::clint::kMSIP_COUNT));
  if (o.harts != 0) params.harts = o.harts;
  if (o.memory.empty()) return;
  params.ram_size = parse_memory(o.memory);
  if (params.ram_size > map::RAM.size)
    core::bad_input(fmt::format("-m {}: at most {} MiB", o.memory, map::RAM.size >> 20));
}

/// The hardware.
class VirtMachine : public sc_core::sc_module {
 public:
  VirtMachine(const sc_core::sc_module_name& name, const mgmt::MgmtParams& params,
              std::function<void(char)> transmit)
      : sc_module(name),
        management("mgmt", params, {}, std::move(transmit)),
        finisher(std::string(this->name()) + ".test") {
    management.bus().attach(map::TEST.name, map::TEST.base, map::TEST.size, finisher.socket());
  }

  mgmt::Management management;
  mgmt::Finisher finisher;
};

virt::Machine describe(mgmt::Management& management, const mgmt::MgmtParams& params) {
  virt::Machine m;
  m.harts = management.harts();
  m.timebase = 1'000'000'000'000 / mgmt::Clint::kTick;
  m.ram_size = params.ram_size;
  m.sources = mgmt::Plic::kSources - 1;
  const mgmt::Isa isa = mgmt::isa();
  m.isa = isa.string();
  m.extensions = isa.extensions;
  m.mmu = isa.mmu;
  for (const mgmt::Management::Block& block : management.blocks()) {
    // Those that every operating system knows have nodes of their own.
    const uint64_t known[] = {map::CLINT.base, map::PLIC.base, map::UART0.base};
    if (std::find(std::begin(known), std::end(known), block.base) != std::end(known)) continue;
    const auto entry = std::find_if(std::begin(map::kEntries), std::end(map::kEntries),
                                    [&block](const map::Entry& e) { return e.base == block.base; });
    if (entry != std::end(map::kEntries))
      m.blocks.push_back({entry->block, entry->base, entry->size, entry->interrupt});
  }
  return m;
}

void write_file(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) core::bad_input(fmt::format("{}: cannot be written", path));
}

virt::Pace pace(const Options& o, const serial::Backend& console) {
  const bool realtime = o.pace.empty() ? console.interactive() : o.pace == "realtime";
  return realtime ? virt::Pace::realtime : virt::Pace::free;
}

const char* describe(Run::End end) {
  switch (end) {
    case Run::End::stopped:
      return "stopped";
    case Run::End::powered_off:
      return "powered off";
    case Run::End::time_over:
      return "--run-for is over";
    case Run::End::stuck:
      return "a hart cannot get on";
    case Run::End::settled:
      break;
  }
  return "nothing is left to do";
}

uint64_t instructions(const mgmt::Management& management) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < management.harts(); ++i) sum += management.hart_statistics(i).instructions;
  return sum;
}

/// An exit status has eight bits; none but 0 may look like 0.
int exit_status(uint64_t status) {
  return static_cast<int>(std::min<uint64_t>(status, 255));
}

}  // namespace

int run_virt(const Options& o) {
  VirtParams params;
  Configuration configuration;
  params.describe(configuration);
  configure(configuration, o, "");
  apply(o, params.socket.mgmt);
  if (o.list_params) {
    configuration.list(std::cout);
    return 0;
  }
  const core::Time until = run_for(o);

  Report report("virt");
  std::unique_ptr<serial::Port> port;
  VirtMachine machine("virt", params.socket.mgmt, [&port](char c) { port->put(c); });
  mgmt::Management& management = machine.management;
  virt::Boot boot(o, map::RAM.base, params.socket.mgmt.ram_size,
                  virt::make_device_tree(describe(management, params.socket.mgmt)));
  if (!o.dump_dtb.empty()) {
    write_file(o.dump_dtb, boot.device_tree());
    return 0;
  }
  const auto load = [&] { boot.images().write_to(management.ram()); };
  load();
  management.set_rom(boot.reset_vector());
  management.add_symbols(boot.symbols());

  port = serial::attach(o.serial.empty() ? "stdio" : o.serial, management.uart());
  auto htif = virt::Htif::find(boot.kernel_symbols(), management.ram(), map::RAM.base,
                               [&port](char c) { port->put(c); });
  const auto debugger = Debugger::create(o.gdb, o.halted, management);
  if (!o.trace.empty()) core::Tracer::get().open(o.trace);
  core::set_guest_fault_sink([](const core::GuestFault& f) {
    fmt::print(stderr, "guest fault: {} at {}: {}\n", f.unit, core::format_time(f.time), f.text);
  });
  report.elaborated();

  Instruments instruments(o, management);
  Run run(management, *port, pace(o, port->backend()));
  run.set_debugger(debugger.get());
  if (htif) run.set_htif(&*htif);
  machine.finisher.on_power_off([&run](unsigned status) { run.power_off(status); });
  machine.finisher.on_reset([&run] { run.request_reset(); });
  const auto reset = [&] {
    load();
    management.reset(mgmt::ResetReason::software);
  };
  run.on_reset(reset);
  if (debugger) debugger->on_reset(reset);
  StopSignal stop([&run] { run.stop(); });
  const Run::End end = run.run(until);

  port.reset();  // a terminal is itself again before the last words
  core::set_guest_fault_sink({});
  core::Tracer::get().close();
  if (!o.statistics.empty()) report.write(o.statistics, management);
  instruments.write();
  if (!o.signature.empty()) {
    virt::write_signature(o.signature, o.signature_granularity, boot.kernel_symbols(), management.ram(),
                          map::RAM.base);
  }
  if (!o.quiet) {
    fmt::print(stderr, "rduvp: ended after {} simulated, {} instructions, {:.2f} s on this machine: {}\n",
               core::format_time(core::now()), instructions(management), report.host_seconds(),
               describe(end));
  }
  const bool unfinished = htif && end != Run::End::powered_off && end != Run::End::stopped;
  if (end == Run::End::stuck || unfinished) {
    throw core::Error(core::ErrorKind::guest_fault, machine.name(),
                      unfinished ? fmt::format("{}, and the program has not written tohost", describe(end))
                                 : describe(end));
  }
  return exit_status(run.status());
}

}  // namespace rdu::platform
