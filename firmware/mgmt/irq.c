#include "mgmt/irq.h"

#include "hal/clint.h"
#include "hal/cpu.h"
#include "hal/crypto.h"
#include "hal/plic.h"
#include "mgmt/chip.h"
#include "mgmt/copy_engine.h"
#include "mgmt/host.h"
#include "mgmt/link.h"
#include "mgmt/memory.h"
#include "mgmt/sequencer.h"
#include "mgmt/telemetry.h"
#include "mgmt/update.h"
#include "mgmt/watchdog.h"
#include "rdu_abi.h"
#include "regs/address_map.h"

void irq_init(void) {
  uint32_t sources = 1u << RDU_IRQ_HOSTCTL | 1u << RDU_IRQ_COPY_ENGINE | 1u << RDU_IRQ_HBM_CTL |
                     1u << RDU_IRQ_DDR_CTL | 1u << RDU_IRQ_CRYPTO | 1u << RDU_IRQ_FLASH_CTL |
                     1u << RDU_IRQ_SENSORS | 1u << RDU_IRQ_WATCHDOG | 1u << RDU_IRQ_LINK_CTL;
  for (uint32_t tile = 0; tile < chip.tiles; ++tile) sources |= 1u << (RDU_IRQ_SEQUENCER0 + tile);
  plic_init(sources);
  clint_set_timer_ns(UINT64_MAX);
  cpu_wake_on(MIE_EXTERNAL);
}

static void dispatch(uint32_t source) {
  switch (source) {
    case RDU_IRQ_HOSTCTL:
      host_interrupt();
      break;
    case RDU_IRQ_COPY_ENGINE:
      copy_engine_interrupt();
      break;
    case RDU_IRQ_SEQUENCER0:
    case RDU_IRQ_SEQUENCER1:
    case RDU_IRQ_SEQUENCER2:
    case RDU_IRQ_SEQUENCER3:
      sequencer_interrupt(source - RDU_IRQ_SEQUENCER0);
      break;
    case RDU_IRQ_HBM_CTL:
      memory_interrupt(RDU_SEGMENT_HBM);
      break;
    case RDU_IRQ_DDR_CTL:
      memory_interrupt(RDU_SEGMENT_DDR);
      break;
    case RDU_IRQ_SENSORS:
      telemetry_interrupt();
      break;
    case RDU_IRQ_WATCHDOG:
      watchdog_interrupt();
      break;
    case RDU_IRQ_LINK_CTL:
      link_interrupt();
      break;
    case RDU_IRQ_CRYPTO:
      crypto_interrupt();
      break;
    case RDU_IRQ_FLASH_CTL:
      update_interrupt();
      break;
    default:
      break; /* not enabled */
  }
}

void hal_idle(void) {
  watchdog_wait();
  irq_service();
}

bool irq_service(void) {
  bool any = false;
  for (uint32_t source; (source = plic_claim()) != 0; any = true) {
    dispatch(source);
    plic_complete(source);
  }
  return any;
}
