#include "rom/recovery.h"

#include "hal/clint.h"
#include "hal/cpu.h"
#include "hal/mmio.h"
#include "hal/uart.h"
#include "rdu_abi.h"
#include "rdu_boot_text.h"
#include "regs/address_map.h"
#include "regs/copy_engine.h"
#include "regs/hostctl.h"
#include "regs/sysctl.h"
#include "rom/console.h"

#define CHUNK 0x4000u               /* after each the host sees progress */
#define CHUNK_TIMEOUT_NS 100000000u /* ours */

#define CHANNEL(name) (RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_CHANNEL_##name(0))

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

/* Channel 0 until it is idle or the time has passed. */
static bool channel_ends(void) {
  const uint64_t deadline = clint_now_ns() + CHUNK_TIMEOUT_NS;
  clint_set_timer_ns(deadline);
  bool idle;
  while (!(idle = !(mmio_read32(CHANNEL(STATUS)) & RDU_COPY_ENGINE_CHANNEL_STATUS_BUSY_MASK)) &&
         clint_now_ns() < deadline)
    hal_idle();
  clint_set_timer_ns(UINT64_MAX);
  return idle;
}

static void channel_stop(void) {
  mmio_write32(CHANNEL(CONTROL), RDU_COPY_ENGINE_CHANNEL_CONTROL_ABORT_MASK);
  channel_ends();
  mmio_write32(CHANNEL(STATUS),
               RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK | RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK);
}

static uint32_t copy(uint8_t* to, uint64_t from, uint32_t bytes) {
  mmio_write64(CHANNEL(SRC), RDU_BASE_HOST + from);
  mmio_write64(CHANNEL(DST), (uint64_t)to);
  mmio_write64(CHANNEL(LENGTH), bytes);
  mmio_write32(CHANNEL(CONTROL), RDU_COPY_ENGINE_CHANNEL_CONTROL_START_MASK);
  if (!channel_ends()) {
    channel_stop();
    return RDU_BOOT_TIMEOUT;
  }
  const uint32_t status = mmio_read32(CHANNEL(STATUS));
  mmio_write32(CHANNEL(STATUS),
               RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK | RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK);
  return status & RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK ? RDU_BOOT_COPY : RDU_BOOT_OK;
}

static uint32_t copy_image(uint8_t* to, uint64_t from, uint32_t bytes) {
  for (uint32_t done = 0; done < bytes;) {
    const uint32_t part = bytes - done < CHUNK ? bytes - done : CHUNK;
    const uint32_t error = copy(to + done, from + done, part);
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
  mmio_write32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE, 1);
  if (mmio_read32(CHANNEL(STATUS)) & RDU_COPY_ENGINE_CHANNEL_STATUS_BUSY_MASK)
    channel_stop(); /* left over from before a restart */
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
  mmio_write32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE, 0);
  set_state(RDU_HOSTCTL_RECOVERY_STATUS_STATE_BOOTING, RDU_BOOT_OK);
}
