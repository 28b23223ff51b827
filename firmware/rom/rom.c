/* Boot ROM: starts the firmware that lies in one of the flash's two slots, or what the host pushes, if the
 * fuses allow it. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hal/clint.h"
#include "hal/cpu.h"
#include "hal/flash.h"
#include "hal/mmio.h"
#include "hal/plic.h"
#include "hal/uart.h"
#include "rdu_abi.h"
#include "rdu_boot_text.h"
#include "regs/address_map.h"
#include "regs/copy_engine.h"
#include "regs/fuses.h"
#include "regs/hostctl.h"
#include "regs/plic.h"
#include "regs/sysctl.h"
#include "regs/watchdog.h"
#include "rom/console.h"
#include "rom/copy_engine.h"
#include "rom/image.h"
#include "rom/policy.h"
#include "rom/recovery.h"
#include "rom/slots.h"

#define SOURCES \
  (1u << RDU_IRQ_CRYPTO | 1u << RDU_IRQ_FLASH_CTL | 1u << RDU_IRQ_COPY_ENGINE | 1u << RDU_IRQ_HOSTCTL)

const uint64_t rom_ram_size_register = RDU_BASE_SYSCTL + RDU_SYSCTL_RAM_SIZE; /* for start.S */
const uint64_t rom_ram_base = RDU_BASE_RAM;
const uint64_t rom_entry_register = RDU_BASE_SYSCTL + RDU_SYSCTL_SCRATCH(2);

_Noreturn void rom_main(void);
_Noreturn void rom_trap(uint64_t cause, uint64_t pc, uint64_t value);
_Noreturn void rom_enter(uint64_t entry);

static uint32_t sysctl(uint32_t offset) {
  return mmio_read32(RDU_BASE_SYSCTL + offset);
}

_Noreturn void rom_trap(uint64_t cause, uint64_t pc, uint64_t value) {
  uart_puts("rom: trap, mcause 0x");
  put_hex(cause, 16);
  uart_puts(" mepc 0x");
  put_hex(pc, 16);
  uart_puts(" mtval 0x");
  put_hex(value, 16);
  uart_puts("\nrom: boot failed: unexpected trap\n");
  set_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED, RDU_BOOT_PANIC);
  cpu_halt();
}

/* --- interrupts: they wake the core and are never taken --- */

static void interrupts_init(void) {
  /* Whatever ran before a restart of the core may have left these on. */
  host_write(RDU_HOSTCTL_IRQ_ENABLE, 0);
  mmio_write32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE, 0);
  plic_init(SOURCES);
  /* What was claimed when the core was restarted. */
  for (uint32_t source = 1; source < RDU_PLIC_PRIORITY_COUNT; ++source)
    if (SOURCES >> source & 1) plic_complete(source);
  clint_set_timer_ns(UINT64_MAX);
  cpu_wake_on(MIE_EXTERNAL | MIE_TIMER);
}

/* Whoever waits looks at its own device; the line stays up until then, so nothing is claimed in a loop. */
void hal_idle(void) {
  cpu_wait();
  const uint32_t source = plic_claim();
  if (source != 0) plic_complete(source);
}

static void interrupts_end(void) {
  plic_init(0);
  cpu_wake_on(0);
}

/* --- starting an image --- */

/* Copies and clears in double words where it can: this is most of what the ROM spends its time with. */
static void load_segment(const struct elf_segment* segment) {
  uint8_t* const to = (uint8_t*)segment->address;
  uint64_t n = 0;
  if (((uint64_t)to | (uint64_t)segment->contents) % 8 == 0)
    for (; n + 8 <= segment->file_bytes; n += 8)
      *(uint64_t*)(to + n) = *(const uint64_t*)(segment->contents + n);
  for (; n < segment->file_bytes; ++n) to[n] = segment->contents[n];
  for (; n < segment->bytes && (uint64_t)(to + n) % 8; ++n) to[n] = 0;
  for (; n + 8 <= segment->bytes; n += 8) *(uint64_t*)(to + n) = 0;
  for (; n < segment->bytes; ++n) to[n] = 0;
}

_Noreturn static void start(const struct image* image, uint32_t source) {
  struct elf_segment segment;
  for (uint32_t n = 0; n < image->elf.header_count; ++n)
    if (elf_segment(&image->elf, n, &segment)) load_segment(&segment);
  mmio_write32(RDU_BASE_FUSES + RDU_FUSES_LOCK, RDU_FUSES_LOCK_ROLLBACK_MASK);
  host_write(RDU_HOSTCTL_BOOT,
             FIELD(RDU_HOSTCTL_BOOT_SOURCE, source) | FIELD(RDU_HOSTCTL_BOOT_AUTHENTIC, image->authentic));
  if (!image->authentic)
    uart_puts(
        "rom: warning: this firmware is not signed with the chip's key; the fuses allow it (development)\n");
  uart_puts("rom: starting ");
  for (uint32_t n = 0; n < sizeof image->header.name && image->header.name[n]; ++n) {
    const char c = image->header.name[n];
    uart_put(c >= ' ' && c <= '~' ? c : '?');
  }
  uart_puts(" ");
  put_version(image->header.version);
  uart_puts(source == RDU_HOSTCTL_BOOT_SOURCE_RECOVERY ? " from the host"
            : source == RDU_HOSTCTL_BOOT_SOURCE_SLOT0  ? " from slot 0"
                                                       : " from slot 1");
  uart_puts(", entry 0x");
  put_hex(image->elf.entry, 8);
  uart_puts("\n");
  interrupts_end();
  rom_enter(image->elf.entry);
}

/* --- slots --- */

