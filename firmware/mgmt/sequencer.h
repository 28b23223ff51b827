#ifndef RDU_FW_SEQUENCER_H
#define RDU_FW_SEQUENCER_H

#include <stdbool.h>
#include <stdint.h>

/* The kernel sequencers, one a tile. The firmware remembers which context loaded a tile's program: it would
 * run with the addresses of whoever launches it, so nobody else may. And whose data the tile's scratchpads
 * may hold: the first program of anybody else is loaded into a tile that clears them. */

/* Stops what runs and enables the interrupts: after a boot, and after a host that may have reset hardware. */
void sequencer_init(void);
/* All start work on a tile that is not busy; its end calls command_finished. Addresses are virtual, of
 * `context`. */
void sequencer_load(uint32_t tile, uint32_t context, uint64_t program, uint32_t bytes, uint32_t tag);
void sequencer_launch(uint32_t tile, uint32_t context, uint64_t tuples, uint32_t count, uint32_t tag);
void sequencer_schedule(uint32_t tile, uint32_t context, uint64_t schedule, uint32_t bytes, uint32_t tag);
/* A busy tile ends early, with RDU_STATUS_ABORTED, and forgets its program. */
void sequencer_abort(uint32_t tile);
/* Is a program of this context loaded? */
bool sequencer_holds(uint32_t tile, uint32_t context);
/* The context is no more. */
void sequencer_forget(uint32_t context);
void sequencer_interrupt(uint32_t tile);
/* Is it busy? If so, since when (device time). */
bool sequencer_busy(uint32_t tile, uint64_t* since_ns);

#endif
