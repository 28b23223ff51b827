#include "mgmt/copy_engine.h"

#include "hal/cpu.h"
#include "hal/mmio.h"
#include "mgmt/command.h"
#include "mgmt/dma.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/copy_engine.h"

#define REGISTER(name, channel) (RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_CHANNEL_##name(channel))
#define ENDED (RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK | RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK)

struct channel {
  bool busy;
  uint32_t control;            /* what a further write of CONTROL must repeat */
  uint64_t bytes;              /* of the copy that runs, */
  uint64_t from_host, to_host; /* and of these */
};

static struct channel channels[COPY_CHANNELS];
static uint64_t host_read, host_written;

void copy_engine_init(void) {
  mmio_write32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE, (1u << COPY_CHANNELS) - 1);
  for (uint32_t n = 0; n < COPY_CHANNELS; ++n) {
    channels[n] = (struct channel){0};
    if (mmio_read32(REGISTER(STATUS, n)) & RDU_COPY_ENGINE_CHANNEL_STATUS_BUSY_MASK) {
      mmio_write32(REGISTER(CONTROL, n), RDU_COPY_ENGINE_CHANNEL_CONTROL_ABORT_MASK);
      while (mmio_read32(REGISTER(STATUS, n)) & RDU_COPY_ENGINE_CHANNEL_STATUS_BUSY_MASK) hal_idle();
    }
    mmio_write32(REGISTER(STATUS, n), ENDED);
  }
}

static bool in_host_memory(const struct copy* copy, uint64_t address) {
  if (copy->translate) return address >> RDU_SEGMENT_SHIFT == RDU_SEGMENT_HOST;
  return address >= RDU_BASE_HOST && address - RDU_BASE_HOST < RDU_SIZE_HOST;
}

void copy_engine_start(uint32_t channel, const struct copy* copy) {
  struct channel* const c = &channels[channel];
  c->busy = true;
  c->bytes = copy->bytes;
  c->from_host = !copy->zero && in_host_memory(copy, copy->src) ? copy->bytes : 0;
  c->to_host = in_host_memory(copy, copy->dst) ? copy->bytes : 0;
  c->control = FIELD(RDU_COPY_ENGINE_CHANNEL_CONTROL_TRANSLATE, copy->translate) |
               FIELD(RDU_COPY_ENGINE_CHANNEL_CONTROL_ZERO, copy->zero) |
               FIELD(RDU_COPY_ENGINE_CHANNEL_CONTROL_CONTEXT, copy->context);
  cpu_fence();
  mmio_write64(REGISTER(SRC, channel), copy->src);
  mmio_write64(REGISTER(DST, channel), copy->dst);
  mmio_write64(REGISTER(LENGTH, channel), copy->bytes);
  mmio_write32(REGISTER(TAG, channel), copy->tag);
  mmio_write32(REGISTER(CONTROL, channel), c->control | RDU_COPY_ENGINE_CHANNEL_CONTROL_START_MASK);
}

static uint32_t status_of(uint32_t code) {
  switch (code) {
    case RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_NONE:
      return RDU_STATUS_OK;
    case RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_SEGMENT:
      return RDU_STATUS_COPY_SEGMENT;
    case RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_DENIED:
      return RDU_STATUS_COPY_DENIED;
    case RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_ECC:
      return RDU_STATUS_COPY_ECC;
    case RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_ABORTED:
      return RDU_STATUS_ABORTED;
    default:
      return RDU_STATUS_COPY_DECODE;
  }
}

static void report(uint32_t channel, const struct engine_result* result) {
  channels[channel].busy = false;
  cpu_fence();
  if (channel == 0)
    dma_finished(result);
  else
    command_finished(ENGINE_COPY1 + channel - 1, result);
}

static void finish(uint32_t channel) {
  struct channel* const c = &channels[channel];
  const uint32_t status = mmio_read32(REGISTER(STATUS, channel));
  struct engine_result result = {.status = RDU_STATUS_OK};
  if (status & RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK) {
    result.status = status_of(FIELD_GET(status, RDU_COPY_ENGINE_CHANNEL_STATUS_CODE));
    if (result.status == RDU_STATUS_OK)
      result.status = RDU_STATUS_COPY_DECODE; /* an error without a reason */
    if (result.status != RDU_STATUS_ABORTED) result.value = mmio_read64(REGISTER(FAULT_ADDRESS, channel));
  }
  result.start_ns = mmio_read64(REGISTER(START_TIME, channel));
  result.end_ns = mmio_read64(REGISTER(END_TIME, channel));
  mmio_write32(REGISTER(STATUS, channel), ENDED);
  if (!c->busy) return; /* left over from before a restart */
  if (result.status == RDU_STATUS_OK) {
    result.bytes = c->bytes;
    host_read += c->from_host;
    host_written += c->to_host;
  }
  report(channel, &result);
}

void copy_engine_abort(uint32_t channel) {
  static const struct engine_result aborted = {.status = RDU_STATUS_ABORTED};
  const uint32_t alive = RDU_COPY_ENGINE_CHANNEL_STATUS_BUSY_MASK | RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK;
  mmio_write32(REGISTER(CONTROL, channel),
               channels[channel].control | RDU_COPY_ENGINE_CHANNEL_CONTROL_ABORT_MASK);
  if (!(mmio_read32(REGISTER(STATUS, channel)) & alive)) report(channel, &aborted); /* a reset took it away */
}

void copy_engine_interrupt(void) {
  const uint32_t ended = mmio_read32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_STATUS);
  for (uint32_t n = 0; n < COPY_CHANNELS; ++n)
    if (ended >> n & 1) finish(n);
}

bool copy_engine_busy(uint32_t channel, uint64_t* since_ns) {
  if (channels[channel].busy) *since_ns = mmio_read64(REGISTER(START_TIME, channel));
  return channels[channel].busy;
}

uint64_t copy_engine_host_read(void) {
  return host_read;
}
uint64_t copy_engine_host_written(void) {
  return host_written;
}
