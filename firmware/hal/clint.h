#ifndef RDU_FW_HAL_CLINT_H
#define RDU_FW_HAL_CLINT_H

#include <stdint.h>

#define CLINT_TICK_NS 100u /* 10 MHz */

/* Device time in ns, in steps of CLINT_TICK_NS. */
uint64_t clint_now_ns(void);
/* The timer interrupt is pending from that time on; UINT64_MAX: never. */
void clint_set_timer_ns(uint64_t when);

#endif
