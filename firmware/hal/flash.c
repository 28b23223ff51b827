#include "hal/flash.h"

#include <string.h>

#include "hal/cpu.h"
#include "hal/mmio.h"
#include "regs/address_map.h"
#include "regs/flash_ctl.h"

#define REGISTER(name) (RDU_BASE_FLASH_CTL + RDU_FLASH_CTL_##name)

uint32_t flash_bytes(void) {
  return mmio_read32(REGISTER(SIZE));
}

bool flash_busy(void) {
  return mmio_read32(REGISTER(STATUS)) & RDU_FLASH_CTL_STATUS_BUSY_MASK;
}

static void start(uint32_t op, uint32_t offset) {
  while (flash_busy()) hal_idle(); /* as it may be after a restart of the core */
  mmio_write32(REGISTER(IRQ_ENABLE), RDU_FLASH_CTL_IRQ_ENABLE_DONE_MASK);
  mmio_write32(REGISTER(ADDRESS), offset);
  mmio_write32(REGISTER(COMMAND), op);
}

void flash_erase(uint32_t offset) {
  start(RDU_FLASH_CTL_COMMAND_OP_ERASE_SECTOR, offset);
}

void flash_program(uint32_t offset, const void* data, uint32_t bytes) {
  for (uint32_t n = 0; n < bytes; n += 4) {
    uint32_t word = 0;
    memcpy(&word, (const uint8_t*)data + n, bytes - n < 4 ? bytes - n : 4);
    mmio_write32(REGISTER(BUFFER(n / 4)), word);
  }
  mmio_write32(REGISTER(LENGTH), bytes);
  start(RDU_FLASH_CTL_COMMAND_OP_PROGRAM_PAGE, offset);
}

uint32_t flash_end(void) {
  const uint32_t status = mmio_read32(REGISTER(STATUS));
  mmio_write32(REGISTER(STATUS), RDU_FLASH_CTL_STATUS_DONE_MASK);
  return FIELD_GET(status, RDU_FLASH_CTL_STATUS_ERROR);
}

uint32_t flash_wait(void) {
  while (flash_busy()) hal_idle();
  return flash_end();
}

void flash_protect(uint32_t n, uint32_t offset, uint32_t bytes) {
  mmio_write32(REGISTER(PROTECT_BASE(n)), offset);
  mmio_write32(REGISTER(PROTECT_SIZE(n)), bytes);
  mmio_write32(REGISTER(PROTECT_CONTROL(n)),
               RDU_FLASH_CTL_PROTECT_CONTROL_ENABLE_MASK | RDU_FLASH_CTL_PROTECT_CONTROL_LOCK_MASK);
}
