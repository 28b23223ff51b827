#include "mgmt/update.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "hal/cpu.h"
#include "hal/flash.h"
#include "hal/mmio.h"
#include "mgmt/admin.h"
#include "mgmt/dma.h"
#include "mgmt/host.h"
#include "mgmt/log.h"
#include "rdu_image.h"
#include "regs/address_map.h"
#include "regs/fuses.h"
#include "regs/hostctl.h"
#include "rom/image.h"
#include "rom/policy.h"
#include "rom/slots.h"

/* What goes into the flash: an erased sector, if any, then pages from `data`. */
struct write {
  uint32_t erase[2]; /* sectors by offset */
  uint32_t erases;
  uint32_t at; /* bytes go there, page by page; pages that stay all ones are left out */
  uint32_t bytes;
};

static struct {
  enum { IDLE, FETCHING, WRITING } step;
  bool for_host; /* ends with a completion */
  struct write write;
  uint32_t written;
  struct dma_job fetch;
  union {
    uint8_t sector[RDU_FLASH_SECTOR];
    struct rdu_slot_state state;
  } data;
} job;

static uint32_t slot_at(uint32_t slot) {
  return RDU_FLASH_SLOT(slot, flash_bytes());
}
static uint32_t slot_bytes(void) {
  return RDU_FLASH_SLOT_BYTES(flash_bytes());
}

/* The slot that runs, or RDU_FLASH_SLOTS if the image came from the host. */
static uint32_t running_slot(void) {
  const uint32_t boot = mmio_read32(RDU_BASE_HOSTCTL + RDU_HOSTCTL_BOOT);
  switch (FIELD_GET(boot, RDU_HOSTCTL_BOOT_SOURCE)) {
    case RDU_HOSTCTL_BOOT_SOURCE_SLOT0:
      return 0;
    case RDU_HOSTCTL_BOOT_SOURCE_SLOT1:
      return 1;
    default:
      return RDU_FLASH_SLOTS;
  }
}

static void read_state(uint32_t slot, struct rdu_slot_state* state) {
  memcpy(state, flash_at(RDU_FLASH_STATE(slot)), sizeof *state);
}

/* --- the flash's part of a job, operation by operation --- */

static void end(uint32_t status, uint32_t value) {
  const bool answer = job.for_host && host_serving();
  job.step = IDLE;
  job.for_host = false;
  if (answer) admin_finish(status, value);
}

static bool blank(const uint8_t* bytes, uint32_t count) {
  for (uint32_t n = 0; n < count; ++n)
    if (bytes[n] != 0xff) return false;
  return true;
}

/* Begins the next operation, or ends the job. */
static void next(void) {
  struct write* const w = &job.write;
  if (w->erases > 0) {
    flash_erase(w->erase[--w->erases]);
    return;
  }
  while (job.written < w->bytes) {
    const uint8_t* const from = job.data.sector + job.written;
    const uint32_t at = w->at + job.written;
    const uint32_t left = w->bytes - job.written;
    const uint32_t part = left < FLASH_PAGE ? left : FLASH_PAGE;
    job.written += part;
    if (blank(from, part)) continue;
    flash_program(at, from, part);
    return;
  }
  end(RDU_STATUS_OK, 0);
}

static void write(const struct write* what) {
  job.step = WRITING;
  job.write = *what;
  job.written = 0;
  next();
}

void update_interrupt(void) {
  if (flash_busy()) return;
  const uint32_t error = flash_end();
  if (job.step != WRITING) return; /* left over */
  if (error != 0) {
    log_error("flash: operation refused, error %" PRIu32, error);
    end(RDU_STATUS_FLASH, error);
  } else {
    next();
  }
}

/* Nothing of an earlier job, dropped or not, is under way. */
static void settle(void) {
  while (job.step == WRITING || flash_busy()) hal_idle();
}

static void fetched(struct dma_job* dma, const struct engine_result* result);

void update_init(void) {
  if (job.step == WRITING) {
    job.for_host = false; /* what the flash was given it ends; nobody is told */
  } else {
    job.step = IDLE;
  }
  job.fetch = (struct dma_job){.done = fetched};
}

void update_confirm(void) {
  const uint32_t slot = running_slot();
  struct rdu_slot_state state;
  if (slot >= RDU_FLASH_SLOTS) return;
  read_state(slot, &state);
  if (slot_is_good(&state)) return;
  settle();
  if (state.rank == UINT32_MAX) state.rank = 1; /* a slot that is only written comes after it */
  state.good = RDU_SLOT_GOOD;
  job.data.state = state;
  log_info("slot %" PRIu32 " is known to be good", slot);
  const struct write mark = {.at = RDU_FLASH_STATE(slot), .bytes = sizeof state};
  write(&mark);
}

/* --- RDU_ADMIN_FW_WRITE --- */

