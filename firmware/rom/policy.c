#include "rom/policy.h"

#include <string.h>

#include "hal/crypto.h"
#include "hal/mmio.h"
#include "regs/address_map.h"
#include "regs/fuses.h"
#include "regs/sysctl.h"

static const struct image_crypto crypto = {crypto_sha256, crypto_verify};

static uint32_t fuses(uint32_t offset) {
  return mmio_read32(RDU_BASE_FUSES + offset);
}

void policy_read(struct image_policy* policy) {
  policy->crypto = &crypto;
  for (uint32_t n = 0; n < RDU_FUSES_KEY_COUNT; ++n) {
    const uint32_t word = fuses(RDU_FUSES_KEY(n));
    memcpy(policy->key + 4 * n, &word, sizeof word);
  }
  policy->signature_required = fuses(RDU_FUSES_SECURITY) & RDU_FUSES_SECURITY_SECURE_BOOT_MASK;
  policy->type = RDU_IMAGE_FIRMWARE;
  policy->rollback = fuses(RDU_FUSES_ROLLBACK(RDU_IMAGE_FIRMWARE));
  policy->ram = RDU_BASE_RAM;
  policy->ram_bytes = mmio_read32(RDU_BASE_SYSCTL + RDU_SYSCTL_RAM_SIZE) - ROM_STACK_BYTES;
}
