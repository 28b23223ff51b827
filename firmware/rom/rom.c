/* Boot ROM: checks the ELF image in flash, loads it into RAM and starts it. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hal/cpu.h"
#include "hal/mmio.h"
#include "hal/uart.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/sysctl.h"
#include "rom/elf_image.h"

#define STACK_BYTES 4096u /* at the top of RAM; an image may not be loaded there */

const uint64_t rom_ram_size_register = RDU_BASE_SYSCTL + RDU_SYSCTL_RAM_SIZE; /* for start.S */
const uint64_t rom_ram_base = RDU_BASE_RAM;

_Noreturn void rom_main(void);
_Noreturn void rom_trap(uint64_t cause, uint64_t pc, uint64_t value);
_Noreturn void rom_enter(uint64_t entry);

static uint32_t sysctl(uint32_t offset) {
  return mmio_read32(RDU_BASE_SYSCTL + offset);
}

static void set_stage(uint32_t stage, uint32_t error) {
  mmio_write32(RDU_BASE_SYSCTL + RDU_SYSCTL_BOOT_STAGE,
               FIELD(RDU_SYSCTL_BOOT_STAGE_STAGE, stage) | FIELD(RDU_SYSCTL_BOOT_STAGE_ERROR, error));
}

static void put_hex(uint64_t value, unsigned digits) {
  for (unsigned n = digits; n-- > 0;) uart_put("0123456789abcdef"[value >> (4 * n) & 0xf]);
}

_Noreturn static void fail(uint32_t error, const char* why) {
  uart_puts("rom: boot failed: ");
  uart_puts(why);
  uart_puts("\n");
  set_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED, error);
  cpu_halt();
}

_Noreturn void rom_trap(uint64_t cause, uint64_t pc, uint64_t value) {
  uart_puts("rom: trap, mcause 0x");
  put_hex(cause, 16);
  uart_puts(" mepc 0x");
  put_hex(pc, 16);
  uart_puts(" mtval 0x");
  put_hex(value, 16);
  uart_puts("\n");
  fail(RDU_BOOT_PANIC, "unexpected trap");
}

/* Copies and clears in double words where it can: this is most of what the ROM spends its time with. */
static void load(const struct elf_segment* segment) {
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

_Noreturn void rom_main(void) {
  const uint32_t id = sysctl(RDU_SYSCTL_CHIP_ID);
  set_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_ROM, RDU_BOOT_OK);
  uart_puts("rom: RDU-VP boot ROM, part ");
  put_hex(FIELD_GET(id, RDU_SYSCTL_CHIP_ID_PART), 4);
  uart_puts(" rev ");
  put_hex(FIELD_GET(id, RDU_SYSCTL_CHIP_ID_REVISION),
          FIELD_GET(id, RDU_SYSCTL_CHIP_ID_REVISION) > 0xf ? 2 : 1);
  uart_puts("\n");

  struct elf_image image;
  const uint32_t error = elf_open(&image, (const uint8_t*)RDU_BASE_FLASH, sysctl(RDU_SYSCTL_FLASH_SIZE),
                                  RDU_BASE_RAM, sysctl(RDU_SYSCTL_RAM_SIZE) - STACK_BYTES);
  if (error == RDU_BOOT_NO_IMAGE) fail(error, "the flash is empty");
  if (error == RDU_BOOT_BAD_IMAGE) fail(error, "the flash holds no complete RISC-V ELF64 executable");
  if (error == RDU_BOOT_BAD_SEGMENT) fail(error, "the image does not fit into RAM");

  struct elf_segment segment;
  for (uint32_t n = 0; n < image.header_count; ++n)
    if (elf_segment(&image, n, &segment)) load(&segment);
  uart_puts("rom: image loaded, entry 0x");
  put_hex(image.entry, 8);
  uart_puts("\n");
  rom_enter(image.entry);
}
