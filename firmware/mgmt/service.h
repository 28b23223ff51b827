#ifndef RDU_FW_SERVICE_H
#define RDU_FW_SERVICE_H

#include <stdbool.h>

#include "mgmt/command.h"
#include "mgmt/host.h"
#include "mgmt/irq.h"
#include "mgmt/restart.h"

/* Does everything that can be done now. Afterwards only an interrupt can bring more, so the core may sleep.
 */
static inline void service(void) {
  bool worked;
  do {
    worked = irq_service();
    worked |= host_service();
    worked |= command_service();
    worked |= restart_service();
  } while (worked);
}

#endif
