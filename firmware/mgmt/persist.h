#ifndef RDU_FW_PERSIST_H
#define RDU_FW_PERSIST_H

/* Variables that a restart of the core leaves as they were: they lie behind everything that the boot ROM
 * loads and clears (link/ram.ld). At power-on they hold anything, so each is checked before it is believed.
 * An image whose layout differs finds them elsewhere, and then as at power-on. */
#ifdef __riscv
#define PERSIST __attribute__((section(".persist")))
#else
#define PERSIST
#endif

#endif
