#ifndef RDU_FW_TELEMETRY_H
#define RDU_FW_TELEMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "rdu_abi.h"

/* Temperature, voltage and power. A temperature that passes a threshold is logged and reported as an event;
 * above a critical one no kernel is launched until it is back below. */

/* Thresholds until the host sets others, m°C; ours. */
#define TELEMETRY_LOW 0
#define TELEMETRY_HIGH 85000
#define TELEMETRY_CRITICAL 100000

void telemetry_init(void);
void telemetry_interrupt(void);

uint32_t telemetry_count(void);
void telemetry_read(uint32_t n, struct rdu_log_sensor* entry);
/* May a kernel be launched? If not, *sensor is too hot. */
bool telemetry_cool(uint32_t* sensor);

/* Both return a RDU_STATUS_* code. */
uint32_t telemetry_set_threshold(uint64_t sensor, uint64_t which, int64_t temperature);
/* RDU_INJECT_TEMPERATURE and RDU_INJECT_NO_TEMPERATURE */
uint32_t telemetry_inject(uint64_t sensor, bool on, int64_t temperature);

#endif
