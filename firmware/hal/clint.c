#include "hal/clint.h"

#include "hal/cpu.h"
#include "hal/mmio.h"
#include "regs/address_map.h"
#include "regs/clint.h"

/* The hart's own copy of MTIME: a register of a block is an access of the bus. */
uint64_t clint_now_ns(void) {
  return cpu_time() * CLINT_TICK_NS;
}

void clint_set_timer_ns(uint64_t when) {
  mmio_write64(RDU_BASE_CLINT + RDU_CLINT_MTIMECMP(0), when == UINT64_MAX ? when : when / CLINT_TICK_NS + 1);
}
