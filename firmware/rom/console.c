#include "rom/console.h"

#include "hal/mmio.h"
#include "hal/uart.h"
#include "regs/address_map.h"
#include "regs/hostctl.h"
#include "regs/sysctl.h"

void put_hex(uint64_t value, unsigned digits) {
  for (unsigned n = digits; n-- > 0;) uart_put("0123456789abcdef"[value >> (4 * n) & 0xf]);
}

void put_decimal(uint32_t value) {
  if (value >= 10) put_decimal(value / 10);
  uart_put((char)('0' + value % 10));
}

void put_version(uint32_t version) {
  put_decimal(FIELD_GET(version, RDU_HOSTCTL_FW_VERSION_MAJOR));
  uart_put('.');
  put_decimal(FIELD_GET(version, RDU_HOSTCTL_FW_VERSION_MINOR));
  uart_put('.');
  put_decimal(FIELD_GET(version, RDU_HOSTCTL_FW_VERSION_PATCH));
}

void set_stage(uint32_t stage, uint32_t error) {
  mmio_write32(RDU_BASE_SYSCTL + RDU_SYSCTL_BOOT_STAGE,
               FIELD(RDU_SYSCTL_BOOT_STAGE_STAGE, stage) | FIELD(RDU_SYSCTL_BOOT_STAGE_ERROR, error));
}

uint32_t host_read(uint32_t offset) {
  return mmio_read32(RDU_BASE_HOSTCTL + offset);
}

void host_write(uint32_t offset, uint32_t value) {
  mmio_write32(RDU_BASE_HOSTCTL + offset, value);
}
