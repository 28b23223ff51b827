#ifndef RDU_FW_MEMORY_H
#define RDU_FW_MEMORY_H

#include <stdint.h>

/* The memory controllers' interrupts and errors. Training is mgmt/training.c. */

/* The controllers report ECC errors from now on. */
void memory_watch(void);
/* `segment`: RDU_SEGMENT_HBM or _DDR. Ends of training are noticed here and looked at there. */
void memory_interrupt(uint32_t segment);
/* RDU_INJECT_ECC_CORRECTABLE and _UNCORRECTABLE; returns a RDU_STATUS_* code. */
uint32_t memory_inject(uint64_t kind, uint64_t segment, uint64_t offset);

#endif
