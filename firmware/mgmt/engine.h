#ifndef RDU_FW_ENGINE_H
#define RDU_FW_ENGINE_H

#include <stdint.h>

/* How a hardware engine ended its work. */
struct engine_result {
  uint32_t status;           /* RDU_STATUS_* */
  uint32_t unit;             /* of the fabric, where one failed; else 0 */
  uint64_t value;            /* the command's result: cycles, or the failing address or unit */
  uint64_t start_ns, end_ns; /* device time, by the engine */
  uint64_t bytes;            /* that a copy has moved */
};

#endif
