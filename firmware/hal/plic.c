#include "hal/plic.h"

#include "hal/mmio.h"
#include "regs/address_map.h"
#include "regs/plic.h"

#define MACHINE_CONTEXT 0u

void plic_init(uint32_t sources) {
  for (uint32_t n = 1; n < RDU_PLIC_PRIORITY_COUNT; ++n)
    mmio_write32(RDU_BASE_PLIC + RDU_PLIC_PRIORITY(n), sources >> n & 1u);
  mmio_write32(RDU_BASE_PLIC + RDU_PLIC_ENABLE(MACHINE_CONTEXT), sources);
  mmio_write32(RDU_BASE_PLIC + RDU_PLIC_CONTEXT_THRESHOLD(MACHINE_CONTEXT), 0);
}

void plic_set_threshold(uint32_t threshold) {
  mmio_write32(RDU_BASE_PLIC + RDU_PLIC_CONTEXT_THRESHOLD(MACHINE_CONTEXT), threshold);
}

void plic_set_priority(uint32_t source, uint32_t priority) {
  mmio_write32(RDU_BASE_PLIC + RDU_PLIC_PRIORITY(source), priority);
}

uint32_t plic_claim(void) {
  return mmio_read32(RDU_BASE_PLIC + RDU_PLIC_CONTEXT_CLAIM(MACHINE_CONTEXT));
}

void plic_complete(uint32_t source) {
  mmio_write32(RDU_BASE_PLIC + RDU_PLIC_CONTEXT_CLAIM(MACHINE_CONTEXT), source);
}