/* One more boot that may not end well. It must be in the flash before the image runs. */
static void count_attempt(uint32_t slot, const struct rdu_slot_state* state) {
  const uint32_t attempts = slot_next_attempt(state);
  flash_program(RDU_FLASH_STATE(slot) + offsetof(struct rdu_slot_state, attempts), &attempts,
                sizeof attempts);
  if (flash_wait() != 0) uart_puts("rom: warning: the flash does not take the count of boots\n");
}

/* It has a second to see to the watchdog (its reset value), awake or asleep; else the core is restarted, and
 * that was an attempt. */
static void watch(void) {
  mmio_write32(RDU_BASE_WATCHDOG + RDU_WATCHDOG_CTRL,
               RDU_WATCHDOG_CTRL_ENABLE_MASK | RDU_WATCHDOG_CTRL_IN_SLEEP_MASK);
}

/* Older images are refused from now on: only for one that is known to be good, or there might be none left.
 */
static void raise_rollback(struct image_policy* policy, uint32_t rollback) {
  if (rollback <= policy->rollback) return;
  uart_puts("rom: fuses: firmware below rollback version ");
  put_decimal(rollback);
  uart_puts(" is refused from now on\n");
  mmio_write32(RDU_BASE_FUSES + RDU_FUSES_ROLLBACK(RDU_IMAGE_FIRMWARE), rollback);
}

static uint32_t check_slot(const struct image_policy* policy, const struct rdu_slot_state* state,
                           uint32_t slot, struct image* image) {
  const uint32_t flash = flash_bytes();
  if (!slot_is_good(state) && slot_attempts(state) >= RDU_SLOT_ATTEMPTS) return RDU_BOOT_ATTEMPTS;
  return image_check(policy, flash_at(RDU_FLASH_SLOT(slot, flash)), RDU_FLASH_SLOT_BYTES(flash), image);
}

/* Returns only if the slot must not be started: why. */
static uint32_t try_slot(struct image_policy* policy, const struct rdu_slot_state* state, uint32_t slot) {
  struct image image;
  const uint32_t error = check_slot(policy, state, slot, &image);
  if (error != RDU_BOOT_OK) {
    host_write(RDU_HOSTCTL_SLOT(slot), FIELD(RDU_HOSTCTL_SLOT_STATE, RDU_HOSTCTL_SLOT_STATE_REFUSED) |
                                           FIELD(RDU_HOSTCTL_SLOT_ERROR, error));
    uart_puts("rom: slot ");
    put_decimal(slot);
    uart_puts(": ");
    uart_puts(error == RDU_BOOT_NO_IMAGE ? "empty" : rdu_boot_text(error));
    uart_puts("\n");
    return error;
  }
  if (image.authentic) {
    if (slot_is_good(state)) {
      raise_rollback(policy, image.header.rollback);
    } else {
      count_attempt(slot, state);
      watch();
    }
  }
  const uint32_t flash = flash_bytes();
  flash_protect(0, RDU_FLASH_SLOT(slot, flash), RDU_FLASH_SLOT_BYTES(flash));
  host_write(RDU_HOSTCTL_SLOT(slot), FIELD(RDU_HOSTCTL_SLOT_STATE, RDU_HOSTCTL_SLOT_STATE_BOOTED));
  start(&image, slot == 0 ? RDU_HOSTCTL_BOOT_SOURCE_SLOT0 : RDU_HOSTCTL_BOOT_SOURCE_SLOT1);
}

/* Returns only if no slot can be started: why not the one that has an image, of two the one that was to be
 * first. */
static uint32_t try_slots(struct image_policy* policy) {
  struct rdu_slot_state states[RDU_FLASH_SLOTS];
  uint32_t versions[RDU_FLASH_SLOTS];
  const uint32_t flash = flash_bytes();
  for (uint32_t n = 0; n < RDU_FLASH_SLOTS; ++n) {
    struct rdu_image_header header;
    memcpy(&states[n], flash_at(RDU_FLASH_STATE(n)), sizeof states[n]);
    const bool has_header =
        image_header(flash_at(RDU_FLASH_SLOT(n, flash)), RDU_FLASH_SLOT_BYTES(flash), &header) == RDU_BOOT_OK;
    versions[n] = has_header ? header.version : 0;
  }
  const uint32_t first = slots_first(states, versions);
  const uint32_t error = try_slot(policy, &states[first], first);
  const uint32_t second_error = try_slot(policy, &states[!first], !first);
  return error == RDU_BOOT_NO_IMAGE ? second_error : error;
}

_Noreturn void rom_main(void) {
  const uint32_t id = sysctl(RDU_SYSCTL_CHIP_ID);
  set_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_ROM, RDU_BOOT_OK);
  uart_puts("rom: RDU-VP boot ROM, part ");
  put_hex(FIELD_GET(id, RDU_SYSCTL_CHIP_ID_PART), 4);
  uart_puts(" rev ");
  put_hex(FIELD_GET(id, RDU_SYSCTL_CHIP_ID_REVISION),
          FIELD_GET(id, RDU_SYSCTL_CHIP_ID_REVISION) > 0xf ? 2 : 1);
  uart_puts("\n");
  host_write(RDU_HOSTCTL_BOOT, 0);
  host_write(RDU_HOSTCTL_RECOVERY_STATUS, 0);
  for (uint32_t n = 0; n < RDU_FLASH_SLOTS; ++n) host_write(RDU_HOSTCTL_SLOT(n), 0);
  interrupts_init();

  copy_stop_all();
  struct image_policy policy;
  policy_read(&policy);
  while (flash_busy()) hal_idle(); /* what was begun before a restart ends first */
  const uint32_t reason = try_slots(&policy);

  struct image image;
  recovery_receive(&policy, reason, &image);
  start(&image, RDU_HOSTCTL_BOOT_SOURCE_RECOVERY);
}
