#include "mgmt/host.h"

#include <inttypes.h>

#include "hal/mmio.h"
#include "mgmt/admin.h"
#include "mgmt/chip.h"
#include "mgmt/command.h"
#include "mgmt/context.h"
#include "mgmt/copy_engine.h"
#include "mgmt/event.h"
#include "mgmt/log.h"
#include "mgmt/panic_report.h"
#include "mgmt/queue.h"
#include "mgmt/restart.h"
#include "mgmt/sequencer.h"
#include "mgmt/version.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/hostctl_hal.h"
#include "regs/hostif.h"
#include "regs/sysctl.h"

#define MAX_ENTRIES FIELD_GET(RDU_HOSTIF_CAP_RESET, RDU_HOSTIF_CAP_MAX_ENTRIES)
#define PAGE_BYTES 4096u

static enum { OFF, ON, STOPPING } state;
static bool enable_changed, host_reset; /* events that wait */
static bool broken;                     /* ON, but a queue could not be served */
static bool quiesced;                   /* until a restart of the core */
static uint32_t shutdown;               /* CSTS.SHST */
static uint32_t csts;
static uint32_t traced; /* SYSCTL.TRACE_TAG */

static uint32_t read32(uint32_t offset) {
  return mmio_read32(RDU_BASE_HOSTCTL + offset);
}
static uint64_t read64(uint32_t offset) {
  return mmio_read64(RDU_BASE_HOSTCTL + offset);
}
static void write32(uint32_t offset, uint32_t value) {
  mmio_write32(RDU_BASE_HOSTCTL + offset, value);
}

static void set_csts(uint32_t clear, uint32_t set) {
  csts = (csts & ~clear) | set;
  write32(RDU_HOSTCTL_CSTS, csts);
}

static bool wants_enable(void) {
  return rdu_hostctl_CC_EN_get(RDU_BASE_HOSTCTL);
}

static void set_shutdown(uint32_t progress) {
  shutdown = progress;
  set_csts(RDU_HOSTCTL_CSTS_SHST_MASK, FIELD(RDU_HOSTCTL_CSTS_SHST, progress));
}

void host_init(void) {
  state = OFF;
  enable_changed = host_reset = broken = quiesced = false;
  shutdown = RDU_HOSTCTL_CSTS_SHST_NONE;
  csts = 0;
  traced = ~0u;
  host_trace(0);
  set_csts(0, 0);
  write32(RDU_HOSTCTL_IRQ_ENABLE, 0);
  write32(RDU_HOSTCTL_FW_VERSION, FW_VERSION);
}

void host_start(void) {
  if (chip_restarted() && wants_enable()) {
    log_error("restarted while the host was using the device: its queues are lost, it must disable it first");
    set_csts(0, RDU_HOSTCTL_CSTS_FW_MASK | RDU_HOSTCTL_CSTS_CFS_MASK);
  } else {
    set_csts(0, RDU_HOSTCTL_CSTS_FW_MASK);
  }
  write32(RDU_HOSTCTL_IRQ_ENABLE, RDU_HOSTCTL_IRQ_ENABLE_MASK_MASK);
}

void host_dead(void) {
  set_csts(RDU_HOSTCTL_CSTS_RDY_MASK, RDU_HOSTCTL_CSTS_CFS_MASK);
}

void host_trace(uint32_t tag) {
  if (tag == traced) return;
  traced = tag;
  mmio_write32(RDU_BASE_SYSCTL + RDU_SYSCTL_TRACE_TAG, tag);
}

bool host_serving(void) {
  return state == ON && !broken && !quiesced;
}

void host_quiesce(void) {
  quiesced = true;
}

void host_fatal(const char* what, uint32_t queue, const struct engine_result* result) {
  log_error("queue %" PRIu32 ": %s entries at 0x%" PRIx64 " cannot be moved, status 0x%" PRIx32, queue, what,
            result->value, result->status);
  broken = true;
  set_csts(0, RDU_HOSTCTL_CSTS_CFS_MASK);
}

/* --- mailbox: served at once, in any state --- */

static void mailbox(void) {
  const uint32_t request = read32(RDU_HOSTCTL_MBOX_REQUEST);
  uint32_t answer;
  switch (request & 0xff) {
    case RDU_MBOX_ABI_VERSION:
      answer = RDU_ABI_VERSION;
      break;
    case RDU_MBOX_ECHO:
      answer = request & ~0xffu;
      break;
    case RDU_MBOX_RESTART:
      restart_request(request >> 8);
      answer = 0;
      break;
    case RDU_MBOX_PANIC:
      answer = panic_report_word(request >> 8);
      break;
    default:
      answer = RDU_MBOX_UNKNOWN;
      break;
  }
  write32(RDU_HOSTCTL_MBOX_RESPONSE, answer);
}

static void doorbells(void) {
  const uint32_t rung = read32(RDU_HOSTCTL_SQ_PENDING);
  write32(RDU_HOSTCTL_SQ_PENDING, rung);
  for (uint32_t id = 0; rung >> id; ++id)
    if (rung >> id & 1) queue_doorbell(id);
}

/* What is acknowledged here comes again when it happens again, so registers are read after the
 * acknowledgement. */
