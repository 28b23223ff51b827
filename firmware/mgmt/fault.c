#include "mgmt/fault.h"

#include <stdbool.h>

#include "rdu_abi.h"
#include "regs/sequencer.h"

#define FIRST_OF_HARDWARE RDU_STATUS_COPY_SEGMENT

static struct rdu_log_fault ring[RDU_FAULTS_KEPT]; /* number n lies at n % RDU_FAULTS_KEPT */
static uint64_t happened;

void fault_init(void) {
  happened = 0;
}

/* Is the result of a command with this status the address that failed? */
static bool result_is_address(uint32_t status) {
  if (status < RDU_STATUS_PROGRAM) return true; /* a copy's */
  const uint32_t code = status - RDU_STATUS_PROGRAM;
  return code == RDU_SEQUENCER_FAULT_CODE_SEGMENT || code == RDU_SEQUENCER_FAULT_CODE_MEMORY;
}

void fault_report(const struct queue* queue, const struct engine_result* result) {
  if (result->status < FIRST_OF_HARDWARE || result->status == RDU_STATUS_ABORTED) return;
  ring[happened++ % RDU_FAULTS_KEPT] =
      (struct rdu_log_fault){.time_ns = result->end_ns,
                             .context = queue->shape.context,
                             .queue = queue->id,
                             .command_id = queue->command_id,
                             .status = (uint16_t)result->status,
                             .unit = result->unit,
                             .address = result_is_address(result->status) ? result->value : 0};
}

uint32_t fault_kept(void) {
  return happened < RDU_FAULTS_KEPT ? (uint32_t)happened : RDU_FAULTS_KEPT;
}

void fault_read(uint32_t n, struct rdu_log_fault* entry) {
  *entry = ring[(happened - fault_kept() + n) % RDU_FAULTS_KEPT];
}