void update_write(const struct rdu_sqe* sqe) {
  const uint64_t slot = sqe->arg[0], offset = sqe->arg[1], bus = sqe->arg[2], bytes = sqe->arg[3];
  if (slot >= RDU_FLASH_SLOTS || offset % RDU_FLASH_SECTOR != 0 || bytes == 0 || bytes > RDU_FLASH_SECTOR ||
      offset >= slot_bytes() || !dma_addressable(bus, bytes)) {
    admin_finish(RDU_STATUS_BAD_ARGUMENT, 0);
    return;
  }
  if (slot == running_slot()) {
    admin_finish(RDU_STATUS_IN_USE, slot);
    return;
  }
  settle();
  job.step = FETCHING;
  job.for_host = true;
  job.write = (struct write){.at = slot_at((uint32_t)slot) + (uint32_t)offset, .bytes = (uint32_t)bytes};
  job.write.erase[job.write.erases++] = job.write.at;
  /* A slot whose image is incomplete has no history: its state goes first. */
  if (offset == 0) job.write.erase[job.write.erases++] = RDU_FLASH_STATE((uint32_t)slot);
  job.fetch.dst = dma_ram(job.data.sector);
  job.fetch.src = dma_host(bus);
  job.fetch.bytes = bytes;
  dma_submit(&job.fetch);
}

static void fetched(struct dma_job* dma, const struct engine_result* result) {
  (void)dma;
  if (job.step != FETCHING || !host_serving()) return;
  if (result->status != RDU_STATUS_OK) {
    end(result->status, (uint32_t)result->value);
    return;
  }
  const struct write w = job.write;
  write(&w);
}

/* --- RDU_ADMIN_FW_ACTIVATE --- */

/* Ranks above the other slot, with all its attempts again. Bits that are cleared come back only with the
 * whole sector. */
static void activate(uint32_t slot) {
  struct rdu_slot_state state, other;
  read_state(slot, &state);
  read_state(!slot, &other);
  const uint32_t rank = slot_rank(&other) + 1;
  const bool used_up = !slot_is_good(&state) && slot_attempts(&state) > 0;
  job.for_host = true;
  if (slot_rank(&state) >= rank && !used_up) {
    end(RDU_STATUS_OK, 0);
    return;
  }
  struct write w = {.at = RDU_FLASH_STATE(slot), .bytes = sizeof state};
  if (state.rank != UINT32_MAX || used_up) w.erase[w.erases++] = RDU_FLASH_STATE(slot);
  state.rank = rank;
  state.attempts = UINT32_MAX;
  job.data.state = state;
  write(&w);
}

/* The chip would refuse it at the next boot: better now. */
static uint32_t check(uint32_t slot, struct image* image) {
  struct image_policy policy;
  policy_read(&policy);
  return image_check(&policy, flash_at(slot_at(slot)), slot_bytes(), image);
}

void update_activate(const struct rdu_sqe* sqe) {
  struct image image;
  if (sqe->arg[0] >= RDU_FLASH_SLOTS) {
    admin_finish(RDU_STATUS_BAD_ARGUMENT, 0);
    return;
  }
  const uint32_t slot = (uint32_t)sqe->arg[0];
  settle();
  const uint32_t error = check(slot, &image);
  if (error != RDU_BOOT_OK) {
    admin_finish(RDU_STATUS_BAD_IMAGE, error);
    return;
  }
  log_info("slot %" PRIu32 " boots next: version %" PRIu32 ".%" PRIu32 ".%" PRIu32, slot,
           FIELD_GET(image.header.version, RDU_HOSTCTL_FW_VERSION_MAJOR),
           FIELD_GET(image.header.version, RDU_HOSTCTL_FW_VERSION_MINOR),
           FIELD_GET(image.header.version, RDU_HOSTCTL_FW_VERSION_PATCH));
  activate(slot);
}

/* --- RDU_LOG_FIRMWARE --- */

static void read_slot(uint32_t slot, struct rdu_log_slot* entry) {
  struct rdu_image_header header;
  struct rdu_slot_state state;
  read_state(slot, &state);
  entry->boot = mmio_read32(RDU_BASE_HOSTCTL + RDU_HOSTCTL_SLOT(slot));
  entry->rank = slot_rank(&state);
  entry->good = slot_is_good(&state);
  entry->attempts = slot_attempts(&state);
  entry->error = image_header(flash_at(slot_at(slot)), slot_bytes(), &header);
  if (entry->error != RDU_BOOT_OK) return;
  entry->version = header.version;
  entry->rollback = header.rollback;
  entry->bytes = (uint32_t)image_bytes(&header);
  entry->is_signed = (header.flags & RDU_IMAGE_FLAG_SIGNED) != 0;
  memcpy(entry->name, header.name, sizeof entry->name - 1);
}

void update_read(struct rdu_log_firmware* page) {
  struct image_policy policy;
  memset(page, 0, sizeof *page);
  policy_read(&policy);
  page->serial = mmio_read64(RDU_BASE_FUSES + RDU_FUSES_SERIAL);
  page->secure_boot = policy.signature_required;
  page->rollback = policy.rollback;
  page->boot = mmio_read32(RDU_BASE_HOSTCTL + RDU_HOSTCTL_BOOT);
  page->slot_bytes = slot_bytes();
  memcpy(page->key, policy.key, sizeof page->key);
  for (uint32_t n = 0; n < RDU_FLASH_SLOTS; ++n) read_slot(n, &page->slots[n]);
}
