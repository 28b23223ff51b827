#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "core/register_port.h"
#include "core/trace.h"
#include "core/transfer.h"
#include "pcie/dma_port.h"
#include "regs/hostctl.hpp"
#include "regs/hostif.hpp"

namespace rdu::pcie {

/// Mailbox, status and doorbells between host and management core: the host's registers (BAR0, regs/hostif)
/// on one side, the firmware's (regs/hostctl) on the other. It keeps and passes on; it decides nothing. All
/// answers are the firmware's.
class HostInterface {
 public:
  struct Connections {
    std::function<uint32_t()> boot_stage;            ///< SYSCTL.BOOT_STAGE, shown in CSTS
    std::function<uint32_t()> pci_status;            ///< bits as hostctl.PCI_STATUS
    std::function<void()> restart_core;              ///< the host wrote RESTART
    std::function<void(unsigned vector)> send_msix;  ///< towards the host
    /// `count` submissions were rung in on a queue pair; the first has this tag.
    std::function<void(unsigned queue, core::CommandTag first, unsigned count)> rung;
    /// What was kept of a context's host page table is no longer to be used.
    std::function<void(unsigned context)> forget_table;
    /// WINDOW[n] shall show a memory (WINDOW_BASE::MEMORY_*) from a byte offset. Why not, in words, or "".
    std::function<std::string(unsigned window, uint64_t memory, uint64_t offset)> move_window;
  };

  HostInterface(const std::string& name, Connections connections);

  regs::hostif::Registers& host() { return host_; }
  core::RegisterPort& firmware() { return port_; }
  core::InterruptLine& interrupt() { return interrupt_; }

  /// An access to host memory failed: DMA_ERROR keeps the first.
  void record(const DmaFailure& failure);
  /// HOSTCTL.HOST_TABLE[context].ROOT.
  uint64_t host_table(unsigned context) const { return fw_.HOST_TABLE[context].ROOT.value(); }
  /// The host was reset under an enabled device, and the firmware has not yet said that nothing of its work
  /// is left: what is still on its way must not reach the next host.
  bool drops_work() const { return reset_pending_ && was_enabled_; }

  /// The host reset the function or went away: registers go to reset values, doorbells stop, and the firmware
  /// is told. CSTS.FW reads 0 until the firmware has answered by HOST_RESET_DONE.
  void host_reset();
  /// The management core restarts: what the firmware had published is gone.
  void firmware_reset();

 private:
  void bind_host();
  void bind_firmware();
  void raise(core::Field cause);
  void update_interrupt();
  void move_window(unsigned window);
  void ring_submission(unsigned queue);
  void ring_completion(unsigned queue);

  std::string name_;
  Connections connections_;
  regs::hostif::Registers host_;
  regs::hostctl::Registers fw_;
  core::RegisterPort port_;
  core::InterruptLine interrupt_;
  std::array<uint32_t, regs::hostctl::kQUEUE_COUNT> submitted_{};  ///< running number of the next submission
  bool reset_pending_ = false;
  bool was_enabled_ = false;  ///< at that reset
};

}  // namespace rdu::pcie
