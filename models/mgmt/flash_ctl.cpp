#include "mgmt/flash_ctl.h"

#include <fmt/format.h>

#include <cstring>

#include "core/error.h"

namespace rdu::mgmt {

using namespace regs::flash_ctl;

FlashCtl::FlashCtl(const sc_core::sc_module_name& module_name, const FlashParams& params, Memory& flash)
    : sc_module(module_name), params_(params), flash_(flash), port_(name(), regs_) {
  SC_HAS_PROCESS(FlashCtl);
  SC_METHOD(finish);
  sensitive << done_;
  dont_initialize();
  static_assert(sizeof page_ == 4 * kBUFFER_COUNT, "the buffer holds a page");
  regs_.SIZE.on_read([this] { regs_.SIZE.set_value(flash_.capacity()); });
  regs_.COMMAND.on_write([this](uint64_t) { start(); });
  regs_.STATUS.on_write([this](uint64_t) { update_interrupt(); });
  regs_.IRQ_ENABLE.on_write([this](uint64_t) { update_interrupt(); });
  for (unsigned n = 0; n < kPROTECT_COUNT; ++n) bind_protection(n);
}

void FlashCtl::bind_protection(unsigned n) {
  auto& range = regs_.PROTECT[n];
  const auto keep = [this, &range](core::Register& reg, bool locked, uint64_t before) {
    if (!locked || reg.value() == before) return;
    core::report_guest_fault(name(), fmt::format("{} stays {:#x}: the range is locked", reg.name(), before));
    reg.set_value(before);
  };
  const auto locked = [&range] { return range.CONTROL.get(PROTECT_CONTROL::LOCK) != 0; };
  range.BASE.on_write([=, &range](uint64_t before) { keep(range.BASE, locked(), before); });
  range.SIZE.on_write([=, &range](uint64_t before) { keep(range.SIZE, locked(), before); });
  range.CONTROL.on_write(
      [=, &range](uint64_t before) { keep(range.CONTROL, PROTECT_CONTROL::LOCK.get(before) != 0, before); });
}

bool FlashCtl::is_protected(uint64_t first, uint64_t bytes) const {
  for (unsigned n = 0; n < kPROTECT_COUNT; ++n) {
    const auto& range = regs_.PROTECT[n];
    const uint64_t base = range.BASE.value(), size = range.SIZE.value();
    if (range.CONTROL.get(PROTECT_CONTROL::ENABLE) && first < base + size && base < first + bytes)
      return true;
  }
  return false;
}

void FlashCtl::start() {
  if (regs_.STATUS.get(STATUS::BUSY)) {
    core::report_guest_fault(name(), "COMMAND written while busy; ignored");
    return;
  }
  const uint64_t sector = regs_.SECTOR_BYTES.value(), page = regs_.PAGE_BYTES.value();
  op_ = regs_.COMMAND.get(COMMAND::OP);
  first_ = regs_.ADDRESS.value();
  bytes_ = regs_.LENGTH.value();
  regs_.STATUS.set_value(0);
  update_interrupt();
  core::Time time = 0;
  switch (op_) {
    case COMMAND::OP_ERASE_SECTOR:
      first_ -= first_ % sector;
      bytes_ = sector;
      time = params_.erase_time;
      break;
    case COMMAND::OP_PROGRAM_PAGE:
      if (bytes_ == 0 || bytes_ > page - first_ % page) {
        end(STATUS::ERROR_BAD_LENGTH);
        return;
      }
      for (unsigned i = 0; i < sizeof page_; ++i)
        page_[i] = static_cast<uint8_t>(regs_.BUFFER[i / 4].value() >> 8 * (i % 4));
      time = params_.program_time;
      break;
    default:
      end(STATUS::ERROR_BAD_COMMAND);
      return;
  }
  if (first_ >= flash_.capacity() || bytes_ > flash_.capacity() - first_) {
    end(STATUS::ERROR_BAD_ADDRESS);
  } else if (is_protected(first_, bytes_)) {
    end(STATUS::ERROR_PROTECTED);
  } else {
    regs_.STATUS.set(STATUS::BUSY, 1);
    done_.notify(core::to_sc(time));
  }
}

void FlashCtl::finish() {
  uint8_t* const at = flash_.data() + first_;
  if (op_ == COMMAND::OP_ERASE_SECTOR) {
    std::memset(at, 0xff, bytes_);
  } else {
    for (uint64_t i = 0; i < bytes_; ++i) at[i] &= page_[i];
  }
  end(STATUS::ERROR_NONE);
}

void FlashCtl::end(uint64_t error) {
  regs_.STATUS.set(STATUS::BUSY, 0);
  regs_.STATUS.set(STATUS::ERROR, error);
  regs_.STATUS.set(STATUS::DONE, 1);
  update_interrupt();
}

void FlashCtl::update_interrupt() {
  interrupt.set(regs_.STATUS.get(STATUS::DONE) && regs_.IRQ_ENABLE.get(IRQ_ENABLE::DONE));
}

void FlashCtl::reset() {
  const uint64_t busy = regs_.STATUS.get(STATUS::BUSY);
  regs_.reset();
  regs_.STATUS.set(STATUS::BUSY, busy);
  update_interrupt();
}

}  // namespace rdu::mgmt
