#include "mgmt/uart.h"

namespace rdu::mgmt {

using namespace regs::uart;

namespace {

// Interrupt identification (IIR), most urgent first.
constexpr uint8_t kLineStatus = 0x06;
constexpr uint8_t kReceived = 0x04;
constexpr uint8_t kReceiveTimeout = 0x0c;
constexpr uint8_t kTransmitterEmpty = 0x02;
constexpr uint8_t kNone = 0x01;

// Bits of MCR and MSR.
constexpr uint8_t kDtr = 0x01, kRts = 0x02, kOut1 = 0x04, kOut2 = 0x08, kLoop = 0x10;
constexpr uint8_t kCts = 0x10, kDsr = 0x20, kRi = 0x40, kDcd = 0x80;

constexpr uint8_t kFifoEnable = 0x01, kFifoClearReceive = 0x02;

}  // namespace

Uart::Uart(const std::string& name, std::function<void(char)> transmit)
    : port_(name, regs_), transmit_(std::move(transmit)) {
  regs_.RBR_THR.on_read([this] {
    if (dlab()) {
      regs_.RBR_THR.set_value(divisor_ & 0xff);
      return;
    }
    attended_ = true;
    vain_looks_ = 0;
    regs_.RBR_THR.set_value(received_.empty() ? 0 : received_.front());
    if (!received_.empty()) received_.pop_front();
    update();
  });
  regs_.RBR_THR.on_write([this](uint64_t) {
    const auto value = static_cast<uint8_t>(regs_.RBR_THR.value());
    if (dlab()) {
      divisor_ = static_cast<uint16_t>((divisor_ & 0xff00) | value);
    } else {
      send(value);
    }
  });
  regs_.IER.on_read([this] { regs_.IER.set_value(dlab() ? divisor_ >> 8 : ier_); });
  regs_.IER.on_write([this](uint64_t) {
    const auto value = static_cast<uint8_t>(regs_.IER.value());
    if (dlab()) {
      divisor_ = static_cast<uint16_t>((divisor_ & 0x00ff) | value << 8);
      return;
    }
    const bool was_enabled = IER::TX.get(ier_) != 0;
    ier_ = value & 0x0f;
    if (IER::RX.get(ier_)) attended_ = true;
    // Enabling it while the transmitter is empty raises it, which is how drivers start sending.
    if (IER::TX.get(ier_) && !was_enabled) transmit_interrupt_ = true;
    update();
  });
  regs_.IIR_FCR.on_read([this] {
    const uint8_t value = identification();
    regs_.IIR_FCR.set_value(value);
    if ((value & 0x0f) == kTransmitterEmpty) transmit_interrupt_ = false;
    update();
  });
  regs_.IIR_FCR.on_write([this](uint64_t) { write_fcr(static_cast<uint8_t>(regs_.IIR_FCR.value())); });
  regs_.MCR.on_write([this](uint64_t) { update(); });
  regs_.LSR.on_read([this] {
    attended_ = true;
    vain_looks_ = received_.empty() ? vain_looks_ + 1 : 0;
    regs_.LSR.set(LSR::OE, overrun_);
    overrun_ = false;
    const uint64_t seen = regs_.LSR.value();
    update();
    regs_.LSR.set_value(seen);
  });
  update();
}

bool Uart::dlab() const {
  return regs_.LCR.get(LCR::DLAB) != 0;
}
bool Uart::loopback() const {
  return (regs_.MCR.value() & kLoop) != 0;
}

unsigned Uart::receive_trigger() const {
  static constexpr unsigned kTriggers[] = {1, 4, 8, 14};
  return (fcr_ & kFifoEnable) ? kTriggers[fcr_ >> 6] : 1;
}

unsigned Uart::room() const {
  const auto used = static_cast<unsigned>(received_.size());
  return loopback() || !attended_ || used >= fifo_depth() ? 0 : fifo_depth() - used;
}

void Uart::push(char byte) {
  if (!loopback()) receive(static_cast<uint8_t>(byte));
}

void Uart::receive(uint8_t byte) {
  if (received_.size() >= fifo_depth()) {
    overrun_ = true;
  } else {
    received_.push_back(byte);
  }
  update();
}

void Uart::send(uint8_t byte) {
  vain_looks_ = 0;
  transmit_interrupt_ = true;  // empty again at once
  if (loopback()) {
    receive(byte);
  } else {
    transmit_(static_cast<char>(byte));
  }
  update();
}

uint8_t Uart::interrupt_cause() const {
  if (IER::LINE.get(ier_) && overrun_) return kLineStatus;
  if (IER::RX.get(ier_) && received_.size() >= receive_trigger()) return kReceived;
  if (IER::RX.get(ier_) && !received_.empty()) return kReceiveTimeout;
  if (IER::TX.get(ier_) && transmit_interrupt_) return kTransmitterEmpty;
  return kNone;
}

uint8_t Uart::identification() const {
  return static_cast<uint8_t>(interrupt_cause() | ((fcr_ & kFifoEnable) ? 0xc0 : 0));
}

/// The other side is always ready; in loop-back mode the outputs come back as inputs.
uint8_t Uart::modem_status() const {
  if (!loopback()) return kCts | kDsr | kDcd;
  const uint64_t mcr = regs_.MCR.value();
  return static_cast<uint8_t>(((mcr & kRts) ? kCts : 0) | ((mcr & kDtr) ? kDsr : 0) |
                              ((mcr & kOut1) ? kRi : 0) | ((mcr & kOut2) ? kDcd : 0));
}

void Uart::write_fcr(uint8_t value) {
  const bool toggled = ((value ^ fcr_) & kFifoEnable) != 0;
  if (toggled || (value & kFifoClearReceive)) received_.clear();
  fcr_ = value & 0xc1;
  update();
}

void Uart::update() {
  regs_.LSR.set(LSR::DR, !received_.empty());
  regs_.LSR.set(LSR::OE, overrun_);
  regs_.MSR.set_value(modem_status());
  line_.set(interrupt_cause() != kNone);
}

void Uart::reset() {
  regs_.reset();
  received_.clear();
  fcr_ = 0;
  ier_ = 0;
  divisor_ = 0;
  overrun_ = false;
  attended_ = false;
  vain_looks_ = 0;
  transmit_interrupt_ = false;
  update();
}

}  // namespace rdu::mgmt
