#include "hal/uart.h"

#include "hal/mmio.h"
#include "regs/address_map.h"
#include "regs/uart.h"

static void send(char c) {
  while (!(mmio_read8(RDU_BASE_UART0 + RDU_UART_LSR) & RDU_UART_LSR_THRE_MASK)) {
  }
  mmio_write8(RDU_BASE_UART0 + RDU_UART_RBR_THR, (uint8_t)c);
}

void uart_put(char c) {
  if (c == '\n') send('\r');
  send(c);
}

void uart_puts(const char* text) {
  while (*text) uart_put(*text++);
}
