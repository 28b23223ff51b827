/* The smallest firmware that does something: says hello, reads what chip it is on, leaves a mark, sleeps.
 * firmware/README.md walks through it. */

#include "hal/uart.h"
#include "regs/address_map.h"
#include "regs/sysctl_hal.h"

void hello(void);

static void put_hex(uint32_t value) {
  for (int shift = 28; shift >= 0; shift -= 4) uart_put("0123456789abcdef"[value >> shift & 0xf]);
}

void hello(void) {
  const uint32_t id = rdu_sysctl_CHIP_ID_read(RDU_BASE_SYSCTL);
  uart_puts("hello: this is chip 0x");
  put_hex(id);
  uart_puts("\n");

  rdu_sysctl_SCRATCH_write(RDU_BASE_SYSCTL, 0, id); /* break here, and step over it */
  for (;;) __asm__ volatile("wfi");
}
