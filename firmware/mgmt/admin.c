#include "mgmt/admin.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hal/clint.h"
#include "hal/mmio.h"
#include "mgmt/chip.h"
#include "mgmt/command.h"
#include "mgmt/context.h"
#include "mgmt/dma.h"
#include "mgmt/event.h"
#include "mgmt/host.h"
#include "mgmt/log.h"
#include "mgmt/log_page.h"
#include "mgmt/memory.h"
#include "mgmt/panic.h"
#include "mgmt/telemetry.h"
#include "mgmt/update.h"
#include "mgmt/version.h"
#include "regs/address_map.h"
#include "regs/hostif.h"

#define MAX_ENTRIES FIELD_GET(RDU_HOSTIF_CAP_RESET, RDU_HOSTIF_CAP_MAX_ENTRIES)
#define VECTORS FIELD_GET(RDU_HOSTIF_CAP_RESET, RDU_HOSTIF_CAP_VECTORS)
#define PAGE_BYTES 4096u

/* The command that runs. */
static struct {
  struct rdu_sqe sqe;
  uint64_t start_ns;
  struct queue* closing;  /* DELETE_QUEUE: waits until it is idle */
  uint32_t context;       /* CREATE_CONTEXT: the new one, whose memory is being cleared; else 0, */
  uint32_t piece;         /* which piece of it, */
  bool clearing;          /* and whether that has begun */
  uint64_t page_bytes;    /* READ_LOG: size of the page, */
  uint64_t sent, to_send; /* and how much of what the host wants has gone */
  struct dma_job transfer;
  union {
    struct rdu_identify identify;
    uint8_t page[LOG_PAGE_CHUNK];
  } buffer;
} now;

void admin_finish(uint32_t status, uint64_t value) {
  const struct engine_result result = {
      .status = status, .value = value, .start_ns = now.start_ns, .end_ns = clint_now_ns()};
  if (status != RDU_STATUS_OK)
    log_debug("admin command 0x%02x ended with status 0x%" PRIx32, now.sqe.opcode, status);
  queue_complete(&queues[0], &result);
}

static void send(uint64_t bus, uint64_t bytes) {
  now.transfer.dst = dma_host(bus);
  now.transfer.src = dma_ram(&now.buffer);
  now.transfer.bytes = bytes;
  now.transfer.tag = queue_tag(0, queues[0].begun - 1);
  dma_submit(&now.transfer);
}

/* --- IDENTIFY --- */

static void identify(void) {
  struct rdu_identify* const id = &now.buffer.identify;
  if (!dma_addressable(now.sqe.arg[0], sizeof *id)) {
    admin_finish(RDU_STATUS_BAD_ARGUMENT, 0);
    return;
  }
  memset(id, 0, sizeof *id);
  id->abi_version = RDU_ABI_VERSION;
  id->fw_version = FW_VERSION;
  id->hbm_bytes = chip.hbm.bytes;
  id->ddr_bytes = chip.ddr.bytes;
  id->hbm_bandwidth = chip.hbm.bandwidth;
  id->ddr_bandwidth = chip.ddr.bandwidth;
  id->tiles = chip.tiles;
  id->rows = chip.rows;
  id->columns = chip.columns;
  id->agcus = chip.agcus;
  id->queue_pairs = QUEUE_COUNT;
  id->contexts = RDU_MAX_CONTEXTS;
  snprintf(id->model, sizeof id->model, "RDU-VP %04" PRIx32 " rev %" PRIx32, chip.part, chip.revision);
  snprintf(id->firmware, sizeof id->firmware, "RDU-VP management %s", FW_VERSION_TEXT);
  send(now.sqe.arg[0], sizeof *id);
}

/* --- contexts --- */

static void clear_memory(void) {
  uint64_t address, bytes = 0;
  while (now.piece < CONTEXT_PIECES && (bytes = context_piece(now.context, now.piece, &address)) == 0)
    ++now.piece;
  if (now.piece < CONTEXT_PIECES) {
    now.clearing = command_clear(address, bytes);
    return;
  }
  const uint32_t id = now.context;
  now.context = 0;
  context_open(id);
  admin_finish(RDU_STATUS_OK, id);
}

static void give_up_context(uint32_t status) {
  context_delete(now.context);
  now.context = 0;
  admin_finish(status, 0);
}

