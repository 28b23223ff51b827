#ifndef RDU_FW_HAL_CPU_H
#define RDU_FW_HAL_CPU_H

/* The hart itself. Interrupts are not taken for work: WFI returns as soon as a source that `mie` enables is
 * pending, whether mstatus.MIE is set or not. So nothing can slip in between the look for work and the sleep,
 * and no code runs concurrently with another. mstatus.MIE is set only for the watchdog's warning, which is
 * fatal (mgmt/watchdog.h). */

#include <stdint.h>

#define MIE_TIMER (1u << 7)
#define MIE_EXTERNAL (1u << 11)

#ifdef __riscv
static inline void cpu_wait(void) {
  __asm__ volatile("wfi" ::: "memory");
}
static inline void cpu_wake_on(uint64_t mie) {
  __asm__ volatile("csrw mie, %0" ::"r"(mie));
}
/* mstatus.MIE: may what is pending and enabled interrupt? */
static inline void cpu_take_interrupts(int take) {
  if (take)
    __asm__ volatile("csrsi mstatus, 8" ::: "memory");
  else
    __asm__ volatile("csrci mstatus, 8" ::: "memory");
}
/* MTIME of the CLINT. */
static inline uint64_t cpu_time(void) {
  uint64_t ticks;
  __asm__ volatile("csrr %0, time" : "=r"(ticks));
  return ticks;
}
/* Orders what was written in memory before a device is told of it, and the other way round. */
static inline void cpu_fence(void) {
  __asm__ volatile("fence iorw, iorw" ::: "memory");
}
#else
void cpu_wait(void);
void cpu_wake_on(uint64_t mie);
uint64_t cpu_time(void);
static inline void cpu_take_interrupts(int take) {
  (void)take;
}
static inline void cpu_fence(void) {}
#endif

/* Sleeps until an interrupt and hands it to whoever it belongs to. What a driver of the HAL calls while it
 * waits; each image has its own. */
void hal_idle(void);

/* Sleeps for good. */
_Noreturn static inline void cpu_halt(void) {
  cpu_wake_on(0);
  for (;;) cpu_wait();
}

#endif
