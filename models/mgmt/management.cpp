#include "mgmt/management.h"

#include <fmt/format.h>

#include <cstring>

#include "core/error.h"
#include "regs/address_map.hpp"

namespace rdu::mgmt {

namespace map = regs::map;

namespace {

constexpr uint64_t kLargestRomFile = 64u << 20;  // an ELF with debug information, not its contents

const MgmtParams& checked(const MgmtParams& params) {
  if (params.ram_size % kPage != 0 || params.ram_size > map::RAM.size) {
    core::bad_input(fmt::format("management RAM of {} bytes: must be a multiple of {} and at most {}",
                                params.ram_size, kPage, map::RAM.size));
  }
  if (params.harts < 1 || params.harts > regs::clint::kMSIP_COUNT) {
    core::bad_input(
        fmt::format("{} management harts: must be 1 to {}", params.harts, regs::clint::kMSIP_COUNT));
  }
  if (params.flash.size % (2 * kPage) != 0)
    core::bad_input(fmt::format("flash of {} bytes: must be a multiple of {}", params.flash.size, 2 * kPage));
  if (params.hart.quantum < params.hart.period().period) {
    core::bad_input("the management core's quantum is shorter than a cycle of its clock");
  }
  return params;
}

Sysctl::Values sysctl_values(const MgmtParams& params, const SocketInfo& socket) {
  Sysctl::Values v;
  v.socket = socket.socket;
  v.ram_size = static_cast<uint32_t>(params.ram_size);
  v.flash_size = static_cast<uint32_t>(params.flash.size);
  v.core_clock = static_cast<uint32_t>(params.hart.clock);
  v.tiles = socket.tiles;
  v.rows = socket.rows;
  v.columns = socket.columns;
  return v;
}

}  // namespace

Management::Management(const sc_core::sc_module_name& name, const MgmtParams& params,
                       const SocketInfo& socket, std::function<void(char)> transmit)
    : sc_module(name),
      params_(checked(params)),
      bus_("bus"),
      clint_(child("clint"), static_cast<unsigned>(params.harts)),
      plic_(child("plic"), static_cast<unsigned>(params.harts)),
      uart_(child("uart"), std::move(transmit)),
      sysctl_(child("sysctl"), sysctl_values(params, socket)),
      watchdog_("watchdog"),
      rom_(child("rom"), Memory::Kind::read_only, map::ROM.size),
      flash_(child("flash"), Memory::Kind::read_only, params.flash.size, Memory::Beyond::all_ones),
      flash_ctl_("flash_ctl", params.flash, flash_),
      crypto_("crypto", params.crypto),
      fuses_(child("fuses"), params.fuses),
      ram_(child("ram"), params.ram_size, params.ram_latency) {
  bus_.attach("ROM", map::ROM.base, map::ROM.size, rom_.socket);
  bus_.attach("CLINT", map::CLINT.base, map::CLINT.size, clint_.socket());
  bus_.attach("PLIC", map::PLIC.base, map::PLIC.size, plic_.socket());
  bus_.attach("UART0", map::UART0.base, map::UART0.size, uart_.socket());
  bus_.attach("SYSCTL", map::SYSCTL.base, map::SYSCTL.size, sysctl_.socket());
  attach("WATCHDOG", map::WATCHDOG.base, map::WATCHDOG.size, watchdog_.registers);
  bus_.attach("CRYPTO", map::CRYPTO.base, map::CRYPTO.size, crypto_.socket());
  bus_.attach("FUSES", map::FUSES.base, map::FUSES.size, fuses_.socket());
  bus_.attach("FLASH_CTL", map::FLASH_CTL.base, map::FLASH_CTL.size, flash_ctl_.socket());
  bus_.attach("FLASH", map::FLASH.base, map::FLASH.size, flash_.socket);
  bus_.attach("RAM", map::RAM.base, params_.ram_size, ram_.memory().socket);
  uart_.connect(plic_, map::IRQ_UART0);
  watchdog_.interrupt.connect(plic_, map::IRQ_WATCHDOG);
  watchdog_.on_expiry([this] { restart(ResetReason::watchdog); });
  crypto_.interrupt.connect(plic_, map::IRQ_CRYPTO);
  flash_ctl_.interrupt.connect(plic_, map::IRQ_FLASH_CTL);
  bus_.connect(crypto_.bus);
  load_flash("empty flash", {});

  for (unsigned i = 0; i < params_.harts; ++i) {
    const std::string track = i == 0 ? child("firmware") : child("firmware") + std::to_string(i);
    harts_.push_back(std::make_unique<Hart>(fmt::format("hart{}", i).c_str(), i, map::ROM.base, params_.hart,
                                            clint_, track));
    Hart& hart = *harts_.back();
    bus_.connect(hart.socket);
    clint_.connect(i, hart, CsrFile::kSoftware, hart);
    plic_.connect(Plic::machine_context(i), hart, CsrFile::kExternal);
    plic_.connect(Plic::supervisor_context(i), hart, CsrFile::kSupervisorExternal);
    hart.set_symbols(&symbols_);
  }

  sysctl_.on_trace_tag([this](core::CommandTag tag) { harts_[0]->set_trace_tag(tag); });
  sysctl_.on_hart_reset([this](ResetReason reason) { restart(reason); });
  harts_[0]->on_activity([this](bool awake) {
    watchdog_.set_core_awake(awake);
    if (hung_ && awake) harts_[0]->debug().stand();
    if (core_activity_) core_activity_();
  });
}

Management::~Management() = default;

void Management::load_rom(const std::string& path) {
  const std::vector<uint8_t> file = read_file(path, kLargestRomFile);
  std::vector<uint8_t> bytes;
  if (ElfImage::is_elf(file)) {
    const ElfImage elf(path, file);
    bytes.resize(map::ROM.size);
    for (const ElfImage::Segment& segment : elf.segments()) {
      const uint64_t offset = segment.physical - map::ROM.base;
      if (segment.physical < map::ROM.base || offset > map::ROM.size ||
          segment.memory_size > map::ROM.size - offset) {
        core::bad_input(fmt::format(
            "{}: its segment at {:#x} ({:#x} bytes) lies outside the boot ROM ({:#x} to {:#x})", path,
            segment.physical, segment.memory_size, map::ROM.base, map::ROM.base + map::ROM.size - 1));
      }
      if (!segment.bytes.empty())
        std::memcpy(bytes.data() + offset, segment.bytes.data(), segment.bytes.size());
    }
    if (elf.entry() != map::ROM.base) {
      core::bad_input(
          fmt::format("{}: begins at {:#x}, harts start at {:#x}", path, elf.entry(), map::ROM.base));
    }
    symbols_.merge(elf.symbols());
  } else {
    if (file.size() > map::ROM.size) {
      core::bad_input(
          fmt::format("{}: has {} bytes, the boot ROM holds {}", path, file.size(), map::ROM.size));
    }
    bytes = file;
  }
  set_rom(std::move(bytes));
}

void Management::set_rom(std::vector<uint8_t> bytes) {
  bytes.resize(map::ROM.size);
  rom_.replace(bytes, 0);
}

void Management::load_flash(const std::string& what, const std::vector<uint8_t>& contents) {
  if (contents.size() > params_.flash.size) {
    core::bad_input(fmt::format("{}: has {} bytes, the flash holds {} (mgmt.flash.size)", what,
                                contents.size(), params_.flash.size));
  }
  std::vector<uint8_t> bytes = contents;
  bytes.resize(params_.flash.size, 0xff);
  flash_.replace(bytes, 0xff);
}

void Management::load_symbols(const std::string& path) {
  symbols_.merge(ElfImage(path).symbols());
}

/// Locks open, and what the ROM drives is idle, whenever it begins.
void Management::reset_boot_blocks() {
  crypto_.reset();
  fuses_.reset();
  flash_ctl_.reset();
}

void Management::reset(ResetReason reason) {
  clint_.reset();
  plic_.reset();
  uart_.reset();
  watchdog_.reset();
  sysctl_.reset(reason);
  reset_boot_blocks();
  for (auto& hart : harts_) hart->reset();
}

void Management::restart(ResetReason reason) {
  plic_.reset();
  clint_.restart();
  watchdog_.reset();
  sysctl_.hart_restarted(reason);
  reset_boot_blocks();
  if (restarted_) restarted_();
  if (hung_) harts_[0]->debug().run();
  hung_ = false;
  for (auto& hart : harts_) hart->reset();
}

void Management::hang() {
  hung_ = true;
  if (!harts_[0]->asleep()) harts_[0]->debug().stand();
}

void Management::attach(const std::string& name, uint64_t base, uint64_t size, core::RegisterPort& port) {
  bus_.attach(name, base, size, port.socket);
  attached_.push_back({name, base, &port.registers()});
}

std::vector<Management::Block> Management::blocks() {
  std::vector<Block> all = {{"CLINT", map::CLINT.base, &clint_.registers()},
                            {"PLIC", map::PLIC.base, &plic_.registers()},
                            {"UART0", map::UART0.base, &uart_.registers()},
                            {"SYSCTL", map::SYSCTL.base, &sysctl_.registers()},
                            {"CRYPTO", map::CRYPTO.base, &crypto_.registers()},
                            {"FUSES", map::FUSES.base, &fuses_.registers()},
                            {"FLASH_CTL", map::FLASH_CTL.base, &flash_ctl_.registers()}};
  all.insert(all.end(), attached_.begin(), attached_.end());
  return all;
}

}  // namespace rdu::mgmt
