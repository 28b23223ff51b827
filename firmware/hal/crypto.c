#include "hal/crypto.h"

#include <string.h>

#include "hal/cpu.h"
#include "hal/mmio.h"
#include "regs/address_map.h"
#include "regs/crypto.h"

#define REGISTER(name) (RDU_BASE_CRYPTO + RDU_CRYPTO_##name)

static void write_bytes(uint64_t to, const uint8_t* bytes, uint32_t count) {
  for (uint32_t n = 0; n < count; n += 4) {
    uint32_t word;
    memcpy(&word, bytes + n, sizeof word);
    mmio_write32(to + n, word);
  }
}

/* Gives STATUS. */
static uint32_t run(uint32_t op, const void* data, uint64_t bytes) {
  cpu_fence();
  mmio_write64(REGISTER(SOURCE), (uint64_t)(uintptr_t)data);
  mmio_write64(REGISTER(LENGTH), bytes);
  mmio_write32(REGISTER(IRQ_ENABLE), RDU_CRYPTO_IRQ_ENABLE_DONE_MASK);
  mmio_write32(REGISTER(COMMAND), op);
  uint32_t status;
  while ((status = mmio_read32(REGISTER(STATUS))) & RDU_CRYPTO_STATUS_BUSY_MASK) hal_idle();
  mmio_write32(REGISTER(STATUS), RDU_CRYPTO_STATUS_DONE_MASK);
  return status;
}

bool crypto_sha256(const void* data, uint64_t bytes, uint8_t digest[32]) {
  if (FIELD_GET(run(RDU_CRYPTO_COMMAND_OP_SHA256, data, bytes), RDU_CRYPTO_STATUS_ERROR)) return false;
  for (uint32_t n = 0; n < 32; n += 4) {
    const uint32_t word = mmio_read32(REGISTER(DIGEST(n / 4)));
    memcpy(digest + n, &word, sizeof word);
  }
  return true;
}

bool crypto_verify(const uint8_t key[32], const uint8_t signature[64], const void* data, uint64_t bytes,
                   bool* valid) {
  write_bytes(REGISTER(KEY(0)), key, 32);
  write_bytes(REGISTER(SIGNATURE(0)), signature, 64);
  const uint32_t status = run(RDU_CRYPTO_COMMAND_OP_ED25519_VERIFY, data, bytes);
  *valid = status & RDU_CRYPTO_STATUS_VALID_MASK;
  return FIELD_GET(status, RDU_CRYPTO_STATUS_ERROR) == RDU_CRYPTO_STATUS_ERROR_NONE;
}

void crypto_interrupt(void) {
  mmio_write32(REGISTER(IRQ_ENABLE), 0);
}
