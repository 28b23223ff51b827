#ifndef RDU_FW_PANIC_REPORT_H
#define RDU_FW_PANIC_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "rdu_abi.h"

/* The report of the last panic. It lies where a restart leaves it alone, with a checksum, so the next
 * firmware finds it. */

/* Looks whether there is one; false and empty after power-on. */
bool panic_report_init(void);
/* The report, to be filled in; panic_report_seal makes it valid. */
struct rdu_log_panic* panic_report_begin(uint32_t kind, const char* text);
void panic_report_seal(void);

/* NULL when there is none. */
const struct rdu_log_panic* panic_report(void);
/* 32-bit word n, RDU_MBOX_UNKNOWN when there is none. */
uint32_t panic_report_word(uint32_t n);
/* Since power-on. */
uint32_t panic_report_count(void);

/* Return addresses by the chain of frame pointers: each frame has the return address at fp - 8 and the
 * caller's fp at fp - 16. Only what can be true is followed: frames in [stack, stack_top), growing, returning
 * into [text, text_end). Gives how many it wrote, at most RDU_PANIC_CALLS. */
uint32_t panic_report_walk(uint64_t frame, uint64_t stack, uint64_t stack_top, uint64_t text,
                           uint64_t text_end, uint64_t* calls);

#endif