void host_interrupt(void) {
  const uint32_t status = read32(RDU_HOSTCTL_IRQ_STATUS);
  write32(RDU_HOSTCTL_IRQ_STATUS, status);
  if (status & RDU_HOSTCTL_IRQ_STATUS_ENABLE_CHANGED_MASK) enable_changed = true;
  if (status & RDU_HOSTCTL_IRQ_STATUS_RESET_MASK) host_reset = true;
  if (status & RDU_HOSTCTL_IRQ_STATUS_MAILBOX_MASK) mailbox();
  if (status & RDU_HOSTCTL_IRQ_STATUS_DOORBELL_MASK) doorbells();
}

/* --- enabling and disabling --- */

static void enable(void) {
  const uint32_t aqa = read32(RDU_HOSTCTL_AQA);
  const struct queue_shape shape = {.sq = read64(RDU_HOSTCTL_ASQ),
                                    .cq = read64(RDU_HOSTCTL_ACQ),
                                    .sq_entries = FIELD_GET(aqa, RDU_HOSTCTL_AQA_ASQS) + 1,
                                    .cq_entries = FIELD_GET(aqa, RDU_HOSTCTL_AQA_ACQS) + 1};
  const uint64_t last = RDU_SIZE_HOST - MAX_ENTRIES * sizeof(struct rdu_sqe);
  if (shape.sq_entries < 2 || shape.sq_entries > MAX_ENTRIES || shape.cq_entries < 2 ||
      shape.cq_entries > MAX_ENTRIES || (shape.sq | shape.cq) % PAGE_BYTES != 0 || shape.sq > last ||
      shape.cq > last) {
    log_error("the host enabled the device with a bad admin queue: %" PRIu32 " entries at 0x%" PRIx64
              ", %" PRIu32 " at 0x%" PRIx64,
              shape.sq_entries, shape.sq, shape.cq_entries, shape.cq);
    set_csts(0, RDU_HOSTCTL_CSTS_CFS_MASK);
    return;
  }
  queue_create(0, &shape);
  state = ON;
  log_info("host enabled the device");
  set_csts(0, RDU_HOSTCTL_CSTS_RDY_MASK);
}

static void drop_everything(void) {
  for (uint32_t id = 0; id < QUEUE_COUNT; ++id)
    if (queues[id].exists) queue_destroy(&queues[id]);
  admin_init();
  context_delete_all();
  copy_engine_init();
  sequencer_init();
  broken = false;
  set_shutdown(RDU_HOSTCTL_CSTS_SHST_NONE);
  log_info(host_reset ? "host has left, its state is dropped" : "host disabled the device");
}

/* --- orderly shutdown: the host says so by CC.SHN, while it leaves the device enabled --- */

static void begin_shutdown(uint32_t how) {
  const bool abrupt = how == RDU_HOSTCTL_CC_SHN_ABRUPT;
  log_info("the host shuts the device down%s", abrupt ? ", abruptly" : "");
  set_shutdown(RDU_HOSTCTL_CSTS_SHST_BUSY);
  for (uint32_t id = 0; id < QUEUE_COUNT; ++id) {
    if (!queues[id].exists) continue;
    if (abrupt)
      queue_close(&queues[id]);
    else
      queue_seal(&queues[id]);
  }
  if (abrupt)
    for (uint32_t id = 0; id < QUEUE_COUNT; ++id) command_abort(&queues[id]);
  else
    event_abort_all(); /* an event may never come */
}

static bool drained(void) {
  for (uint32_t id = 0; id < QUEUE_COUNT; ++id)
    if (queues[id].exists && !queue_drained(&queues[id])) return false;
  return true;
}

/* False when there was nothing to do. */
static bool shutdown_service(void) {
  if (shutdown == RDU_HOSTCTL_CSTS_SHST_BUSY && drained()) {
    log_info("shutdown done");
    set_shutdown(RDU_HOSTCTL_CSTS_SHST_DONE);
    return true;
  }
  if (!enable_changed || host_reset || !wants_enable()) return false;
  const uint32_t how = rdu_hostctl_CC_SHN_get(RDU_BASE_HOSTCTL);
  if (how == RDU_HOSTCTL_CC_SHN_NONE) return false;
  enable_changed = false;
  /* A normal one that takes too long may become abrupt. */
  if (shutdown == RDU_HOSTCTL_CSTS_SHST_NONE ||
      (shutdown == RDU_HOSTCTL_CSTS_SHST_BUSY && how == RDU_HOSTCTL_CC_SHN_ABRUPT))
    begin_shutdown(how);
  return true;
}

/* Disabled (or reset, or enabled anew), in this order: what runs is aborted, what has been aborted is
 * forgotten, the host is told; only then is it enabled again if it wants. */
bool host_service(void) {
  if (state == STOPPING) {
    if (!command_idle()) return false;
    drop_everything();
    state = OFF;
  }
  if (state == ON && !broken && shutdown_service()) return true;
  if (!enable_changed && !host_reset) return false;
  if (state == ON) {
    state = STOPPING;
    command_abort_all();
    return true;
  }
  enable_changed = false;
  set_csts(RDU_HOSTCTL_CSTS_RDY_MASK | RDU_HOSTCTL_CSTS_CFS_MASK, 0);
  if (host_reset) {
    host_reset = false;
    write32(RDU_HOSTCTL_HOST_RESET_DONE, RDU_HOSTCTL_HOST_RESET_DONE_DONE_MASK);
  }
  if (wants_enable()) enable();
  return true;
}
