#include "pcie/host_interface.h"

#include <fmt/format.h>

#include "core/error.h"

namespace rdu::pcie {

namespace hostif = regs::hostif;
namespace hostctl = regs::hostctl;

namespace {

/// One side reads what the other has written.
void mirror(core::Register& reg, const core::Register& of) {
  reg.on_read([&reg, &of] { reg.set_value(of.value()); });
}

}  // namespace

HostInterface::HostInterface(const std::string& name, Connections connections)
    : name_(name), connections_(std::move(connections)), port_(name, fw_) {
  bind_host();
  bind_firmware();
}

void HostInterface::bind_host() {
  host_.CC.on_write([this](uint64_t before) {
    if (host_.CC.value() != before) raise(hostctl::IRQ_STATUS::ENABLE_CHANGED);
  });
  host_.CSTS.on_read([this] {
    const uint64_t stage = connections_.boot_stage();
    uint64_t csts = fw_.CSTS.value();
    if (reset_pending_) csts = hostif::CSTS::FW.set(csts, 0);
    csts = hostif::CSTS::STAGE.set(csts, stage & 0xff);
    host_.CSTS.set_value(hostif::CSTS::ERROR.set(csts, stage >> 16));
  });
  host_.FW_VERSION.on_read([this] { host_.FW_VERSION.set_value(fw_.FW_VERSION.value()); });
  host_.TIMESTAMP.on_read([this] { host_.TIMESTAMP.set_value(core::now() / core::kNanosecond); });
  host_.MBOX_REQUEST.on_write([this](uint64_t before) {
    if (host_.MBOX_STATUS.get(hostif::MBOX_STATUS::BUSY)) {
      host_.MBOX_REQUEST.set_value(before);
      core::report_guest_fault(
          name_, "the host wrote MBOX_REQUEST while the firmware still works on the last one; ignored");
      return;
    }
    host_.MBOX_STATUS.set(hostif::MBOX_STATUS::BUSY, 1);
    raise(hostctl::IRQ_STATUS::MAILBOX);
  });
  host_.RECOVERY_STATUS.on_read([this] {
    const uint64_t pending = fw_.IRQ_STATUS.get(hostctl::IRQ_STATUS::RECOVERY);
    host_.RECOVERY_STATUS.set_value(
        hostif::RECOVERY_STATUS::PENDING.set(fw_.RECOVERY_STATUS.value(), pending));
  });
  mirror(host_.RECOVERY_PROGRESS, fw_.RECOVERY_PROGRESS);
  mirror(host_.BOOT, fw_.BOOT);
  for (unsigned n = 0; n < hostif::kSLOT_COUNT; ++n) mirror(host_.SLOT[n], fw_.SLOT[n]);
  host_.RECOVERY_COMMAND.on_write([this](uint64_t) {
    if (host_.RECOVERY_COMMAND.get(hostif::RECOVERY_COMMAND::START)) raise(hostctl::IRQ_STATUS::RECOVERY);
  });
  host_.RESTART.on_write([this](uint64_t) {
    if (host_.RESTART.get(hostif::RESTART::KEY) != hostif::RESTART::KEY_RESTART) {
      core::report_guest_fault(name_, "the host wrote RESTART with another value than its key; ignored");
      return;
    }
    connections_.restart_core();
  });
  host_.HOST_TLB_INVALIDATE.on_write([this](uint64_t) {
    const uint64_t context = host_.HOST_TLB_INVALIDATE.get(hostif::HOST_TLB_INVALIDATE::CONTEXT);
    if (context >= hostctl::kHOST_TABLE_COUNT) {
      core::report_guest_fault(
          name_,
          fmt::format("HOST_TLB_INVALIDATE was written with {}, there is no such context; ignored", context));
      return;
    }
    connections_.forget_table(static_cast<unsigned>(context));
  });
  host_.DMA_ERROR.on_write([this](uint64_t) {
    if (host_.DMA_ERROR.get(hostif::DMA_ERROR::VALID)) return;
    host_.DMA_ERROR.reset();
    host_.DMA_ERROR_ADDRESS.reset();
  });
  for (unsigned n = 0; n < hostif::kWINDOW_COUNT; ++n)
    host_.WINDOW[n].BASE.on_write([this, n](uint64_t) { move_window(n); });
  for (unsigned q = 0; q < hostif::kDOORBELL_COUNT; ++q) {
    host_.DOORBELL[q].SQ_TAIL.on_write([this, q](uint64_t) { ring_submission(q); });
    host_.DOORBELL[q].CQ_HEAD.on_write([this, q](uint64_t) { ring_completion(q); });
  }
}

void HostInterface::bind_firmware() {
  fw_.IRQ_STATUS.on_write([this](uint64_t) { update_interrupt(); });
  fw_.IRQ_ENABLE.on_write([this](uint64_t) { update_interrupt(); });
  mirror(fw_.CC, host_.CC);
  mirror(fw_.AQA, host_.AQA);
  mirror(fw_.ASQ, host_.ASQ);
  mirror(fw_.ACQ, host_.ACQ);
  mirror(fw_.MBOX_REQUEST, host_.MBOX_REQUEST);
  mirror(fw_.RECOVERY_ADDRESS, host_.RECOVERY_ADDRESS);
  mirror(fw_.RECOVERY_LENGTH, host_.RECOVERY_LENGTH);
  fw_.MBOX_RESPONSE.on_write([this](uint64_t) {
    host_.MBOX_RESPONSE.set_value(fw_.MBOX_RESPONSE.value());
    host_.MBOX_STATUS.set(hostif::MBOX_STATUS::BUSY, 0);
  });
  fw_.MSIX_TRIGGER.on_write([this](uint64_t) {
    connections_.send_msix(static_cast<unsigned>(fw_.MSIX_TRIGGER.get(hostctl::MSIX_TRIGGER::VECTOR)));
  });
  fw_.PCI_STATUS.on_read([this] { fw_.PCI_STATUS.set_value(connections_.pci_status()); });
  fw_.HOST_RESET_DONE.on_write([this](uint64_t) {
    if (fw_.HOST_RESET_DONE.get(hostctl::HOST_RESET_DONE::DONE)) reset_pending_ = false;
  });
  for (unsigned c = 0; c < hostctl::kHOST_TABLE_COUNT; ++c)
    fw_.HOST_TABLE[c].ROOT.on_write([this, c](uint64_t) { connections_.forget_table(c); });
  for (unsigned q = 0; q < hostctl::kQUEUE_COUNT; ++q) {
    fw_.QUEUE[q].SIZE.on_write([this, q](uint64_t) {  // a new queue begins at entry 0
      fw_.QUEUE[q].SQ_TAIL.set_value(0);
      fw_.QUEUE[q].CQ_HEAD.set_value(0);
      submitted_[q] = 0;
    });
  }
}

void HostInterface::raise(core::Field cause) {
  fw_.IRQ_STATUS.set(cause, 1);
  update_interrupt();
}

void HostInterface::update_interrupt() {
  interrupt_.set((fw_.IRQ_STATUS.value() & fw_.IRQ_ENABLE.value()) != 0);
}

void HostInterface::move_window(unsigned window) {
  namespace base = hostif::WINDOW_BASE;
  core::Register& reg = host_.WINDOW[window].BASE;
  const uint64_t memory = reg.get(base::MEMORY);
  std::string why = "there is no such memory";
  if (memory <= base::MEMORY_DDR) {
    why = connections_.move_window(window, memory, reg.get(base::OFFSET) << base::OFFSET.lsb);
    if (why.empty()) return;
  }
  core::report_guest_fault(
      name_, fmt::format("WINDOW[{}].BASE was written with {:#x}: {}; the window shows no memory", window,
                         reg.value(), why));
  reg.set(base::MEMORY, base::MEMORY_NONE);
}

void HostInterface::record(const DmaFailure& failure) {
  namespace error = hostif::DMA_ERROR;
  core::Register& reg = host_.DMA_ERROR;
  if (!reg.get(error::VALID)) {
    reg.set(error::VALID, 1);
    reg.set(error::WRITE, failure.write ? 1 : 0);
    reg.set(error::CODE, failure.code);
    reg.set(error::CONTEXT, failure.context);
    host_.DMA_ERROR_ADDRESS.set_value(failure.address);
  }
  const uint64_t count = reg.get(error::COUNT);
  if (count < error::COUNT.max()) reg.set(error::COUNT, count + 1);
}

void HostInterface::ring_submission(unsigned queue) {
  const auto tail = static_cast<uint32_t>(host_.DOORBELL[queue].SQ_TAIL.value());
  const auto size = static_cast<uint32_t>(fw_.QUEUE[queue].SIZE.value());
  if (tail >= size) {
    core::report_guest_fault(
        name_, fmt::format("submission doorbell {} written with {}, the queue has {} entries; ignored", queue,
                           tail, size));
    return;
  }
  const auto before = static_cast<uint32_t>(fw_.QUEUE[queue].SQ_TAIL.value());
  const uint32_t count = (tail + size - before) % size;
  fw_.QUEUE[queue].SQ_TAIL.set_value(tail);
  fw_.SQ_PENDING.set_value(fw_.SQ_PENDING.value() | 1u << queue);
  if (connections_.rung && count > 0)
    connections_.rung(queue, (queue << 16 | (submitted_[queue] & 0xffff)) + 1, count);
  submitted_[queue] += count;
  raise(hostctl::IRQ_STATUS::DOORBELL);
}

void HostInterface::ring_completion(unsigned queue) {
  const auto head = static_cast<uint32_t>(host_.DOORBELL[queue].CQ_HEAD.value());
  // How long a completion queue is only the firmware knows, so it judges the head of one that exists.
  if (fw_.QUEUE[queue].SIZE.value() == 0 || head >= host_.CAP.get(hostif::CAP::MAX_ENTRIES)) {
    core::report_guest_fault(
        name_, fmt::format("completion doorbell {} written with {}, {}; ignored", queue, head,
                           fw_.QUEUE[queue].SIZE.value() == 0 ? "the queue does not exist"
                                                              : "more than any queue has entries"));
    return;
  }
  fw_.QUEUE[queue].CQ_HEAD.set_value(head);
  // Firmware that waits for room in a completion queue is woken as by a submission.
  fw_.SQ_PENDING.set_value(fw_.SQ_PENDING.value() | 1u << queue);
  raise(hostctl::IRQ_STATUS::DOORBELL);
}

void HostInterface::host_reset() {
  was_enabled_ =
      (reset_pending_ && was_enabled_) || host_.CC.get(hostif::CC::EN) || fw_.CSTS.get(hostctl::CSTS::RDY);
  host_.reset();
  for (unsigned c = 0; c < hostctl::kHOST_TABLE_COUNT; ++c) fw_.HOST_TABLE[c].ROOT.reset();
  for (unsigned q = 0; q < hostctl::kQUEUE_COUNT; ++q) {
    fw_.QUEUE[q].SIZE.reset();
    fw_.QUEUE[q].SQ_TAIL.reset();
    fw_.QUEUE[q].CQ_HEAD.reset();
  }
  submitted_.fill(0);
  fw_.SQ_PENDING.reset();
  fw_.CSTS.set(hostctl::CSTS::RDY, 0);
  reset_pending_ = true;
  raise(hostctl::IRQ_STATUS::RESET);
}

void HostInterface::firmware_reset() {
  fw_.reset();
  submitted_.fill(0);
  reset_pending_ = false;
  for (unsigned c = 0; c < hostctl::kHOST_TABLE_COUNT; ++c) connections_.forget_table(c);
  // A request that waits is still there for the firmware that comes.
  if (host_.MBOX_STATUS.get(hostif::MBOX_STATUS::BUSY)) fw_.IRQ_STATUS.set(hostctl::IRQ_STATUS::MAILBOX, 1);
  update_interrupt();
}

}  // namespace rdu::pcie
