#ifndef RDU_FW_HAL_MMIO_H
#define RDU_FW_HAL_MMIO_H

/* Registers by physical address, and their fields by the names that the generated headers give. This is the
 * seam at which the unit tests, compiled for the host, put a fake chip under the same services. */

#include <stdint.h>

#ifdef __riscv
static inline uint8_t mmio_read8(uint64_t address) {
  return *(volatile uint8_t*)address;
}
static inline uint32_t mmio_read32(uint64_t address) {
  return *(volatile uint32_t*)address;
}
static inline uint64_t mmio_read64(uint64_t address) {
  return *(volatile uint64_t*)address;
}
static inline void mmio_write8(uint64_t address, uint8_t value) {
  *(volatile uint8_t*)address = value;
}
static inline void mmio_write32(uint64_t address, uint32_t value) {
  *(volatile uint32_t*)address = value;
}
static inline void mmio_write64(uint64_t address, uint64_t value) {
  *(volatile uint64_t*)address = value;
}
#else
uint8_t mmio_read8(uint64_t address);
uint32_t mmio_read32(uint64_t address);
uint64_t mmio_read64(uint64_t address);
void mmio_write8(uint64_t address, uint8_t value);
void mmio_write32(uint64_t address, uint32_t value);
void mmio_write64(uint64_t address, uint64_t value);
#endif

/* FIELD_GET(value, RDU_BLOCK_REGISTER_FIELD), FIELD(RDU_BLOCK_REGISTER_FIELD, value) */
#define FIELD_GET(value, field) (((value)&field##_MASK) >> field##_SHIFT)
#define FIELD(field, value) (((uint32_t)(value) << field##_SHIFT) & field##_MASK)

#endif
