#include "mgmt/telemetry.h"

#include <inttypes.h>
#include <string.h>

#include "mgmt/event.h"
#include "mgmt/log.h"
#include "regs/address_map.h"
#include "regs/sensors_hal.h"

static uint32_t count;
static uint32_t critical; /* bit n: sensor n was above its critical threshold when last looked at */

static int32_t temperature(uint32_t n) {
  return (int32_t)rdu_sensors_SENSOR_TEMPERATURE_read(RDU_BASE_SENSORS, n);
}

static const char* name(uint32_t n) {
  static const char* const kinds[] = {"unknown", "socket", "core", "HBM", "DDR", "tile"};
  const uint32_t kind = rdu_sensors_SENSOR_INFO_KIND_get(RDU_BASE_SENSORS, n);
  return kinds[kind < sizeof kinds / sizeof *kinds ? kind : 0];
}

void telemetry_init(void) {
  count = rdu_sensors_COUNT_read(RDU_BASE_SENSORS);
  if (count > RDU_SENSORS_SENSOR_ENTRIES) count = RDU_SENSORS_SENSOR_ENTRIES;
  critical = 0;
  for (uint32_t n = 0; n < count; ++n) {
    rdu_sensors_SENSOR_LOW_write(RDU_BASE_SENSORS, n, (uint32_t)TELEMETRY_LOW);
    rdu_sensors_SENSOR_HIGH_write(RDU_BASE_SENSORS, n, TELEMETRY_HIGH);
    rdu_sensors_SENSOR_CRITICAL_write(RDU_BASE_SENSORS, n, TELEMETRY_CRITICAL);
    rdu_sensors_SENSOR_IRQ_ENABLE_write(RDU_BASE_SENSORS, n,
                                        RDU_SENSORS_SENSOR_IRQ_ENABLE_LOW_MASK |
                                            RDU_SENSORS_SENSOR_IRQ_ENABLE_HIGH_MASK |
                                            RDU_SENSORS_SENSOR_IRQ_ENABLE_CRITICAL_MASK);
  }
}

static void passed(uint32_t n, uint32_t status) {
  static const char* const what[] = {"below its low", "above its high", "above its critical"};
  const int32_t now = temperature(n);
  for (uint32_t which = RDU_THRESHOLD_LOW; which <= RDU_THRESHOLD_CRITICAL; ++which) {
    if (!(status >> which & 1)) continue;
    const bool severe = which == RDU_THRESHOLD_CRITICAL;
    log_line(severe ? LOG_ERROR : LOG_WARNING, "%s %" PRIu32 ": %" PRId32 " m°C, %s threshold", name(n),
             rdu_sensors_SENSOR_INFO_INDEX_get(RDU_BASE_SENSORS, n), now, what[which]);
    event_report(RDU_EVENT_THERMAL, which, severe ? RDU_SEVERITY_ERROR : RDU_SEVERITY_WARNING, n,
                 (uint64_t)(int64_t)now);
    if (severe) critical |= 1u << n;
  }
}

_Static_assert(RDU_SENSORS_SENSOR_STATUS_LOW_SHIFT == RDU_THRESHOLD_LOW &&
                   RDU_SENSORS_SENSOR_STATUS_HIGH_SHIFT == RDU_THRESHOLD_HIGH &&
                   RDU_SENSORS_SENSOR_STATUS_CRITICAL_SHIFT == RDU_THRESHOLD_CRITICAL,
               "thresholds are numbered as the bits of STATUS");

void telemetry_interrupt(void) {
  const uint32_t sensors = rdu_sensors_IRQ_STATUS_read(RDU_BASE_SENSORS);
  for (uint32_t n = 0; sensors >> n; ++n) {
    if (!(sensors >> n & 1)) continue;
    const uint32_t status = rdu_sensors_SENSOR_STATUS_read(RDU_BASE_SENSORS, n);
    rdu_sensors_SENSOR_STATUS_write(RDU_BASE_SENSORS, n, status);
    passed(n, status);
  }
}

