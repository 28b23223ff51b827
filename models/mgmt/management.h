#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/register_port.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "mgmt/bus.h"
#include "mgmt/clint.h"
#include "mgmt/crypto.h"
#include "mgmt/elf_image.h"
#include "mgmt/flash_ctl.h"
#include "mgmt/fuses.h"
#include "mgmt/hart.h"
#include "mgmt/memory.h"
#include "mgmt/params.h"
#include "mgmt/plic.h"
#include "mgmt/sysctl.h"
#include "mgmt/uart.h"
#include "mgmt/watchdog.h"

namespace rdu::mgmt {

/// The management subsystem of a socket: harts, bus, CLINT, PLIC, UART, ROM, RAM, flash, fuses,
/// cryptography and SYSCTL, at the addresses of regs/address_map.hpp. Further blocks are attached to bus()
/// and plic() by the platform.
class Management : public sc_core::sc_module {
 public:
  /// `transmit` gets each byte that the UART sends (see UartConsole). Throws bad_input if a parameter makes
  /// no sense (RAM size not a multiple of 4 KiB).
  Management(const sc_core::sc_module_name& name, const MgmtParams& params, const SocketInfo& socket,
             std::function<void(char)> transmit);
  ~Management() override;

  /// For further memories: bus().attach(name, base, size, socket) until elaboration ends.
  Bus& bus() { return bus_; }
  /// For further blocks with registers, until elaboration ends. They are among blocks() from then on.
  void attach(const std::string& name, uint64_t base, uint64_t size, core::RegisterPort& port);
  /// For their interrupt lines: core::InterruptLine::connect(plic(), number).
  Plic& plic() { return plic_; }
  /// The top-level network's target at regs::map::RAM.
  Ram& ram() { return ram_; }
  Uart& uart() { return uart_; }
  Sysctl& sysctl() { return sysctl_; }
  Watchdog& watchdog() { return watchdog_; }
  Hart& hart(unsigned index = 0) { return *harts_.at(index); }
  unsigned harts() const { return static_cast<unsigned>(harts_.size()); }

  /// The boot ROM: an ELF (its PT_LOAD segments must lie in the ROM; RISC-V, 64 bit) or raw bytes. The harts
  /// start at the ROM's first byte. Throws bad_input. Before the simulation starts.
  void load_rom(const std::string& path);
  /// The same from memory; at most regs::map::ROM.size bytes.
  void set_rom(std::vector<uint8_t> bytes);
  /// The flash's contents from its first byte on, at most flash.size bytes; the rest is erased. `what` names
  /// them in errors. Throws bad_input. Before the simulation starts.
  void load_flash(const std::string& what, const std::vector<uint8_t>& contents);
  /// The flash as it is now.
  const Memory& flash() const { return flash_; }
  /// Names of addresses, for messages. Throws bad_input if the file is no ELF for this core.
  void load_symbols(const std::string& path);

  /// The names of addresses that are known so far.
  const SymbolTable& symbols() const { return symbols_; }
  /// Further names of addresses for messages.
  void add_symbols(const SymbolTable& symbols) { symbols_.merge(symbols); }

  /// Of one hart since the start.
  HartStatistics hart_statistics(unsigned hart = 0) const { return harts_.at(hart)->statistics(); }

  /// Resets every block and restarts the harts at the ROM; the contents of RAM stay. Takes effect at once; a
  /// hart that runs ahead of the kernel drops the access that it waits to make.
  void reset(ResetReason reason);
  /// Restarts the harts at the ROM while the rest of the chip goes on, as SYSCTL.RESET, the watchdog and the
  /// host's RESTART register do. What belongs to the harts and what the ROM drives is reset (interrupt
  /// controller, timer's comparison, watchdog, cryptography, flash controller, the fuses' lock); SYSCTL keeps
  /// all but BOOT_STAGE, RESET_REASON, RESTARTS and TRACE_TAG.
  void restart(ResetReason reason);
  /// For tests of software: hart 0 executes nothing more, from now on or, if it sleeps, from its waking. Time
  /// goes on and so does the watchdog. A restart ends it.
  void hang();
  /// Called at each restart: for blocks whose state belongs to the firmware that is gone.
  void on_restart(std::function<void()> hook) { restarted_ = std::move(hook); }
  /// Called when hart 0 falls asleep and when it wakes.
  void on_core_activity(std::function<void()> hook) { core_activity_ = std::move(hook); }

  /// All register files on the bus, with their bases, for tools and for tests that walk every register.
  struct Block {
    std::string name;
    uint64_t base;
    core::RegisterFile* registers;
  };
  std::vector<Block> blocks();

 private:
  void reset_boot_blocks();
  std::string child(const char* name) const { return std::string(this->name()) + "." + name; }

  MgmtParams params_;
  Bus bus_;
  Clint clint_;
  Plic plic_;
  Uart uart_;
  Sysctl sysctl_;
  Watchdog watchdog_;
  Memory rom_;
  Memory flash_;
  FlashCtl flash_ctl_;
  Crypto crypto_;
  Fuses fuses_;
  Ram ram_;
  SymbolTable symbols_;
  std::vector<std::unique_ptr<Hart>> harts_;
  std::vector<Block> attached_;
  bool hung_ = false;
  std::function<void()> restarted_;
  std::function<void()> core_activity_;
};

}  // namespace rdu::mgmt
