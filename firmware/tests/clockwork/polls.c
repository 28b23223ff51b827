/* Firmware that never sleeps, for tests of simulated time against the host's: it polls its registers for a
 * mailbox request, which it answers with the next number, and a word of host memory at RECOVERY_ADDRESS (once
 * RECOVERY_LENGTH is not zero), to which it answers in the word behind. */

#include "hal/mmio.h"
#include "hal/uart.h"
#include "regs/address_map.h"
#include "regs/hostctl_hal.h"

_Noreturn void run(void);

static void mailbox(void) {
  if (!rdu_hostctl_IRQ_STATUS_MAILBOX_get(RDU_BASE_HOSTCTL)) return;
  rdu_hostctl_IRQ_STATUS_MAILBOX_clear(RDU_BASE_HOSTCTL);
  rdu_hostctl_MBOX_RESPONSE_write(RDU_BASE_HOSTCTL, rdu_hostctl_MBOX_REQUEST_read(RDU_BASE_HOSTCTL) + 1);
}

static void memory(void) {
  static uint32_t seen;
  if (rdu_hostctl_RECOVERY_LENGTH_read(RDU_BASE_HOSTCTL) == 0) return;
  const uint64_t place = RDU_BASE_HOST + rdu_hostctl_RECOVERY_ADDRESS_read(RDU_BASE_HOSTCTL);
  const uint32_t value = mmio_read32(place);
  if (value != seen) mmio_write32(place + 4, value + 1);
  seen = value;
}

_Noreturn void run(void) {
  uart_puts("polls: all the time\n");
  for (;;) {
    mailbox();
    memory();
  }
}