static bool above(uint32_t n, uint32_t threshold) {
  return temperature(n) > (int32_t)threshold;
}

bool telemetry_cool(uint32_t* sensor) {
  for (uint32_t n = 0; critical >> n; ++n) {
    if (!(critical >> n & 1)) continue;
    if (above(n, rdu_sensors_SENSOR_CRITICAL_read(RDU_BASE_SENSORS, n))) {
      *sensor = n;
      return false;
    }
    critical &= ~(1u << n);
  }
  return true;
}

uint32_t telemetry_count(void) {
  return count;
}

void telemetry_read(uint32_t n, struct rdu_log_sensor* entry) {
  memset(entry, 0, sizeof *entry);
  entry->kind = (uint8_t)rdu_sensors_SENSOR_INFO_KIND_get(RDU_BASE_SENSORS, n);
  entry->index = (uint8_t)rdu_sensors_SENSOR_INFO_INDEX_get(RDU_BASE_SENSORS, n);
  entry->temperature = temperature(n);
  entry->low = (int32_t)rdu_sensors_SENSOR_LOW_read(RDU_BASE_SENSORS, n);
  entry->high = (int32_t)rdu_sensors_SENSOR_HIGH_read(RDU_BASE_SENSORS, n);
  entry->critical = (int32_t)rdu_sensors_SENSOR_CRITICAL_read(RDU_BASE_SENSORS, n);
  entry->above = (uint8_t)((entry->temperature < entry->low) << RDU_THRESHOLD_LOW |
                           (entry->temperature > entry->high) << RDU_THRESHOLD_HIGH |
                           (entry->temperature > entry->critical) << RDU_THRESHOLD_CRITICAL);
  entry->voltage = rdu_sensors_SENSOR_VOLTAGE_read(RDU_BASE_SENSORS, n);
  entry->power = rdu_sensors_SENSOR_POWER_read(RDU_BASE_SENSORS, n);
  entry->energy = rdu_sensors_SENSOR_ENERGY_read(RDU_BASE_SENSORS, n);
}

static bool possible(uint64_t sensor, int64_t temperature) {
  return sensor < count && temperature >= -273150 && temperature <= INT32_MAX;
}

uint32_t telemetry_set_threshold(uint64_t sensor, uint64_t which, int64_t temperature) {
  if (!possible(sensor, temperature)) return RDU_STATUS_BAD_ARGUMENT;
  const uint32_t n = (uint32_t)sensor;
  const uint32_t value = (uint32_t)temperature;
  switch (which) {
    case RDU_THRESHOLD_LOW:
      rdu_sensors_SENSOR_LOW_write(RDU_BASE_SENSORS, n, value);
      return RDU_STATUS_OK;
    case RDU_THRESHOLD_HIGH:
      rdu_sensors_SENSOR_HIGH_write(RDU_BASE_SENSORS, n, value);
      return RDU_STATUS_OK;
    case RDU_THRESHOLD_CRITICAL:
      rdu_sensors_SENSOR_CRITICAL_write(RDU_BASE_SENSORS, n, value);
      return RDU_STATUS_OK;
    default:
      return RDU_STATUS_BAD_ARGUMENT;
  }
}

uint32_t telemetry_inject(uint64_t sensor, bool on, int64_t temperature) {
  if (!possible(sensor, on ? temperature : 0)) return RDU_STATUS_BAD_ARGUMENT;
  if (on) rdu_sensors_SENSOR_OVERRIDE_VALUE_write(RDU_BASE_SENSORS, (uint32_t)sensor, (uint32_t)temperature);
  rdu_sensors_SENSOR_OVERRIDE_ENABLE_set(RDU_BASE_SENSORS, (uint32_t)sensor, on);
  return RDU_STATUS_OK;
}
