#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "core/register_port.h"
#include "core/transfer.h"
#include "regs/uart.hpp"

namespace rdu::mgmt {

/// An NS16550A. Bytes leave at once: the transmitter is always empty, the divisor is kept but sets no rate.
/// Received bytes wait in a FIFO of 16 (of one while FCR.0 is 0); what does not fit is lost and sets LSR.OE.
/// The receive time-out, which a real part raises after four silent character times, comes at once.
class Uart {
 public:
  /// Construct inside a module's constructor (it has a TLM socket). `transmit` gets each byte at the time it
  /// is written.
  Uart(const std::string& name, std::function<void(char)> transmit);

  void connect(core::InterruptSink& sink, unsigned number) { line_.connect(sink, number); }

  /// A byte arrives at the receiver.
  void push(char byte);
  /// How many bytes can arrive now without one being lost: none in loop-back mode, and none after a reset
  /// until software has looked for input (LSR, RBR) or enabled its interrupt, because drivers empty the FIFO
  /// when they set the device up.
  unsigned room() const;

  /// How often in a row software has looked for a received byte in vain (LSR), sending and receiving nothing
  /// in between: it does nothing but wait for input, by polling.
  uint64_t vain_looks() const { return vain_looks_; }

  tlm_utils::simple_target_socket<core::RegisterPort>& socket() { return port_.socket; }
  core::RegisterFile& registers() { return regs_; }
  void reset();

 private:
  bool dlab() const;
  bool loopback() const;
  unsigned fifo_depth() const { return (fcr_ & 1) ? 16 : 1; }
  unsigned receive_trigger() const;
  void receive(uint8_t byte);
  void send(uint8_t byte);
  uint8_t identification() const;  ///< IIR
  uint8_t interrupt_cause() const;
  uint8_t modem_status() const;
  void write_fcr(uint8_t value);
  void update();

  regs::uart::Registers regs_;
  core::RegisterPort port_;
  std::function<void(char)> transmit_;
  core::InterruptLine line_;
  std::deque<uint8_t> received_;
  uint8_t fcr_ = 0;
  uint8_t ier_ = 0;
  uint16_t divisor_ = 0;
  bool overrun_ = false;
  uint64_t vain_looks_ = 0;
  bool attended_ = false;            ///< software has shown interest in input
  bool transmit_interrupt_ = false;  ///< "transmitter empty" has not been acknowledged
};

}  // namespace rdu::mgmt
