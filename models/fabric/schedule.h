#ifndef RDU_FABRIC_SCHEDULE_H
#define RDU_FABRIC_SCHEDULE_H

/* A schedule: what a kernel sequencer does one step after the other without being told each by software. An
 * array of instructions in memory, little-endian; plain C, shared by model, firmware and runtime. What they
 * do and cost: fabric/agcu/README.md. Fields that an instruction does not use are zero. */

#include <stdint.h>

#define RDU_SCHEDULE_MOST 4096u /* instructions */
#define RDU_SCHEDULE_DEPTH 8u   /* loops within each other */

struct rdu_schedule_instruction {
  uint8_t op;        /* RDU_SCHEDULE_* */
  uint8_t condition; /* RDU_IF_*, of SKIP, BREAK and WAIT */
  uint8_t level;     /* ARGUMENT: whose counter, 0: that of the innermost loop */
  uint8_t reserved;
  uint32_t count;
  uint64_t address; /* virtual */
  uint64_t value;
  uint64_t step;
};

#define RDU_SCHEDULE_END 0u
#define RDU_SCHEDULE_LOAD 1u      /* address, count: bytes of a configuration stream (fabric/program.h) */
#define RDU_SCHEDULE_ARGUMENTS 2u /* address, count: pairs (struct rdu_argument_tuple), at least one */
#define RDU_SCHEDULE_ARGUMENT 3u  /* address: a control word; value + step * counter (0, 1, ..) goes there */
#define RDU_SCHEDULE_EXECUTE 4u
#define RDU_SCHEDULE_LOOP 5u /* count: how often what follows is done, up to its END_LOOP. 0: for ever */
#define RDU_SCHEDULE_END_LOOP 6u
#define RDU_SCHEDULE_SKIP \
  7u /* condition, address, value; count: skips so many instructions, none of them half a loop */
#define RDU_SCHEDULE_BREAK \
  8u /* condition, address, value; goes on behind the END_LOOP of the innermost loop */
#define RDU_SCHEDULE_WAIT \
  9u /* condition, address, value; count: cycles from one look to the next, at least 1 */
#define RDU_SCHEDULE_NOTIFY \
  10u /* address: where the word `value` is written, 0: nowhere; and STATUS.NOTIFIED is set */

/* The word (INT32) at `address`, compared with the low half of `value`. */
#define RDU_IF_ALWAYS 0u /* no word is looked at; not of WAIT */
#define RDU_IF_EQ 1u
#define RDU_IF_NE 2u
#define RDU_IF_LT 3u
#define RDU_IF_GE 4u

#endif
