/* What test_gdb.py debugs: harts that count, call functions, take a lock, look at a device, trap and sleep,
 * each at a place that the test knows by name. */
#include <stdint.h>

#define HARTS 2
#define UART_LSR (*(volatile uint8_t*)0x10000005)

void run(unsigned hart);
int leaf(int x);
int middle(int x);
void count(unsigned hart);
void take(unsigned hart);
void call_environment(void);
void look_at_device(void);
void sleep_until_woken(void);

volatile unsigned long counter[HARTS];
volatile int sum;
volatile uint16_t halves[4];
volatile uint32_t shared;
volatile int mode; /* 0: work, 1: sleep; the debugger changes it */
volatile uint8_t status;

__attribute__((noinline)) int leaf(int x) {
  return 3 * x + 1;
}

__attribute__((noinline)) int middle(int x) {
  const int once = leaf(x);
  return once + leaf(once);
}

__attribute__((noinline)) void count(unsigned hart) {
  counter[hart] += 1;
}

/* Adds by LR and SC. */
__attribute__((noinline)) void take(unsigned hart) {
  uint32_t old;
  uint32_t failed;
  __asm__ volatile(
      "1: lr.w %0, (%2)\n"
      "addw %0, %0, %3\n"
      "sc.w %1, %0, (%2)\n"
      "bnez %1, 1b\n"
      : "=&r"(old), "=&r"(failed)
      : "r"(&shared), "r"(hart + 1)
      : "memory");
}

__attribute__((noinline)) void call_environment(void) {
  __asm__ volatile("ecall" ::: "t0", "memory");
}

__attribute__((noinline)) void look_at_device(void) {
  status = UART_LSR;
}

__attribute__((noinline)) void sleep_until_woken(void) {
  __asm__ volatile("wfi");
}

void run(unsigned hart) {
  for (;;) {
    count(hart);
    if (hart == 0) {
      sum = middle((int)counter[0]);
      halves[counter[0] % 4] = (uint16_t)counter[0];
      call_environment();
      look_at_device();
    }
    take(hart);
    while (mode != 0) sleep_until_woken();
  }
}
