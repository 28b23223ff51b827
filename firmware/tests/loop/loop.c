/* Firmware that boots and then does nothing: it never trains memory, never becomes ready and answers no
 * request. With it in flash a test shows that whatever the host gets, it gets from the firmware. */

#include "hal/uart.h"

_Noreturn void loop_main(void);

_Noreturn void loop_main(void) {
  uart_puts("loop: this firmware answers nothing\n");
  for (;;) __asm__ volatile("wfi");
}