void admin_cleared(const struct engine_result* result) {
  now.clearing = false;
  if (!host_serving()) return; /* its contexts go with the host */
  ++now.piece;
  if (result->status == RDU_STATUS_OK)
    clear_memory();
  else
    give_up_context(result->status);
}

void admin_abort(void) {
  if (now.context != 0 && !now.clearing) give_up_context(RDU_STATUS_ABORTED);
}

static void create_context(void) {
  const uint64_t* const arg = now.sqe.arg;
  const struct context_request request = {
      .hbm_bytes = arg[0], .ddr_bytes = arg[1], .host_bytes = arg[2], .host_table = arg[3], .owner = arg[4]};
  const uint32_t status = context_reserve(&request, &now.context);
  now.piece = 0;
  if (status == RDU_STATUS_OK)
    clear_memory();
  else
    admin_finish(status, 0);
}

static void delete_context(void) {
  const uint32_t id = now.sqe.context;
  if (!context_exists(id)) {
    admin_finish(RDU_STATUS_BAD_CONTEXT, 0);
    return;
  }
  for (uint32_t n = 1; n < QUEUE_COUNT; ++n) {
    if (queues[n].exists && queues[n].shape.context == id) {
      admin_finish(RDU_STATUS_IN_USE, n);
      return;
    }
  }
  context_delete(id);
  admin_finish(RDU_STATUS_OK, 0);
}

/* --- queues --- */

static uint32_t check_queue(uint32_t* id, struct queue_shape* shape) {
  const uint64_t* const arg = now.sqe.arg;
  if (arg[0] < 1 || arg[0] >= QUEUE_COUNT) return RDU_STATUS_BAD_QUEUE;
  if (queues[arg[0]].exists) return RDU_STATUS_IN_USE;
  if (!context_exists(now.sqe.context)) return RDU_STATUS_BAD_CONTEXT;
  if (arg[3] < 2 || arg[3] > MAX_ENTRIES || (arg[3] & (arg[3] - 1)) != 0) return RDU_STATUS_BAD_ARGUMENT;
  if (arg[4] >= VECTORS) return RDU_STATUS_BAD_ARGUMENT;
  if ((arg[1] | arg[2]) % PAGE_BYTES != 0) return RDU_STATUS_BAD_ARGUMENT;
  if (!dma_addressable(arg[1], arg[3] * sizeof(struct rdu_sqe)) ||
      !dma_addressable(arg[2], arg[3] * sizeof(struct rdu_cqe)))
    return RDU_STATUS_BAD_ARGUMENT;
  *id = (uint32_t)arg[0];
  *shape = (struct queue_shape){.sq = arg[1],
                                .cq = arg[2],
                                .sq_entries = (uint32_t)arg[3],
                                .cq_entries = (uint32_t)arg[3],
                                .vector = (uint32_t)arg[4],
                                .context = now.sqe.context};
  return RDU_STATUS_OK;
}

static void create_queue(void) {
  uint32_t id;
  struct queue_shape shape;
  const uint32_t status = check_queue(&id, &shape);
  if (status == RDU_STATUS_OK) {
    queue_create(id, &shape);
    event_open(&queues[id]);
    log_debug("queue %" PRIu32 ": %" PRIu32 " entries, context %" PRIu32, id, shape.sq_entries,
              shape.context);
  }
  admin_finish(status, 0);
}

static void delete_queue(void) {
  const uint64_t id = now.sqe.arg[0];
  if (id < 1 || id >= QUEUE_COUNT || !queues[id].exists) {
    admin_finish(RDU_STATUS_BAD_QUEUE, 0);
    return;
  }
  now.closing = &queues[id];
  queue_close(now.closing);
  command_abort(now.closing);
}

bool admin_service(void) {
  if (now.context != 0 && !now.clearing) { /* waits for a channel */
    clear_memory();
    return now.clearing;
  }
  if (!now.closing || !queue_idle(now.closing)) return false;
  queue_destroy(now.closing);
  now.closing = NULL;
  admin_finish(RDU_STATUS_OK, 0);
  return true;
}

/* --- sensors, and errors on demand --- */

static void set_threshold(void) {
  admin_finish(telemetry_set_threshold(now.sqe.arg[0], now.sqe.arg[1], (int64_t)now.sqe.arg[2]), 0);
}

_Noreturn static void hang(void) {
  for (volatile bool for_ever = true;;)
    if (!for_ever) panic("time has ended");
}

