/* What every test program says and hears. */
#define SYSCTL 0x11000000
#define SCRATCH0 0x11000040 /* 1: the program has ended */
#define CLINT_MSIP 0x02000000
#define CLINT_MTIMECMP 0x02004000
#define CLINT_MTIME 0x0200bff8
#define PLIC 0x0c000000
#define UART 0x10000000
#define UNMAPPED 0x40000000
#define OPERANDS 0x80100000
#define RESULTS 0x80200000

/* Tells the test that all is done and sleeps. */
.macro finish
  li t5, SCRATCH0
  li t6, 1
  sw t6, 0(t5)
98:
  wfi
  j 98b
.endm

/* Appends a register to the results; s0 points behind the last one. */
.macro record reg
  sd \reg, 0(s0)
  addi s0, s0, 8
.endm
