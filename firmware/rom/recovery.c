#include "rom/recovery.h"

#include "hal/cpu.h"
#include "hal/mmio.h"
#include "hal/uart.h"
#include "rdu_abi.h"
#include "rdu_boot_text.h"
#include "regs/address_map.h"
#include "regs/hostctl.h"
#include "regs/sysctl.h"
#include "rom/console.h"
#include "rom/copy_engine.h"

#define CHUNK 0x4000u /* after each the host sees progress */

static void set_state(uint32_t state, uint32_t error) {
  host_write(RDU_HOSTCTL_RECOVERY_STATUS, FIELD(RDU_HOSTCTL_RECOVERY_STATUS_STATE, state) |
                                              FIELD(RDU_HOSTCTL_RECOVERY_STATUS_ERROR, error));
}

static void wait_for_start(void) {
  while (!(host_read(RDU_HOSTCTL_IRQ_STATUS) & RDU_HOSTCTL_IRQ_STATUS_RECOVERY_MASK)) hal_idle();
  set_state(RDU_HOSTCTL_RECOVERY_STATUS_STATE_RECEIVING, RDU_BOOT_OK);
  host_write(RDU_HOSTCTL_RECOVERY_PROGRESS, 0);
  /* From here on the host believes the state. */
  host_write(RDU_HOSTCTL_IRQ_STATUS, RDU_HOSTCTL_IRQ_STATUS_RECOVERY_MASK);
}

static uint32_t copy_image(uint8_t* to, uint64_t from, uint32_t bytes) {
  for (uint32_t done = 0; done < bytes;) {
    const uint32_t part = bytes - done < CHUNK ? bytes - done : CHUNK;
    const uint32_t error = copy_from_host(to + done, from + done, part);
    if (error != RDU_BOOT_OK) return error;
    done += part;
    host_write(RDU_HOSTCTL_RECOVERY_PROGRESS, done);
  }
  return RDU_BOOT_OK;
}

/* The image goes to the end of RAM; what it is loaded to must lie before it. */
static uint32_t receive(const struct image_policy* chip, struct image* image) {
  const uint64_t address = mmio_read64(RDU_BASE_HOSTCTL + RDU_HOSTCTL_RECOVERY_ADDRESS);
  const uint32_t bytes = host_read(RDU_HOSTCTL_RECOVERY_LENGTH);
  if (bytes < sizeof(struct rdu_image_header) || bytes > chip->ram_bytes / 2) return RDU_BOOT_BAD_LENGTH;
  if (address > RDU_SIZE_HOST - bytes) return RDU_BOOT_COPY;
  struct image_policy policy = *chip;
  policy.ram_bytes = (chip->ram_bytes - bytes) & ~4095ull;
  uint8_t* const buffer = (uint8_t*)(chip->ram + policy.ram_bytes);

  uart_puts("rom: recovery: receiving ");
  put_decimal(bytes);
  uart_puts(" bytes\n");
  const uint32_t error = copy_image(buffer, address, bytes);
  if (error != RDU_BOOT_OK) return error;
  set_state(RDU_HOSTCTL_RECOVERY_STATUS_STATE_VERIFYING, RDU_BOOT_OK);
  return image_check(&policy, buffer, bytes, image);
}

void recovery_receive(const struct image_policy* policy, uint32_t reason, struct image* image) {
  set_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY, reason);
  uart_puts("rom: recovery: waiting for an image from the host (rdu-fw recover)\n");
  host_write(RDU_HOSTCTL_IRQ_STATUS, RDU_HOSTCTL_IRQ_STATUS_RECOVERY_MASK);
  host_write(RDU_HOSTCTL_IRQ_ENABLE, RDU_HOSTCTL_IRQ_STATUS_RECOVERY_MASK);
  set_state(RDU_HOSTCTL_RECOVERY_STATUS_STATE_WAITING, RDU_BOOT_OK);
  for (;;) {
    wait_for_start();
    const uint32_t error = receive(policy, image);
    if (error == RDU_BOOT_OK) break;
    uart_puts("rom: recovery: refused: ");
    uart_puts(rdu_boot_text(error));
    uart_puts("\n");
    set_state(RDU_HOSTCTL_RECOVERY_STATUS_STATE_REFUSED, error);
  }
  host_write(RDU_HOSTCTL_IRQ_ENABLE, 0);
  set_state(RDU_HOSTCTL_RECOVERY_STATUS_STATE_BOOTING, RDU_BOOT_OK);
}