static void inject(void) {
  const uint64_t kind = now.sqe.arg[0];
  log_warning("the host injects an error, kind %" PRIu64, kind);
  switch (kind) {
    case RDU_INJECT_ECC_CORRECTABLE:
    case RDU_INJECT_ECC_UNCORRECTABLE:
      admin_finish(memory_inject(kind, now.sqe.arg[1], now.sqe.arg[2]), 0);
      break;
    case RDU_INJECT_TEMPERATURE:
    case RDU_INJECT_NO_TEMPERATURE:
      admin_finish(telemetry_inject(now.sqe.arg[1], kind == RDU_INJECT_TEMPERATURE, (int64_t)now.sqe.arg[2]),
                   0);
      break;
    case RDU_INJECT_PANIC:
      panic("the host has asked for it");
    case RDU_INJECT_HANG:
      hang();
    default:
      admin_finish(RDU_STATUS_BAD_ARGUMENT, 0);
      break;
  }
}

/* --- READ_LOG: a chunk at a time through the buffer --- */

static void send_chunk(void) {
  uint64_t bytes = now.to_send - now.sent;
  if (bytes > LOG_PAGE_CHUNK) bytes = LOG_PAGE_CHUNK;
  log_page_read((uint32_t)now.sqe.arg[0], now.sqe.arg[3] + now.sent, now.buffer.page, (uint32_t)bytes);
  send(now.sqe.arg[1] + now.sent, bytes);
}

static void read_log(void) {
  const uint64_t page = now.sqe.arg[0], bytes = now.sqe.arg[2], offset = now.sqe.arg[3];
  if (!log_page_open(page, &now.page_bytes)) {
    admin_finish(RDU_STATUS_BAD_LOG_PAGE, 0);
    return;
  }
  if (!dma_addressable(now.sqe.arg[1], bytes)) {
    admin_finish(RDU_STATUS_BAD_ARGUMENT, 0);
    return;
  }
  const uint64_t left = offset < now.page_bytes ? now.page_bytes - offset : 0;
  now.sent = 0;
  now.to_send = bytes < left ? bytes : left;
  if (now.to_send == 0)
    admin_finish(RDU_STATUS_OK, now.page_bytes);
  else
    send_chunk();
}

static void sent(struct dma_job* job, const struct engine_result* result) {
  if (!host_serving()) return; /* the host that asked has left */
  host_trace(job->tag);
  if (result->status != RDU_STATUS_OK) {
    admin_finish(result->status, result->value);
  } else if (now.sqe.opcode == RDU_ADMIN_IDENTIFY) {
    admin_finish(RDU_STATUS_OK, 0);
  } else {
    now.sent += job->bytes;
    if (now.sent == now.to_send)
      admin_finish(RDU_STATUS_OK, now.page_bytes);
    else
      send_chunk();
  }
  host_trace(0);
}

void admin_init(void) {
  now.closing = NULL;
  now.context = 0;
  now.clearing = false;
  now.transfer = (struct dma_job){.done = sent};
  update_init();
}

void admin_begin(struct queue* queue, const struct rdu_sqe* sqe) {
  now.sqe = *sqe;
  now.start_ns = clint_now_ns();
  host_trace(queue_tag(0, queue->begun));
  queue_begin(queue);
  switch (sqe->opcode) {
    case RDU_ADMIN_IDENTIFY:
      identify();
      break;
    case RDU_ADMIN_CREATE_CONTEXT:
      create_context();
      break;
    case RDU_ADMIN_DELETE_CONTEXT:
      delete_context();
      break;
    case RDU_ADMIN_CREATE_QUEUE:
      create_queue();
      break;
    case RDU_ADMIN_DELETE_QUEUE:
      delete_queue();
      break;
    case RDU_ADMIN_READ_LOG:
      read_log();
      break;
    case RDU_ADMIN_SET_THRESHOLD:
      set_threshold();
      break;
    case RDU_ADMIN_INJECT:
      inject();
      break;
    case RDU_ADMIN_FW_WRITE:
      update_write(&now.sqe);
      break;
    case RDU_ADMIN_FW_ACTIVATE:
      update_activate(&now.sqe);
      break;
    default:
      admin_finish(RDU_STATUS_BAD_OPCODE, 0);
      break;
  }
  host_trace(0);
}
